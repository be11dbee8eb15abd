/*
 * WRITE_SYNC: a write and a sync as two linked entries. The kernel begins the second when the first
 * has written all of its bytes, and cancels it otherwise; each has a completion.
 *
 * A link holds within one call of io_uring_enter(2). When the kernel takes the write and, short of
 * memory, leaves the sync for the next call, it has begun the write by itself: the sync will then
 * tell nothing of it, and who asked is told that there was none.
 */
#include "backends/uring/private.h"

void aio__uring_link_issue(struct uring *uring, struct aio__op *op)
{
    if (io_uring_sq_space_left(&uring->ring) < 2)
        aio__uring_flush(uring);
    if (io_uring_sq_space_left(&uring->ring) < 2) {
        aio__uring_keep(uring, op);
        return;
    }
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    io_uring_prep_write(sqe, op->fd, op->write_sync.buffer, op->write_sync.length,
                        (uint64_t)op->write_sync.offset);
    sqe->flags |= IOSQE_IO_LINK;
    io_uring_sqe_set_data64(sqe, (uintptr_t)op);
    sqe = io_uring_get_sqe(&uring->ring);
    io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | URING_TAG_SYNC);
    op->flags |= URING_IN_KERNEL;
    uring->linked++;
}

void aio__uring_link_check(const struct uring *uring)
{
    const struct io_uring_sq *sq = &uring->ring.sq;
    unsigned head = io_uring_smp_load_acquire(sq->khead);
    if (head == sq->sqe_tail)
        return;
    uint64_t data = sq->sqes[head & *sq->kring_mask].user_data;
    struct aio__op *op = (struct aio__op *)(uintptr_t)(data & ~(uint64_t)URING_TAG_MASK);
    if (op != NULL && (data & URING_TAG_SYNC) != 0)
        op->flags |= URING_UNLINKED;
}

/* That of a sync that was cut short is no news of the bytes; nor is the success of one that has not
 * waited for them. A failure is: the kernel does not tell it again. */
static bool link_has_synced(const struct aio__op *op, int32_t result)
{
    if (result == -EINTR || result == -EAGAIN)
        return false;
    return result < 0 || (op->flags & URING_UNLINKED) == 0;
}

bool aio__uring_link_completed(struct uring *uring, struct aio__op *op, bool sync, int32_t result)
{
    const uint16_t both = URING_WROTE | URING_SYNCED;
    if (sync && link_has_synced(op, result))
        op->write_sync.synced = result;
    if (!sync)
        op->result = result;
    op->flags |= sync ? URING_SYNCED : URING_WROTE;
    if ((op->flags & both) != both)
        return false;
    op->flags &= (uint16_t) ~(both | URING_UNLINKED);
    uring->linked--;
    return true;
}
