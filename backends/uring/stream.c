/*
 * What the stream ops share: when they go to the kernel, and when they are done. Each brings its
 * deliveries in a file of its own.
 *
 * op->scratch keeps the error that ended it until core has taken the deliveries before it.
 */
#include "backends/uring/private.h"

static bool stream_has_news(const struct aio__op *op)
{
    return op->opcode == AIO__OP_RENT ? op->rent.feed->count > 0 : op->accept.deliveries->count > 0;
}

static void stream_finish(struct uring *uring, struct aio__op *op, int32_t result)
{
    op->flags &= (uint16_t)~URING_CANCEL_WANTED;
    aio__backend_finish(&uring->base, op, result);
}

void aio__uring_stream_submit(struct uring *uring, struct aio__op *op)
{
    op->flags &= (uint16_t)~URING_CANCEL_WANTED;
    aio__uring_stream_settle(uring, op);
}

void aio__uring_stream_settle(struct uring *uring, struct aio__op *op)
{
    if (op->state != AIO__OP_SUBMITTED)
        return;
    if (stream_has_news(op)) {
        stream_finish(uring, op, 0);
    } else if (!aio__uring_at_rest(op)) {
        return; /* more is to come */
    } else if ((op->flags & URING_CANCEL_WANTED) != 0) {
        op->scratch = 0;
        stream_finish(uring, op, -ECANCELED);
    } else if (op->scratch != 0) {
        int32_t error = (int32_t)op->scratch;
        op->scratch = 0;
        stream_finish(uring, op, error);
    } else {
        aio__uring_issue(uring, op);
    }
}

/* More is coming than there is room for: asks the kernel to stop, once. */
void aio__uring_stream_disarm(struct uring *uring, struct aio__op *op)
{
    if ((op->flags & (URING_CANCEL_IN_KERNEL | URING_CANCEL_BACKLOG)) == 0)
        aio__uring_send_cancel(uring, op);
}

/* The kernel could not wait by itself. Unless core waits, its next submit tries again. */
void aio__uring_stream_poll(struct uring *uring, struct aio__op *op)
{
    bool waits = op->state == AIO__OP_SUBMITTED && (op->flags & URING_CANCEL_WANTED) == 0;
    if (waits && (op->flags & URING_IN_KERNEL) == 0)
        aio__uring_issue_poll(uring, op);
}
