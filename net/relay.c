/*
 * Copying both ways. The calling task carries one direction and a task of its own the other; either
 * ends the other's wait when it fails.
 */
#include "net/copy.h"

struct relay {
    struct aio__copy ways[2];
    struct aio__copy_shared shared;
    int error; /* that came first */
};

struct relay_way {
    struct relay *relay;
    int index;
};

static void relay_stop(struct relay *relay, int error)
{
    if (relay->shared.stopped)
        return;
    relay->error = error;
    relay->shared.stopped = true;
    for (int i = 0; i < 2; i++)
        aio__copy_stop(&relay->ways[i]);
}

/* Carries one direction to its end, and passes that on. */
static int relay_carry(void *arg)
{
    const struct relay_way *way = arg;
    struct aio__copy *copy = &way->relay->ways[way->index];
    int rc = aio__copy_run(copy, true);
    if (rc < 0)
        relay_stop(way->relay, rc);
    return rc;
}

/* Awaits the other direction. What interrupts us ends it. */
static void relay_join(struct relay *relay, struct aio_task *task)
{
    int rc = aio_task_join(task, NULL);
    if (rc < 0) {
        relay_stop(relay, rc);
        AIO_SHIELD
        {
            rc = aio_task_join(task, NULL);
        }
    }
    AIO__REQUIRE(rc == 0, "aio_stream_relay: its other task was not joined");
}

static int relay_run(struct relay *relay)
{
    static const struct aio_task_options options = {.size = sizeof options, .name = "relay"};
    struct relay_way ways[] = {{relay, 0}, {relay, 1}};
    struct aio_task *task;
    int rc = aio_task_spawn(&task, relay_carry, &ways[1], &options);
    if (rc < 0)
        return rc;
    (void)relay_carry(&ways[0]);
    relay_join(relay, task);
    return relay->error;
}

int aio_stream_relay(struct aio_stream *a, struct aio_stream *b,
                     const struct aio_copy_options *options, struct aio_copy_done *done)
{
    (void)aio__handle_core(&a->handle, __func__);
    (void)aio__handle_core(&b->handle, __func__);
    struct relay relay = {.error = 0};
    int rc = a == b ? -EINVAL : aio__copy_check(options);
    aio__copy_init(&relay.ways[0], b, a, rc == 0 ? options : NULL, &relay.shared);
    aio__copy_init(&relay.ways[1], a, b, rc == 0 ? options : NULL, &relay.shared);
    relay.ways[0].other = &relay.ways[1];
    relay.ways[1].other = &relay.ways[0];
    struct aio__hold holds[] = {{.handle = &a->handle, .gate = &a->reading},
                                {.handle = &a->handle, .gate = &a->writing},
                                {.handle = &b->handle, .gate = &b->reading},
                                {.handle = &b->handle, .gate = &b->writing}};
    if (rc == 0)
        rc = aio__holds_enter(holds, 4);
    if (rc == 0)
        rc = aio__holds_leave(holds, 4, relay_run(&relay));
    if (done != NULL) {
        done[0] = relay.ways[0].done;
        done[1] = relay.ways[1].done;
    }
    return rc;
}
