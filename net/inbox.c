/*
 * The receiving side of a stream that is read with rented buffers. One stream op, RENT, brings
 * buffers; the call inside the reading gate takes them. It stays armed between calls, so what it
 * has brought comes first, whatever call reads next: a plain read copies it, and ends the op
 * before it goes to the kernel itself.
 */
#include "net/intake.h"
#include "net/private.h"

#include "core/alloc.h"

#include <aio/buf.h>
#include <string.h>

static struct aio__intake *inbox_make(struct aio_stream *stream)
{
    struct aio__core *core = stream->handle.core;
    if (aio__buffers_prepare(&core->buffers) < 0)
        return NULL;
    struct aio__intake *inbox = aio__alloc(sizeof *inbox);
    if (inbox == NULL)
        return NULL;
    aio__intake_open(inbox, &stream->handle, NULL, core->buffers.stream_limit);
    stream->inbox = inbox;
    return inbox;
}

static ssize_t inbox_take(struct aio__stream_call *call, struct aio__intake *intake,
                          struct aio_buffer **out)
{
    if (intake->feed.count > 0)
        aio__charge(intake->handle->core);
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_collect(&intake->feed)) == NULL) {
        if (intake->error != 0)
            return aio__intake_report(intake);
        int rc = call->stream->outbox != NULL ? aio__outbox_error(call->stream) : 0;
        if (rc == 0)
            rc = aio__intake_step(intake, call->gate, false);
        if (rc < 0)
            return rc;
    }
    *out = buffer;
    return buffer->size;
}

/* What is no socket is asked first whether there is something. */
static ssize_t inbox_direct(struct aio__stream_call *call, struct aio_buffer **out)
{
    ssize_t n = aio__plain_await(call);
    return n < 0 ? n : aio__stream_fill(call, out);
}

ssize_t aio_stream_read_rent(struct aio_stream *stream, struct aio_buffer **out)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    *out = NULL;
    ssize_t rc = aio__stream_enter(&call, stream, &stream->reading, stream->read_ns);
    if (rc < 0)
        return rc;
    struct aio__intake *inbox = stream->inbox;
    if (stream->filter != NULL)
        rc = aio__filter_rent(&call, out);
    else if (stream->kind != AIO__STREAM_SOCKET)
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
    return stream->inbox != NULL && aio__intake_has_more(stream->inbox);
}

bool aio__inbox_armed(const struct aio_stream *stream)
{
    return stream->inbox != NULL && stream->inbox->armed;
}

/* Copies from the oldest buffer. Returns the bytes; 0 when there is none. */
static size_t inbox_copy_some(struct aio__feed *feed, char *to, size_t size)
{
    struct aio_buffer *buffer = feed->head;
    if (buffer == NULL)
        return 0;
    size_t part = size < buffer->size ? size : buffer->size;
    memcpy(to, buffer->data, part);
    aio__buffer_skip(buffer, (uint32_t)part);
    if (buffer->size == 0)
        aio__buffer_release(aio__feed_collect(feed));
    return part;
}

static ssize_t inbox_copy(struct aio__feed *feed, const struct iovec *vectors, int count)
{
    size_t copied = 0;
    for (int i = 0; i < count; i++) {
        size_t part, done = 0;
        char *base = vectors[i].iov_base;
        while (done < vectors[i].iov_len &&
               (part = inbox_copy_some(feed, base + done, vectors[i].iov_len - done)) > 0)
            done += part;
        copied += done;
    }
    return (ssize_t)copied;
}

ssize_t aio__inbox_read(struct aio__stream_call *call, const struct iovec *vectors, int count)
{
    struct aio__intake *intake = call->stream->inbox;
    for (;;) {
        int rc = aio__interrupted(intake->handle->core);
        if (rc < 0)
            return rc;
        if (intake->feed.count > 0) {
            aio__charge(intake->handle->core);
            return inbox_copy(&intake->feed, vectors, count);
        }
        if (intake->error != 0)
            return aio__intake_report(intake);
        if (!intake->armed)
            return AIO__INBOX_EMPTY;
        rc = aio__intake_step(intake, call->gate, true);
        if (rc < 0)
            return rc;
    }
}

int aio__inbox_disarm(struct aio_stream *stream)
{
    struct aio__stream_call call;
    struct aio_shield shield;
    aio_shield_enter(&shield);
    int rc = aio__stream_enter(&call, stream, &stream->reading, 0);
    if (rc == 0) {
        rc = aio__intake_end(stream->inbox, call.gate);
        aio__intake_tell(stream->inbox);
        rc = (int)aio__stream_leave(&call, rc);
    }
    aio_shield_leave(&shield);
    return rc;
}

/* The end of a stream can be seen again. */
bool aio__inbox_empty(const struct aio_stream *stream)
{
    if (stream->inbox == NULL)
        return true;
    const struct aio__intake *intake = stream->inbox;
    return intake->feed.count == 0 && !intake->armed &&
           (intake->error == 0 || intake->error == AIO__STREAM_END);
}

/* Bytes that were received and not read: the peer is told by a reset, as the kernel does when it
 * has such bytes itself. */
static void inbox_drop(struct aio__intake *intake)
{
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (intake->feed.count > 0)
        (void)setsockopt(intake->op.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    aio__intake_clear(intake);
}

void aio__inbox_close(struct aio_stream *stream)
{
    struct aio__intake *inbox = stream->inbox;
    (void)aio__intake_end(inbox, NULL);
    inbox_drop(inbox);
    stream->inbox = NULL;
    aio__free(inbox);
}
