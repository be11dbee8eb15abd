/*
 * How a received packet stands in a rented buffer: a head, the sender's name, control data, each in
 * room of a fixed size, and the payload behind them. It is the form in which a multishot RECVMSG of
 * io_uring writes it; who receives by other calls gives it the same.
 *
 * The shape says how much room there is: its msg_namelen and msg_controllen.
 */
#ifndef AIO_CORE_PACKET_H
#define AIO_CORE_PACKET_H

#include "core/buffers.h"

#include <sys/socket.h>

/* What came; all but the flags may exceed the room for it. */
struct aio__packet_head {
    uint32_t name_bytes;
    uint32_t control_bytes;
    uint32_t payload_bytes;
    uint32_t flags; /* MSG_TRUNC, MSG_CTRUNC, ... */
};

/* Where the payload begins. */
static inline uint32_t aio__packet_front(const struct msghdr *shape)
{
    return (uint32_t)(sizeof(struct aio__packet_head) + shape->msg_namelen + shape->msg_controllen);
}

static inline unsigned char *aio__packet_name(const struct aio_buffer *buffer)
{
    return buffer->data + sizeof(struct aio__packet_head);
}

static inline unsigned char *aio__packet_control(const struct aio_buffer *buffer,
                                                 const struct msghdr *shape)
{
    return aio__packet_name(buffer) + shape->msg_namelen;
}

/* Makes a message that recvmsg(2) puts in its place in an empty buffer. */
static inline void aio__packet_prepare(const struct aio_buffer *buffer, const struct msghdr *shape,
                                       struct iovec *vector, struct msghdr *header)
{
    uint32_t front = aio__packet_front(shape);
    *vector = (struct iovec){buffer->data + front, buffer->room - front};
    *header = *shape;
    header->msg_name = aio__packet_name(buffer);
    header->msg_control = shape->msg_controllen > 0 ? aio__packet_control(buffer, shape) : NULL;
    header->msg_iov = vector;
    header->msg_iovlen = 1;
}

/* Writes the head of a packet that was received so, with MSG_TRUNC. Returns the bytes of the whole.
 */
static inline uint32_t aio__packet_finish(const struct aio_buffer *buffer,
                                          const struct msghdr *shape, const struct msghdr *header,
                                          uint32_t payload_bytes)
{
    struct aio__packet_head *head = (struct aio__packet_head *)(void *)buffer->data;
    uint32_t front = aio__packet_front(shape), room = buffer->room - front;
    *head = (struct aio__packet_head){.name_bytes = header->msg_namelen,
                                      .control_bytes = (uint32_t)header->msg_controllen,
                                      .payload_bytes = payload_bytes,
                                      .flags = (uint32_t)header->msg_flags};
    return front + (payload_bytes < room ? payload_bytes : room);
}

#endif
