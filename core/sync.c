/*
 * Binding, waiting and destroying for all primitives of <aio/sync.h>, see core/sync.h.
 */
#include "core/sync.h"

struct aio__core *aio__sync_bind(struct aio__core **bound, const struct aio_task *holder,
                                 const char *kind, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    AIO__REQUIRE(*bound == NULL || holder == NULL,
                 "%s: this %s belongs to another core or runtime, where task '%s' holds it",
                 function, kind, aio_task_name(holder));
    AIO__REQUIRE(*bound == NULL, "%s: this %s belongs to another core or runtime", function, kind);
    *bound = core;
    return core;
}

int aio__sync_park(struct aio__core *core, struct aio__wait_queue *queue,
                   struct aio__sync_wait *frame)
{
    frame->queue = queue;
    if (frame->wait.abort == NULL)
        frame->wait.abort = aio__sync_leave;
    aio__wait_enqueue(queue, &frame->wait);
    int rc = aio__park(core, &frame->wait);
    return rc < 0 ? aio__wait_reason(&frame->wait) : rc;
}

void aio__sync_leave(struct aio__wait *wait)
{
    aio__wait_unlink(aio__sync_frame(wait)->queue, wait);
    aio__wake(wait, -ECANCELED);
}

void aio__sync_wake_all(struct aio__wait_queue *queue)
{
    struct aio__wait *wait;
    while ((wait = aio__wait_dequeue(queue)) != NULL)
        aio__wake(wait, 0);
}

void aio__sync_destroy(struct aio__core **bound, const struct aio__wait_queue *queue,
                       const char *kind, const char *function)
{
    AIO__REQUIRE(queue->head == NULL, "%s: task '%s' waits on this %s", function,
                 aio_task_name(queue->head->task), kind);
    *bound = NULL;
}
