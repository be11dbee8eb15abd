/*
 * Mutex: the holder is known, and whoever unlocks names the next one.
 */
#include "core/sync.h"

/* The quick halves begin a cache line: where the linker happened to put them has made 3.5 to 4.1 ns
 * of the pair. */
#define MUTEX_ALIGNED __attribute__((aligned(64)))

/* Apart, so that the quick half needs no frame. */
static __attribute__((noinline)) int mutex_lock_slowly(struct aio_mutex *mutex)
{
    struct aio__core *core =
        aio__sync_enter(&mutex->core, mutex->holder, "mutex", "aio_mutex_lock");
    AIO__REQUIRE(mutex->holder != core->current,
                 "aio_mutex_lock: task '%s' holds this mutex already",
                 aio_task_name(mutex->holder));
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (mutex->holder == NULL) {
        aio__mutex_grant(mutex, core->current);
        return 0;
    }
    struct aio__sync_wait frame = {.wait = {.what = "mutex"}};
    return aio__sync_park(core, &mutex->queue, &frame);
}

MUTEX_ALIGNED int aio_mutex_lock(struct aio_mutex *mutex)
{
    struct aio_task *task = aio__sync_unhindered(mutex->core);
    if (__builtin_expect(task == NULL || mutex->holder != NULL, 0))
        return mutex_lock_slowly(mutex);
    aio__mutex_grant(mutex, task);
    return 0;
}

int aio_mutex_try(struct aio_mutex *mutex)
{
    struct aio__core *core = aio__sync_enter(&mutex->core, mutex->holder, "mutex", __func__);
    if (mutex->holder != NULL)
        return -EAGAIN;
    aio__mutex_grant(mutex, core->current);
    return 0;
}

void aio__mutex_require(const struct aio_mutex *mutex, const char *function)
{
    struct aio_task *task = aio__core_or_die(function)->current;
    AIO__REQUIRE(mutex->holder != NULL, "%s: task '%s' does not hold this mutex: nobody does",
                 function, aio_task_name(task));
    AIO__REQUIRE(mutex->holder == task, "%s: task '%s' does not hold this mutex: task '%s' does",
                 function, aio_task_name(task), aio_task_name(mutex->holder));
}

void aio__mutex_pass(struct aio_mutex *mutex)
{
    struct aio__wait *next = aio__wait_dequeue(&mutex->queue);
    mutex->holder->mutexes_held--;
    mutex->holder = NULL;
    if (next == NULL)
        return;
    aio__mutex_grant(mutex, next->task);
    aio__wake(next, 0);
}

static __attribute__((noinline)) void mutex_unlock_slowly(struct aio_mutex *mutex)
{
    aio__mutex_require(mutex, "aio_mutex_unlock");
    aio__mutex_pass(mutex);
}

MUTEX_ALIGNED void aio_mutex_unlock(struct aio_mutex *mutex)
{
    struct aio__core *core = aio__core_current;
    struct aio_task *task = mutex->holder;
    if (__builtin_expect(core == NULL || task != core->current || mutex->queue.head != NULL, 0)) {
        mutex_unlock_slowly(mutex);
        return;
    }
    task->mutexes_held--;
    mutex->holder = NULL;
}

void aio_mutex_destroy(struct aio_mutex *mutex)
{
    AIO__REQUIRE(mutex->holder == NULL, "%s: task '%s' holds this mutex", __func__,
                 aio_task_name(mutex->holder));
    aio__sync_destroy(&mutex->core, &mutex->queue, "mutex", __func__);
}
