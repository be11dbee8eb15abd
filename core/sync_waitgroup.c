/*
 * Waitgroup: a count, and waiters for its zero.
 */
#include "core/sync.h"

void aio_waitgroup_add(struct aio_waitgroup *group, uint32_t count)
{
    (void)aio__sync_enter(&group->core, NULL, "waitgroup", __func__);
    AIO__REQUIRE(count <= UINT32_MAX - group->count,
                 "aio_waitgroup_add: %u and %u more are too many", group->count, count);
    group->count += count;
}

void aio_waitgroup_done(struct aio_waitgroup *group)
{
    (void)aio__sync_enter(&group->core, NULL, "waitgroup", __func__);
    AIO__REQUIRE(group->count > 0, "aio_waitgroup_done: nothing is left to be done");
    if (--group->count == 0)
        aio__sync_wake_all(&group->queue);
}

int aio_waitgroup_wait(struct aio_waitgroup *group)
{
    struct aio__core *core = aio__sync_enter(&group->core, NULL, "waitgroup", __func__);
    int rc = aio__interrupted(core);
    if (rc < 0 || group->count == 0)
        return rc;
    struct aio__sync_wait frame = {.wait = {.what = "waitgroup"}};
    return aio__sync_park(core, &group->queue, &frame);
}

void aio_waitgroup_destroy(struct aio_waitgroup *group)
{
    aio__sync_destroy(&group->core, &group->queue, "waitgroup", __func__);
    AIO__REQUIRE(group->count == 0, "%s: %u are still to be done", __func__, group->count);
}
