/*
 * Streams: addresses, options and time limits; nothing here suspends.
 */
#include "net/private.h"

#include <netinet/tcp.h>

int aio_stream_local(struct aio_stream *stream, struct aio_address *out)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return aio__socket_address(stream->handle.fd, getsockname, out);
}

int aio_stream_peer(struct aio_stream *stream, struct aio_address *out)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return aio__socket_address(stream->handle.fd, getpeername, out);
}

int aio_stream_timeout(struct aio_stream *stream, int64_t read_ns, int64_t write_ns)
{
    (void)aio__handle_core(&stream->handle, __func__);
    if (read_ns < 0 || write_ns < 0)
        return -EINVAL;
    stream->read_ns = read_ns == AIO_FOREVER ? 0 : read_ns;
    stream->write_ns = write_ns == AIO_FOREVER ? 0 : write_ns;
    return 0;
}

void aio_stream_zerocopy(struct aio_stream *stream, size_t from_bytes)
{
    (void)aio__handle_core(&stream->handle, __func__);
    stream->zerocopy = stream->kind == AIO__STREAM_SOCKET ? from_bytes : 0;
}

bool aio_stream_expired(const struct aio_stream *stream)
{
    return stream->expired;
}

struct option_row {
    int level;
    int name;
};

static const struct option_row option_rows[] = {
    [AIO_STREAM_NODELAY] = {IPPROTO_TCP, TCP_NODELAY},
    [AIO_STREAM_CORK] = {IPPROTO_TCP, TCP_CORK},
    [AIO_STREAM_QUICKACK] = {IPPROTO_TCP, TCP_QUICKACK},
    [AIO_STREAM_KEEPALIVE] = {SOL_SOCKET, SO_KEEPALIVE},
    [AIO_STREAM_KEEPALIVE_IDLE] = {IPPROTO_TCP, TCP_KEEPIDLE},
    [AIO_STREAM_KEEPALIVE_INTERVAL] = {IPPROTO_TCP, TCP_KEEPINTVL},
    [AIO_STREAM_KEEPALIVE_COUNT] = {IPPROTO_TCP, TCP_KEEPCNT},
    [AIO_STREAM_USER_TIMEOUT] = {IPPROTO_TCP, TCP_USER_TIMEOUT},
    [AIO_STREAM_SEND_BUFFER] = {SOL_SOCKET, SO_SNDBUF},
    [AIO_STREAM_RECEIVE_BUFFER] = {SOL_SOCKET, SO_RCVBUF},
    [AIO_STREAM_LINGER] = {SOL_SOCKET, SO_LINGER},
};

static const struct option_row *option_find(enum aio_stream_option option)
{
    unsigned index = (unsigned)option;
    return index < sizeof option_rows / sizeof option_rows[0] ? &option_rows[index] : NULL;
}

static int option_set_linger(struct aio_stream *stream, int seconds)
{
    int fd = stream->handle.fd;
    struct linger linger = {.l_onoff = seconds >= 0, .l_linger = seconds >= 0 ? seconds : 0};
    if (seconds < -1)
        return -EINVAL;
    if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) < 0)
        return -errno;
    stream->lingers = seconds > 0;
    return 0;
}

static int option_get_linger(int fd, int *seconds)
{
    struct linger linger;
    socklen_t length = sizeof linger;
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length) < 0)
        return -errno;
    *seconds = linger.l_onoff ? linger.l_linger : -1;
    return 0;
}

int aio_stream_option_set(struct aio_stream *stream, enum aio_stream_option option, int value)
{
    (void)aio__handle_core(&stream->handle, __func__);
    const struct option_row *row = option_find(option);
    if (row == NULL)
        return -EINVAL;
    if (option == AIO_STREAM_LINGER)
        return option_set_linger(stream, value);
    return aio__socket_set(stream->handle.fd, row->level, row->name, value);
}

int aio_stream_option_get(struct aio_stream *stream, enum aio_stream_option option, int *value)
{
    (void)aio__handle_core(&stream->handle, __func__);
    const struct option_row *row = option_find(option);
    if (row == NULL)
        return -EINVAL;
    if (option == AIO_STREAM_LINGER)
        return option_get_linger(stream->handle.fd, value);
    return aio__socket_get(stream->handle.fd, row->level, row->name, value);
}
