/*
 * Submitting and cancelling: ops go into the submission ring; what finds it full waits in a
 * backlog of the ops themselves, so nothing is ever refused or dropped.
 */
#include "backends/uring/private.h"

#include <aio/time.h>
#include <errno.h>
#include <sys/socket.h>

unsigned aio__uring_publish(struct uring *uring)
{
    struct io_uring_sq *sq = &uring->ring.sq;
    if (sq->sqe_head != sq->sqe_tail) {
        sq->sqe_head = sq->sqe_tail;
        io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
    }
    if (__builtin_expect(uring->linked > 0, 0))
        aio__uring_link_check(uring);
    return sq->sqe_tail - io_uring_smp_load_acquire(sq->khead);
}

void aio__uring_flush(struct uring *uring)
{
    unsigned count = aio__uring_publish(uring);
    /* Whatever it answers, entries it did not take are still in the ring and go with a later call.
     */
    (void)io_uring_enter2((unsigned)uring->ring.enter_ring_fd, count, 0,
                          uring->enter_flags & IORING_ENTER_REGISTERED_RING, NULL, 0);
}

struct io_uring_sqe *aio__uring_sqe(struct uring *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (__builtin_expect(sqe == NULL, 0)) {
        aio__uring_flush(uring);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    return sqe;
}

void aio__uring_keep(struct uring *uring, struct aio__op *op)
{
    op->flags |= URING_BACKLOG;
    aio__op_list_append(&uring->backlog, op);
}

static bool submit_may_be_quiet(const struct uring *uring, const struct aio__op *op)
{
    return (op->flags & (AIO__OP_LAZY | URING_LOUD)) == AIO__OP_LAZY &&
           (uring->caps & AIO__URING_QUIET_SEND) != 0;
}

void aio__uring_issue(struct uring *uring, struct aio__op *op)
{
    if (op->opcode == AIO__OP_RENT) {
        aio__uring_rent_issue(uring, op);
        return;
    }
    if (__builtin_expect(aio__uring_is_call(op->opcode), 0)) {
        aio__uring_batch(uring, op);
        return;
    }
    if (__builtin_expect(op->opcode == AIO__OP_WRITE_SYNC, 0)) {
        aio__uring_link_issue(uring, op);
        return;
    }
    struct io_uring_sqe *sqe = aio__uring_sqe(uring);
    if (__builtin_expect(sqe == NULL, 0)) {
        aio__uring_keep(uring, op);
        return;
    }
    op->flags |= URING_IN_KERNEL;
    uring->files += aio__uring_is_file(op);
    if (submit_may_be_quiet(uring, op)) {
        op->flags |= URING_QUIET;
        aio__op_list_append(&uring->quiet, op);
    }
    aio__uring_prep(uring, sqe, op);
    bool pinned = sqe->opcode == IORING_OP_READ_FIXED || sqe->opcode == IORING_OP_WRITE_FIXED;
    if (pinned && aio__uring_is_file(op))
        aio__uring_fix(uring, sqe);
}

/*
 * When the last turn brought a single completion there is nothing to batch: a send through the
 * ring would cost an enter of its own, only to find itself complete. A plain send(2) is cheaper;
 * one a turn, in case there is something to batch after all. Returns true when the op is done.
 */
static bool submit_send_inline(struct uring *uring, struct aio__op *op)
{
    if (!uring->inline_send || io_uring_sq_ready(&uring->ring) > 0 ||
        submit_may_be_quiet(uring, op))
        return false;
    uring->inline_send = false;
    ssize_t n;
    if (op->opcode == AIO__OP_SEND)
        n = send(op->fd, op->transfer.buffer, aio__uring_length(op->transfer.length),
                 op->transfer.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        n = sendmsg(op->fd, op->message.header, op->message.flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    aio__backend_finish(&uring->base, op, n < 0 ? -errno : (int32_t)n);
    return true;
}

/* When a descriptor is forgotten all its ops are done, so no entry names it. */
static int32_t submit_instant(struct uring *uring, const struct aio__op *op)
{
    if (op->opcode == AIO__OP_PIN)
        return aio__uring_pin(uring, op);
    if (op->opcode == AIO__OP_UNPIN)
        return aio__uring_unpin(uring, op);
    if (op->opcode == AIO__OP_FORGET)
        aio__uring_unfix(uring, op->fd);
    return 0;
}

void aio__uring_submit(struct aio__backend *self, struct aio__op *op)
{
    struct uring *uring = aio__uring_of(self);
    op->state = AIO__OP_SUBMITTED;
    if (aio__op_is_stream(op)) {
        aio__uring_stream_submit(uring, op);
        return;
    }
    if (__builtin_expect(aio__op_is_instant(op), 0)) {
        aio__backend_finish(self, op, submit_instant(uring, op));
        return;
    }
    op->flags &= AIO__OP_ASKED;
    op->scratch = 0;
    if ((op->opcode == AIO__OP_SEND || op->opcode == AIO__OP_SENDMSG) &&
        submit_send_inline(uring, op))
        return;
    aio__uring_issue(uring, op);
}

void aio__uring_send_cancel(struct uring *uring, struct aio__op *op)
{
    struct io_uring_sqe *sqe = aio__uring_sqe(uring);
    if (sqe == NULL) {
        op->flags |= URING_CANCEL_BACKLOG;
        op->backend_link = uring->cancel_backlog;
        uring->cancel_backlog = op;
        return;
    }
    bool syncs = op->opcode == AIO__OP_WRITE_SYNC && (op->flags & URING_WROTE) != 0;
    io_uring_prep_cancel64(sqe, (uintptr_t)op | (syncs ? URING_TAG_SYNC : 0), 0);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | URING_TAG_CANCEL);
    op->flags |= URING_CANCEL_IN_KERNEL;
}

void aio__uring_drop_cancel(struct uring *uring, struct aio__op *op)
{
    if ((op->flags & URING_CANCEL_BACKLOG) == 0)
        return;
    struct aio__op *at = uring->cancel_backlog, *before = NULL;
    for (; at != op; at = at->backend_link)
        before = at;
    if (before == NULL)
        uring->cancel_backlog = op->backend_link;
    else
        before->backend_link = op->backend_link;
    op->flags &= (uint16_t)~URING_CANCEL_BACKLOG;
}

void aio__uring_cancel(struct aio__backend *self, struct aio__op *op)
{
    struct uring *uring = aio__uring_of(self);
    if (op->state != AIO__OP_SUBMITTED || (op->flags & URING_CANCEL_WANTED) != 0)
        return;
    op->flags |= URING_CANCEL_WANTED;
    if ((op->flags & URING_BACKLOG) != 0) {
        (void)aio__op_list_remove(&uring->backlog, op);
        op->flags &= (uint16_t)~URING_BACKLOG;
        if (aio__op_is_stream(op))
            aio__uring_stream_settle(uring, op);
        else
            aio__backend_finish(self, op, -ECANCELED);
    } else if ((op->flags & URING_STARVED) != 0) {
        aio__uring_rent_unstarve(uring, op);
    } else if ((op->flags & URING_QUIET) != 0) {
        self->hurry = true; /* the next enter ends it */
    } else if ((op->flags & (URING_CANCEL_IN_KERNEL | URING_CANCEL_BACKLOG | URING_NOTIFIES)) ==
               0) {
        aio__uring_send_cancel(uring, op);
    }
}
