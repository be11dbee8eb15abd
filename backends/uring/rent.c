/*
 * RENT, the stream op that receives into buffers of the pool. While buffers are lent to the kernel
 * it is a multishot receive, which takes one of them when there is data. When the kernel has no
 * multishot receive, or has run out of buffers, it is a poll, and a receive into a buffer chosen
 * when there is something to receive; ops that find the pool empty even then stand in a queue,
 * which each poll looks at.
 *
 * The kernel uses the buffers in the order in which they are lent, so the fewer there are the
 * warmer they stay: it starts with a few, and gets more whenever it had too few.
 *
 * Packets are received in the same way by RECVMSG, whose form in a buffer is core/packet.h's.
 */
#include "backends/uring/private.h"
#include "core/alloc.h"
#include "core/packet.h"
#include "core/sanitize.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define RENT_GROUP 0
#define RENT_LENT_START 64u
#define RENT_ENTRIES_MAX 32768u

static uint32_t rent_min(uint32_t left, uint32_t right)
{
    return left < right ? left : right;
}

/* Of a pool that has grown to its end. */
static uint32_t rent_share_most(const struct aio__buffers *pool)
{
    return rent_min(pool->most / 2, RENT_ENTRIES_MAX);
}

static size_t rent_ring_bytes(const struct uring_rent *rent)
{
    return rent->entries * sizeof(struct io_uring_buf);
}

/* Registers the ring of buffers. Without one every receive goes by poll. */
static void rent_open(struct uring *uring)
{
    struct uring_rent *rent = &uring->rent;
    uint32_t share = rent_share_most(rent->pool);
    rent->opened = true;
    if ((uring->caps & AIO__URING_MULTISHOT_RECV) == 0 || share == 0)
        return;
    rent->entries = 1;
    while (rent->entries < share)
        rent->entries *= 2;
    void *memory = mmap(NULL, rent_ring_bytes(rent), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return;
    struct io_uring_buf_reg reg = {.ring_addr = (uint64_t)(uintptr_t)memory,
                                   .ring_entries = rent->entries,
                                   .bgid = RENT_GROUP};
    if (io_uring_register_buf_ring(&uring->ring, &reg, 0) < 0) {
        (void)munmap(memory, rent_ring_bytes(rent));
        return;
    }
    (void)madvise(memory, rent_ring_bytes(rent), MADV_DONTFORK);
    rent->ring = memory;
    io_uring_buf_ring_init(rent->ring);
    rent->target = rent_min(RENT_LENT_START, share);
}

void aio__uring_rent_close(struct uring *uring)
{
    struct uring_rent *rent = &uring->rent;
    if (rent->ring == NULL)
        return;
    rent->pool->free += rent->pool->lent; /* the pool is about to be closed as well */
    rent->pool->lent = 0;
    (void)munmap(rent->ring, rent_ring_bytes(rent));
}

/* How many should be lent: what is lent or unread is a half of the pool at most. Where memory keeps
 * that small, no more is hoped for until the kernel has too few again. */
static uint32_t rent_wanted(struct uring_rent *rent)
{
    uint32_t spare = aio__buffers_spare(rent->pool, rent->target);
    uint32_t share = rent_min(aio__buffers_share(rent->pool), RENT_ENTRIES_MAX);
    if (rent->target > share && share > 0)
        rent->target = share;
    return rent_min(rent->target, spare);
}

void aio__uring_rent_refill(struct uring *uring)
{
    struct uring_rent *rent = &uring->rent;
    struct aio__buffers *pool = rent->pool;
    uint32_t wanted = rent_wanted(rent);
    int count = 0;
    while (pool->lent < wanted) {
        struct aio_buffer *buffer = aio__buffers_take(pool);
        if (buffer == NULL)
            break;
        io_uring_buf_ring_add(rent->ring, buffer->data, buffer->room,
                              (unsigned short)(buffer - pool->roots),
                              io_uring_buf_ring_mask(rent->entries), count++);
        pool->lent++;
    }
    if (count > 0)
        io_uring_buf_ring_advance(rent->ring, count);
}

/* After a shortage half of the buffers must be back, or the receive would end as soon as it began.
 */
static bool rent_may_be_multishot(struct uring *uring)
{
    struct uring_rent *rent = &uring->rent;
    if (!rent->opened)
        rent_open(uring);
    if (rent->ring == NULL || (uring->caps & AIO__URING_MULTISHOT_RECV) == 0)
        return false;
    aio__uring_rent_refill(uring);
    return rent->pool->lent >= (rent->target + 1) / 2;
}

_Static_assert(sizeof(struct aio__packet_head) == sizeof(struct io_uring_recvmsg_out) &&
                   offsetof(struct aio__packet_head, flags) ==
                       offsetof(struct io_uring_recvmsg_out, flags),
               "the kernel writes the head of a packet");

/* The kernel does not write to it. */
static struct msghdr *rent_shape(const struct aio__op *op)
{
    return (struct msghdr *)(uintptr_t)op->rent.shape;
}

static void rent_issue_multishot(struct uring *uring, struct aio__op *op)
{
    struct io_uring_sqe *sqe = aio__uring_sqe(uring);
    if (__builtin_expect(sqe == NULL, 0)) {
        aio__uring_keep(uring, op);
        return;
    }
    if (op->rent.shape == NULL)
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
    else
        io_uring_prep_recvmsg_multishot(sqe, op->fd, rent_shape(op), MSG_TRUNC);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = RENT_GROUP;
    io_uring_sqe_set_data64(sqe, (uintptr_t)op);
    op->flags |= URING_IN_KERNEL;
}

void aio__uring_rent_issue(struct uring *uring, struct aio__op *op)
{
    if (rent_may_be_multishot(uring))
        rent_issue_multishot(uring, op);
    else
        aio__uring_issue_poll(uring, op);
}

static void rent_deliver(struct aio__op *op, struct aio_buffer *buffer, int32_t bytes)
{
    aio__sanitize_written(buffer->data, (size_t)bytes);
    aio__buffer_fill(buffer, (uint32_t)bytes);
    aio__feed_deliver(op->rent.feed, buffer);
}

static void rent_starve(struct uring *uring, struct aio__op *op)
{
    uring->rent.pool->shortages++;
    op->flags |= URING_STARVED;
    aio__op_list_append(&uring->rent.starved, op);
}

/* The pool is empty, but perhaps the kernel has some. */
static void rent_receive_lent(struct uring *uring, struct aio__op *op)
{
    if (uring->rent.pool->lent > 0)
        rent_issue_multishot(uring, op);
    else
        rent_starve(uring, op);
}

/* Without waiting. Returns bytes in the buffer, or as recv(2). */
static ssize_t rent_receive_into(const struct aio__op *op, const struct aio_buffer *buffer)
{
    struct iovec vector;
    struct msghdr header;
    if (op->rent.shape == NULL)
        return recv(op->fd, buffer->data, buffer->room, MSG_DONTWAIT);
    aio__packet_prepare(buffer, op->rent.shape, &vector, &header);
    ssize_t n = recvmsg(op->fd, &header, MSG_DONTWAIT | MSG_TRUNC);
    return n < 0 ? n : aio__packet_finish(buffer, op->rent.shape, &header, (uint32_t)n);
}

/* The socket is readable: receives into a buffer of the pool. */
static void rent_receive(struct uring *uring, struct aio__op *op)
{
    struct aio_buffer *buffer = aio__buffers_take(uring->rent.pool);
    if (buffer == NULL) {
        rent_receive_lent(uring, op);
        return;
    }
    ssize_t n;
    do
        n = rent_receive_into(op, buffer);
    while (n < 0 && errno == EINTR);
    int error = errno;
    if (n > 0) {
        rent_deliver(op, buffer, (int32_t)n);
        return;
    }
    aio__buffer_release(buffer);
    if (n == 0)
        op->scratch = (uint32_t)AIO__STREAM_END;
    else if (error == EAGAIN)
        aio__uring_issue_poll(uring, op);
    else
        op->scratch = (uint32_t)-error;
}

void aio__uring_rent_serve(struct uring *uring)
{
    struct aio__op *op;
    while (!aio__op_list_empty(&uring->rent.starved) && aio__buffers_any(uring->rent.pool)) {
        op = aio__op_list_pop(&uring->rent.starved);
        op->flags &= (uint16_t)~URING_STARVED;
        rent_receive(uring, op);
        aio__uring_stream_settle(uring, op);
    }
}

void aio__uring_rent_unstarve(struct uring *uring, struct aio__op *op)
{
    (void)aio__op_list_remove(&uring->rent.starved, op);
    op->flags &= (uint16_t)~URING_STARVED;
    aio__uring_stream_settle(uring, op);
}

/* By the next poll the tasks have run, and most buffers are back. */
static void rent_again_later(struct uring *uring, struct aio__op *op)
{
    bool waits = op->state == AIO__OP_SUBMITTED && (op->flags & URING_CANCEL_WANTED) == 0;
    if (waits && op->rent.feed->count == 0)
        aio__uring_keep(uring, op);
}

/* A multishot receive is over, without data. Whoever waits begins another. */
static void rent_ended(struct uring *uring, struct aio__op *op, int32_t result)
{
    struct uring_rent *rent = &uring->rent;
    switch (-result) {
    case 0:
        op->scratch = (uint32_t)AIO__STREAM_END;
        break;
    case ENOBUFS:
        rent->target = rent_min(rent->target * 2, rent_share_most(rent->pool));
        rent->pool->shortages++;
        rent_again_later(uring, op);
        break;
    case EAGAIN:
        aio__uring_stream_poll(uring, op);
        break;
    case ECANCELED:
    case EINTR:
        break;
    case EINVAL: /* a kernel without it */
        if ((uring->caps & AIO__URING_MULTISHOT_RECV) != 0) {
            uring->caps &= ~(uint32_t)AIO__URING_MULTISHOT_RECV;
            break;
        }
        __attribute__((fallthrough));
    default:
        op->scratch = (uint32_t)result;
    }
}

/* The buffer that a completion names is ours again. */
static void rent_returned(struct uring *uring, struct aio__op *op, int32_t result,
                          uint32_t cqe_flags)
{
    struct aio__buffers *pool = uring->rent.pool;
    struct aio_buffer *buffer = &pool->roots[cqe_flags >> IORING_CQE_BUFFER_SHIFT];
    pool->lent--;
    if (result > 0)
        rent_deliver(op, buffer, result);
    else
        aio__buffer_release(buffer);
}

void aio__uring_rent_completed(struct uring *uring, struct aio__op *op, int32_t result,
                               uint32_t cqe_flags)
{
    bool more = (cqe_flags & IORING_CQE_F_MORE) != 0;
    bool polled = (op->flags & URING_WAITS_READY) != 0;
    if (__builtin_expect(!more, 0)) {
        op->flags &= (uint16_t) ~(URING_IN_KERNEL | URING_WAITS_READY);
        aio__uring_drop_cancel(uring, op);
    }
    if ((cqe_flags & IORING_CQE_F_BUFFER) != 0)
        rent_returned(uring, op, result, cqe_flags);
    if (__builtin_expect(polled, 0)) {
        if ((op->flags & URING_CANCEL_WANTED) == 0)
            rent_receive(uring, op);
    } else if (__builtin_expect(result <= 0, 0)) {
        rent_ended(uring, op, result);
    }
    if (more && aio__feed_full(op->rent.feed))
        aio__uring_stream_disarm(uring, op);
    aio__uring_stream_settle(uring, op);
}
