/*
 * Filters: a layer between a stream's users and its socket. Turns, time limits and closing are the
 *          stream's; here are the way up, from its calls to the filter, and the way down, from the
 *          filter to the socket.
 */
#include "net/private.h"

#include <unistd.h>

static struct aio__handle *filter_handle(const struct aio_filter *filter)
{
    return &filter->stream->handle;
}

static bool filter_kind_valid(const struct aio_filter_kind *kind)
{
    return kind != NULL && kind->size == sizeof *kind && kind->open != NULL && kind->read != NULL &&
           kind->write != NULL && kind->shutdown != NULL && kind->pending != NULL &&
           kind->close != NULL;
}

static int filter_open(struct aio_stream *stream, struct aio_filter *filter)
{
    if (stream->filter != NULL)
        return -EALREADY;
    stream->filter = filter;
    filter->stream = stream;
    return filter->kind->open(filter);
}

int aio_filter_attach(struct aio_stream *stream, struct aio_filter *filter)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call reading, writing;
    if (!filter_kind_valid(filter->kind))
        return -EINVAL;
    int rc = aio__stream_enter(&reading, stream, &stream->reading, stream->read_ns);
    if (rc < 0)
        return rc;
    rc = aio__stream_enter(&writing, stream, &stream->writing, 0);
    if (rc == 0) {
        if (stream->outbox != NULL)
            rc = aio__outbox_settle(&writing);
        if (rc == 0)
            rc = filter_open(stream, filter);
        rc = (int)aio__stream_leave(&writing, rc);
    }
    return (int)aio__stream_leave(&reading, rc);
}

struct aio_filter *aio_filter_find(struct aio_stream *stream, const struct aio_filter_kind *kind)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return stream->filter != NULL && stream->filter->kind == kind ? stream->filter : NULL;
}

/* A filter changes its state before it sends: what is pending is asked for first, so that an
 * interruption which was there already leaves it as it is. */
int aio__filter_vectored(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                         int count)
{
    struct aio_filter *filter = call->stream->filter;
    int rc = aio__handle_may_wait(&call->stream->handle);
    if (rc < 0)
        return rc;
    return (int)(reads ? filter->kind->read : filter->kind->write)(filter, vectors, count);
}

int aio__filter_transfer(struct aio__stream_call *call, bool reads, void *buffer, size_t size)
{
    return aio__filter_vectored(call, reads, &(struct iovec){buffer, size}, 1);
}

/*
 * What a filter opens needs a place before it is there. None is held while nothing has come: the
 * socket is waited for, and then the filter is asked for what there is. Part of a record is not
 * enough for it; the next wait is for more.
 */
ssize_t aio__filter_rent(struct aio__stream_call *call, struct aio_buffer **out)
{
    struct aio_stream *stream = call->stream;
    ssize_t n = -EAGAIN;
    bool ask = stream->filter->kind->pending(stream->filter) || aio__inbox_has_more(stream) ||
               aio__inbox_armed(stream);
    while (n == -EAGAIN) {
        int rc = ask ? 0 : aio__plain_await(call);
        if (rc < 0)
            return rc;
        stream->tries = stream->kind == AIO__STREAM_SOCKET;
        n = aio__stream_fill(call, out);
        stream->tries = false;
        ask = false;
    }
    return n;
}

static ssize_t filter_try(struct aio_filter *filter, void *buffer, size_t size)
{
    ssize_t n =
        recv(filter_handle(filter)->fd, buffer, size, MSG_DONTWAIT); /* tidy: allow recv: no wait */
    if (n < 0)
        return -errno;
    aio__charge_bytes(filter_handle(filter)->core, (size_t)n);
    return n;
}

/* The task may wait next in the other direction, where its frame of this one means nothing. */
static ssize_t filter_run(struct aio_filter *filter, struct aio__gate *gate,
                          struct aio__op_frame *frame, const char *what)
{
    int rc = aio__gate_run(filter_handle(filter), gate, frame, what);
    gate->inside = NULL;
    return rc;
}

ssize_t aio_filter_receive(struct aio_filter *filter, void *buffer, size_t size)
{
    struct aio__stream_call call = {.stream = filter->stream, .gate = &filter->stream->reading};
    struct aio__op_frame frame;
    int rc;
    if (aio__stream_rented(&call, true, &(struct iovec){buffer, size}, 1, &rc))
        return rc; /* received before there was a filter */
    if (filter->stream->tries)
        return filter_try(filter, buffer, size);
    aio__stream_op(filter->stream, &frame.op, true, buffer, size);
    return filter_run(filter, &filter->stream->reading, &frame, "filtered read");
}

ssize_t aio_filter_send(struct aio_filter *filter, const void *buffer, size_t size)
{
    struct aio__op_frame frame;
    aio__stream_op(filter->stream, &frame.op, false, (void *)(uintptr_t)buffer, size);
    return filter_run(filter, &filter->stream->writing, &frame, "filtered write");
}

ssize_t aio_filter_push(struct aio_filter *filter, const void *buffer, size_t size)
{
    if (filter->stream->writing.inside != NULL)
        return -EAGAIN;
    int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    ssize_t n =
        send(filter_handle(filter)->fd, buffer, size, flags); /* tidy: allow send: no wait */
    return n < 0 ? -errno : n;
}

/* More than a socket's buffer holds is not waited for. */
void aio_filter_drop(struct aio_filter *filter)
{
    char bytes[4096];
    int fd = filter_handle(filter)->fd;
    for (int i = 0; i < 64; i++)
        if (recv(fd, bytes, sizeof bytes, MSG_DONTWAIT) <= 0) /* tidy: allow recv: no wait */
            return;
}
