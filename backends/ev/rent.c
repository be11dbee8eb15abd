/*
 * RENT, the stream op that receives into buffers of the pool. A buffer is chosen when the socket
 * is readable, the one used last. As ACCEPT it receives only while it is submitted: in between the
 * socket's own queue is the buffer. Ops that find the pool empty stand in a queue, which each poll
 * looks at. Of packets one call receives as many as are there.
 */
#include <errno.h>

#include "backends/caps.h"
#include "backends/ev/private.h"
#include "core/packet.h"

enum { RENT_PIECES = 8, RENT_PACKETS = 32 };

/* What one receive goes into. */
struct rent_pieces {
    struct aio_buffer *buffers[RENT_PIECES];
    struct iovec vectors[RENT_PIECES];
    size_t count;
    size_t bytes;
};

/*
 * How many buffers one receive goes into: one, which somebody waits for, or several once one was
 * filled. These wait for their reader, as many as may wait with one stream, and with all of them.
 */
static unsigned rent_wanted(const struct aio__ev_backend *self, const struct aio__ev_fd *entry,
                            const struct aio__op *op, unsigned most)
{
    uint32_t spare;

    if ((entry->flags & AIO__EV_FD_BULK) == 0)
        return 1;
    most = most < op->rent.feed->limit ? most : op->rent.feed->limit;
    spare = aio__buffers_spare(self->buffers, most);
    if (spare == 0)
        return 1;
    return most < spare ? most : spare;
}

/* A stream that brings much is emptied with one system call, and the call after it, which would
 * find nothing, is spared. */
static void rent_take_pieces(struct aio__ev_backend *self, unsigned wanted,
                             struct rent_pieces *pieces)
{
    struct aio_buffer *buffer;

    pieces->count = 0;
    pieces->bytes = 0;
    while (pieces->count < wanted && (buffer = aio__buffers_take(self->buffers)) != NULL) {
        pieces->vectors[pieces->count] = (struct iovec){buffer->data, buffer->room};
        pieces->buffers[pieces->count++] = buffer;
        pieces->bytes += buffer->room;
    }
}

static ssize_t rent_receive(int fd, struct rent_pieces *pieces)
{
    struct msghdr header = {.msg_iov = pieces->vectors, .msg_iovlen = pieces->count};
    ssize_t got;

    do
        got = pieces->count == 1
                  ? recv(fd, pieces->vectors[0].iov_base, pieces->bytes, MSG_DONTWAIT)
                  : recvmsg(fd, &header, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return got;
}

/* Delivers the pieces that were filled and puts the others back, so that the first is used next. */
static void rent_deliver(struct aio__feed *feed, struct rent_pieces *pieces, ssize_t got)
{
    size_t left = got > 0 ? (size_t)got : 0, used = 0;

    for (; left > 0; used++) {
        size_t part = left < pieces->vectors[used].iov_len ? left : pieces->vectors[used].iov_len;

        aio__buffer_fill(pieces->buffers[used], (uint32_t)part);
        aio__feed_deliver(feed, pieces->buffers[used]);
        left -= part;
    }
    while (pieces->count > used)
        aio__buffer_release(pieces->buffers[--pieces->count]);
}

static int32_t rent_bytes(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                          struct aio__op *op)
{
    struct rent_pieces pieces;
    ssize_t got;
    int32_t result;

    rent_take_pieces(self, rent_wanted(self, entry, op, RENT_PIECES), &pieces);
    if (pieces.count == 0)
        return AIO__EV_STARVED;
    got = rent_receive(op->fd, &pieces);
    result = aio__ev_received(self, entry, got, pieces.bytes, 0);
    if (got >= (ssize_t)pieces.vectors[0].iov_len)
        entry->flags |= AIO__EV_FD_BULK;
    else if (got > 0)
        entry->flags &= ~(uint32_t)AIO__EV_FD_BULK;
    rent_deliver(op->rent.feed, &pieces, got);
    if (got > 0)
        return 0;
    return got == 0 ? AIO__STREAM_END : result;
}

/* What one receive of packets goes into. */
struct rent_packets {
    struct aio_buffer *buffers[RENT_PACKETS];
    struct iovec vectors[RENT_PACKETS];
    struct mmsghdr headers[RENT_PACKETS];
    unsigned count;
};

static void rent_take_packets(struct aio__ev_backend *self, unsigned wanted,
                              const struct msghdr *shape, struct rent_packets *packets)
{
    struct aio_buffer *buffer;

    packets->count = 0;
    while (packets->count < wanted && (buffer = aio__buffers_take(self->buffers)) != NULL) {
        unsigned at = packets->count++;

        packets->buffers[at] = buffer;
        aio__packet_prepare(buffer, shape, &packets->vectors[at], &packets->headers[at].msg_hdr);
    }
}

static void rent_deliver_packets(const struct aio__op *op, struct rent_packets *packets, int got)
{
    unsigned used = 0;

    for (; got > 0 && used < (unsigned)got; used++) {
        const struct mmsghdr *header = &packets->headers[used];
        struct aio_buffer *buffer = packets->buffers[used];

        aio__buffer_fill(
            buffer, aio__packet_finish(buffer, op->rent.shape, &header->msg_hdr, header->msg_len));
        aio__feed_deliver(op->rent.feed, buffer);
    }
    while (packets->count > used)
        aio__buffer_release(packets->buffers[--packets->count]);
}

/* Several of them once there was more than one: fewer than there was room for were all. */
static void rent_note_packets(const struct aio__ev_backend *self, struct aio__ev_fd *entry,
                              unsigned room, int got)
{
    if (got == (int)room)
        entry->flags |= AIO__EV_FD_BULK;
    else if (got == 1)
        entry->flags &= ~(uint32_t)AIO__EV_FD_BULK;
    if (got > 0 && got < (int)room && (self->caps & AIO__EV_READ_HINT) != 0)
        entry->flags |= AIO__EV_FD_DRAINED;
}

static int32_t rent_packets(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            struct aio__op *op)
{
    struct rent_packets packets;
    int32_t result;
    int got;

    rent_take_packets(self, rent_wanted(self, entry, op, RENT_PACKETS), op->rent.shape, &packets);
    if (packets.count == 0)
        return AIO__EV_STARVED;
    do
        got = recvmmsg(op->fd, packets.headers, packets.count, MSG_DONTWAIT | MSG_TRUNC, NULL);
    while (got < 0 && errno == EINTR);
    result = got > 0 ? 0 : aio__ev_returned(got);
    rent_note_packets(self, entry, packets.count, got);
    rent_deliver_packets(op, &packets, got);
    return result;
}

int32_t aio__ev_rent(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    if (op->rent.feed->count > 0)
        return 0;
    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    return op->rent.shape == NULL ? rent_bytes(self, entry, op) : rent_packets(self, entry, op);
}

void aio__ev_starved_add(struct aio__ev_backend *self, struct aio__op *op)
{
    self->buffers->shortages++;
    op->flags = AIO__EV_IN_STARVED_QUEUE;
    aio__op_list_append(&self->starved, op);
}

void aio__ev_starved_serve(struct aio__ev_backend *self)
{
    struct aio__op *op;

    while (!aio__op_list_empty(&self->starved) && aio__buffers_any(self->buffers)) {
        op = aio__op_list_pop(&self->starved);
        struct aio__ev_fd *entry = aio__ev_fd_find(self, op->fd);

        aio__ev_settle(self, entry, op, aio__ev_rent(self, entry, op));
    }
}
