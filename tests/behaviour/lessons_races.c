/*
 * What went wrong elsewhere, in races: operations that are cancelled, run out of time or pass on
 * their turn in the moment in which they succeed. Nothing may be lost, nobody forgotten.
 */
#define SUITE "lessons_races"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A stream of bytes to a raw peer's stream, read by calls of which many are stopped. */
struct flow {
    struct tcp_raw raw;
    uint64_t sent;
    uint64_t read;
    int stopped;
    int successes;
};

static void flow_send(struct flow *flow, size_t size)
{
    unsigned char bytes[64];
    test_pattern_fill(bytes, size, flow->sent);
    AIO_CHECK(tcp_plain_send(flow->raw.fd, bytes, size));
    flow->sent += size;
}

static void flow_yield(uint64_t most)
{
    for (uint64_t yields = test_random() % (most + 1); yields > 0; yields--)
        AIO_CHECK_OK(aio_task_yield());
}

static void flow_note(struct flow *flow, const void *bytes, ssize_t rc)
{
    if (rc > 0) {
        test_pattern_check(bytes, (size_t)rc, flow->read);
        flow->read += (uint64_t)rc;
        flow->successes++;
    } else {
        AIO_CHECK(rc == -ECANCELED || rc == -ETIMEDOUT);
        flow->stopped++;
    }
}

/* Reads the rest, after the end has been sent: each byte has come once and in order. */
static void flow_end(struct flow *flow)
{
    unsigned char bytes[256];
    ssize_t rc;
    AIO_CHECK(shutdown(flow->raw.fd, SHUT_WR) == 0);
    while ((rc = aio_stream_read(flow->raw.stream, bytes, sizeof bytes)) > 0) {
        test_pattern_check(bytes, (size_t)rc, flow->read);
        flow->read += (uint64_t)rc;
    }
    AIO_CHECK_EQ(rc, 0);
    AIO_CHECK_EQ(flow->read, flow->sent);
    tcp_raw_close(&flow->raw);
}

/* Two thousand reads whose cancellation races with their data: the bytes are returned now or by a
 * later read. */
BEHAVIOUR(cancelled_reads_lose_nothing)
{
    struct flow flow = {.sent = 0};
    int count = tcp_rounds(2000);
    REQUIRE(tcp_raw_open(&flow.raw, 0));
    for (int i = 0; i < count; i++) {
        unsigned char bytes[256];
        struct tcp_call call = {
            .kind = TCP_READ, .object = flow.raw.stream, .buffer = bytes, .size = sizeof bytes};
        REQUIRE(tcp_call_start(&call));
        flow_yield(3);
        if (i % 4 != 0)
            flow_send(&flow, 1 + test_random() % 60);
        flow_yield(2);
        flow_note(&flow, bytes, tcp_call_cancel(&call));
    }
    AIO_CHECK(flow.successes > 0);
    AIO_CHECK(flow.stopped > 0);
    flow_end(&flow);
}

/* The same with a deadline that comes about when the data does. */
BEHAVIOUR(late_reads_lose_nothing)
{
    struct flow flow = {.sent = 0};
    int count = tcp_rounds(2000);
    REQUIRE(tcp_raw_open(&flow.raw, 0));
    for (int i = 0; i < count; i++) {
        unsigned char bytes[256];
        struct tcp_call call = {.kind = TCP_READ,
                                .object = flow.raw.stream,
                                .buffer = bytes,
                                .size = sizeof bytes,
                                .timeout_ns = AIO_US(1 + (int64_t)(test_random() % 40))};
        REQUIRE(tcp_call_start(&call));
        flow_yield(3);
        if (i % 4 != 0)
            flow_send(&flow, 1 + test_random() % 60);
        flow_note(&flow, bytes, tcp_call_join(&call));
    }
    AIO_CHECK(flow.stopped > 0);
    flow_end(&flow);
}

/* A read that has data when its time runs out has succeeded; the timeout comes with the next call.
 */
BEHAVIOUR(success_beats_the_timeout)
{
    struct flow flow = {.sent = 0};
    REQUIRE(tcp_raw_open(&flow.raw, 0));
    for (int i = 0; i < 100; i++) {
        unsigned char bytes[64];
        flow_send(&flow, 8);
        AIO_TIMEOUT(AIO_US(300))
        {
            ssize_t rc = aio_stream_read(flow.raw.stream, bytes, sizeof bytes);
            flow_note(&flow, bytes, rc);
            int64_t late_ns = aio_time_now() + AIO_US(400);
            while (aio_time_now() < late_ns)
                ;
            AIO_CHECK_ERROR(aio_time_sleep(AIO_SEC(5)), -ETIMEDOUT);
        }
    }
    AIO_CHECK(flow.successes > 50);
    flow_end(&flow);
}

struct sticky {
    struct aio_stream *stream;
    ssize_t first;
    ssize_t second;
};

static int read_twice(void *arg)
{
    struct sticky *sticky = arg;
    char byte;
    sticky->first = aio_stream_read(sticky->stream, &byte, 1);
    sticky->second = aio_stream_read(sticky->stream, &byte, 1);
    return 0;
}

static bool nothing_pending(void *arg)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    (void)arg;
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats.ops_pending == 0;
}

/* A read that has succeeded, though its task has not run since, is not cancelled any more; the
 * next one is, and leaves its byte where it was. */
BEHAVIOUR(success_beats_the_cancellation)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < 100; i++) {
        struct sticky sticky = {.stream = raw.stream};
        struct aio_task *task;
        char byte = 0;
        REQUIRE_OK(aio_task_spawn(&task, read_twice, &sticky, NULL));
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK(!nothing_pending(NULL)); /* the first read waits */
        REQUIRE(tcp_plain_send(raw.fd, "1", 1));
        while (!nothing_pending(NULL))
            AIO_CHECK_OK(aio_task_yield());
        REQUIRE(tcp_plain_send(raw.fd, "2", 1));
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK_EQ(sticky.first, 1);
        AIO_CHECK_ERROR(sticky.second, -ECANCELED);
        AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
        AIO_CHECK_EQ(byte, '2');
    }
    tcp_raw_close(&raw);
}

/* Cancelling twice, and cancelling what has ended, is one cancellation. */
BEHAVIOUR(double_cancel)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < 100; i++) {
        char byte;
        struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        flow_yield(3);
        aio_task_cancel(call.task);
        aio_task_cancel(call.task);
        AIO_CHECK(test_wait(tcp_call_ended, &call));
        aio_task_cancel(call.task);
        AIO_CHECK_ERROR(tcp_call_join(&call), -ECANCELED);
    }
    tcp_raw_close(&raw);
}

/* A cancel that names one reader does not hit the next one, though it uses the same memory. */
BEHAVIOUR(cancel_hits_its_own)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    int count = tcp_rounds(1000);
    for (int i = 0; i < count; i++) {
        struct tcp_call first = {
            .kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        struct tcp_call second = first;
        REQUIRE(tcp_call_start(&first));
        flow_yield(2);
        AIO_CHECK_ERROR(tcp_call_cancel(&first), -ECANCELED);
        REQUIRE(tcp_call_start(&second)); /* on the stack of the first */
        flow_yield(2);
        REQUIRE(tcp_plain_send(raw.fd, "2", 1));
        AIO_CHECK_EQ(tcp_call_join(&second), 1);
        AIO_CHECK_EQ(byte, '2');
    }
    tcp_raw_close(&raw);
}

/* A reader whose turn comes in the moment of its cancellation passes the turn on. */
BEHAVIOUR(turn_is_passed_on)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    int count = tcp_rounds(300);
    for (int i = 0; i < count; i++) {
        struct tcp_call calls[3];
        char bytes[3] = "";
        for (int j = 0; j < 3; j++) {
            calls[j] = (struct tcp_call){
                .kind = TCP_READ, .object = raw.stream, .buffer = &bytes[j], .size = 1};
            REQUIRE(tcp_call_start(&calls[j]));
        }
        tcp_settle();
        REQUIRE(tcp_plain_send(raw.fd, "ab", 2));
        flow_yield(4);
        ssize_t second = tcp_call_cancel(&calls[1]);
        if (second == -ECANCELED) { /* then the third has the second byte */
            AIO_CHECK_EQ(tcp_call_join(&calls[0]), 1);
            AIO_CHECK_EQ(tcp_call_join(&calls[2]), 1);
            AIO_CHECK_EQ(bytes[2], 'b');
        } else {
            AIO_CHECK_EQ(second, 1);
            AIO_CHECK_EQ(bytes[1], 'b');
            REQUIRE(tcp_plain_send(raw.fd, "c", 1));
            AIO_CHECK_EQ(tcp_call_join(&calls[0]), 1);
            AIO_CHECK_EQ(tcp_call_join(&calls[2]), 1);
            AIO_CHECK_EQ(bytes[2], 'c');
        }
        AIO_CHECK_EQ(bytes[0], 'a');
    }
    tcp_raw_close(&raw);
}

/* An accept that succeeds in spite of its cancellation leaks no descriptor. */
BEHAVIOUR(accept_after_cancel)
{
    struct tcp_server server;
    int served = 0, count = tcp_rounds(1000);
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < count; i++) {
        struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&call));
        flow_yield(2);
        int fd = tcp_plain_connect(server.port);
        flow_yield(3);
        struct aio_stream *stream;
        if (tcp_call_cancel(&call) == 0)
            aio_stream_close(call.accepted);
        else if (AIO_CHECK_OK(aio_listener_accept(server.listener, &stream)))
            aio_stream_close(stream);
        served += tcp_plain_drain(fd) == 0;
        close(fd);
    }
    AIO_CHECK_EQ(served, count);
    aio_listener_close(server.listener);
}
