/*
 * See http_wire.h.
 */
#include "examples/common/http_wire.h"

#define DRAIN_LIMIT (1024 * 1024)
#define DRAIN_NS AIO_SEC(2)

ssize_t http_receive(struct aio_stream *stream, struct http_clock *clock, void *buffer, size_t size)
{
    if (clock->phase == HTTP_BETWEEN_REQUESTS)
        return aio_stream_read(stream, buffer, size);
    int64_t now_ns = aio_time_now();
    if (clock->ends_ns == 0)
        clock->ends_ns = now_ns + (clock->phase == HTTP_IN_HEADER ? HTTP_HEADER_NS : HTTP_BODY_NS);
    ssize_t n = 0;
    AIO_TIMEOUT(clock->ends_ns - now_ns)
    {
        n = aio_stream_read(stream, buffer, size);
    }
    return n;
}

void http_drain(struct aio_stream *stream, void *buffer, size_t size)
{
    if (aio_stream_shutdown(stream, AIO_STREAM_WRITE) < 0)
        return;
    ssize_t n;
    size_t drained = 0;
    AIO_TIMEOUT(DRAIN_NS)
    {
        while (drained < DRAIN_LIMIT && (n = aio_stream_read(stream, buffer, size)) > 0)
            drained += (size_t)n;
    }
}
