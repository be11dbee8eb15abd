/*
 * Streams that move: from one core to another, from a descriptor and back to one.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <fcntl.h>

/* With no call in progress there is no op in flight either. */
static int move_part(struct aio_stream *stream)
{
    if (stream->handle.closing)
        return -EBADF;
    if (stream->handle.calls > 0)
        return -EBUSY;
    aio__handle_part(&stream->handle);
    return 0;
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
    aio__stream_open(stream, core, stream->handle.fd);
}

static int move_check(int fd)
{
    int type;
    socklen_t length = sizeof type;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return -errno;
    return type == SOCK_STREAM ? 0 : -EINVAL;
}

static int move_set_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int aio_stream_adopt(struct aio_stream **out, int fd)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int rc = move_check(fd);
    if (rc < 0)
        return rc;
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    rc = move_set_flags(fd);
    if (rc < 0) {
        aio__free(stream);
        return rc;
    }
    aio__stream_open(stream, core, fd);
    *out = stream;
    return 0;
}

int aio_stream_release(struct aio_stream *stream)
{
    (void)aio__handle_core(&stream->handle, __func__);
    if (stream->filter != NULL)
        return -EOPNOTSUPP;
    int rc = move_part(stream);
    if (rc < 0)
        return rc;
    int fd = stream->handle.fd;
    aio__free(stream);
    return fd;
}
