/*
 * The process's signal dispositions, as the files of os/ share them: who has taken which signal,
 * what its disposition was before, and which handlers are at work.
 *
 * A set of signals is a word, with bit n - 1 for signal n.
 */
#ifndef AIO_OS_DISPOSITION_H
#define AIO_OS_DISPOSITION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* The kernel's signals are 1 to 64. */
#define AIO__SIGNALS 64

typedef void aio__signal_handler(int number, siginfo_t *info, void *context);

static inline uint64_t aio__signal_bit(int number)
{
    return UINT64_C(1) << (number - 1);
}

/* Whether it is a signal that a program may have a handler for and go on. */
bool aio__disposition_allowed(int number);

/* Protects the table and what its users keep beside it; handlers never take it, and fork(2) does.
 */
void aio__disposition_lock(void);
void aio__disposition_unlock(void);

/*
 * With the lock held: has this handler called for the set, once more for those it has already.
 * Returns 0; with nothing taken -EBUSY, when another handler has one of them, or -errno of
 * sigaction(2).
 */
int aio__disposition_take(uint64_t set, aio__signal_handler *handler);

/* With the lock held. Returns those that nobody has any more: their former disposition is back. */
uint64_t aio__disposition_give(uint64_t set);

/* From a handler: the former dispositions are back at once, though the set stays taken. */
void aio__disposition_restore(uint64_t set);

/* Every handler is between these two. */
unsigned aio__handler_enter(void);
void aio__handler_leave(unsigned phase);

/* With the lock held: waits until those that are at work now have left. */
void aio__handler_await(void);

/* What the users of the table do in a child of fork(2), whose dispositions are the former ones. */
void aio__shutdown_forked(void);
void aio__signal_forked(void);

#endif
