/*
 * A bell: what a task waits for that has several things going on at once. Whatever happens rings
 * it, and the task looks at everything itself.
 */
#ifndef AIO_NET_BELL_H
#define AIO_NET_BELL_H

#include "core/core.h"

struct aio__bell {
    struct aio__core *core;
    struct aio__wait wait;
    struct aio__timer timer;
    bool rung; /* since the last wait */
};

void aio__bell_init(struct aio__bell *bell, struct aio__core *core, const char *what);

/* On the core's thread, in a task or not. */
void aio__bell_ring(struct aio__bell *bell);

/* Waits until it rings, has rung since the last wait, or the time until_ns has come. Returns 0, or
 * -ECANCELED, -ETIMEDOUT. */
int aio__bell_wait(struct aio__bell *bell, int64_t until_ns);

#endif
