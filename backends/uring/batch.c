/*
 * Several messages in one op. The ring has an entry per message only, and two receives in flight
 * on one socket may be served out of order; recvmmsg(2) and sendmmsg(2) take a whole batch in one
 * call. So the ring waits for readiness, if need be, and the batch is a plain call that never
 * blocks: like a send of which the ring brings one a turn.
 */
#include "backends/uring/private.h"

#include <errno.h>
#include <sys/socket.h>

static int batch_try(const struct aio__op *op)
{
    int flags = op->batch.flags | MSG_DONTWAIT, count;
    do {
        if (op->opcode == AIO__OP_RECVMMSG)
            count = recvmmsg(op->fd, op->batch.headers, op->batch.count, flags | MSG_CMSG_CLOEXEC,
                             NULL);
        else
            count = sendmmsg(op->fd, op->batch.headers, op->batch.count, flags | MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

void aio__uring_batch(struct uring *uring, struct aio__op *op)
{
    int result = op->batch.drained ? -EAGAIN : batch_try(op);
    op->batch.drained = false;
    if (result == -EAGAIN)
        aio__uring_issue_poll(uring, op);
    else
        aio__backend_finish(&uring->base, op, result);
}
