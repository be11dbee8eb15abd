/*
 * Streams that move: from one core to another, from a descriptor and back to one.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <unistd.h>

/* Takes the stream off its core; rented buffers of that core that wait with it cannot come along.
 */
static int move_part(struct aio_stream *stream)
{
    struct aio__handle *handle = &stream->handle;
    int rc = 0;
    if (handle->calls == 0 && !handle->closing && aio__inbox_armed(stream))
        rc = aio__inbox_disarm(stream);
    if (rc == 0 && !handle->closing && (stream->outbox != NULL || !aio__inbox_empty(stream)))
        rc = -EBUSY;
    if (rc == 0)
        rc = aio__handle_release(handle);
    if (rc == 0 && stream->inbox != NULL)
        aio__inbox_close(stream);
    return rc;
}

int aio_stream_detach(struct aio_stream *stream)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return move_part(stream);
}

void aio_stream_attach(struct aio_stream *stream)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    AIO__REQUIRE(stream->handle.core == AIO__DETACHED,
                 "aio_stream_attach: this stream is not detached");
    aio__plain_hold(stream, core);
    aio__stream_open(stream, core, stream->handle.fd);
}

int aio_stream_adopt(struct aio_stream **out, int fd)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int type = aio__socket_type(fd);
    if (type != SOCK_STREAM)
        return type < 0 ? type : -EINVAL;
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    int rc = aio__socket_take(fd);
    if (rc < 0) {
        aio__free(stream);
        return rc;
    }
    aio__stream_open(stream, core, fd);
    stream->lingers = aio__socket_lingers(fd);
    *out = stream;
    return 0;
}

int aio_stream_release(struct aio_stream *stream)
{
    (void)aio__handle_core(&stream->handle, __func__);
    if (stream->filter != NULL && !aio__tty_is(stream->filter))
        return -EOPNOTSUPP;
    int rc = move_part(stream);
    if (rc < 0)
        return rc;
    int fd = stream->handle.fd;
    if (stream->filter != NULL)
        stream->filter->kind->close(stream->filter);
    if (stream->origin >= 0) {
        (void)close(fd); /* tidy: allow close: the handle has parted from it */
        fd = stream->origin;
    }
    aio__free(stream);
    return fd;
}
