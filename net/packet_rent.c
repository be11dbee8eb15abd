/*
 * Packets received into rented buffers. The receive stays armed between calls (intake.h), so what
 * it has brought comes first, whatever call receives next: a plain one copies it, and ends the op
 * before it goes to the kernel itself.
 *
 * In a buffer the packet stands behind the sender's name and its control data (core/packet.h). On
 * Unix sockets there is no room for control data: descriptors, which it might hold, would have to
 * be closed wherever a buffer is dropped.
 */
#include "net/intake.h"
#include "net/private.h"

#include "core/alloc.h"
#include "core/packet.h"

#include <aio/buf.h>
#include <string.h>

#define RENT_NAME_BYTES 112 /* struct sockaddr_un, the longest, has 110 */

/* Datagrams come in bursts: more of them may wait than buffers of a stream. */
#define RENT_BURST 8u

struct aio__packet_rent {
    struct aio__intake intake;
    struct msghdr shape;
};

_Static_assert(sizeof(struct aio__packet_head) + RENT_NAME_BYTES + AIO_CONTROL_BYTES ==
                   AIO_SOCKET_RENT_BYTES,
               "what the header says of the room in front of a packet");

struct aio__intake *aio__packet_intake(const struct aio_socket *socket)
{
    return socket->rent == NULL ? NULL : &socket->rent->intake;
}

static uint32_t rent_limit(const struct aio__buffers *pool)
{
    uint32_t limit = pool->stream_limit * RENT_BURST, most = aio__buffers_reach(pool) / 4;
    return limit < most ? limit : most > 0 ? most : 1;
}

static int rent_make(struct aio_socket *socket)
{
    struct aio__buffers *pool = &socket->handle.core->buffers;
    if (socket->type != SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (pool->bytes <= AIO_SOCKET_RENT_BYTES)
        return -EMSGSIZE;
    if (aio__buffers_prepare(pool) < 0)
        return -ENOMEM;
    struct aio__packet_rent *rent = aio__alloc_zero(sizeof *rent);
    if (rent == NULL)
        return -ENOMEM;
    rent->shape.msg_namelen = RENT_NAME_BYTES;
    rent->shape.msg_controllen = socket->family == AF_UNIX ? 0 : AIO_CONTROL_BYTES;
    aio__intake_open(&rent->intake, &socket->handle, &rent->shape, rent_limit(pool));
    socket->rent = rent;
    return 0;
}

static int rent_take(struct aio_socket *socket, struct aio_buffer **out)
{
    struct aio__intake *intake = &socket->rent->intake;
    if (intake->feed.count > 0)
        aio__charge(socket->handle.core);
    while ((*out = aio__feed_collect(&intake->feed)) == NULL) {
        int rc = aio__intake_report(intake);
        if (rc == 0)
            rc = aio__intake_step(intake, &socket->receiving, false);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static uint32_t rent_least(uint32_t left, size_t right)
{
    return left < right ? left : (uint32_t)right;
}

/* The head of a packet as recvmsg(2) would have told it, without pointers to it. */
static struct msghdr rent_header(const struct aio_buffer *buffer, const struct msghdr *shape)
{
    const struct aio__packet_head *head =
        (const struct aio__packet_head *)(const void *)buffer->data;
    return (struct msghdr){.msg_namelen = rent_least(head->name_bytes, shape->msg_namelen),
                           .msg_controllen = rent_least(head->control_bytes, shape->msg_controllen),
                           .msg_flags = (int)head->flags};
}

static size_t rent_whole(const struct aio_buffer *buffer)
{
    return ((const struct aio__packet_head *)(const void *)buffer->data)->payload_bytes;
}

static void rent_name(const struct aio_buffer *buffer, const struct msghdr *header,
                      struct aio_address *out)
{
    if (out != NULL)
        memcpy(&out->storage, aio__packet_name(buffer), header->msg_namelen);
}

/* Control data is read where it stands. */
static void rent_describe(const struct aio_buffer *buffer, const struct msghdr *shape,
                          struct aio_message *message)
{
    struct msghdr header = rent_header(buffer, shape);
    rent_name(buffer, &header, message->address);
    message->control = aio__packet_control(buffer, shape);
    message->control_room = header.msg_controllen;
    aio__message_describe(message, &header, buffer->size - aio__packet_front(shape),
                          rent_whole(buffer));
}

ssize_t aio_socket_rent(struct aio_socket *socket, struct aio_buffer **out,
                        struct aio_message *message)
{
    (void)aio__handle_core(&socket->handle, __func__);
    struct aio_buffer *buffer = NULL;
    *out = NULL;
    int rc = aio__gate_enter(&socket->handle, &socket->receiving);
    if (rc < 0)
        return rc;
    if (__builtin_expect(socket->rent == NULL, 0))
        rc = rent_make(socket);
    if (rc == 0)
        rc = rent_take(socket, &buffer);
    rc = (int)aio__gate_leave(&socket->handle, &socket->receiving, rc);
    if (buffer == NULL)
        return rc;
    if (rc < 0) { /* the socket was closed meanwhile */
        aio__buffer_release(buffer);
        return rc;
    }
    const struct msghdr *shape = &socket->rent->shape;
    if (message != NULL)
        rent_describe(buffer, shape, message);
    aio__buffer_skip(buffer, aio__packet_front(shape));
    *out = buffer;
    return buffer->size;
}

static size_t rent_scatter(const struct aio_message *message, const unsigned char *bytes,
                           size_t size)
{
    size_t done = 0;
    for (int i = 0; i < message->count && done < size; i++) {
        size_t part = message->vectors[i].iov_len;
        part = part < size - done ? part : size - done;
        if (part > 0)
            memcpy(message->vectors[i].iov_base, bytes + done, part);
        done += part;
    }
    return done;
}

/* As recvmsg(2) would have received it. */
static void rent_copy(const struct aio_buffer *buffer, const struct msghdr *shape,
                      struct aio_message *message)
{
    struct msghdr header = rent_header(buffer, shape);
    uint32_t front = aio__packet_front(shape);
    size_t bytes = rent_scatter(message, buffer->data + front, buffer->size - front);
    if (bytes < rent_whole(buffer))
        header.msg_flags |= MSG_TRUNC;
    if (message->control != NULL && header.msg_controllen > message->control_room) {
        header.msg_controllen = message->control_room;
        header.msg_flags |= MSG_CTRUNC;
    }
    if (message->control != NULL)
        memcpy(message->control, aio__packet_control(buffer, shape), header.msg_controllen);
    rent_name(buffer, &header, message->address);
    aio__message_describe(message, &header, bytes, rent_whole(buffer));
}

int aio__packet_rented(struct aio_socket *socket, struct aio_message *messages, int count)
{
    struct aio__intake *intake = &socket->rent->intake;
    while (intake->feed.count == 0) {
        int rc = aio__intake_report(intake);
        if (rc == 0 && !intake->armed)
            return 0;
        if (rc == 0)
            rc = aio__intake_step(intake, &socket->receiving, true);
        if (rc < 0)
            return rc;
    }
    int done = 0;
    struct aio_buffer *buffer;
    while (done < count && (buffer = aio__feed_collect(&intake->feed)) != NULL) {
        rent_copy(buffer, &socket->rent->shape, &messages[done++]);
        aio__buffer_release(buffer);
    }
    aio__charge(socket->handle.core);
    return done;
}

int aio__packet_rent_disarm(struct aio_socket *socket)
{
    struct aio__intake *intake = &socket->rent->intake;
    struct aio_shield shield;
    aio_shield_enter(&shield);
    int rc = aio__gate_enter(&socket->handle, &socket->receiving);
    if (rc == 0) {
        rc = aio__intake_end(intake, &socket->receiving);
        aio__intake_tell(intake);
        rc = (int)aio__gate_leave(&socket->handle, &socket->receiving, rc);
    }
    aio_shield_leave(&shield);
    return rc == 0 && aio__intake_has_more(intake) ? -EBUSY : rc;
}

void aio__packet_rent_close(struct aio_socket *socket)
{
    struct aio__packet_rent *rent = socket->rent;
    (void)aio__intake_end(&rent->intake, NULL);
    aio__intake_clear(&rent->intake);
    socket->rent = NULL;
    aio__free(rent);
}
