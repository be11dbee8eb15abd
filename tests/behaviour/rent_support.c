/*
 * See rent_support.h.
 */
#include "tests/behaviour/rent_support.h"

static int call_run(void *arg)
{
    struct rent_call *call = arg;
    AIO_TIMEOUT(call->timeout_ns > 0 ? call->timeout_ns : AIO_FOREVER)
    {
        call->result = aio_stream_read_rent(call->stream, &call->buffer);
    }
    call->ended = true;
    return 0;
}

bool rent_call_start(struct rent_call *call)
{
    call->ended = false;
    call->buffer = NULL;
    call->task = NULL;
    return AIO_CHECK_OK(aio_task_spawn(&call->task, call_run, call, NULL));
}

ssize_t rent_call_join(struct rent_call *call)
{
    AIO_CHECK_OK(aio_task_join(call->task, NULL));
    AIO_CHECK((call->result > 0) == (call->buffer != NULL));
    return call->result;
}

ssize_t rent_call_cancel(struct rent_call *call)
{
    aio_task_cancel(call->task);
    return rent_call_join(call);
}

struct aio_runtime_stats rent_stats(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats;
}

struct aio_buffer *rent_filled(size_t size, uint64_t position)
{
    struct aio_buffer *buffer;
    if (!AIO_CHECK_OK(aio_buffer_rent(&buffer)))
        return NULL;
    AIO_CHECK_EQ(aio_buffer_size(buffer), 0);
    AIO_CHECK_OK(aio_buffer_resize(buffer, size));
    test_pattern_fill(aio_buffer_data(buffer), size, position);
    return buffer;
}

uint64_t rent_read_pattern(struct aio_stream *stream, uint64_t size, uint64_t position)
{
    uint64_t got = 0;
    while (got < size) {
        struct aio_buffer *buffer;
        ssize_t n = aio_stream_read_rent(stream, &buffer);
        if (n <= 0) {
            AIO_CHECK_EQ(n, 1); /* to print it */
            break;
        }
        AIO_CHECK_EQ((size_t)n, aio_buffer_size(buffer));
        AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), (size_t)n, position + got));
        got += (uint64_t)n;
        aio_buffer_release(buffer);
    }
    return got;
}

int rent_write_pattern(struct aio_stream *stream, uint64_t size, size_t piece, uint64_t position)
{
    uint64_t given = 0;
    int rc = 0;
    while (given < size && rc == 0) {
        size_t part = size - given < piece ? (size_t)(size - given) : piece;
        struct aio_buffer *buffer = rent_filled(part, position + given);
        if (buffer == NULL)
            return -ENOBUFS;
        rc = aio_stream_write_rent(stream, buffer);
        given += part;
    }
    return rc;
}

bool rent_plain_send_pattern(int fd, size_t size, uint64_t position)
{
    static unsigned char bytes[256 * 1024];
    if (!AIO_CHECK(size <= sizeof bytes))
        return false;
    test_pattern_fill(bytes, size, position);
    return tcp_plain_send(fd, bytes, size);
}
