/*
 * Pipes to splice through. A core keeps some empty ones for reuse: to make one of this size and to
 * fault its pages in costs more than to fill it.
 */
#ifndef AIO_CORE_PIPE_H
#define AIO_CORE_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aio__core;

#define AIO__PIPES_KEPT 16

struct aio__pipe {
    int read;
    int write;
    size_t bytes; /* what it holds */
};

struct aio__pipe_pool {
    struct aio__pipe kept[AIO__PIPES_KEPT];
    uint32_t count;
};

/* Takes an empty pipe, whose ends do not block. Returns 0; or -errno of pipe2(2). */
int aio__pipe_take(struct aio__core *core, struct aio__pipe *pipe);

/* Gives it back; to be kept only if it is empty. */
void aio__pipe_give(struct aio__core *core, const struct aio__pipe *pipe, bool empty);

/* Closes those that are kept. */
void aio__pipe_close_all(struct aio__core *core);

#endif
