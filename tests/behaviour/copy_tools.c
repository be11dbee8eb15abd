/*
 * See copy_tools.h.
 */
#include "tests/behaviour/copy_tools.h"

#include <stdlib.h>

bool copy_path_open(struct copy_path *path)
{
    return tcp_pair_open(&path->in) && tcp_pair_open(&path->out);
}

void copy_path_close(struct copy_path *path)
{
    tcp_pair_close(&path->in);
    tcp_pair_close(&path->out);
}

static int copy_task(void *arg)
{
    struct copy_call *call = arg;
    const struct copy_path *path = call->path;
    AIO_TIMEOUT(call->timeout_ns > 0 ? call->timeout_ns : AIO_FOREVER)
    {
        if (call->relay)
            call->result =
                aio_stream_relay(path->in.far, path->out.near, &call->options, call->done);
        else
            call->result =
                aio_stream_copy(path->out.near, path->in.far, &call->options, call->done);
    }
    call->ended = true;
    return 0;
}

bool copy_start(struct copy_call *call, const struct copy_path *path, bool relay)
{
    if (call->options.size == 0)
        call->options = AIO_COPY_OPTIONS;
    call->path = path;
    call->relay = relay;
    call->ended = false;
    return AIO_CHECK_OK(aio_task_spawn(&call->task, copy_task, call, NULL));
}

int copy_join(struct copy_call *call)
{
    AIO_CHECK_OK(aio_task_join(call->task, NULL));
    return call->result;
}

int copy_cancel(struct copy_call *call)
{
    aio_task_cancel(call->task);
    return copy_join(call);
}

bool copy_ended(void *call)
{
    return ((struct copy_call *)call)->ended;
}

enum { BLOCK = 200000 };

static int write_task(void *arg)
{
    struct copy_writer *writer = arg;
    char *block = malloc(BLOCK);
    ssize_t n = 0;
    while (n >= 0 && writer->size > 0) {
        size_t length = writer->size < BLOCK ? (size_t)writer->size : BLOCK;
        test_pattern_fill(block, length, writer->position);
        n = aio_stream_write(writer->stream, block, length);
        writer->position += n > 0 ? (uint64_t)n : 0;
        writer->size -= n > 0 ? (uint64_t)n : 0;
    }
    free(block);
    if (n >= 0 && !writer->stay_open)
        n = aio_stream_shutdown(writer->stream, AIO_STREAM_WRITE);
    return n < 0 ? (int)n : 0;
}

bool copy_write_start(struct copy_writer *writer)
{
    return AIO_CHECK_OK(aio_task_spawn(&writer->task, write_task, writer, NULL));
}

int copy_write_join(struct copy_writer *writer)
{
    int result = -ESRCH;
    AIO_CHECK_OK(aio_task_join(writer->task, &result));
    return result;
}

/* Up to `size` bytes of the pattern. */
static uint64_t check_some(struct aio_stream *stream, uint64_t position, uint64_t size)
{
    char *block = malloc(BLOCK);
    uint64_t got = 0;
    bool good = true;
    while (good && got < size) {
        size_t length = size - got < BLOCK ? (size_t)(size - got) : BLOCK;
        ssize_t n = aio_stream_read(stream, block, length);
        if (n <= 0)
            break;
        good = AIO_CHECK(test_pattern_check(block, (size_t)n, position + got));
        got += (uint64_t)n;
    }
    free(block);
    return got;
}

bool copy_check_bytes(struct aio_stream *stream, uint64_t position, uint64_t size)
{
    return AIO_CHECK_EQ(check_some(stream, position, size), size);
}

uint64_t copy_check_rest(struct aio_stream *stream, uint64_t position)
{
    return check_some(stream, position, UINT64_MAX);
}
