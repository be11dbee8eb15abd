/*
 * Notify: a wake-up goes to the first waiter or, one of them, into store.
 */
#include "core/sync.h"

int aio_notify_wait(struct aio_notify *notify)
{
    struct aio__core *core = aio__sync_enter(&notify->core, NULL, "notify", __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (notify->permit) {
        notify->permit = false;
        return 0;
    }
    struct aio__sync_wait frame = {.wait = {.what = "notify"}};
    return aio__sync_park(core, &notify->queue, &frame);
}

void aio_notify_one(struct aio_notify *notify)
{
    (void)aio__sync_enter(&notify->core, NULL, "notify", __func__);
    struct aio__wait *wait = aio__wait_dequeue(&notify->queue);
    if (wait != NULL)
        aio__wake(wait, 0);
    else
        notify->permit = true;
}

void aio_notify_all(struct aio_notify *notify)
{
    (void)aio__sync_enter(&notify->core, NULL, "notify", __func__);
    aio__sync_wake_all(&notify->queue);
}

void aio_notify_destroy(struct aio_notify *notify)
{
    aio__sync_destroy(&notify->core, &notify->queue, "notify", __func__);
    notify->permit = false;
}
