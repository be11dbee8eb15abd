/*
 * The sending side of a stream that rented buffers were given to. They stand in a queue; one op at
 * a time sends from its head, begun just before the core polls, so that all that a turn gives goes
 * together. The op is a lazy one: unless somebody waits for the queue, its end may be told late.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/buf.h>

#define OUTBOX_VECTORS 8

struct aio__outbox {
    struct aio__op op;
    struct aio_stream *stream;
    struct aio__feed queue;
    struct aio__deferred deferred;
    struct aio__wait *waiter; /* the call inside the gate, while it waits for room or the end */
    int32_t error;            /* until a call has reported it */
    bool slow;                /* the last op fell short: the next one waits for the peer */
    bool closing;
    bool awaited; /* by the call inside the gate */
    struct msghdr header;
    struct iovec vectors[OUTBOX_VECTORS];
};

static void outbox_wake(struct aio__outbox *outbox)
{
    struct aio__wait *waiter = outbox->waiter;
    outbox->waiter = NULL;
    if (waiter != NULL)
        aio__wake(waiter, 0);
}

static void outbox_consume(struct aio__outbox *outbox, uint32_t bytes)
{
    while (bytes > 0) {
        struct aio_buffer *buffer = outbox->queue.head;
        if (bytes < buffer->size) {
            aio__buffer_skip(buffer, bytes);
            return;
        }
        bytes -= buffer->size;
        aio__buffer_release(aio__feed_pop(&outbox->queue));
    }
}

/* A send is over. One that a close has cancelled leaves its buffers for the last attempt. */
static void outbox_sent(struct aio__outbox *outbox, size_t wanted)
{
    int32_t result = outbox->op.result;
    if (result >= 0) {
        outbox->slow = (size_t)result < wanted;
        outbox_consume(outbox, (uint32_t)result);
    } else if (result != -ECANCELED || !outbox->closing) {
        outbox->error = result;
        aio__feed_clear(&outbox->queue);
    }
    outbox_wake(outbox);
}

static size_t outbox_wanted(const struct aio__outbox *outbox)
{
    if (outbox->op.opcode == AIO__OP_SEND)
        return outbox->op.transfer.length;
    size_t bytes = 0;
    for (size_t i = 0; i < outbox->header.msg_iovlen; i++)
        bytes += outbox->vectors[i].iov_len;
    return bytes;
}

static void outbox_gather(struct aio__outbox *outbox)
{
    size_t count = 0;
    for (struct aio_buffer *at = outbox->queue.head; at != NULL && count < OUTBOX_VECTORS;
         at = at->next)
        outbox->vectors[count++] = (struct iovec){at->data, at->size};
    outbox->header = (struct msghdr){.msg_iov = outbox->vectors, .msg_iovlen = count};
}

static void outbox_write_op(struct aio__outbox *outbox)
{
    struct aio__op *op = &outbox->op;
    int flags = outbox->slow ? MSG_WAITALL : 0;
    op->flags = outbox->slow ? 0 : AIO__OP_LAZY;
    if (outbox->queue.count == 1) {
        op->opcode = AIO__OP_SEND;
        op->transfer.buffer = outbox->queue.head->data;
        op->transfer.length = outbox->queue.head->size;
        op->transfer.flags = flags;
        return;
    }
    outbox_gather(outbox);
    op->opcode = AIO__OP_SENDMSG;
    op->message.header = &outbox->header;
    op->message.flags = flags;
}

static void outbox_start(struct aio__outbox *outbox)
{
    struct aio__core *core = outbox->stream->handle.core;
    while (outbox->queue.count > 0 && !outbox->closing) {
        outbox_write_op(outbox);
        if (!aio__op_submit(core, &outbox->op)) {
            core->sends_pending++;
            return;
        }
        outbox_sent(outbox, outbox_wanted(outbox));
    }
}

/* Only a stream that has something to send has an outbox: an idle connection shall be small. */
static void outbox_rest(struct aio__outbox *outbox)
{
    struct aio_stream *stream = outbox->stream;
    if (outbox->op.state != AIO__OP_IDLE || outbox->queue.count > 0 || outbox->error != 0 ||
        outbox->awaited || outbox->deferred.listed || outbox->closing)
        return;
    stream->outbox = NULL;
    aio__spare_put(&stream->handle.core->spare_outboxes, outbox);
}

static void outbox_op_done(struct aio__op *op)
{
    struct aio__outbox *outbox = AIO__CONTAINER(op, struct aio__outbox, op);
    outbox->stream->handle.core->sends_pending--;
    outbox_sent(outbox, outbox_wanted(outbox));
    outbox_start(outbox);
    outbox_rest(outbox);
}

static void outbox_run(struct aio__deferred *deferred)
{
    struct aio__outbox *outbox = AIO__CONTAINER(deferred, struct aio__outbox, deferred);
    if (outbox->op.state == AIO__OP_IDLE)
        outbox_start(outbox);
    outbox_rest(outbox);
}

static struct aio__outbox *outbox_make(struct aio_stream *stream)
{
    struct aio__outbox *outbox = aio__spare_take(&stream->handle.core->spare_outboxes);
    if (outbox == NULL)
        outbox = aio__alloc_zero(sizeof *outbox);
    if (outbox == NULL)
        return NULL;
    outbox->stream = stream;
    outbox->slow = false;
    outbox->closing = false;
    outbox->op = (struct aio__op){.fd = stream->handle.fd, .complete = outbox_op_done};
    outbox->queue.limit = stream->handle.core->buffers.stream_limit;
    outbox->deferred.run = outbox_run;
    stream->outbox = outbox;
    return outbox;
}

/* Where each send is a system call anyway, it had better be made while the bytes are warm; but not
 * for each of several buffers that came in one go. */
static bool outbox_begins_now(const struct aio__core *core, const struct aio__outbox *outbox)
{
    return !core->backend->batches && !aio__inbox_has_more(outbox->stream);
}

static void outbox_give(struct aio__core *core, struct aio__outbox *outbox,
                        struct aio_buffer *buffer)
{
    aio__feed_push(&outbox->queue, buffer);
    if (outbox->op.state != AIO__OP_IDLE) {
        core->backend->hurry = true; /* there is more to send behind it */
    } else if (outbox_begins_now(core, outbox)) {
        outbox_start(outbox);
        outbox_rest(outbox);
    } else {
        aio__defer(core, &outbox->deferred);
    }
}

struct outbox_wait {
    struct aio__outbox *outbox;
    struct aio__wait wait;
};

/* Sending goes on. */
static void outbox_abort(struct aio__wait *wait)
{
    AIO__CONTAINER(wait, struct outbox_wait, wait)->outbox->waiter = NULL;
    aio__wake(wait, -ECANCELED);
}

/* Inside the gate: waits until the op has sent something. */
static int outbox_await(struct aio__stream_call *call, struct aio__outbox *outbox)
{
    struct aio__core *core = call->stream->handle.core;
    int rc = aio__handle_may_wait(&call->stream->handle);
    if (rc < 0)
        return rc;
    struct outbox_wait frame = {outbox, {.abort = outbox_abort, .what = "write"}};
    outbox->waiter = &frame.wait;
    call->gate->inside = &frame.wait;
    outbox->awaited = true;
    core->backend->hurry = true;
    rc = aio__park(core, &frame.wait);
    outbox->awaited = false;
    call->gate->inside = NULL; /* its frame is gone */
    return rc < 0 ? aio__wait_reason(&frame.wait) : 0;
}

int aio__outbox_error(struct aio_stream *stream)
{
    int error = stream->outbox->error;
    stream->outbox->error = 0;
    return error;
}

int aio__outbox_settle(struct aio__stream_call *call)
{
    struct aio__outbox *outbox = call->stream->outbox;
    while (outbox->queue.count > 0) {
        int rc = outbox_await(call, outbox);
        if (rc < 0)
            return rc;
    }
    int rc = aio__outbox_error(call->stream);
    outbox_rest(outbox);
    return rc;
}

/* Inside the gate: waits for room, and gives the buffer to the queue if nothing is wrong. */
static int outbox_put(struct aio__stream_call *call, struct aio_buffer *buffer)
{
    struct aio_stream *stream = call->stream;
    struct aio__outbox *outbox = stream->outbox != NULL ? stream->outbox : outbox_make(stream);
    if (outbox == NULL)
        return -ENOMEM;
    while (aio__feed_full(&outbox->queue)) {
        int rc = outbox_await(call, outbox);
        if (rc < 0)
            return rc;
    }
    int rc = aio__outbox_error(stream);
    if (rc == 0 && stream->handle.closing)
        rc = -EBADF;
    if (rc == 0)
        outbox_give(stream->handle.core, outbox, buffer);
    return rc;
}

/* Through a filter, or into what is no socket: it is sent before the call returns. */
static int outbox_direct(struct aio_stream *stream, struct aio_buffer *buffer)
{
    ssize_t n =
        aio_stream_write_all(stream, aio_buffer_data(buffer), aio_buffer_size(buffer), NULL);
    aio_buffer_release(buffer);
    return n < 0 ? (int)n : 0;
}

int aio_stream_write_rent(struct aio_stream *stream, struct aio_buffer *buffer)
{
    struct aio__core *core = aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    AIO__REQUIRE(buffer->open && buffer->pool == &core->buffers,
                 "aio_stream_write_rent: the buffer is not this task's to give away");
    int rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc < 0) {
        aio__buffer_release(buffer);
        return rc;
    }
    if (stream->filter != NULL || stream->kind != AIO__STREAM_SOCKET) {
        (void)aio__stream_leave(&call, 0);
        return outbox_direct(stream, buffer);
    }
    bool empty = buffer->size == 0;
    if (!empty)
        rc = outbox_put(&call, buffer);
    if (rc < 0 || empty)
        aio__buffer_release(buffer);
    aio__charge(core);
    return (int)aio__stream_leave(&call, rc);
}

int aio_stream_flush(struct aio_stream *stream)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    int rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc < 0)
        return rc;
    if (stream->outbox != NULL)
        rc = aio__outbox_settle(&call);
    return (int)aio__stream_leave(&call, rc);
}

/* What the kernel takes without waiting is still sent. */
static void outbox_send_rest(struct aio__outbox *outbox)
{
    while (outbox->queue.count > 0) {
        outbox_gather(outbox);
        ssize_t n = sendmsg(outbox->op.fd, &outbox->header, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n <= 0)
            return;
        outbox_consume(outbox, (uint32_t)n);
    }
}

void aio__outbox_close(struct aio_stream *stream)
{
    struct aio__core *core = stream->handle.core;
    struct aio__outbox *outbox = stream->outbox;
    outbox->closing = true;
    aio__defer_not(core, &outbox->deferred);
    while (outbox->op.state != AIO__OP_IDLE) {
        struct outbox_wait frame = {outbox, {.abort = NULL, .what = "close"}};
        core->backend->hurry = true;
        aio__op_cancel(core, &outbox->op);
        outbox->waiter = &frame.wait;
        (void)aio__park(core, &frame.wait);
    }
    outbox_send_rest(outbox);
    aio__feed_clear(&outbox->queue);
    stream->outbox = NULL;
    outbox->error = 0;
    aio__spare_put(&core->spare_outboxes, outbox);
}
