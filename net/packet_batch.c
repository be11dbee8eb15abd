/*
 * Many messages in one call.
 */
#include "net/private.h"

static int batch_run(struct aio_socket *socket, struct aio__gate *gate, uint8_t opcode,
                     struct mmsghdr *headers, unsigned count)
{
    struct aio__op_frame frame;
    bool sending = opcode == AIO__OP_SENDMMSG;
    frame.op.opcode = opcode;
    frame.op.fd = socket->handle.fd;
    frame.op.batch.headers = headers;
    frame.op.batch.count = count;
    frame.op.batch.flags = sending ? 0 : MSG_TRUNC;
    frame.op.batch.drained = !sending && socket->drained;
    return aio__gate_run(&socket->handle, gate, &frame, sending ? "send" : "receive");
}

static bool batch_valid(const struct aio_message *messages, int count)
{
    for (int i = 0; i < count; i++)
        if (!aio__message_valid(&messages[i]))
            return false;
    return count >= 0;
}

/* At its end a sequence gives empty messages without end: they do not count, and none but they is
 * an error. */
static int batch_received(struct aio_socket *socket, struct aio_message *messages,
                          const struct mmsghdr *headers, int count)
{
    for (int i = 0; i < count; i++) {
        if (aio__packet_ended(socket, &headers[i].msg_hdr, headers[i].msg_len))
            return i > 0 ? i : -ENODATA;
        aio__message_received(&messages[i], &headers[i].msg_hdr, headers[i].msg_len);
    }
    return count;
}

int aio_socket_recv_many(struct aio_socket *socket, struct aio_message *messages, int count)
{
    struct mmsghdr headers[AIO_SOCKET_BATCH_MAX];
    (void)aio__handle_core(&socket->handle, __func__);
    if (count > AIO_SOCKET_BATCH_MAX)
        count = AIO_SOCKET_BATCH_MAX;
    if (!batch_valid(messages, count))
        return -EINVAL;
    int rc = aio__gate_enter(&socket->handle, &socket->receiving);
    if (rc < 0)
        return rc;
    int got = 0;
    if (count > 0 && socket->rent != NULL)
        got = aio__packet_rented(socket, messages, count);
    if (count > 0 && got == 0) {
        for (int i = 0; i < count; i++)
            aio__message_to_receive(&messages[i], &headers[i].msg_hdr);
        got = batch_run(socket, &socket->receiving, AIO__OP_RECVMMSG, headers, (unsigned)count);
        socket->drained = got > 0 && got < count;
        got = batch_received(socket, messages, headers, got);
    }
    rc = (int)aio__gate_leave(&socket->handle, &socket->receiving, got);
    for (int i = 0; rc < 0 && i < got; i++)
        aio_message_drop_fds(&messages[i]); /* the socket was closed meanwhile */
    return rc;
}

/* Inside the gate. Returns messages sent, or the error of the first. */
static int batch_send(struct aio_socket *socket, const struct aio_message *messages, int count)
{
    struct mmsghdr headers[AIO_SOCKET_BATCH_MAX];
    int sent = 0, rc = 0;
    while (sent < count && rc >= 0) {
        int part = count - sent < AIO_SOCKET_BATCH_MAX ? count - sent : AIO_SOCKET_BATCH_MAX;
        for (int i = 0; i < part; i++)
            aio__message_to_send(&messages[sent + i], &headers[i].msg_hdr);
        rc = batch_run(socket, &socket->sending, AIO__OP_SENDMMSG, headers, (unsigned)part);
        sent += rc > 0 ? rc : 0;
    }
    return sent > 0 ? sent : rc;
}

int aio_socket_send_many(struct aio_socket *socket, const struct aio_message *messages, int count)
{
    (void)aio__handle_core(&socket->handle, __func__);
    if (!batch_valid(messages, count))
        return -EINVAL;
    int rc = aio__packet_enter_sending(socket);
    if (rc < 0)
        return rc;
    rc = batch_send(socket, messages, count);
    return (int)aio__gate_leave(&socket->handle, &socket->sending, rc);
}
