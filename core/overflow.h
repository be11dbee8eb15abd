/*
 * The signal stack of a runtime's thread, on which handlers run whatever is left of a task's stack,
 * and the SIGSEGV handler that turns a fault in a stack's guard into a message naming the task. It
 * hands every other fault to the handler that was there before.
 */
#ifndef AIO_CORE_OVERFLOW_H
#define AIO_CORE_OVERFLOW_H

#include <stdbool.h>

struct aio__overflow {
    bool open; /* the thread has its signal stack */
    bool installed;
};

/* Opened and closed on the same thread; without `report` there is the stack only. Returns 0;
 * -ENOMEM; -errno of sigaltstack(2) or sigaction(2). */
int aio__overflow_open(struct aio__overflow *overflow, bool report);

void aio__overflow_close(struct aio__overflow *overflow);

/* In a child of fork(2): nobody else is there. */
void aio__overflow_forked(void);

#endif
