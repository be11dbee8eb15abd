/*
 * Messages over streams: descriptors that go with bytes.
 */
#include "net/private.h"

static int message_run(struct aio__stream_call *call, uint8_t opcode, struct msghdr *header)
{
    struct aio__op_frame frame;
    bool reads = opcode == AIO__OP_RECVMSG;
    int rc;
    if (aio__stream_rented(call, reads, header->msg_iov, (int)header->msg_iovlen, &rc)) {
        header->msg_controllen = 0; /* bytes came, and nothing with them */
        header->msg_flags = 0;
        return rc;
    }
    frame.op.opcode = opcode;
    frame.op.fd = call->stream->handle.fd;
    frame.op.message.header = header;
    frame.op.message.flags = 0;
    return aio__gate_run(&call->stream->handle, call->gate, &frame,
                         reads ? "receive message" : "send message");
}

/* Whether there is a byte to transfer: without one no descriptor goes, and an end cannot be told.
 */
static bool message_has_bytes(const struct aio_message *message)
{
    for (int i = 0; i < message->count; i++)
        if (message->vectors[i].iov_len > 0)
            return true;
    return false;
}

ssize_t aio_stream_sendmsg(struct aio_stream *stream, const struct aio_message *message)
{
    struct aio__stream_call call;
    struct msghdr header;
    (void)aio__handle_core(&stream->handle, __func__);
    if (!aio__message_valid(message) || message->address != NULL)
        return -EINVAL;
    bool bytes = message_has_bytes(message);
    if (!bytes && message->control_bytes > 0)
        return -EINVAL;
    int rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc < 0)
        return rc;
    if (stream->filter != NULL)
        return aio__stream_leave(&call, -EOPNOTSUPP);
    aio__message_to_send(message, &header);
    if (bytes)
        rc = message_run(&call, AIO__OP_SENDMSG, &header);
    return aio__stream_leave(&call, rc);
}

int aio_stream_recvmsg(struct aio_stream *stream, struct aio_message *message)
{
    struct aio__stream_call call;
    struct msghdr header;
    (void)aio__handle_core(&stream->handle, __func__);
    if (!aio__message_valid(message) || message->address != NULL || !message_has_bytes(message))
        return -EINVAL;
    int rc = aio__stream_enter(&call, stream, &stream->reading, stream->read_ns);
    if (rc < 0)
        return rc;
    if (stream->filter != NULL)
        return (int)aio__stream_leave(&call, -EOPNOTSUPP);
    aio__message_to_receive(message, &header);
    int got = message_run(&call, AIO__OP_RECVMSG, &header);
    if (got >= 0)
        aio__message_received(message, &header, (size_t)got);
    rc = (int)aio__stream_leave(&call, got);
    if (rc < 0 && got >= 0)
        aio_message_drop_fds(message); /* the stream was closed meanwhile */
    return rc < 0 ? rc : 0;
}
