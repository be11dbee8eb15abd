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
    call->ended_ns = aio_time_now();
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

bool copy_cancel_or_late(struct copy_call *call)
{
    bool ended = call->ended;
    int rc = copy_cancel(call);
    AIO_CHECK(rc == -ETIMEDOUT || (rc == -ECANCELED && !ended));
    return rc == -ETIMEDOUT;
}

bool copy_ended(void *call)
{
    return ((struct copy_call *)call)->ended;
}

/* Returns false when the relay ended before the byte came. */
static bool move_byte(const struct copy_call *call, struct aio_stream *from, struct aio_stream *to)
{
    char byte = 'x';
    ssize_t n = -ETIMEDOUT;
    if (!AIO_CHECK_EQ(aio_stream_write(from, &byte, 1), 1))
        return false;
    while (n == -ETIMEDOUT && !call->ended) {
        AIO_TIMEOUT(AIO_MS(20))
        {
            n = aio_stream_read(to, &byte, 1);
        }
    }
    AIO_CHECK(n == 1 || call->ended);
    return n == 1;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool copy_keep_moving(const struct copy_call *call, struct aio_stream *from, struct aio_stream *to,
                      uint64_t *moved)
{
    const int64_t idle_ns = call->options.idle_ns;
    int64_t last_ns = aio_time_now(), gap_ns = 0;
    const int64_t end_ns = last_ns + 2 * idle_ns;
    *moved = 0;
    while (!call->ended && last_ns < end_ns && move_byte(call, from, to)) {
        int64_t now_ns = aio_time_now();
        gap_ns = later(gap_ns, now_ns - last_ns);
        last_ns = now_ns;
        ++*moved;
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    }
    if (call->ended)
        gap_ns = later(gap_ns, call->ended_ns - last_ns);
    return gap_ns < idle_ns / 2;
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
