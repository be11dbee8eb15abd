/*
 * The receiving side of a stream that is read with rented buffers. One stream op, RENT, brings
 * buffers; the call inside the reading gate takes them. It stays armed between calls, so what it
 * has brought comes first, whatever call reads next: a plain read copies it, and ends the op
 * before it goes to the kernel itself.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/buf.h>
#include <string.h>

struct aio__inbox {
    struct aio__op op;
    struct aio_stream *stream;
    struct aio__feed feed;
    struct aio__wait *waiter; /* the call inside the gate, while it waits for op */
    int32_t error;            /* what op ended with, until a call has reported it */
    bool armed;               /* op has not ended since it was submitted */
    uint32_t watches;         /* selects that wait for what op brings */
};

/* Tells those who watch the stream what they may want to know. */
static void inbox_tell(struct aio__inbox *inbox)
{
    if (aio__inbox_has_more(inbox->stream))
        aio__watch_notify(&inbox->stream->handle, AIO__INBOX_NEWS);
    else if (!inbox->armed)
        aio__watch_notify(&inbox->stream->handle, AIO__INBOX_DISARMED);
}

static void inbox_op_done(struct aio__op *op)
{
    struct aio__inbox *inbox = AIO__CONTAINER(op, struct aio__inbox, op);
    if (op->result < 0) {
        inbox->armed = false;
        if (op->result != -ECANCELED) /* we asked for that */
            inbox->error = op->result;
    }
    struct aio__wait *waiter = inbox->waiter;
    inbox->waiter = NULL;
    if (waiter != NULL)
        aio__wake(waiter, 0);
    if (__builtin_expect(inbox->stream->handle.watches != NULL, 0))
        inbox_tell(inbox);
}

static struct aio__inbox *inbox_make(struct aio_stream *stream)
{
    struct aio__core *core = stream->handle.core;
    if (aio__buffers_prepare(&core->buffers) < 0)
        return NULL;
    struct aio__inbox *inbox = aio__alloc_zero(sizeof *inbox);
    if (inbox == NULL)
        return NULL;
    inbox->stream = stream;
    inbox->op = (struct aio__op){.opcode = AIO__OP_RENT, .fd = stream->handle.fd};
    inbox->op.complete = inbox_op_done;
    inbox->op.rent.feed = &inbox->feed;
    inbox->feed.limit = core->buffers.stream_limit;
    stream->inbox = inbox;
    return inbox;
}

/* Returns true when the op is done at once. */
static bool inbox_submit(struct aio__core *core, struct aio__inbox *inbox)
{
    if (inbox->op.state != AIO__OP_IDLE)
        return false;
    inbox->armed = true;
    if (!aio__op_submit(core, &inbox->op))
        return false;
    inbox_op_done(&inbox->op);
    return true;
}

struct inbox_wait {
    struct aio__inbox *inbox;
    struct aio__wait wait;
};

/* The op is not left to bring what nobody waits for: it might take the buffers from those who do.
 * What it has brought by the time it ends is for the next call. */
static void inbox_abort(struct aio__wait *wait)
{
    struct aio__inbox *inbox = AIO__CONTAINER(wait, struct inbox_wait, wait)->inbox;
    inbox->waiter = NULL;
    aio__op_cancel(wait->task->core, &inbox->op);
    aio__wake(wait, -ECANCELED);
}

static int inbox_park(struct aio__stream_call *call, struct aio__inbox *inbox)
{
    struct aio__core *core = call->stream->handle.core;
    struct inbox_wait frame = {inbox, {.abort = inbox_abort, .what = "read"}};
    inbox->waiter = &frame.wait;
    call->gate->inside = &frame.wait;
    int rc = aio__park(core, &frame.wait);
    call->gate->inside = NULL; /* its frame is gone */
    return rc < 0 ? aio__wait_reason(&frame.wait) : 0;
}

/* Inside the gate: one wait for what the op brings, or with `stop` for its end. */
static int inbox_step(struct aio__stream_call *call, struct aio__inbox *inbox, bool stop)
{
    struct aio__core *core = call->stream->handle.core;
    int rc = aio__stream_may_wait(call);
    if (rc < 0)
        return rc;
    if (inbox_submit(core, inbox)) {
        aio__charge(core);
        return 0;
    }
    if (stop)
        aio__op_cancel(core, &inbox->op);
    return inbox_park(call, inbox);
}

/* What the op ended with, once: 0 for the end of the stream. */
static int inbox_report(struct aio__inbox *inbox)
{
    int error = inbox->error;
    inbox->error = 0;
    return error == AIO__STREAM_END ? 0 : error;
}

static ssize_t inbox_take(struct aio__stream_call *call, struct aio__inbox *inbox,
                          struct aio_buffer **out)
{
    if (inbox->feed.count > 0)
        aio__charge(call->stream->handle.core);
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_collect(&inbox->feed)) == NULL) {
        if (inbox->error != 0)
            return inbox_report(inbox);
        int rc = call->stream->outbox != NULL ? aio__outbox_error(call->stream) : 0;
        if (rc == 0)
            rc = inbox_step(call, inbox, false);
        if (rc < 0)
            return rc;
    }
    *out = buffer;
    return buffer->size;
}

/* Through a filter: what it opens needs a place before it is there. What is no socket is asked
 * first whether there is something. */
static ssize_t inbox_direct(struct aio__stream_call *call, struct aio_buffer **out)
{
    struct aio_buffer *buffer;
    ssize_t n = call->stream->filter == NULL ? aio__plain_await(call) : 0;
    if (n == 0)
        n = aio__buffer_rent(call, &buffer);
    if (n < 0)
        return n;
    n = aio__stream_transfer(call, true, aio_buffer_data(buffer), aio_buffer_room(buffer));
    if (n > 0 && aio_buffer_resize(buffer, (size_t)n) == 0)
        *out = buffer;
    else
        aio_buffer_release(buffer);
    return n;
}

ssize_t aio_stream_read_rent(struct aio_stream *stream, struct aio_buffer **out)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    *out = NULL;
    ssize_t rc = aio__stream_enter(&call, stream, &stream->reading, stream->read_ns);
    if (rc < 0)
        return rc;
    struct aio__inbox *inbox = stream->inbox;
    if (stream->filter != NULL || stream->kind != AIO__STREAM_SOCKET)
        rc = inbox_direct(&call, out);
    else if (inbox != NULL || (inbox = inbox_make(stream)) != NULL)
        rc = inbox_take(&call, inbox, out);
    else
        rc = -ENOMEM;
    rc = aio__stream_leave(&call, rc);
    if (__builtin_expect(rc < 0 && *out != NULL, 0)) { /* the stream was closed meanwhile */
        aio_buffer_release(*out);
        *out = NULL;
    }
    return rc;
}

bool aio__inbox_has_more(const struct aio_stream *stream)
{
    const struct aio__inbox *inbox = stream->inbox;
    return inbox != NULL && (inbox->feed.count > 0 || inbox->error != 0);
}

bool aio__inbox_armed(const struct aio_stream *stream)
{
    return stream->inbox != NULL && stream->inbox->armed;
}

void aio__inbox_watch(struct aio_stream *stream)
{
    stream->inbox->watches++;
    (void)inbox_submit(stream->handle.core, stream->inbox);
}

/* As for a call that is cancelled, see inbox_abort. */
void aio__inbox_unwatch(struct aio_stream *stream)
{
    struct aio__inbox *inbox = stream->inbox;
    if (--inbox->watches == 0 && inbox->waiter == NULL)
        aio__op_cancel(stream->handle.core, &inbox->op);
}

/* Copies from the oldest buffer. Returns the bytes; 0 when there is none. */
static size_t inbox_copy_some(struct aio__inbox *inbox, char *to, size_t size)
{
    struct aio_buffer *buffer = inbox->feed.head;
    if (buffer == NULL)
        return 0;
    size_t part = size < buffer->size ? size : buffer->size;
    memcpy(to, buffer->data, part);
    aio__buffer_skip(buffer, (uint32_t)part);
    if (buffer->size == 0)
        aio__buffer_release(aio__feed_collect(&inbox->feed));
    return part;
}

static ssize_t inbox_copy(struct aio__inbox *inbox, const struct iovec *vectors, int count)
{
    size_t copied = 0;
    for (int i = 0; i < count; i++) {
        size_t part, done = 0;
        char *base = vectors[i].iov_base;
        while (done < vectors[i].iov_len &&
               (part = inbox_copy_some(inbox, base + done, vectors[i].iov_len - done)) > 0)
            done += part;
        copied += done;
    }
    return (ssize_t)copied;
}

ssize_t aio__inbox_read(struct aio__stream_call *call, const struct iovec *vectors, int count)
{
    struct aio__inbox *inbox = call->stream->inbox;
    for (;;) {
        int rc = aio__interrupted(call->stream->handle.core);
        if (rc < 0)
            return rc;
        if (inbox->feed.count > 0) {
            aio__charge(call->stream->handle.core);
            return inbox_copy(inbox, vectors, count);
        }
        if (inbox->error != 0)
            return inbox_report(inbox);
        if (!inbox->armed)
            return AIO__INBOX_EMPTY;
        rc = inbox_step(call, inbox, true);
        if (rc < 0)
            return rc;
    }
}

/* Bytes that were received and not read: the peer is told by a reset, as the kernel does when it
 * has such bytes itself. */
static void inbox_drop(struct aio_stream *stream)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    struct aio_buffer *buffer;
    if (stream->inbox->feed.count > 0)
        (void)setsockopt(stream->handle.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    while ((buffer = aio__feed_collect(&stream->inbox->feed)) != NULL)
        aio__buffer_release(buffer);
}

static void inbox_move(struct aio__feed *to, struct aio__feed *from)
{
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_pop(from)) != NULL)
        aio__feed_push(to, buffer);
}

/* Inside the gate: ends the op. What it has brought, and what it brings until then, stays; it is
 * out of the way meanwhile, for the op ends with empty hands only. */
static int inbox_end(struct aio__stream_call *call, struct aio__inbox *inbox)
{
    struct aio__feed kept = {.head = NULL};
    int rc = 0;
    while (rc == 0 && inbox->armed) {
        inbox_move(&kept, &inbox->feed);
        rc = inbox_step(call, inbox, true);
    }
    inbox_move(&kept, &inbox->feed);
    inbox_move(&inbox->feed, &kept);
    inbox_tell(inbox);
    return rc;
}

int aio__inbox_disarm(struct aio_stream *stream)
{
    struct aio__stream_call call;
    struct aio_shield shield;
    aio_shield_enter(&shield);
    int rc = aio__stream_enter(&call, stream, &stream->reading, 0);
    if (rc == 0)
        rc = (int)aio__stream_leave(&call, inbox_end(&call, stream->inbox));
    aio_shield_leave(&shield);
    return rc;
}

/* The end of a stream can be seen again. */
bool aio__inbox_empty(const struct aio_stream *stream)
{
    const struct aio__inbox *inbox = stream->inbox;
    return inbox == NULL || (inbox->feed.count == 0 && !inbox->armed &&
                             (inbox->error == 0 || inbox->error == AIO__STREAM_END));
}

void aio__inbox_close(struct aio_stream *stream)
{
    struct aio__core *core = stream->handle.core;
    struct aio__inbox *inbox = stream->inbox;
    while (inbox->armed || inbox->op.state != AIO__OP_IDLE) {
        inbox_drop(stream);
        if (inbox_submit(core, inbox))
            continue;
        aio__op_cancel(core, &inbox->op);
        struct inbox_wait frame = {inbox, {.abort = NULL, .what = "close"}};
        inbox->waiter = &frame.wait;
        (void)aio__park(core, &frame.wait);
    }
    inbox_drop(stream);
    stream->inbox = NULL;
    aio__free(inbox);
}
