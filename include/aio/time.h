/*
 * <aio/time.h>: the clock, sleeping, intervals, and ambient deadlines.
 *
 * A deadline bounds everything that waits inside it: I/O, joins, sleeps, also in functions called
 * from there; calls therefore carry no timeout parameter. Deadlines nest, and the nearest wins.
 */
#ifndef AIO_TIME_H
#define AIO_TIME_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/*
 * aio_time_now reads CLOCK_MONOTONIC, see clock_gettime(2).
 *
 * Suspends:  never.
 * Context:   anywhere, any thread.
 * Returns:   nanoseconds.
 */
AIO_API int64_t aio_time_now(void);

/*
 * aio_time_sleep suspends the calling task for at least duration_ns; never less, and later only
 * by what the kernel and the tasks that are ready need. 0 or less yields once.
 *
 * Suspends:  until the time has passed.
 * Context:   a task.
 * Returns:   0; -ECANCELED; -ETIMEDOUT when a deadline came first.
 */
AIO_API int aio_time_sleep(int64_t duration_ns);

/* What becomes of ticks that were missed, because the task was late for them. */
enum aio_interval_policy {
    AIO_INTERVAL_BURST, /* they follow at once, one a call, until the task has caught up */
    AIO_INTERVAL_DELAY, /* the next tick is a whole period after this one was given */
    AIO_INTERVAL_SKIP,  /* they are left out; the next tick is the next one of the old rhythm */
};

/* Ticks at a steady distance, in the caller's frame. Its fields are private. */
struct aio_interval {
    int64_t period_ns;
    int64_t next_ns;
    enum aio_interval_policy policy;
};

/*
 * aio_interval_start begins the rhythm now: the first tick is one period away. There is nothing to
 * be ended.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EINVAL when period_ns is 0 or less, or policy is none of the three.
 */
AIO_API AIO_NODISCARD int aio_interval_start(struct aio_interval *interval, int64_t period_ns,
                                             enum aio_interval_policy policy);

/*
 * aio_interval_wait suspends the calling task until the next tick; never less, and later as
 * aio_time_sleep is. Ticks are points of time: what the task does between two does not shift them.
 * For a tick that is due already it yields once.
 *
 * Suspends:  until the tick.
 * Context:   a task; one at a time for one interval.
 * Returns:   how many further ticks were due by then, the missed ones: 0 when the task is in time;
 *            -ECANCELED; -ETIMEDOUT when a deadline came first: the tick is still to come then.
 */
AIO_API int aio_interval_wait(struct aio_interval *interval);

/* A deadline that is set, in the caller's frame. Its fields are private. */
struct aio_deadline {
    struct aio_deadline *outer;
    void *task;
    int64_t at_ns;
    int64_t nearest_ns;
    bool expired;
};

/*
 * aio_deadline_set bounds every wait of the calling task until aio_deadline_clear: once
 * timeout_ns from now has passed they return -ETIMEDOUT. 0 or less has already passed;
 * AIO_FOREVER never does. An outer deadline that is nearer stays in force. It is noticed when the
 * runtime next reads its clock, which it does once a turn: never early, and late by what the tasks
 * that are ready compute.
 *
 * Suspends:  never.
 * Context:   a task; set and clear in the same task, cleared in the reverse order of setting.
 *            Setting one that is set aborts.
 * Lifetime:  deadline stays in place from set to clear.
 */
AIO_API void aio_deadline_set(struct aio_deadline *deadline, int64_t timeout_ns);

/* aio_deadline_clear ends the deadline that aio_deadline_set began. Clearing twice is harmless. */
AIO_API void aio_deadline_clear(struct aio_deadline *deadline);

/*
 * aio_deadline_expired tells whether it was this deadline that made a call return -ETIMEDOUT, as
 * opposed to the kernel (connect(2), keepalive) or to another deadline further in or out.
 *
 * Suspends:  never.
 * Context:   the task that set it, before or after the clear.
 * Returns:   true once a call has returned -ETIMEDOUT because of it.
 */
AIO_API bool aio_deadline_expired(const struct aio_deadline *deadline);

/*
 * AIO_TIMEOUT(ns) { ... } is the block form. It may be left by return, goto or break; break and
 * continue leave only the block.
 */
#define AIO_TIMEOUT(timeout_ns)                                                                    \
    for (struct aio_deadline AIO_LOCAL(aio_deadline_)                                              \
             __attribute__((cleanup(aio_deadline_clear))),                                         \
         *AIO_LOCAL(aio_deadline_once_) =                                                          \
             (aio_deadline_set(&AIO_LOCAL(aio_deadline_), (timeout_ns)),                           \
              &AIO_LOCAL(aio_deadline_));                                                          \
         AIO_LOCAL(aio_deadline_once_) != NULL; AIO_LOCAL(aio_deadline_once_) = NULL)

AIO_END_DECLS

#endif
