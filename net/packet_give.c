/*
 * Rented buffers that are sent as packets. They stand in a queue; one op at a time sends from its
 * head, begun just before the core polls, so that all that a turn gives goes in one call. Packets
 * of one length to one peer that follow each other go as a run, which the kernel cuts apart
 * (cut.h).
 *
 * A packet that cannot be sent is dropped, as a network would drop it, and the error is kept for
 * the next call; those behind it are sent.
 */
#include "net/cut.h"

#include "core/alloc.h"

#include <aio/buf.h>
#include <aio/udp.h>
#include <string.h>

#define GIVE_MAX AIO_SOCKET_BATCH_MAX

struct give_item {
    struct aio_buffer *buffer;
    size_t segment; /* the buffer holds packets of that length; 0: it is one */
    struct aio_address to;
};

/* What one message of a batch takes off the queue when it is sent. */
struct give_part {
    uint32_t items;
    uint32_t skip;  /* bytes of the oldest item, which has more */
    size_t segment; /* the kernel is to cut it so; 0: it is one packet */
};

union give_control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

struct aio__packet_give {
    struct aio__op op;
    struct aio_socket *socket;
    struct aio__deferred deferred;
    struct aio__wait *waiter; /* the call inside the gate, while it waits for the op */
    int32_t error;            /* until a call has reported it */
    bool closing;
    bool doubted;        /* the kernel would not cut: the first packet is tried alone */
    size_t limit_before; /* the socket's segment_limit, before that */
    uint32_t head;       /* of the ring of items */
    uint32_t count;
    uint32_t parts; /* of the batch */
    uint32_t pieces;
    struct give_item items[GIVE_MAX];
    struct give_part part[GIVE_MAX];
    struct mmsghdr headers[GIVE_MAX];
    struct iovec vectors[GIVE_MAX];
    union give_control controls[GIVE_MAX];
};

static struct give_item *give_item(struct aio__packet_give *give, uint32_t at)
{
    return &give->items[(give->head + at) % GIVE_MAX];
}

static bool give_has_room(const struct aio__packet_give *give)
{
    return give->parts < GIVE_MAX && give->pieces < GIVE_MAX;
}

static void give_add_piece(struct aio__packet_give *give, const unsigned char *bytes, size_t size)
{
    give->vectors[give->pieces++] = (struct iovec){(void *)(uintptr_t)bytes, size};
}

/* Ends a message whose vectors begin at `first`. */
static void give_add_part(struct aio__packet_give *give, struct give_item *item, uint32_t first,
                          struct give_part part)
{
    union give_control *control = &give->controls[give->parts];
    struct msghdr *header = &give->headers[give->parts].msg_hdr;
    struct aio_message message = {.vectors = &give->vectors[first],
                                  .count = (int)(give->pieces - first),
                                  .address = &item->to,
                                  .control = control->bytes,
                                  .control_room = sizeof control->bytes};
    uint16_t segment = (uint16_t)part.segment;
    if (part.segment > 0)
        (void)!aio_message_put(&message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    aio__message_to_send(&message, header);
    give->part[give->parts++] = part;
}

static bool give_same_peer(const struct give_item *left, const struct give_item *right)
{
    return left->to.length == right->to.length &&
           memcmp(&left->to.storage, &right->to.storage, left->to.length) == 0;
}

/* Whether a packet may stand in a run behind `bytes` of packets as long as `segment`. */
static bool give_joins(const struct give_item *first, const struct give_item *item, size_t segment,
                       size_t bytes)
{
    return item->segment == 0 && item->buffer->size > 0 && item->buffer->size <= segment &&
           bytes + item->buffer->size <= AIO__CUT_BYTES_MAX && give_same_peer(first, item);
}

/* A packet, and those behind it that can go with it. Returns items. */
static uint32_t give_add_packets(struct aio__packet_give *give, uint32_t at)
{
    struct give_item *first = give_item(give, at), *item = first;
    uint32_t piece = give->pieces, count = 0;
    size_t segment = first->buffer->size, bytes = 0;
    bool more = segment > 0 && aio__cut_possible(give->socket, segment);
    do {
        more = more && item->buffer->size == segment; /* only the last one may be shorter */
        bytes += item->buffer->size;
        give_add_piece(give, item->buffer->data, item->buffer->size);
        count++;
        item = give_item(give, at + count);
    } while (more && at + count < give->count && give->pieces < GIVE_MAX &&
             give_joins(first, item, segment, bytes));
    give_add_part(give, first, piece, (struct give_part){count, 0, count > 1 ? segment : 0});
    return count;
}

/* A buffer that is a run by itself, in as many messages as it takes. Returns whether all of it
 * found room. */
static bool give_add_run(struct aio__packet_give *give, struct give_item *item)
{
    size_t segment = item->segment, left = item->buffer->size, limit = segment;
    const unsigned char *bytes = item->buffer->data;
    if (aio__cut_possible(give->socket, segment)) {
        limit = segment * AIO__CUT_SEGMENTS_MAX;
        if (limit > AIO__CUT_BYTES_MAX)
            limit = AIO__CUT_BYTES_MAX - AIO__CUT_BYTES_MAX % segment;
    }
    do {
        size_t size = left < limit ? left : limit;
        give_add_piece(give, bytes, size);
        left -= size;
        bytes += size;
        give_add_part(give, item, give->pieces - 1,
                      (struct give_part){left == 0, left == 0 ? 0 : (uint32_t)size,
                                         size > segment ? segment : 0});
    } while (left > 0 && give_has_room(give));
    return left == 0;
}

static void give_write_batch(struct aio__packet_give *give)
{
    uint32_t at = 0;
    give->parts = give->pieces = 0;
    while (at < give->count && give_has_room(give)) {
        struct give_item *item = give_item(give, at);
        if (item->segment == 0)
            at += give_add_packets(give, at);
        else if (give_add_run(give, item))
            at++;
        else
            return;
    }
}

static void give_pop(struct aio__packet_give *give)
{
    aio__buffer_release(give_item(give, 0)->buffer);
    give->head = (give->head + 1) % GIVE_MAX;
    give->count--;
}

static void give_consume(struct aio__packet_give *give, const struct give_part *part)
{
    if (part->skip > 0)
        aio__buffer_skip(give_item(give, 0)->buffer, part->skip);
    for (uint32_t i = 0; i < part->items; i++)
        give_pop(give);
}

/* Of a run the first packet only: what was wrong with it, as the answer to an earlier one that the
 * socket had to tell, need not be wrong with the others. */
static void give_drop(struct aio__packet_give *give)
{
    const struct give_item *item = give_item(give, 0);
    if (item->segment > 0 && item->buffer->size > item->segment)
        aio__buffer_skip(item->buffer, (uint32_t)item->segment);
    else
        give_pop(give);
}

/* It may be the cutting that was refused, or what would be refused in any case, as an address
 * without a port is: the packet alone will tell. */
static void give_doubt(struct aio__packet_give *give, size_t segment)
{
    give->doubted = true;
    give->limit_before = give->socket->segment_limit;
    give->socket->segment_limit = segment;
}

static void give_decide(struct aio__packet_give *give, int result)
{
    give->doubted = false;
    if (result < 0)
        give->socket->segment_limit = give->limit_before;
}

/* A batch is over: so many messages were sent, or the first has failed. One that a close has
 * cancelled leaves its packets for the last attempt. */
static void give_sent(struct aio__packet_give *give, int result)
{
    const struct give_part *part = give->part;
    if (__builtin_expect(give->doubted, 0))
        give_decide(give, result);
    for (int i = 0; i < result; i++)
        give_consume(give, &part[i]);
    if (result >= 0 || (result == -ECANCELED && give->closing))
        return;
    if (part->segment > 0 && aio__cut_refused(result)) {
        give_doubt(give, part->segment);
        return;
    }
    give->error = result;
    give_drop(give);
}

static void give_wake(struct aio__packet_give *give)
{
    struct aio__wait *waiter = give->waiter;
    give->waiter = NULL;
    if (waiter != NULL)
        aio__wake(waiter, 0);
}

static void give_start(struct aio__packet_give *give)
{
    struct aio__core *core = give->socket->handle.core;
    aio__defer_not(core, &give->deferred);
    while (give->count > 0 && !give->closing) {
        give_write_batch(give);
        give->op.batch.headers = give->headers;
        give->op.batch.count = give->parts;
        if (!aio__op_submit(core, &give->op))
            return;
        give_sent(give, give->op.result);
    }
}

static void give_op_done(struct aio__op *op)
{
    struct aio__packet_give *give = AIO__CONTAINER(op, struct aio__packet_give, op);
    give_sent(give, op->result);
    give_wake(give);
    give_start(give);
}

static void give_run(struct aio__deferred *deferred)
{
    struct aio__packet_give *give = AIO__CONTAINER(deferred, struct aio__packet_give, deferred);
    if (give->op.state == AIO__OP_IDLE)
        give_start(give);
}

static struct aio__packet_give *give_make(struct aio_socket *socket)
{
    struct aio__packet_give *give = aio__alloc_zero(sizeof *give);
    if (give == NULL)
        return NULL;
    give->socket = socket;
    give->op = (struct aio__op){.opcode = AIO__OP_SENDMMSG, .fd = socket->handle.fd};
    give->op.complete = give_op_done;
    give->deferred.run = give_run;
    socket->give = give;
    return give;
}

struct give_wait {
    struct aio__packet_give *give;
    struct aio__wait wait;
};

/* Sending goes on. */
static void give_abort(struct aio__wait *wait)
{
    AIO__CONTAINER(wait, struct give_wait, wait)->give->waiter = NULL;
    aio__wake(wait, -ECANCELED);
}

/* Inside the gate: sends, or waits until something was sent. */
static int give_advance(struct aio__packet_give *give)
{
    struct aio_socket *socket = give->socket;
    int rc = aio__handle_may_wait(&socket->handle);
    if (rc < 0)
        return rc;
    if (give->op.state == AIO__OP_IDLE) {
        give_start(give);
        return 0;
    }
    struct give_wait frame = {give, {.abort = give_abort, .what = "send"}};
    give->waiter = &frame.wait;
    socket->sending.inside = &frame.wait;
    rc = aio__park(socket->handle.core, &frame.wait);
    socket->sending.inside = NULL; /* its frame is gone */
    return rc < 0 ? aio__wait_reason(&frame.wait) : 0;
}

static int give_report(struct aio__packet_give *give)
{
    int error = give->error;
    give->error = 0;
    return error;
}

int aio__packet_give_settle(struct aio_socket *socket)
{
    int rc = 0;
    while (rc == 0 && socket->give->count > 0)
        rc = give_advance(socket->give);
    return rc;
}

/* Inside the gate: waits for room, and gives the buffer to the queue if nothing is wrong. */
static int give_put(struct aio_socket *socket, struct aio_buffer *buffer, size_t segment,
                    const struct aio_address *to)
{
    if (to != NULL && to->length > sizeof to->storage)
        return -EINVAL;
    struct aio__packet_give *give = socket->give != NULL ? socket->give : give_make(socket);
    int rc = give != NULL ? 0 : -ENOMEM;
    while (rc == 0 && give->count == GIVE_MAX)
        rc = give_advance(give);
    if (rc == 0)
        rc = give_report(give);
    if (rc == 0 && socket->handle.closing)
        rc = -EBADF;
    if (rc < 0)
        return rc;
    struct give_item *item = give_item(give, give->count++);
    item->buffer = buffer;
    item->segment = segment;
    item->to.length = to != NULL ? to->length : 0;
    if (to != NULL)
        memcpy(&item->to.storage, &to->storage, to->length);
    if (give->op.state == AIO__OP_IDLE)
        aio__defer(socket->handle.core, &give->deferred);
    return 0;
}

static int give_enter(struct aio_socket *socket, struct aio_buffer *buffer, size_t segment,
                      const struct aio_address *to, const char *function)
{
    struct aio__core *core = aio__handle_core(&socket->handle, function);
    AIO__REQUIRE(buffer->open && buffer->pool == &core->buffers,
                 "%s: the buffer is not this task's to give away", function);
    int rc = aio__gate_enter(&socket->handle, &socket->sending);
    if (rc == 0) {
        rc = give_put(socket, buffer, buffer->size > segment ? segment : 0, to);
        bool given = rc == 0;
        aio__charge(core);
        rc = (int)aio__gate_leave(&socket->handle, &socket->sending, rc);
        if (given)
            return rc;
    }
    aio__buffer_release(buffer);
    return rc;
}

int aio_socket_give(struct aio_socket *socket, struct aio_buffer *buffer,
                    const struct aio_address *to)
{
    return give_enter(socket, buffer, 0, to, __func__);
}

int aio_udp_give_run(struct aio_socket *socket, struct aio_buffer *buffer, size_t segment,
                     const struct aio_address *to)
{
    if ((segment > 0 || aio_buffer_size(buffer) == 0) && segment <= UINT16_MAX)
        return give_enter(socket, buffer, segment, to, __func__);
    aio_buffer_release(buffer);
    return segment == 0 ? -EINVAL : -EMSGSIZE;
}

int aio_socket_flush(struct aio_socket *socket)
{
    (void)aio__handle_core(&socket->handle, __func__);
    int rc = aio__gate_enter(&socket->handle, &socket->sending);
    if (rc < 0)
        return rc;
    if (socket->give != NULL) {
        rc = aio__packet_give_settle(socket);
        if (rc == 0)
            rc = give_report(socket->give);
    }
    return (int)aio__gate_leave(&socket->handle, &socket->sending, rc);
}

bool aio__packet_give_idle(const struct aio_socket *socket)
{
    return socket->give == NULL || socket->give->count == 0;
}

/* What the kernel takes without waiting is still sent. */
static void give_send_rest(struct aio__packet_give *give)
{
    while (give->count > 0) {
        give_write_batch(give);
        int n = sendmmsg(give->op.fd, give->headers, give->parts, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        give_sent(give, n < 0 ? -errno : n);
    }
}

void aio__packet_give_close(struct aio_socket *socket)
{
    struct aio__core *core = socket->handle.core;
    struct aio__packet_give *give = socket->give;
    give->closing = true;
    aio__defer_not(core, &give->deferred);
    while (give->op.state != AIO__OP_IDLE) {
        struct give_wait frame = {give, {.abort = NULL, .what = "close"}};
        aio__op_cancel(core, &give->op);
        give->waiter = &frame.wait;
        (void)aio__park(core, &frame.wait);
    }
    give_send_rest(give);
    while (give->count > 0)
        give_pop(give);
    socket->give = NULL;
    aio__free(give);
}
