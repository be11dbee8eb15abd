/*
 * The receive that stays armed, see intake.h.
 */
#include "net/intake.h"

#include "core/op_run.h"
#include "net/private.h"

/* Arms it if it is not armed. Returns true when there is news at once. */
static bool intake_submit(struct aio__intake *intake);

/* What the op has brought may have been taken before it told of it: then it is asked again. */
void aio__intake_tell(struct aio__intake *intake)
{
    if (aio__intake_has_more(intake))
        aio__watch_notify(intake->handle, AIO__INBOX_NEWS);
    else if (!intake->armed)
        aio__watch_notify(intake->handle, AIO__INBOX_DISARMED);
    else if (intake->watches > 0)
        (void)intake_submit(intake);
}

static void intake_op_done(struct aio__op *op)
{
    struct aio__intake *intake = AIO__CONTAINER(op, struct aio__intake, op);
    if (op->result < 0) {
        intake->armed = false;
        if (op->result != -ECANCELED) /* we asked for that */
            intake->error = op->result;
    }
    struct aio__wait *waiter = intake->waiter;
    intake->waiter = NULL;
    if (waiter != NULL)
        aio__wake(waiter, 0);
    if (__builtin_expect(intake->handle->watches != NULL, 0))
        aio__intake_tell(intake);
}

void aio__intake_open(struct aio__intake *intake, struct aio__handle *handle,
                      const struct msghdr *shape, uint32_t limit)
{
    *intake = (struct aio__intake){.handle = handle, .feed.limit = limit};
    intake->op = (struct aio__op){.opcode = AIO__OP_RENT, .fd = handle->fd};
    intake->op.complete = intake_op_done;
    intake->op.rent.feed = &intake->feed;
    intake->op.rent.shape = shape;
}

static bool intake_submit(struct aio__intake *intake)
{
    if (intake->op.state != AIO__OP_IDLE)
        return false;
    intake->armed = true;
    if (!aio__op_submit(intake->handle->core, &intake->op))
        return false;
    intake_op_done(&intake->op);
    return true;
}

struct intake_wait {
    struct aio__intake *intake;
    struct aio__wait wait;
};

/* The op is not left to bring what nobody waits for: it might take the buffers from those who do.
 * What it has brought by the time it ends is for the next call. */
static void intake_abort(struct aio__wait *wait)
{
    struct aio__intake *intake = AIO__CONTAINER(wait, struct intake_wait, wait)->intake;
    intake->waiter = NULL;
    aio__op_cancel(wait->task->core, &intake->op);
    aio__wake(wait, -ECANCELED);
}

static int intake_park(struct aio__intake *intake, struct aio__gate *gate)
{
    struct intake_wait frame = {intake, {.abort = intake_abort, .what = "read"}};
    intake->waiter = &frame.wait;
    if (gate == NULL) {
        frame.wait.abort = NULL;
        frame.wait.what = "close";
        return aio__park(intake->handle->core, &frame.wait);
    }
    gate->inside = &frame.wait;
    int rc = aio__park(intake->handle->core, &frame.wait);
    gate->inside = NULL; /* its frame is gone */
    return rc < 0 ? aio__wait_reason(&frame.wait) : 0;
}

int aio__intake_step(struct aio__intake *intake, struct aio__gate *gate, bool stop)
{
    struct aio__core *core = intake->handle->core;
    int rc = gate != NULL ? aio__handle_may_wait(intake->handle) : 0;
    if (rc < 0)
        return rc;
    if (intake_submit(intake)) {
        aio__charge(core);
        return 0;
    }
    if (stop)
        aio__op_cancel(core, &intake->op);
    return intake_park(intake, gate);
}

static void intake_move(struct aio__feed *to, struct aio__feed *from)
{
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_pop(from)) != NULL)
        aio__feed_push(to, buffer);
}

/* What it brings is put out of the way meanwhile, for the op ends with empty hands only. */
int aio__intake_end(struct aio__intake *intake, struct aio__gate *gate)
{
    struct aio__feed kept = {.head = NULL};
    int rc = 0;
    while (rc == 0 && intake->armed) {
        intake_move(&kept, &intake->feed);
        rc = aio__intake_step(intake, gate, true);
    }
    intake_move(&kept, &intake->feed);
    intake_move(&intake->feed, &kept);
    return rc;
}

void aio__intake_clear(struct aio__intake *intake)
{
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_collect(&intake->feed)) != NULL)
        aio__buffer_release(buffer);
}

void aio__intake_watch(struct aio__intake *intake)
{
    intake->watches++;
    (void)intake_submit(intake);
}

/* As for a call that is cancelled, see intake_abort. */
void aio__intake_unwatch(struct aio__intake *intake)
{
    if (--intake->watches == 0 && intake->waiter == NULL)
        aio__op_cancel(intake->handle->core, &intake->op);
}
