/*
 * See http_wire.h.
 */
#include "examples/common/http_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_LIMIT (1024 * 1024)
#define DRAIN_NS AIO_SEC(2)

static int64_t header_ns = HTTP_HEADER_NS;

int http_read_seconds(const char *word, const char *name, int64_t *duration_ns)
{
    char *end;
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0 || word[length] != '=')
        return -EINVAL;
    long seconds = strtol(word + length + 1, &end, 10);
    if (*end != '\0' || seconds <= 0 || seconds > 3600)
        return -EINVAL;
    *duration_ns = AIO_SEC(seconds);
    return 0;
}

int http_read_limit(const char *word)
{
    return http_read_seconds(word, "header", &header_ns);
}

/* How long the phase may still take. */
static int64_t clock_left(struct http_clock *clock)
{
    int64_t now_ns = aio_time_now();
    if (clock->ends_ns == 0)
        clock->ends_ns = now_ns + (clock->phase == HTTP_IN_HEADER ? header_ns : HTTP_BODY_NS);
    return clock->ends_ns - now_ns;
}

ssize_t http_receive(struct aio_stream *stream, struct http_clock *clock, void *buffer, size_t size)
{
    if (clock->phase == HTTP_BETWEEN_REQUESTS)
        return aio_stream_read(stream, buffer, size);
    ssize_t n = 0;
    AIO_TIMEOUT(clock_left(clock))
    {
        n = aio_stream_read(stream, buffer, size);
    }
    return n;
}

ssize_t http_receive_rent(struct aio_stream *stream, struct http_clock *clock,
                          struct aio_buffer **out)
{
    if (clock->phase == HTTP_BETWEEN_REQUESTS)
        return aio_stream_read_rent(stream, out);
    ssize_t n = 0;
    AIO_TIMEOUT(clock_left(clock))
    {
        n = aio_stream_read_rent(stream, out);
    }
    return n;
}

void http_drain(struct aio_stream *stream)
{
    char dropped[4096];
    if (aio_stream_shutdown(stream, AIO_STREAM_WRITE) < 0)
        return;
    ssize_t n;
    size_t drained = 0;
    AIO_TIMEOUT(DRAIN_NS)
    {
        while (drained < DRAIN_LIMIT && (n = aio_stream_read(stream, dropped, sizeof dropped)) > 0)
            drained += (size_t)n;
    }
}
