/*
 * Semaphore: permits for the head of the queue first, however many it wants.
 */
#include "core/sync.h"

static void semaphore_serve(struct aio_semaphore *semaphore)
{
    struct aio__wait *wait;
    while ((wait = semaphore->queue.head) != NULL) {
        uint32_t count = aio__sync_frame(wait)->count;
        if (count > semaphore->permits)
            return;
        semaphore->permits -= count;
        aio__wait_unlink(&semaphore->queue, wait);
        aio__wake(wait, 0);
    }
}

/* Those behind one that wanted much may be content with what there is. */
static void semaphore_abort(struct aio__wait *wait)
{
    struct aio__wait_queue *queue = aio__sync_frame(wait)->queue;
    aio__sync_leave(wait);
    semaphore_serve(AIO__CONTAINER(queue, struct aio_semaphore, queue));
}

static inline bool semaphore_take(struct aio_semaphore *semaphore, uint32_t count)
{
    if (semaphore->queue.head != NULL || semaphore->permits < count)
        return false;
    semaphore->permits -= count;
    return true;
}

/* Apart, so that the quick half needs no frame. */
static __attribute__((noinline)) int semaphore_acquire_slowly(struct aio_semaphore *semaphore,
                                                              uint32_t count)
{
    struct aio__core *core =
        aio__sync_enter(&semaphore->core, NULL, "semaphore", "aio_semaphore_acquire");
    int rc = aio__interrupted(core);
    if (rc < 0 || semaphore_take(semaphore, count))
        return rc;
    struct aio__sync_wait frame = {
        .wait = {.what = "semaphore", .abort = semaphore_abort},
        .count = count,
    };
    return aio__sync_park(core, &semaphore->queue, &frame);
}

int aio_semaphore_acquire(struct aio_semaphore *semaphore, uint32_t count)
{
    if (__builtin_expect(aio__sync_unhindered(semaphore->core) != NULL, 1) &&
        __builtin_expect(semaphore_take(semaphore, count), 1))
        return 0;
    return semaphore_acquire_slowly(semaphore, count);
}

int aio_semaphore_try(struct aio_semaphore *semaphore, uint32_t count)
{
    (void)aio__sync_enter(&semaphore->core, NULL, "semaphore", __func__);
    return semaphore_take(semaphore, count) ? 0 : -EAGAIN;
}

void aio_semaphore_release(struct aio_semaphore *semaphore, uint32_t count)
{
    (void)aio__sync_enter(&semaphore->core, NULL, "semaphore", __func__);
    AIO__REQUIRE(count <= UINT32_MAX - semaphore->permits,
                 "aio_semaphore_release: %u permits and %u more are too many", semaphore->permits,
                 count);
    semaphore->permits += count;
    if (__builtin_expect(semaphore->queue.head != NULL, 0))
        semaphore_serve(semaphore);
}

uint32_t aio_semaphore_available(const struct aio_semaphore *semaphore)
{
    AIO__REQUIRE(semaphore->core == NULL || semaphore->core == aio__core_current,
                 "aio_semaphore_available: this semaphore belongs to another core or runtime");
    return semaphore->permits;
}

void aio_semaphore_destroy(struct aio_semaphore *semaphore)
{
    aio__sync_destroy(&semaphore->core, &semaphore->queue, "semaphore", __func__);
}
