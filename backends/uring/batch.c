/*
 * Ops that are plain system calls which never block; the ring waits for readiness, if need be.
 *
 * Several messages in one op: the ring has an entry per message only, and two receives in flight
 * on one socket may be served out of order; recvmmsg(2) and sendmmsg(2) take a whole batch in one
 * call. Splicing: the ring would hand it to a thread each time.
 */
#include "backends/uring/private.h"
#include "core/splice.h"

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

static int batch_try_once(struct aio__op *op)
{
    if (op->opcode == AIO__OP_SPLICE_IN || op->opcode == AIO__OP_SPLICE_OUT)
        return aio__splice_op(op);
    int result = op->batch.drained ? -EAGAIN : batch_try(op);
    op->batch.drained = false;
    return result;
}

void aio__uring_batch(struct uring *uring, struct aio__op *op)
{
    int result = batch_try_once(op);
    if (result == -EAGAIN)
        aio__uring_issue_poll(uring, op);
    else
        aio__backend_finish(&uring->base, op, result);
}
