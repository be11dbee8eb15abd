/*
 * The accept stream op: multishot where the kernel has it and more than one is wanted, else one
 * accept at a time, armed again by each submit that finds no delivery. Disarmed (cancelled) while
 * its deliveries are full.
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
        aio__uring_stream_poll(uring, op); /* an older kernel and a non-blocking listener */
    else if (!polled)
        accept_failed(uring, op, result);
    if (more && aio__deliveries_full(op->accept.deliveries))
        aio__uring_stream_disarm(uring, op);
    aio__uring_stream_settle(uring, op);
}
