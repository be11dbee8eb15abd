/*
 * What the primitives of <aio/sync.h> share: the check that an object is used on its own core, a
 * wait in one's queue, the rules for destroying.
 *
 * An object is bound to the core that first uses it, which is compared on every call. Only tasks
 * of that core touch it, so nothing here is atomic. What is released goes straight to the first
 * waiter, before that runs; if that waiter is cancelled then, its wait has ended already and it
 * keeps what it was given (aio__wait_interrupt ignores a wait that was woken).
 */
#ifndef AIO_CORE_SYNC_H
#define AIO_CORE_SYNC_H

#include "core/task.h"

#include <aio/sync.h>

/* A wait in an object's queue, in the waiter's frame. */
struct aio__sync_wait {
    struct aio__wait wait;
    struct aio__wait_queue *queue;
    uint32_t count; /* semaphore: permits wanted */
};

/* The slow half of aio__sync_enter: binds the object, or dies. holder may be NULL. */
struct aio__core *aio__sync_bind(struct aio__core **bound, const struct aio_task *holder,
                                 const char *kind, const char *function);

/* The core of a task that uses an object bound to it. Dies outside a task and on another core. */
static inline struct aio__core *aio__sync_enter(struct aio__core **bound,
                                                const struct aio_task *holder, const char *kind,
                                                const char *function)
{
    struct aio__core *core = aio__core_current;
    if (__builtin_expect(core == NULL || core != *bound || core->current == NULL, 0))
        return aio__sync_bind(bound, holder, kind, function);
    return core;
}

/*
 * The calling task, where nothing stands in the way of a call that need not wait: the object is
 * its core's, and nothing is pending for it. Else NULL, and the slow half asks again what it is.
 */
static inline struct aio_task *aio__sync_unhindered(const struct aio__core *bound)
{
    struct aio__core *core = aio__core_current;
    if (__builtin_expect(core == NULL || core != bound, 0))
        return NULL;
    struct aio_task *task = core->current; /* not NULL: only tasks call from a core's thread */
    if (__builtin_expect(task->canceled || task->deadline_ns <= core->now_ns, 0))
        return NULL;
    return task;
}

/*
 * Waits at the end of the queue. The caller has set wait.what and, unless leaving the queue is all
 * there is to do, wait.abort. Returns the result of aio__wake; -ECANCELED or -ETIMEDOUT.
 */
int aio__sync_park(struct aio__core *core, struct aio__wait_queue *queue,
                   struct aio__sync_wait *frame);

/* Takes an interrupted wait out of its queue and wakes it. */
void aio__sync_leave(struct aio__wait *wait);

/* Wakes all waiters, in order. */
void aio__sync_wake_all(struct aio__wait_queue *queue);

/* Unbinds the object; dies when somebody waits. */
void aio__sync_destroy(struct aio__core **bound, const struct aio__wait_queue *queue,
                       const char *kind, const char *function);

static inline struct aio__sync_wait *aio__sync_frame(struct aio__wait *wait)
{
    return AIO__CONTAINER(wait, struct aio__sync_wait, wait);
}

static inline void aio__mutex_grant(struct aio_mutex *mutex, struct aio_task *task)
{
    mutex->holder = task;
    task->mutexes_held++;
}

/* Takes the mutex from its holder and gives it to the first waiter, if there is one. */
void aio__mutex_pass(struct aio_mutex *mutex);

/* Dies unless the calling task holds the mutex. */
void aio__mutex_require(const struct aio_mutex *mutex, const char *function);

#endif
