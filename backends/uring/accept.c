/*
 * The accept stream op: multishot where the kernel has it, else one accept at a time, armed again
 * by each submit that finds no delivery. Disarmed (cancelled) while its deliveries are full.
 *
 * op->scratch keeps the error that ended it until core has taken the deliveries before it.
 */
#include "backends/uring/private.h"
#include "core/log.h"

#include <errno.h>
#include <unistd.h>

/* The connection died in the backlog, see accept(2), "Error handling": the next one may be well. */
static bool accept_skips(int32_t result)
{
    switch (-result) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

void aio__uring_accept_submit(struct uring *uring, struct aio__op *op)
{
    op->flags &= (uint16_t)~URING_CANCEL_WANTED;
    aio__uring_accept_settle(uring, op);
}

static void accept_finish(struct uring *uring, struct aio__op *op, int32_t result)
{
    op->flags &= (uint16_t)~URING_CANCEL_WANTED;
    aio__backend_finish(&uring->base, op, result);
}

void aio__uring_accept_settle(struct uring *uring, struct aio__op *op)
{
    if (op->state != AIO__OP_SUBMITTED)
        return;
    if (op->accept.deliveries->count > 0) {
        accept_finish(uring, op, 0);
    } else if (!aio__uring_at_rest(op)) {
        return; /* more is to come */
    } else if ((op->flags & URING_CANCEL_WANTED) != 0) {
        op->scratch = 0;
        accept_finish(uring, op, -ECANCELED);
    } else if (op->scratch != 0) {
        int32_t error = (int32_t)op->scratch;
        op->scratch = 0;
        accept_finish(uring, op, error);
    } else {
        aio__uring_issue(uring, op);
    }
}

static void accept_deliver(struct aio__op *op, int fd)
{
    if (aio__deliveries_push(op->accept.deliveries, fd) == 0)
        return;
    aio__log_warn("accept: no memory to keep a connection: it is closed");
    (void)close(fd);
}

static bool accept_lacks_multishot(struct uring *uring, int32_t result)
{
    if (result != -EINVAL || (uring->caps & AIO__URING_MULTISHOT_ACCEPT) == 0)
        return false;
    uring->caps &= ~(uint32_t)AIO__URING_MULTISHOT_ACCEPT;
    return true;
}

static void accept_failed(struct uring *uring, struct aio__op *op, int32_t result)
{
    if (result == -ECANCELED || accept_skips(result) || accept_lacks_multishot(uring, result))
        return;
    op->scratch = (uint32_t)result;
}

/* An older kernel and a non-blocking listener. Unless core waits, its next submit tries again. */
static void accept_poll(struct uring *uring, struct aio__op *op)
{
    bool waits = op->state == AIO__OP_SUBMITTED && (op->flags & URING_CANCEL_WANTED) == 0;
    if (waits && (op->flags & URING_IN_KERNEL) == 0)
        aio__uring_issue_poll(uring, op);
}

void aio__uring_accept_completed(struct uring *uring, struct aio__op *op, int32_t result,
                                 uint32_t cqe_flags)
{
    bool more = (cqe_flags & IORING_CQE_F_MORE) != 0;
    bool polled = (op->flags & URING_WAITS_READY) != 0;
    if (!more) {
        op->flags &= (uint16_t) ~(URING_IN_KERNEL | URING_WAITS_READY);
        aio__uring_drop_cancel(uring, op);
    }
    if (!polled && result >= 0)
        accept_deliver(op, result);
    else if (!polled && result == -EAGAIN)
        accept_poll(uring, op);
    else if (!polled)
        accept_failed(uring, op, result);
    bool stop = aio__deliveries_full(op->accept.deliveries) &&
                (op->flags & (URING_CANCEL_IN_KERNEL | URING_CANCEL_BACKLOG)) == 0;
    if (more && stop)
        aio__uring_send_cancel(uring, op);
    aio__uring_accept_settle(uring, op);
}
