/*
 * One row per opcode: how an op is written into a submission entry, and what its completion has
 * written.
 */
#include "backends/uring/private.h"
#include "core/sanitize.h"

#include <poll.h>

static void prep_nop(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    (void)uring, (void)op;
    io_uring_prep_nop(sqe);
}

static void prep_recv(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_recv(sqe, op->fd, op->transfer.buffer, aio__uring_length(op->transfer.length),
                       op->transfer.flags);
}

/* All of it at once and without a completion, or else a completion that says how much. */
static void prep_quiet(struct io_uring_sqe *sqe, const struct aio__op *op)
{
    if ((op->flags & URING_QUIET) == 0)
        return;
    sqe->msg_flags |= MSG_DONTWAIT | MSG_WAITALL;
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static void prep_send(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_send(sqe, op->fd, op->transfer.buffer, aio__uring_length(op->transfer.length),
                       op->transfer.flags | MSG_NOSIGNAL);
    prep_quiet(sqe, op);
}

/* The pinned memory that all of a buffer is in; -1: in none. */
static inline int prep_pin(const struct uring *uring, const char *buffer, unsigned length)
{
    if (__builtin_expect(uring->pinned == 0, 1))
        return -1;
    return aio__uring_pin_find(uring, buffer, length);
}

static void prep_send_zc(const struct uring *uring, struct io_uring_sqe *sqe,
                         const struct aio__op *op)
{
    unsigned length = aio__uring_length(op->transfer.length);
    if ((uring->caps & AIO__URING_SEND_ZC) == 0) {
        prep_send(uring, sqe, op);
        return;
    }
    io_uring_prep_send_zc(sqe, op->fd, op->transfer.buffer, length,
                          op->transfer.flags | MSG_NOSIGNAL, 0);
    int pin = prep_pin(uring, op->transfer.buffer, length);
    if (pin >= 0) {
        sqe->ioprio |= IORING_RECVSEND_FIXED_BUF;
        sqe->buf_index = (uint16_t)pin;
    }
}

static void prep_recvmsg(const struct uring *uring, struct io_uring_sqe *sqe,
                         const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_recvmsg(sqe, op->fd, op->message.header,
                          (unsigned)op->message.flags | MSG_CMSG_CLOEXEC);
}

static void prep_sendmsg(const struct uring *uring, struct io_uring_sqe *sqe,
                         const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_sendmsg(sqe, op->fd, op->message.header,
                          (unsigned)op->message.flags | MSG_NOSIGNAL);
    prep_quiet(sqe, op);
}

static void prep_accept(const struct uring *uring, struct io_uring_sqe *sqe,
                        const struct aio__op *op)
{
    int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
    bool several = op->accept.deliveries->limit > 1;
    if (several && (uring->caps & AIO__URING_MULTISHOT_ACCEPT) != 0)
        io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, flags);
    else
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, flags);
}

static void prep_connect(const struct uring *uring, struct io_uring_sqe *sqe,
                         const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_connect(sqe, op->fd, op->connect.address, op->connect.length);
}

/* Offset -1, as an unsigned number, is the file's own cursor. */
static void prep_read(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    unsigned length = aio__uring_length(op->file.length);
    uint64_t offset = (uint64_t)op->file.offset;
    int pin = prep_pin(uring, op->file.buffer, length);
    if (pin >= 0)
        io_uring_prep_read_fixed(sqe, op->fd, op->file.buffer, length, offset, pin);
    else
        io_uring_prep_read(sqe, op->fd, op->file.buffer, length, offset);
}

static void prep_write(const struct uring *uring, struct io_uring_sqe *sqe,
                       const struct aio__op *op)
{
    unsigned length = aio__uring_length(op->file.length);
    uint64_t offset = (uint64_t)op->file.offset;
    int pin = prep_pin(uring, op->file.buffer, length);
    if (pin >= 0)
        io_uring_prep_write_fixed(sqe, op->fd, op->file.buffer, length, offset, pin);
    else
        io_uring_prep_write(sqe, op->fd, op->file.buffer, length, offset);
}

static void prep_readv(const struct uring *uring, struct io_uring_sqe *sqe,
                       const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_readv2(sqe, op->fd, op->vectored.vectors, op->vectored.count,
                         (uint64_t)op->vectored.offset, op->vectored.flags);
}

static void prep_writev(const struct uring *uring, struct io_uring_sqe *sqe,
                        const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_writev2(sqe, op->fd, op->vectored.vectors, op->vectored.count,
                          (uint64_t)op->vectored.offset, op->vectored.flags);
}

static void prep_open(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_openat2(sqe, op->fd, op->open.path, (struct open_how *)(uintptr_t)op->open.how);
    if (aio__uring_open_waits(op))
        sqe->flags |= IOSQE_ASYNC;
}

static void prep_fsync(const struct uring *uring, struct io_uring_sqe *sqe,
                       const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_fsync(sqe, op->fd, op->sync.data ? IORING_FSYNC_DATASYNC : 0);
}

static void prep_poll(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    (void)uring;
    io_uring_prep_poll_add(sqe, op->fd, op->poll.events);
}

typedef void prep_fn(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op);

static prep_fn *const prep_rows[AIO__OP_COUNT] = {
    [AIO__OP_NOP] = prep_nop,
    [AIO__OP_RECV] = prep_recv,
    [AIO__OP_SEND] = prep_send,
    [AIO__OP_SEND_ZC] = prep_send_zc,
    [AIO__OP_RECVMSG] = prep_recvmsg,
    [AIO__OP_SENDMSG] = prep_sendmsg,
    [AIO__OP_ACCEPT] = prep_accept,
    [AIO__OP_CONNECT] = prep_connect,
    [AIO__OP_READ] = prep_read,
    [AIO__OP_WRITE] = prep_write,
    [AIO__OP_READV] = prep_readv,
    [AIO__OP_WRITEV] = prep_writev,
    [AIO__OP_OPEN] = prep_open,
    [AIO__OP_FSYNC] = prep_fsync,
    [AIO__OP_POLL] = prep_poll,
    [AIO__OP_RENT] = NULL,       /* written by rent.c */
    [AIO__OP_WRITE_SYNC] = NULL, /* written by link.c */
    /* These never reach the ring: batch.c, and submit.c. */
    [AIO__OP_RECVMMSG] = NULL,
    [AIO__OP_SENDMMSG] = NULL,
    [AIO__OP_SPLICE_IN] = NULL,
    [AIO__OP_SPLICE_OUT] = NULL,
    [AIO__OP_PIN] = NULL,
    [AIO__OP_UNPIN] = NULL,
    [AIO__OP_FORGET] = NULL,
};

void aio__uring_prep(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op)
{
    prep_rows[op->opcode](uring, sqe, op);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op);
}

static uint32_t prep_ready_events(const struct aio__op *op)
{
    switch (op->opcode) {
    case AIO__OP_SEND:
    case AIO__OP_SEND_ZC:
    case AIO__OP_SENDMSG:
    case AIO__OP_SENDMMSG:
    case AIO__OP_SPLICE_OUT:
    case AIO__OP_CONNECT:
    case AIO__OP_WRITE:
    case AIO__OP_WRITEV:
        return POLLOUT;
    default:
        return POLLIN;
    }
}

/*
 * Ready, but not for this op. A poll is told of a peer's end, whether it asked or not; a datagram
 * to a full receiver waits on a socket that is writable, errors queued with a socket make it
 * readable. After a few times in a row it is tried only now and then.
 */
#define PREP_FRUITLESS_MAX 4u

void aio__uring_issue_poll(struct uring *uring, struct aio__op *op)
{
    static struct __kernel_timespec pause = {.tv_nsec = 1000000};
    struct io_uring_sqe *sqe = aio__uring_sqe(uring);
    if (sqe == NULL) { /* then simply try again when there is room */
        aio__uring_keep(uring, op);
        return;
    }
    if (aio__op_is_stream(op) || /* whose scratch is for something else */
        (op->opcode != AIO__OP_POLL && ++op->scratch <= PREP_FRUITLESS_MAX))
        io_uring_prep_poll_add(sqe, op->fd, prep_ready_events(op));
    else
        io_uring_prep_timeout(sqe, &pause, 0, 0);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op);
    op->flags |= URING_IN_KERNEL | URING_WAITS_READY;
}

static void prep_mark_vectors(const struct iovec *vectors, size_t count, size_t left)
{
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t part = vectors[i].iov_len < left ? vectors[i].iov_len : left;
        aio__sanitize_written(vectors[i].iov_base, part);
        left -= part;
    }
}

static void prep_mark_message(const struct msghdr *header, size_t left)
{
    prep_mark_vectors(header->msg_iov, header->msg_iovlen, left);
    aio__sanitize_written(header->msg_control, header->msg_controllen);
    aio__sanitize_written(header->msg_name, header->msg_name != NULL ? header->msg_namelen : 0);
}

/* With MSG_TRUNC a result is the length of the datagram, whatever of it was received. */
static size_t prep_written(const struct aio__op *op, int32_t result)
{
    return (size_t)result < op->transfer.length ? (size_t)result : op->transfer.length;
}

void aio__uring_mark_written(const struct aio__op *op, int32_t result)
{
    if (result < 0)
        return;
    if (op->opcode == AIO__OP_RECV)
        aio__sanitize_written(op->transfer.buffer, prep_written(op, result));
    else if (op->opcode == AIO__OP_READ)
        aio__sanitize_written(op->file.buffer, (size_t)result);
    else if (op->opcode == AIO__OP_READV)
        prep_mark_vectors(op->vectored.vectors, op->vectored.count, (size_t)result);
    else if (op->opcode == AIO__OP_RECVMSG)
        prep_mark_message(op->message.header, (size_t)result);
}
