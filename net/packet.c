/*
 * Sockets that carry packets: opening, closing, sending and receiving one packet or message.
 */
#include "net/private.h"

#include "core/alloc.h"

static void packet_close_handle(struct aio__handle *handle)
{
    aio_socket_close((struct aio_socket *)(void *)handle);
}

static const struct aio__handle_kind packet_kind = {"socket", packet_close_handle};

struct aio_socket *aio__packet_alloc(void)
{
    return aio__alloc_zero(sizeof(struct aio_socket));
}

/*
 * On a connection a packet of no bytes and the end look alike but for a time stamp: an end has
 * none. So these sockets have time stamps always; on Unix sockets they cost nothing elsewhere.
 */
void aio__packet_start(struct aio_socket *socket, struct aio__core *core, int fd,
                       struct aio__path *path)
{
    aio__handle_open(&socket->handle, core, fd, &packet_kind);
    (void)aio__socket_get(fd, SOL_SOCKET, SO_DOMAIN, &socket->family);
    (void)aio__socket_get(fd, SOL_SOCKET, SO_TYPE, &socket->type);
    socket->path = path;
    if (socket->type == SOCK_SEQPACKET)
        (void)aio__socket_set(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
}

int aio__packet_open(struct aio_socket **out, struct aio__core *core, int fd,
                     struct aio__path *path)
{
    struct aio_socket *socket = aio__packet_alloc();
    if (socket == NULL) {
        aio__path_remove(path);
        aio__socket_drop(core, fd);
        return -ENOMEM;
    }
    aio__packet_start(socket, core, fd, path);
    *out = socket;
    return 0;
}

int aio_socket_adopt(struct aio_socket **out, int fd)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int type = aio__socket_type(fd);
    if (type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return type < 0 ? type : -EINVAL;
    struct aio_socket *socket = aio__packet_alloc();
    if (socket == NULL)
        return -ENOMEM;
    int rc = aio__socket_take(fd);
    if (rc < 0) {
        aio__free(socket);
        return rc;
    }
    aio__packet_start(socket, core, fd, NULL);
    *out = socket;
    return 0;
}

static void packet_drop_rented(struct aio_socket *socket)
{
    if (socket->rent != NULL)
        aio__packet_rent_close(socket);
    if (socket->give != NULL)
        aio__packet_give_close(socket);
}

int aio_socket_release(struct aio_socket *socket)
{
    (void)aio__handle_core(&socket->handle, __func__);
    struct aio__handle *handle = &socket->handle;
    int fd = handle->fd, rc = 0;
    if (handle->calls == 0 && !handle->closing && socket->rent != NULL)
        rc = aio__packet_rent_disarm(socket);
    if (rc == 0 && !handle->closing && !aio__packet_give_idle(socket))
        rc = -EBUSY;
    if (rc == 0)
        rc = aio__handle_release(handle);
    if (rc < 0)
        return rc;
    packet_drop_rented(socket);
    aio__path_free(socket->path);
    aio__free(socket);
    return fd;
}

void aio_socket_close(struct aio_socket *socket)
{
    if (socket == NULL)
        return;
    (void)aio__handle_core(&socket->handle, __func__);
    struct aio__gate *const gates[] = {&socket->receiving, &socket->sending};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&socket->handle, gates, 2);
    packet_drop_rented(socket);
    aio__path_remove(socket->path); /* while the socket still holds the file's number */
    aio__handle_finish(&socket->handle);
    aio_shield_leave(&shield);
    aio__free(socket);
}

/* A call with one message, in the gate from beginning to end. */
struct packet_call {
    struct aio__op_frame frame;
    struct msghdr header;
};

static int packet_run_message(struct aio_socket *socket, struct aio__gate *gate, uint8_t opcode,
                              struct packet_call *call)
{
    call->frame.op.opcode = opcode;
    call->frame.op.fd = socket->handle.fd;
    call->frame.op.message.header = &call->header;
    call->frame.op.message.flags = opcode == AIO__OP_SENDMSG ? AIO__SEND_WHOLE : MSG_TRUNC;
    return aio__gate_run(&socket->handle, gate, &call->frame,
                         opcode == AIO__OP_SENDMSG ? "send" : "receive");
}

/* What was given away before is sent before. */
int aio__packet_enter_sending(struct aio_socket *socket)
{
    int rc = aio__gate_enter(&socket->handle, &socket->sending);
    if (rc < 0 || __builtin_expect(aio__packet_give_idle(socket), 1))
        return rc;
    rc = aio__packet_give_settle(socket);
    return rc < 0 ? (int)aio__gate_leave(&socket->handle, &socket->sending, rc) : 0;
}

ssize_t aio_socket_send(struct aio_socket *socket, const void *bytes, size_t size)
{
    struct aio__handle *handle = &socket->handle;
    (void)aio__handle_core(handle, __func__);
    int rc = aio__packet_enter_sending(socket);
    if (rc < 0)
        return rc;
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_SEND;
    frame.op.fd = handle->fd;
    frame.op.transfer.buffer = (void *)(uintptr_t)bytes;
    frame.op.transfer.length = size;
    frame.op.transfer.flags = AIO__SEND_WHOLE;
    rc = aio__gate_run(handle, &socket->sending, &frame, "send");
    return aio__gate_leave(handle, &socket->sending, rc);
}

static ssize_t packet_send(struct aio_socket *socket, const struct aio_message *message)
{
    struct packet_call call;
    if (!aio__message_valid(message))
        return -EINVAL;
    int rc = aio__packet_enter_sending(socket);
    if (rc < 0)
        return rc;
    aio__message_to_send(message, &call.header);
    rc = packet_run_message(socket, &socket->sending, AIO__OP_SENDMSG, &call);
    return aio__gate_leave(&socket->handle, &socket->sending, rc);
}

ssize_t aio_socket_sendmsg(struct aio_socket *socket, const struct aio_message *message)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return packet_send(socket, message);
}

ssize_t aio_socket_send_to(struct aio_socket *socket, const void *bytes, size_t size,
                           const struct aio_address *to)
{
    (void)aio__handle_core(&socket->handle, __func__);
    struct iovec vector = {(void *)(uintptr_t)bytes, size};
    struct aio_message message = {
        .vectors = &vector, .count = 1, .address = (struct aio_address *)(uintptr_t)to};
    return packet_send(socket, &message);
}

bool aio__packet_ended(const struct aio_socket *socket, const struct msghdr *header, size_t whole)
{
    if (socket->type != SOCK_SEQPACKET || whole > 0 || (header->msg_flags & MSG_CTRUNC) != 0)
        return false;
    struct timespec stamp;
    struct aio_message message = {.control = header->msg_control,
                                  .control_room = header->msg_controllen,
                                  .control_bytes = header->msg_controllen};
    return aio_message_find(&message, SOL_SOCKET, SCM_TIMESTAMPNS, &stamp, sizeof stamp) < 0;
}

static int packet_receive(struct aio_socket *socket, struct aio_message *message)
{
    struct packet_call call;
    if (!aio__message_valid(message))
        return -EINVAL;
    int rc = aio__gate_enter(&socket->handle, &socket->receiving);
    if (rc < 0)
        return rc;
    if (__builtin_expect(socket->rent != NULL, 0)) {
        rc = aio__packet_rented(socket, message, 1);
        if (rc != 0) {
            rc = (int)aio__gate_leave(&socket->handle, &socket->receiving, rc);
            return rc < 0 ? rc : 0;
        }
    }
    aio__message_to_receive(message, &call.header);
    int whole = packet_run_message(socket, &socket->receiving, AIO__OP_RECVMSG, &call);
    if (whole >= 0) {
        aio__message_received(message, &call.header, (size_t)whole);
        if (aio__packet_ended(socket, &call.header, (size_t)whole))
            whole = -ENODATA;
    }
    rc = (int)aio__gate_leave(&socket->handle, &socket->receiving, whole);
    if (rc < 0 && whole >= 0)
        aio_message_drop_fds(message); /* the socket was closed meanwhile */
    return rc < 0 ? rc : 0;
}

int aio_socket_recvmsg(struct aio_socket *socket, struct aio_message *message)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return packet_receive(socket, message);
}

ssize_t aio_socket_recv_from(struct aio_socket *socket, void *buffer, size_t size,
                             struct aio_address *from, size_t *whole)
{
    (void)aio__handle_core(&socket->handle, __func__);
    struct iovec vector = {buffer, size};
    struct aio_message message = {.vectors = &vector, .count = 1, .address = from};
    int rc = packet_receive(socket, &message);
    if (rc < 0)
        return rc;
    if (whole != NULL)
        *whole = message.whole;
    return (ssize_t)message.bytes;
}

ssize_t aio_socket_recv(struct aio_socket *socket, void *buffer, size_t size, size_t *whole)
{
    return aio_socket_recv_from(socket, buffer, size, NULL, whole);
}

/* The queue is another one than that of packets, and nobody waits for it: no op, no gate. */
int aio_socket_recverr(struct aio_socket *socket, struct aio_message *message)
{
    struct msghdr header;
    (void)aio__handle_core(&socket->handle, __func__);
    if (!aio__message_valid(message))
        return -EINVAL;
    aio__message_to_receive(message, &header);
    ssize_t whole = recvmsg(socket->handle.fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT | MSG_TRUNC);
    if (whole < 0)
        return -errno;
    aio__message_received(message, &header, (size_t)whole);
    return 0;
}
