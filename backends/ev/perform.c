/*
 * One row per opcode: the function that tries it, and the queue it waits in; and those functions
 * for sockets. A socket op never blocks, whatever O_NONBLOCK says, and never raises SIGPIPE.
 */
#include <errno.h>
#include <fcntl.h>

#include "backends/caps.h"
#include "backends/ev/private.h"
#include "core/splice.h"

int32_t aio__ev_returned(ssize_t value)
{
    if (value >= 0)
        return (int32_t)value;
    /* EINPROGRESS: a send that opens its connection (TCP fast open) without a cookie. */
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS)
        return AIO__EV_WAIT;
    return -errno;
}

static bool perform_is_stream(struct aio__ev_fd *entry)
{
    int type = 0;
    socklen_t size = sizeof type;

    if ((entry->flags & AIO__EV_FD_TYPED) == 0) {
        entry->flags |= AIO__EV_FD_TYPED;
        if (getsockopt(entry->fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM)
            entry->flags |= AIO__EV_FD_STREAM;
    }
    return (entry->flags & AIO__EV_FD_STREAM) != 0;
}

/*
 * After a short read a stream is empty, and the next read would only learn that. Where it is not
 * (an end of file or urgent data behind the bytes), waiting is still right: libev is
 * level-triggered and reports it at once.
 */
int32_t aio__ev_received(struct aio__ev_backend *self, struct aio__ev_fd *entry, ssize_t got,
                         size_t wanted, int flags)
{
    if (got > 0 && (size_t)got < wanted && (self->caps & AIO__EV_READ_HINT) != 0 &&
        (flags & (MSG_PEEK | MSG_OOB | MSG_ERRQUEUE)) == 0 && perform_is_stream(entry))
        entry->flags |= AIO__EV_FD_DRAINED;
    return aio__ev_returned(got);
}

static int32_t perform_recv(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            struct aio__op *op)
{
    size_t length = aio__ev_transfer_bytes(op->transfer.length);
    int flags = op->transfer.flags;
    ssize_t got;

    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    do
        got = recv(op->fd, op->transfer.buffer, length, flags | MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return aio__ev_received(self, entry, got, length, flags);
}

static int32_t perform_send(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            struct aio__op *op)
{
    size_t length = aio__ev_transfer_bytes(op->transfer.length);
    int flags = op->transfer.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t sent;

    (void)self;
    (void)entry;
    do
        sent = send(op->fd, op->transfer.buffer, length, flags);
    while (sent < 0 && errno == EINTR);
    return aio__ev_returned(sent);
}

static size_t perform_message_bytes(const struct msghdr *header)
{
    size_t bytes = 0;

    for (size_t i = 0; i < header->msg_iovlen; i++)
        bytes += header->msg_iov[i].iov_len;
    return bytes;
}

static int32_t perform_recvmsg(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                               struct aio__op *op)
{
    int flags = op->message.flags;
    ssize_t got;

    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    do
        got = recvmsg(op->fd, op->message.header, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    return aio__ev_received(self, entry, got, perform_message_bytes(op->message.header), flags);
}

static int32_t perform_sendmsg(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                               struct aio__op *op)
{
    int flags = op->message.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t sent;

    (void)self;
    (void)entry;
    do
        sent = sendmsg(op->fd, op->message.header, flags);
    while (sent < 0 && errno == EINTR);
    return aio__ev_returned(sent);
}

static int32_t perform_recvmmsg(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                                struct aio__op *op)
{
    int flags = op->batch.flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC;
    int got;

    (void)self;
    (void)entry;
    if (op->batch.drained) {
        op->batch.drained = false;
        return AIO__EV_WAIT;
    }
    do
        got = recvmmsg(op->fd, op->batch.headers, op->batch.count, flags, NULL);
    while (got < 0 && errno == EINTR);
    return aio__ev_returned(got);
}

static int32_t perform_sendmmsg(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                                struct aio__op *op)
{
    int flags = op->batch.flags | MSG_DONTWAIT | MSG_NOSIGNAL;
    int sent;

    (void)self;
    (void)entry;
    do
        sent = sendmmsg(op->fd, op->batch.headers, op->batch.count, flags);
    while (sent < 0 && errno == EINTR);
    return aio__ev_returned(sent);
}

static int32_t perform_splice(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                              struct aio__op *op)
{
    int32_t result;

    (void)self;
    if (op->opcode == AIO__OP_SPLICE_IN && (entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    result = aio__splice_op(op);
    return result == -EAGAIN ? (int32_t)AIO__EV_WAIT : result;
}

/* connect(2) knows no MSG_DONTWAIT: a blocking socket is made non-blocking for the call. */
static int perform_connect_call(struct aio__op *op)
{
    int status = fcntl(op->fd, F_GETFL);
    bool blocking = status >= 0 && (status & O_NONBLOCK) == 0;
    int result;

    if (blocking)
        fcntl(op->fd, F_SETFL, status | O_NONBLOCK);
    result = connect(op->fd, op->connect.address, op->connect.length) < 0 ? -errno : 0;
    if (blocking)
        fcntl(op->fd, F_SETFL, status);
    return result;
}

/*
 * On the event the call is made again: unlike SO_ERROR, it also takes the socket out of its
 * connecting state, so that after a failure the next attempt starts afresh. scratch: not 0 once
 * the connection is under way.
 */
static int32_t perform_connect(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                               struct aio__op *op)
{
    int result = perform_connect_call(op);

    (void)self;
    (void)entry;
    switch (result) {
    case -EINPROGRESS:
    case -EALREADY: /* or an earlier attempt, whose op was cancelled */
    case -EINTR:
        if (op->scratch == 0)
            op->scratch = 1;
        return AIO__EV_WAIT;
    case -EISCONN:
        return op->scratch != 0 ? 0 : result;
    case -EAGAIN:
        /* A Unix listener's backlog is full, and nothing tells when it is not; for others this is
         * a lack of local ports. */
        return op->connect.address->sa_family == AF_UNIX ? (int32_t)AIO__EV_LATER : -EADDRNOTAVAIL;
    default:
        return result;
    }
}

static int32_t perform_on_thread(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                                 struct aio__op *op)
{
    (void)self;
    (void)entry;
    (void)op;
    return AIO__EV_OFFLOAD;
}

static int32_t perform_nothing(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                               struct aio__op *op)
{
    (void)self;
    (void)entry;
    (void)op;
    return 0;
}

static int32_t perform_forget(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                              struct aio__op *op)
{
    (void)entry;
    aio__ev_fd_forget(self, op->fd);
    return 0;
}

const struct aio__ev_row aio__ev_rows[AIO__OP_COUNT] = {
    [AIO__OP_NOP] = {perform_nothing, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_RECV] = {perform_recv, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_SEND] = {perform_send, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_SEND_ZC] = {perform_send, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_RECVMSG] = {perform_recvmsg, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_SENDMSG] = {perform_sendmsg, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_RECVMMSG] = {perform_recvmmsg, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_SENDMMSG] = {perform_sendmmsg, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_ACCEPT] = {aio__ev_accept, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_RENT] = {aio__ev_rent, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_CONNECT] = {perform_connect, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_READ] = {aio__ev_read, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_WRITE] = {aio__ev_write, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_READV] = {aio__ev_read, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_WRITEV] = {aio__ev_write, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_OPEN] = {perform_on_thread, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_FSYNC] = {perform_on_thread, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_WRITE_SYNC] = {perform_on_thread, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_SPLICE_IN] = {perform_splice, AIO__EV_IN_READ_QUEUE},
    [AIO__OP_SPLICE_OUT] = {perform_splice, AIO__EV_IN_WRITE_QUEUE},
    [AIO__OP_POLL] = {aio__ev_poll_now, AIO__EV_IN_POLL_QUEUE},
    [AIO__OP_PIN] = {perform_nothing, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_UNPIN] = {perform_nothing, AIO__EV_IN_NO_QUEUE},
    [AIO__OP_FORGET] = {perform_forget, AIO__EV_IN_NO_QUEUE},
};
