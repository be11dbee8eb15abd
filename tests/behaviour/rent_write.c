/*
 * Giving rented buffers away: order, backpressure, errors, and what shutdown and close do with the
 * ones not sent yet.
 */
#define SUITE "rent_write"
#include "tests/behaviour/rent_support.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

BEHAVIOUR(given_away_and_sent)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 100, 100, 0));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 100, 0));
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 50000, 3000, 100));
    AIO_CHECK_OK(aio_stream_flush(raw.stream));
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 50000, 100));
    tcp_raw_close(&raw);
}

/* Rented and plain writes go out in the order of the calls. */
BEHAVIOUR(order_with_plain_writes)
{
    struct tcp_raw raw;
    uint64_t sent = 0, seen = 0;
    static unsigned char bytes[3000];
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < tcp_rounds(200); i++) {
        uint64_t dice = test_random();
        size_t part = 1 + (dice >> 8) % sizeof bytes;
        if (dice % 3 == 0) {
            test_pattern_fill(bytes, part, sent);
            AIO_CHECK_EQ(aio_stream_write_all(raw.stream, bytes, part, NULL), (ssize_t)part);
        } else {
            AIO_CHECK_OK(rent_write_pattern(raw.stream, part, part, sent));
        }
        sent += part;
        if (sent - seen < 60000)
            continue;
        AIO_CHECK(tcp_plain_receive_pattern(raw.fd, sent - seen, seen));
        seen = sent;
    }
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, sent - seen, seen));
    tcp_raw_close(&raw);
}

struct flood {
    struct aio_stream *stream;
    uint64_t size;
    int result;
    bool ended;
};

static int flood_run(void *arg)
{
    struct flood *flood = arg;
    flood->result = rent_write_pattern(flood->stream, flood->size, 8192, 0);
    if (flood->result == 0)
        flood->result = aio_stream_flush(flood->stream);
    flood->ended = true;
    return 0;
}

/* Starts one against a peer with small buffers that does not read. */
static bool flood_start(struct flood *flood, struct tcp_raw *raw, uint64_t size,
                        struct aio_task **task)
{
    if (!tcp_raw_open(raw, 8192))
        return false;
    *flood = (struct flood){.stream = raw->stream, .size = size};
    return AIO_CHECK_OK(aio_task_spawn(task, flood_run, flood, NULL));
}

/* A peer that does not read stops the writer, who holds a bounded number of buffers. */
BEHAVIOUR_WITH(backpressure, .stream_buffers = 4)
{
    struct tcp_raw raw;
    struct aio_task *task;
    struct flood flood;
    REQUIRE(flood_start(&flood, &raw, 4 << 20, &task));
    tcp_check_no_spin();
    AIO_CHECK(!flood.ended);
    AIO_CHECK(rent_stats().buffers_held <= 6);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, flood.size, 0));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_OK(flood.result);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    tcp_raw_close(&raw);
}

/* A writer that waits for room is cancelled: its buffer goes back, what is queued goes on. */
BEHAVIOUR_WITH(cancel_a_waiting_writer, .stream_buffers = 2)
{
    struct tcp_raw raw;
    struct aio_task *task;
    struct flood flood;
    REQUIRE(flood_start(&flood, &raw, 4 << 20, &task));
    tcp_check_no_spin();
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(flood.result, -ECANCELED);
    AIO_CHECK(rent_stats().buffers_held <= 2);
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_stream_flush(raw.stream), -ETIMEDOUT);
    }
    aio_stream_close(raw.stream); /* with something in flight and something queued */
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    AIO_CHECK(tcp_plain_drain(raw.fd) > 0);
    close(raw.fd);
}

/* Shutdown comes behind what was given away. */
BEHAVIOUR(shutdown_sends_everything_first)
{
    struct tcp_raw raw;
    struct aio_task *task;
    struct flood flood;
    REQUIRE(flood_start(&flood, &raw, 300000, &task));
    tcp_settle();
    struct tcp_call end = {.kind = TCP_SHUTDOWN_WRITE, .object = raw.stream};
    REQUIRE(tcp_call_start(&end));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 20000, 0));
    AIO_CHECK(tcp_plain_drain(raw.fd) > 0);
    AIO_CHECK_OK((int)tcp_call_join(&end));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(rent_write_pattern(raw.stream, 1, 1, 0) < 0 ? -EPIPE
                                                                : aio_stream_flush(raw.stream),
                    -EPIPE);
    tcp_raw_close(&raw);
}

/* What the kernel takes at once is sent by a close as well. */
BEHAVIOUR(close_right_after)
{
    for (int i = 0; i < 20; i++) {
        struct tcp_raw raw;
        REQUIRE(tcp_raw_open(&raw, 0));
        AIO_CHECK_OK(rent_write_pattern(raw.stream, 9000, 1000, 0));
        if (i % 2 == 0)
            AIO_CHECK_OK(aio_task_yield());
        aio_stream_close(raw.stream);
        AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 9000, 0));
        AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
        AIO_CHECK_EQ(rent_stats().buffers_held, 0);
        close(raw.fd);
    }
}

/* An error comes with the next call that writes, once, and all buffers come back. */
BEHAVIOUR(error_comes_with_the_next_call)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_EQ(shutdown(raw.fd, SHUT_RDWR), 0);
    tcp_plain_reset(raw.fd);
    int rc = 0, calls = 0;
    for (; calls < 100 && rc == 0; calls++) {
        rc = rent_write_pattern(raw.stream, 1000, 1000, 0);
        if (rc == 0)
            rc = aio_stream_flush(raw.stream);
    }
    AIO_CHECK(calls < 100);
    AIO_CHECK(rc == -ECONNRESET || rc == -EPIPE);
    AIO_CHECK_EQ(aio_stream_flush(raw.stream), 0); /* told once */
    AIO_CHECK(aio_stream_write(raw.stream, "x", 1) == -EPIPE);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    aio_stream_close(raw.stream);
}

BEHAVIOUR(injected_error)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    if (!test_fail_next("send", -EHOSTUNREACH, 1)) {
        tcp_raw_close(&raw);
        return;
    }
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 10, 10, 0));
    AIO_CHECK_ERROR(aio_stream_flush(raw.stream), -EHOSTUNREACH);
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 10, 10, 0));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 10, 0));
    tcp_raw_close(&raw);
}

/* A closed stream refuses the buffer and gives it back all the same. */
BEHAVIOUR(pending_interruption_gives_back)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct aio_buffer *buffer = rent_filled(10, 0);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_write_rent(raw.stream, buffer), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    AIO_CHECK_OK(aio_stream_write_rent(raw.stream, rent_filled(0, 0))); /* nothing to send */
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    tcp_raw_close(&raw);
}
