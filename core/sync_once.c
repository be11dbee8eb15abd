/*
 * Once: one task runs, the others wait. When it fails the first of them is made the runner before
 * it wakes; if that one is cancelled then, its fn still has to say so.
 */
#include "core/sync.h"

enum { ONCE_DONE = 0, ONCE_YOUR_TURN = 1 }; /* what a waiter is woken with */

static void once_failed(struct aio_once *once)
{
    struct aio__wait *next = aio__wait_dequeue(&once->queue);
    once->runner = next != NULL ? next->task : NULL;
    if (next != NULL)
        aio__wake(next, ONCE_YOUR_TURN);
}

static void once_succeeded(struct aio_once *once)
{
    once->runner = NULL;
    once->done = true;
    aio__sync_wake_all(&once->queue);
}

/* Returns ONCE_DONE, ONCE_YOUR_TURN or an error. */
static int once_enter(struct aio__core *core, struct aio_once *once)
{
    if (once->done)
        return ONCE_DONE;
    if (once->runner == NULL) {
        once->runner = core->current;
        return ONCE_YOUR_TURN;
    }
    AIO__REQUIRE(once->runner != core->current, "aio_once_run: task '%s' runs this once already",
                 aio_task_name(once->runner));
    struct aio__sync_wait frame = {.wait = {.what = "once"}};
    return aio__sync_park(core, &once->queue, &frame);
}

int aio_once_run(struct aio_once *once, int (*fn)(void *arg), void *arg)
{
    struct aio__core *core = aio__sync_enter(&once->core, once->runner, "once", __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    rc = once_enter(core, once);
    if (rc != ONCE_YOUR_TURN)
        return rc;
    rc = fn(arg);
    if (rc < 0) {
        once_failed(once);
        return rc;
    }
    once_succeeded(once);
    return 0;
}

void aio_once_destroy(struct aio_once *once)
{
    AIO__REQUIRE(once->runner == NULL, "%s: task '%s' runs this once", __func__,
                 aio_task_name(once->runner));
    aio__sync_destroy(&once->core, &once->queue, "once", __func__);
    once->done = false;
}
