/*
 * <aio/sync.h>: mutex, rwlock, semaphore, condition, notify, barrier, once, waitgroup: what the
 * tasks of one core use to wait for each other.
 *
 * Each is a small struct that you place where you like. Its INIT macro makes it, statically or in
 * an assignment; zero bytes do the same for all but the semaphore and the barrier, which need a
 * number. Nothing allocates, and a call that need not wait makes neither a system call nor a
 * switch, nor does it give way to other tasks. The fields are private.
 *
 * What holds for all of them:
 *
 * - Waiters are served in the order they came. What is released goes to the first waiter at once;
 *   nobody who comes later overtakes.
 * - Every wait ends early with -ECANCELED or -ETIMEDOUT, and then nothing is held and nothing was
 *   taken. If the lock, the permit or the wake-up was given in the same moment, the call returns 0
 *   and the caller has it; the next call that can suspend returns the error. So after 0 release
 *   it, after an error do not.
 * - Cancellation and deadlines are sticky: a waiting call entered with either pending returns the
 *   error even where it need not have waited. The try forms, the releasing and the waking ones
 *   never suspend, never fail for such a reason, and work in a cancelled task.
 * - An object belongs to the core that first uses it: a use from another one aborts. destroy
 *   aborts when the object is held or waited on, and makes it as new, for another core or a later
 *   runtime to use; otherwise an object needs no destroying.
 */
#ifndef AIO_SYNC_H
#define AIO_SYNC_H

#include <aio/base.h>

AIO_BEGIN_DECLS

struct aio_task;
struct aio__core;
struct aio__wait;

/* Waiters, first come first served. Private. */
struct aio__wait_queue {
    struct aio__wait *head;
    struct aio__wait *tail;
};

/* A mutex: held by one task at a time, and released by the same. */
struct aio_mutex {
    struct aio__core *core;
    struct aio__wait_queue queue;
    struct aio_task *holder;
};

#define AIO_MUTEX_INIT                                                                             \
    {                                                                                              \
        NULL, {NULL, NULL}, NULL                                                                   \
    }

/*
 * aio_mutex_lock takes the mutex. It is not recursive: the holder that locks again aborts, and so
 * does a task that returns while it holds a mutex.
 *
 * Suspends:  until the mutex is handed over, in the order of the calls.
 * Context:   a task.
 * Lifetime:  the mutex stays in place while anybody holds it or waits.
 * Returns:   0 with the mutex held; -ECANCELED or -ETIMEDOUT without.
 */
AIO_API AIO_NODISCARD int aio_mutex_lock(struct aio_mutex *mutex);

/*
 * aio_mutex_try takes the mutex if nobody holds it.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0 with the mutex held; -EAGAIN.
 */
AIO_API AIO_NODISCARD int aio_mutex_try(struct aio_mutex *mutex);

/*
 * aio_mutex_unlock hands the mutex to the first waiter, which holds it from now on, or frees it.
 *
 * Suspends:  never.
 * Context:   the task that holds it; another one aborts.
 */
AIO_API void aio_mutex_unlock(struct aio_mutex *mutex);

/*
 * aio_mutex_destroy makes the mutex as new; aborts when it is held.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_mutex_destroy(struct aio_mutex *mutex);

/*
 * A lock for many readers or one writer. Readers and writers stand in one queue: a reader that
 * comes while a writer waits goes behind it, so writers do not starve, nor do readers. A task that
 * reads already must therefore not ask to read again: it could wait for itself.
 */
struct aio_rwlock {
    struct aio__core *core;
    struct aio_task *writer;
    struct aio__wait_queue queue;
    uint32_t readers;
};

#define AIO_RWLOCK_INIT                                                                            \
    {                                                                                              \
        NULL, NULL, {NULL, NULL}, 0                                                                \
    }

/*
 * aio_rwlock_read takes the lock for reading. A writer that asks to read aborts, and so does a
 * task that returns while it holds a rwlock.
 *
 * Suspends:  while a task writes or one that came before waits.
 * Context:   a task.
 * Lifetime:  the lock stays in place while anybody holds it or waits.
 * Returns:   0 with the lock held; -ECANCELED or -ETIMEDOUT without.
 */
AIO_API AIO_NODISCARD int aio_rwlock_read(struct aio_rwlock *rwlock);

/*
 * aio_rwlock_write takes the lock for writing. A writer that asks again aborts.
 *
 * Suspends:  while a task reads or writes or one that came before waits.
 * Context:   a task that does not read: it would wait for itself.
 * Lifetime:  as for aio_rwlock_read.
 * Returns:   0 with the lock held; -ECANCELED or -ETIMEDOUT without.
 */
AIO_API AIO_NODISCARD int aio_rwlock_write(struct aio_rwlock *rwlock);

/*
 * aio_rwlock_try_read takes the lock for reading if that needs no wait.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0 with the lock held; -EAGAIN.
 */
AIO_API AIO_NODISCARD int aio_rwlock_try_read(struct aio_rwlock *rwlock);

/*
 * aio_rwlock_try_write takes the lock for writing if nobody holds it.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0 with the lock held; -EAGAIN.
 */
AIO_API AIO_NODISCARD int aio_rwlock_try_write(struct aio_rwlock *rwlock);

/*
 * aio_rwlock_unlock gives the lock back, as it was taken, and lets in the first waiter; if that
 * reads, all readers up to the next writer.
 *
 * Suspends:  never.
 * Context:   a task that holds the lock; another one aborts. Which tasks read is not recorded: of
 *            those that do not hold this lock while others read it, only such as hold no rwlock at
 *            all are found out.
 */
AIO_API void aio_rwlock_unlock(struct aio_rwlock *rwlock);

/*
 * aio_rwlock_destroy makes the lock as new; aborts when it is held.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_rwlock_destroy(struct aio_rwlock *rwlock);

/*
 * A number of permits, of which a call takes several at once or waits until it can have them all.
 * Who asks for many is not overtaken by those behind who ask for few. Any task may give permits
 * back, also more than there were.
 */
struct aio_semaphore {
    struct aio__core *core;
    struct aio__wait_queue queue;
    uint32_t permits;
};

#define AIO_SEMAPHORE_INIT(permits)                                                                \
    {                                                                                              \
        NULL, {NULL, NULL}, (permits)                                                              \
    }

/*
 * aio_semaphore_acquire takes count permits. Asking for none waits only for those who wait
 * already.
 *
 * Suspends:  until those before the caller have theirs, and count are left.
 * Context:   a task.
 * Lifetime:  the semaphore stays in place while anybody waits.
 * Returns:   0 with count permits taken; -ECANCELED or -ETIMEDOUT with none.
 */
AIO_API AIO_NODISCARD int aio_semaphore_acquire(struct aio_semaphore *semaphore, uint32_t count);

/*
 * aio_semaphore_try takes count permits if they are there and nobody waits.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0 with count permits taken; -EAGAIN with none.
 */
AIO_API AIO_NODISCARD int aio_semaphore_try(struct aio_semaphore *semaphore, uint32_t count);

/*
 * aio_semaphore_release adds count permits and gives waiters theirs. More than UINT32_MAX in all
 * abort.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_semaphore_release(struct aio_semaphore *semaphore, uint32_t count);

/*
 * aio_semaphore_available tells how many permits are free at this moment.
 *
 * Suspends:  never.
 * Context:   a task of its core.
 * Returns:   the number, which may be more than 0 while somebody waits for still more.
 */
AIO_API uint32_t aio_semaphore_available(const struct aio_semaphore *semaphore);

/*
 * aio_semaphore_destroy makes the semaphore as new but for its permits, which it keeps; aborts
 * when somebody waits.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_semaphore_destroy(struct aio_semaphore *semaphore);

/* A condition on what a mutex protects. A signal that finds no waiter is forgotten. */
struct aio_condition {
    struct aio__wait_queue queue;
    struct aio__core *core;
};

#define AIO_CONDITION_INIT                                                                         \
    {                                                                                              \
        {NULL, NULL}, NULL                                                                         \
    }

/*
 * aio_condition_wait releases the mutex, waits for a signal and takes the mutex again. It holds the
 * mutex whenever it returns, also after an error: taking it again waits as long as that takes,
 * whatever is pending. There are no wake-ups without a signal, but other tasks may have run in
 * between, so look at the condition again.
 *
 * Suspends:  until a signal, then until the mutex is handed over.
 * Context:   the task that holds the mutex; another one aborts.
 * Lifetime:  both stay in place during the call.
 * Returns:   0 after a signal; -ECANCELED or -ETIMEDOUT, and then no signal was taken. If the
 *            error was pending at the call the mutex was not released at all.
 */
AIO_API AIO_NODISCARD int aio_condition_wait(struct aio_condition *condition,
                                             struct aio_mutex *mutex);

/*
 * aio_condition_signal wakes the first waiter, aio_condition_broadcast all of them. A woken task
 * queues for its mutex, so it does not matter whether the caller holds it.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_condition_signal(struct aio_condition *condition);

/* aio_condition_broadcast wakes all waiters, see aio_condition_signal. */
AIO_API void aio_condition_broadcast(struct aio_condition *condition);

/*
 * aio_condition_destroy makes the condition as new; aborts when somebody waits.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_condition_destroy(struct aio_condition *condition);

/* Wakes tasks, and remembers one wake-up that found none: an event without a value. */
struct aio_notify {
    struct aio__core *core;
    struct aio__wait_queue queue;
    bool permit;
};

#define AIO_NOTIFY_INIT                                                                            \
    {                                                                                              \
        NULL, {NULL, NULL}, false                                                                  \
    }

/*
 * aio_notify_wait waits for a wake-up, or takes the one that is stored.
 *
 * Suspends:  until aio_notify_one or aio_notify_all wakes it.
 * Context:   a task.
 * Lifetime:  notify stays in place while anybody waits.
 * Returns:   0; -ECANCELED or -ETIMEDOUT, and then no wake-up was taken.
 */
AIO_API AIO_NODISCARD int aio_notify_wait(struct aio_notify *notify);

/*
 * aio_notify_one wakes the first waiter; if there is none the next aio_notify_wait returns at
 * once. Several of them store a single wake-up. aio_notify_all wakes the tasks that wait now, and
 * stores nothing.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_notify_one(struct aio_notify *notify);

/* aio_notify_all wakes all tasks that wait now, see aio_notify_one. */
AIO_API void aio_notify_all(struct aio_notify *notify);

/*
 * aio_notify_destroy makes it as new, without a stored wake-up; aborts when somebody waits.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_notify_destroy(struct aio_notify *notify);

/* A point that `count` tasks reach before any of them goes on; then it starts anew. */
struct aio_barrier {
    struct aio__core *core;
    struct aio__wait_queue queue;
    uint32_t count;
    uint32_t arrived;
};

#define AIO_BARRIER_INIT(count)                                                                    \
    {                                                                                              \
        NULL, {NULL, NULL}, (count), 0                                                             \
    }

/*
 * aio_barrier_wait waits until the barrier's number of tasks has come. Who leaves early does not
 * count as come.
 *
 * Suspends:  until the last one comes; that one goes on at once.
 * Context:   a task. A barrier of 0 aborts.
 * Lifetime:  the barrier stays in place while anybody waits.
 * Returns:   1 in the task that came last; 0 in the others; -ECANCELED; -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_barrier_wait(struct aio_barrier *barrier);

/*
 * aio_barrier_destroy makes the barrier as new, with its number; aborts when somebody waits.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_barrier_destroy(struct aio_barrier *barrier);

/* Something to be done once, by whoever comes first, while the others wait. */
struct aio_once {
    struct aio__core *core;
    struct aio_task *runner;
    struct aio__wait_queue queue;
    bool done;
};

#define AIO_ONCE_INIT                                                                              \
    {                                                                                              \
        NULL, NULL, {NULL, NULL}, false                                                            \
    }

/*
 * aio_once_run runs fn(arg) unless that has succeeded before. When fn fails (returns less than 0)
 * its caller gets the error and the first waiter tries with its own fn and arg; so does the next
 * call when nobody waits. fn may suspend, and is an ordinary part of the calling task: when that
 * is cancelled fn should fail, and another task tries. fn that runs the same once aborts.
 *
 * Suspends:  while another task runs its fn, and as fn does.
 * Context:   a task.
 * Lifetime:  once stays in place while anybody runs or waits.
 * Returns:   0: some fn has succeeded; the error of the caller's own fn; -ECANCELED or -ETIMEDOUT
 *            without having run fn.
 */
AIO_API AIO_NODISCARD int aio_once_run(struct aio_once *once, int (*fn)(void *arg), void *arg);

/*
 * aio_once_destroy makes it as new: the next call runs its fn again. Aborts while one runs.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_once_destroy(struct aio_once *once);

/* Counts what is still to be done, and lets tasks wait for the end of it. */
struct aio_waitgroup {
    struct aio__core *core;
    struct aio__wait_queue queue;
    uint32_t count;
};

#define AIO_WAITGROUP_INIT                                                                         \
    {                                                                                              \
        NULL, {NULL, NULL}, 0                                                                      \
    }

/*
 * aio_waitgroup_add adds to what is to be done. Add before the tasks are started that will call
 * aio_waitgroup_done. More than UINT32_MAX in all abort.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_waitgroup_add(struct aio_waitgroup *group, uint32_t count);

/*
 * aio_waitgroup_done takes one off; the last one wakes all waiters. One too many aborts.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_waitgroup_done(struct aio_waitgroup *group);

/*
 * aio_waitgroup_wait waits until nothing is left to be done.
 *
 * Suspends:  until the count is 0.
 * Context:   a task.
 * Lifetime:  group stays in place while the count is above 0 or anybody waits.
 * Returns:   0; -ECANCELED; -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_waitgroup_wait(struct aio_waitgroup *group);

/*
 * aio_waitgroup_destroy makes it as new; aborts when something is left to be done.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_waitgroup_destroy(struct aio_waitgroup *group);

AIO_END_DECLS

#endif
