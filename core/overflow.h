/*
 * The SIGSEGV handler that turns a fault in a stack's guard into a message naming the task. It
 * runs on a signal stack of the runtime's thread and hands every other fault to the handler that
 * was there before.
 */
#ifndef AIO_CORE_OVERFLOW_H
#define AIO_CORE_OVERFLOW_H

#include <stdbool.h>

struct aio__overflow {
    bool installed;
};

/* Opened and closed on the same thread. Returns 0; -ENOMEM; -errno of sigaltstack(2) or
 * sigaction(2). */
int aio__overflow_open(struct aio__overflow *overflow);

void aio__overflow_close(struct aio__overflow *overflow);

/* In a child of fork(2): nobody else is there. */
void aio__overflow_forked(void);

#endif
