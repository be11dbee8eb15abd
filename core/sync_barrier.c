/*
 * Barrier: the last one to come wakes the others. Those that were woken and have not run yet are
 * out of the queue already, so the next round may begin before they do.
 */
#include "core/sync.h"

static void barrier_abort(struct aio__wait *wait)
{
    struct aio__wait_queue *queue = aio__sync_frame(wait)->queue;
    aio__sync_leave(wait);
    AIO__CONTAINER(queue, struct aio_barrier, queue)->arrived--;
}

int aio_barrier_wait(struct aio_barrier *barrier)
{
    struct aio__core *core = aio__sync_enter(&barrier->core, NULL, "barrier", __func__);
    AIO__REQUIRE(barrier->count > 0,
                 "aio_barrier_wait: a barrier of 0 tasks, see AIO_BARRIER_INIT");
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (barrier->arrived + 1 == barrier->count) {
        barrier->arrived = 0;
        aio__sync_wake_all(&barrier->queue);
        return 1;
    }
    barrier->arrived++;
    struct aio__sync_wait frame = {.wait = {.what = "barrier", .abort = barrier_abort}};
    return aio__sync_park(core, &barrier->queue, &frame);
}

void aio_barrier_destroy(struct aio_barrier *barrier)
{
    aio__sync_destroy(&barrier->core, &barrier->queue, "barrier", __func__);
}
