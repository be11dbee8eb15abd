/*
 * Rwlock: readers and writers in one queue. Who comes waits behind those who wait; whenever the
 * lock or the head of the queue changes, as many from the head are let in as go together.
 */
#include "core/sync.h"

static void rwlock_write_abort(struct aio__wait *wait);

static bool rwlock_is_write(const struct aio__wait *wait)
{
    return wait->abort == rwlock_write_abort;
}

static bool rwlock_admits(const struct aio_rwlock *rwlock, bool write)
{
    return rwlock->writer == NULL && (!write || rwlock->readers == 0);
}

static void rwlock_grant(struct aio_rwlock *rwlock, struct aio_task *task, bool write)
{
    task->rwlocks_held++;
    if (write)
        rwlock->writer = task;
    else
        rwlock->readers++;
}

static void rwlock_let_in(struct aio_rwlock *rwlock)
{
    struct aio__wait *wait;
    while ((wait = rwlock->queue.head) != NULL && rwlock_admits(rwlock, rwlock_is_write(wait))) {
        aio__wait_unlink(&rwlock->queue, wait);
        rwlock_grant(rwlock, wait->task, rwlock_is_write(wait));
        aio__wake(wait, 0);
    }
}

/* A writer that leaves the head no longer keeps the readers behind it out. */
static void rwlock_write_abort(struct aio__wait *wait)
{
    struct aio__wait_queue *queue = aio__sync_frame(wait)->queue;
    aio__sync_leave(wait);
    rwlock_let_in(AIO__CONTAINER(queue, struct aio_rwlock, queue));
}

static inline bool rwlock_take(struct aio_rwlock *rwlock, struct aio_task *task, bool write)
{
    if (rwlock->queue.head != NULL || !rwlock_admits(rwlock, write))
        return false;
    rwlock_grant(rwlock, task, write);
    return true;
}

/* Apart, so that the quick half needs no frame. */
static __attribute__((noinline)) int rwlock_lock_slowly(struct aio_rwlock *rwlock, bool write,
                                                        const char *function)
{
    struct aio__core *core = aio__sync_enter(&rwlock->core, rwlock->writer, "rwlock", function);
    AIO__REQUIRE(rwlock->writer != core->current,
                 "%s: task '%s' holds this rwlock for writing already", function,
                 aio_task_name(core->current));
    int rc = aio__interrupted(core);
    if (rc < 0 || rwlock_take(rwlock, core->current, write))
        return rc;
    struct aio__sync_wait frame = {.wait = {.what = "rwlock to read"}};
    if (write)
        frame.wait = (struct aio__wait){.what = "rwlock to write", .abort = rwlock_write_abort};
    return aio__sync_park(core, &rwlock->queue, &frame);
}

static inline int rwlock_lock(struct aio_rwlock *rwlock, bool write, const char *function)
{
    struct aio_task *task = aio__sync_unhindered(rwlock->core);
    if (__builtin_expect(task != NULL, 1) && __builtin_expect(rwlock_take(rwlock, task, write), 1))
        return 0;
    return rwlock_lock_slowly(rwlock, write, function);
}

int aio_rwlock_read(struct aio_rwlock *rwlock)
{
    return rwlock_lock(rwlock, false, __func__);
}

int aio_rwlock_write(struct aio_rwlock *rwlock)
{
    return rwlock_lock(rwlock, true, __func__);
}

static int rwlock_try(struct aio_rwlock *rwlock, bool write, const char *function)
{
    struct aio__core *core = aio__sync_enter(&rwlock->core, rwlock->writer, "rwlock", function);
    return rwlock_take(rwlock, core->current, write) ? 0 : -EAGAIN;
}

int aio_rwlock_try_read(struct aio_rwlock *rwlock)
{
    return rwlock_try(rwlock, false, __func__);
}

int aio_rwlock_try_write(struct aio_rwlock *rwlock)
{
    return rwlock_try(rwlock, true, __func__);
}

/* Who reads is not recorded, so of readers only those are found out that hold no rwlock at all. */
static void rwlock_require_held(const struct aio_rwlock *rwlock, const struct aio_task *task)
{
    AIO__REQUIRE(rwlock->writer == NULL || rwlock->writer == task,
                 "aio_rwlock_unlock: task '%s' does not hold this rwlock: task '%s' does",
                 aio_task_name(task), aio_task_name(rwlock->writer));
    AIO__REQUIRE(rwlock->writer != NULL || (rwlock->readers > 0 && task->rwlocks_held > 0),
                 "aio_rwlock_unlock: task '%s' does not hold this rwlock: %u others read",
                 aio_task_name(task), rwlock->readers);
}

void aio_rwlock_unlock(struct aio_rwlock *rwlock)
{
    struct aio__core *core = aio__sync_enter(&rwlock->core, rwlock->writer, "rwlock", __func__);
    struct aio_task *task = core->current;
    rwlock_require_held(rwlock, task);
    task->rwlocks_held--;
    if (rwlock->writer != NULL)
        rwlock->writer = NULL;
    else
        rwlock->readers--;
    if (__builtin_expect(rwlock->queue.head != NULL, 0))
        rwlock_let_in(rwlock);
}

void aio_rwlock_destroy(struct aio_rwlock *rwlock)
{
    AIO__REQUIRE(rwlock->writer == NULL, "%s: task '%s' holds this rwlock for writing", __func__,
                 aio_task_name(rwlock->writer));
    AIO__REQUIRE(rwlock->readers == 0, "%s: %u tasks hold this rwlock for reading", __func__,
                 rwlock->readers);
    aio__sync_destroy(&rwlock->core, &rwlock->queue, "rwlock", __func__);
}
