/*
 * Scenarios that every lock of <aio/sync.h> must pass, whatever its kind; each kind's suite runs
 * them on locks it describes.
 */
#ifndef AIO_TESTS_BEHAVIOUR_SYNC_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_SYNC_SUPPORT_H

#include "tests/behaviour/task_tools.h"

#include <aio/sync.h>
#include <errno.h>

/* Something that is taken and given back. */
struct sync_lock {
    void *object;
    int (*take)(void *object);
    void (*give)(void *object);
    /* Keeps everybody else from taking it, and lets them again. */
    int (*block)(void *object);
    void (*unblock)(void *object);
    int limit; /* how many may have it at once */
};

/* Waiters get it in the order they came, and the one that gave it away and wants it back comes
 * last. */
void sync_check_fifo(const struct sync_lock *lock);

/* A waiter at the head, in the middle or at the tail of the queue is cancelled: the others get
 * their turns, in order. */
void sync_check_cancel(const struct sync_lock *lock);

/* The same with a deadline. */
void sync_check_deadline(const struct sync_lock *lock);

/* A waiter that was given it, and is cancelled or late before it runs, has it. */
void sync_check_granted(const struct sync_lock *lock);

/* What is pending ends the call even where it need not wait, but not in a shield. */
void sync_check_sticky(const struct sync_lock *lock);

/* Where nobody else wants it, taking and giving make no switch and ask nothing of the kernel. */
void sync_check_quick(const struct sync_lock *lock);

/* Many want it, with deadlines and cancellations at random: never more than the limit have it, and
 * in the end it is free. */
void sync_check_hammer(const struct sync_lock *lock);

/* entry, as the first task of a runtime in a process of its own, aborts and says text. */
void sync_check_aborts(int (*entry)(void *arg), const char *text);

/* Lets all that are ready run until they wait, for which nothing is allocated. */
void sync_settle(void);

/* Starts count tasks of the same name that run fn(arg), and lets them run until they wait. */
void sync_start(struct aio_task **tasks, int count, const char *name, int (*fn)(void *arg),
                void *arg);

/* Joins count tasks, each of which must end with result. */
void sync_finish(struct aio_task **tasks, int count, int result);

#endif
