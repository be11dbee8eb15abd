/*
 * Closing a stream: everybody who waits on it gets -EBADF, nothing hangs, nothing is cut off.
 */
#define SUITE "close_waiters"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MUCH = 4 << 20 };

/* NULL is ignored. */
BEHAVIOUR(null)
{
    aio_stream_close(NULL);
}

/* An idle stream closes at once, and the peer gets its end. */
BEHAVIOUR(idle)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
}

/* What the kernel has taken is still sent. */
BEHAVIOUR(sent_is_sent)
{
    struct tcp_raw raw;
    char *bytes = malloc(MUCH);
    size_t done = 0;
    REQUIRE(bytes != NULL);
    test_pattern_fill(bytes, MUCH, 0);
    REQUIRE(tcp_raw_open(&raw, 16384));
    AIO_TIMEOUT(AIO_MS(3))
    {
        AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, bytes, MUCH, &done), -ETIMEDOUT);
    }
    aio_stream_close(raw.stream);
    AIO_CHECK(done > 0);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, done, 0));
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
    free(bytes);
}

/* Reader, writer and those in both queues, at the gate or with half of their work done. */
BEHAVIOUR(everybody)
{
    enum { CALLS = 8 };
    struct tcp_raw raw;
    struct tcp_call calls[CALLS];
    char got[64];
    char *bytes = malloc(MUCH);
    REQUIRE(bytes != NULL);
    test_pattern_fill(bytes, MUCH, 0);
    REQUIRE(tcp_raw_open(&raw, 16384));
    static const enum tcp_call_kind kinds[CALLS] = {TCP_READ_EXACT, TCP_WRITE_ALL,     TCP_READ,
                                                    TCP_WRITE_ALL,  TCP_READ_EXACT,    TCP_WRITE,
                                                    TCP_READ,       TCP_SHUTDOWN_WRITE};
    for (int i = 0; i < CALLS; i++) {
        bool reads = i % 2 == 0;
        calls[i] = (struct tcp_call){.kind = kinds[i],
                                     .object = raw.stream,
                                     .buffer = reads ? got : bytes,
                                     .size = reads ? sizeof got : MUCH};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    REQUIRE(tcp_plain_send(raw.fd, "some", 4)); /* the first reader has something, not all */
    tcp_settle();
    aio_stream_close(raw.stream);
    for (int i = 0; i < CALLS; i++) {
        AIO_CHECK(calls[i].ended); /* close has waited for them */
        AIO_CHECK_ERROR(tcp_call_join(&calls[i]), -EBADF);
    }
    close(raw.fd);
    free(bytes);
}

/* A close outranks a cancellation that is under way. */
BEHAVIOUR(close_and_cancel)
{
    for (int i = 0; i < 20; i++) {
        struct tcp_raw raw;
        char byte;
        REQUIRE(tcp_raw_open(&raw, 0));
        struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        aio_task_cancel(call.task);
        aio_stream_close(raw.stream);
        ssize_t rc = tcp_call_join(&call);
        AIO_CHECK(rc == -EBADF || rc == -ECANCELED);
        close(raw.fd);
    }
}

/* A close that comes while data wakes the reader: -EBADF, and nothing hangs. */
BEHAVIOUR(close_while_the_reader_is_woken)
{
    for (int i = 0; i < 60; i++) {
        struct tcp_raw raw;
        char bytes[8];
        REQUIRE(tcp_raw_open(&raw, 0));
        struct tcp_call call = {
            .kind = TCP_READ_EXACT, .object = raw.stream, .buffer = bytes, .size = sizeof bytes};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        REQUIRE(tcp_plain_send(raw.fd, "1234", 4)); /* not all it wants */
        for (int yields = i % 6; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        aio_stream_close(raw.stream);
        AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
        close(raw.fd);
    }
}

/* Yields until an operation has been completed: its task is ready, and not yet run. */
static void until_an_op_completes(uint32_t pending)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    int64_t limit_ns = aio_time_now() + AIO_SEC(1);
    do {
        AIO_CHECK_OK(aio_task_yield());
        REQUIRE_OK(aio_runtime_stats(&stats));
    } while (stats.ops_pending >= pending && aio_time_now() < limit_ns);
}

/* A close in the turn in which a step of a longer call is done: the call does not go on waiting. */
BEHAVIOUR(close_between_two_steps)
{
    for (int i = 0; i < 40; i++) {
        struct tcp_raw raw;
        char bytes[8];
        REQUIRE(tcp_raw_open(&raw, 0));
        struct tcp_call call = {
            .kind = TCP_READ_EXACT, .object = raw.stream, .buffer = bytes, .size = sizeof bytes};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        REQUIRE(tcp_plain_send(raw.fd, "1", 1));
        until_an_op_completes(1);
        aio_stream_close(raw.stream);
        AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
        close(raw.fd);
    }
}

/* A close while a call gives way to others in the middle of steps that need no waiting. */
BEHAVIOUR(close_amid_instant_steps)
{
    enum { SIZE = 1 << 20 };
    char *bytes = malloc(SIZE), *got = malloc(SIZE);
    REQUIRE(bytes != NULL && got != NULL);
    test_pattern_fill(bytes, SIZE, 0);
    for (int i = 0; i < 30; i++) {
        struct tcp_pair pair;
        REQUIRE(tcp_pair_open(&pair));
        struct tcp_call writer = {
            .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = bytes, .size = SIZE};
        struct tcp_call reader = {
            .kind = TCP_READ_EXACT, .object = pair.far, .buffer = got, .size = SIZE};
        REQUIRE(tcp_call_start(&writer) && tcp_call_start(&reader));
        for (uint64_t yields = 1 + test_random() % 30; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        aio_stream_close(i % 2 ? pair.near : pair.far);
        aio_stream_close(i % 2 ? pair.far : pair.near);
        ssize_t written = tcp_call_join(&writer), read = tcp_call_join(&reader);
        AIO_CHECK(written == SIZE || written == -EBADF || written == -EPIPE ||
                  written == -ECONNRESET);
        AIO_CHECK(read == SIZE || read == -EBADF || read == -ENODATA || read == 0 ||
                  read == -ECONNRESET);
        test_pattern_check(got, reader.done, 0);
    }
    free(bytes);
    free(got);
}

/* Calls that come while the close waits get -EBADF at once. */
struct late {
    struct aio_stream *stream;
    int calls;
};

static int call_late(void *arg)
{
    struct late *late = arg;
    char byte;
    AIO_CHECK_ERROR(aio_stream_read(late->stream, &byte, 1), -EBADF); /* waited: woken by close */
    AIO_CHECK_ERROR(aio_stream_read(late->stream, &byte, 1), -EBADF);
    AIO_CHECK_ERROR(aio_stream_write(late->stream, &byte, 1), -EBADF);
    AIO_CHECK_ERROR(aio_stream_shutdown(late->stream, AIO_STREAM_READ), -EBADF);
    late->calls++;
    return 0;
}

static int hold_open(void *arg)
{
    struct late *late = arg;
    char byte;
    AIO_CHECK_ERROR(aio_stream_read(late->stream, &byte, 1), -EBADF);
    return 0;
}

BEHAVIOUR(calls_during_the_close)
{
    struct tcp_raw raw;
    struct aio_task *tasks[2];
    REQUIRE(tcp_raw_open(&raw, 0));
    struct late late = {raw.stream, 0};
    REQUIRE_OK(aio_task_spawn(&tasks[0], call_late, &late, NULL)); /* leaves first, calls again */
    REQUIRE_OK(aio_task_spawn(&tasks[1], hold_open, &late, NULL)); /* keeps the close waiting */
    tcp_settle();
    aio_stream_close(raw.stream);
    AIO_CHECK_OK(aio_task_join(tasks[0], NULL));
    AIO_CHECK_OK(aio_task_join(tasks[1], NULL));
    AIO_CHECK_EQ(late.calls, 1);
    close(raw.fd);
}

/* A cancelled task can close, though a reader has to be awaited. */
static int close_when_canceled(void *arg)
{
    struct aio_stream *stream = arg;
    AIO_CHECK_ERROR(aio_time_sleep(AIO_SEC(100)), -ECANCELED);
    aio_stream_close(stream);
    AIO_CHECK(aio_task_canceled());
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED); /* still pending afterwards */
    return 0;
}

BEHAVIOUR(close_in_a_canceled_task)
{
    struct tcp_raw raw;
    struct aio_task *task;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    REQUIRE_OK(aio_task_spawn(&task, close_when_canceled, raw.stream, NULL));
    tcp_settle();
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
}

/* So can one whose deadline has passed. */
BEHAVIOUR(close_after_the_deadline)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_TIMEOUT(0)
    {
        aio_stream_close(raw.stream);
        AIO_CHECK(call.ended);
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
    }
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    close(raw.fd);
}

/* Either end may close first, or both in the same turn. */
BEHAVIOUR(both_ends)
{
    for (int i = 0; i < 50; i++) {
        struct tcp_pair pair;
        char bytes[2];
        REQUIRE(tcp_pair_open(&pair));
        struct tcp_call readers[2] = {
            {.kind = TCP_READ, .object = pair.near, .buffer = &bytes[0], .size = 1},
            {.kind = TCP_READ, .object = pair.far, .buffer = &bytes[1], .size = 1}};
        struct tcp_call closers[2] = {{.kind = TCP_CLOSE, .object = pair.near},
                                      {.kind = TCP_CLOSE, .object = pair.far}};
        REQUIRE(tcp_call_start(&readers[0]) && tcp_call_start(&readers[1]));
        tcp_settle();
        REQUIRE(tcp_call_start(&closers[i % 2]) && tcp_call_start(&closers[1 - i % 2]));
        for (int j = 0; j < 2; j++) {
            AIO_CHECK_ERROR(tcp_call_join(&readers[j]), -EBADF);
            AIO_CHECK_OK(tcp_call_join(&closers[j]));
        }
    }
}
