/*
 * Reading with rented buffers: data, its order, the end, errors, cancellation, and what a wait
 * costs.
 */
#define SUITE "rent_read"
#include "tests/behaviour/rent_support.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

BEHAVIOUR(data_and_end)
{
    struct tcp_raw raw;
    struct aio_buffer *buffer;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(rent_plain_send_pattern(raw.fd, 100000, 0));
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 100000, 0), 100000);
    REQUIRE(rent_plain_send_pattern(raw.fd, 5, 100000));
    AIO_CHECK_EQ(shutdown(raw.fd, SHUT_WR), 0);
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5, 100000), 5);
    for (int i = 0; i < 3; i++) { /* the end stays the end */
        AIO_CHECK_EQ(aio_stream_read_rent(raw.stream, &buffer), 0);
        AIO_CHECK(buffer == NULL);
    }
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    tcp_raw_close(&raw);
}

/* A reader that waits holds no buffer. */
BEHAVIOUR(waiting_holds_nothing)
{
    enum { COUNT = 50 };
    struct tcp_raw raws[COUNT];
    struct rent_call calls[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(tcp_raw_open(&raws[i], 0));
        calls[i] = (struct rent_call){.stream = raws[i].stream};
        REQUIRE(rent_call_start(&calls[i]));
    }
    tcp_settle();
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(rent_plain_send_pattern(raws[i].fd, 100, 0));
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK(rent_call_join(&calls[i]) > 0);
        aio_buffer_release(calls[i].buffer);
    }
    struct aio_runtime_stats stats = rent_stats();
    AIO_CHECK(stats.buffers_peak > 0 && stats.buffers_peak <= 4 * COUNT);
    AIO_CHECK(stats.buffers_made >= stats.buffers_peak);
    for (int i = 0; i < COUNT; i++)
        tcp_raw_close(&raws[i]);
}

/* Whichever call reads next gets the next byte. */
BEHAVIOUR(mixed_with_plain_reads)
{
    enum { TOTAL = 200000 };
    struct tcp_raw raw;
    uint64_t sent = 0, got = 0;
    static char bytes[4096];
    REQUIRE(tcp_raw_open(&raw, 0));
    while (got < TOTAL || got < sent) {
        if (sent < TOTAL && sent - got < 50000) {
            size_t part = 1 + test_random() % 20000;
            REQUIRE(rent_plain_send_pattern(raw.fd, part, sent));
            sent += part;
        }
        if (sent == got)
            continue;
        uint64_t dice = test_random();
        ssize_t n = 0;
        size_t size = 1 + (dice >> 8) % (sizeof bytes - 1);
        struct iovec vectors[2] = {{bytes, size / 2}, {bytes + size / 2, size - size / 2}};
        size = size < sent - got ? size : (size_t)(sent - got);
        switch (dice % 4) {
        case 0:
            n = aio_stream_read(raw.stream, bytes, size);
            break;
        case 1:
            n = aio_stream_read_exact(raw.stream, bytes, size, NULL);
            AIO_CHECK_EQ(n, (ssize_t)size);
            break;
        case 2:
            n = aio_stream_readv(raw.stream, vectors, 2);
            break;
        default: {
            struct aio_buffer *buffer;
            n = aio_stream_read_rent(raw.stream, &buffer);
            REQUIRE(n > 0);
            AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), (size_t)n, got));
            aio_buffer_release(buffer);
            got += (uint64_t)n;
            continue;
        }
        }
        REQUIRE(n > 0);
        AIO_CHECK(test_pattern_check(bytes, (size_t)n, got));
        got += (uint64_t)n;
    }
    AIO_CHECK_EQ(got, sent);
    AIO_CHECK_EQ(shutdown(raw.fd, SHUT_WR), 0);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, bytes, 1), 0);
    tcp_raw_close(&raw);
}

/* A plain read that waits behind an armed rented one gets the data, all buffers taken or not. */
BEHAVIOUR_WITH(plain_read_needs_no_buffer, .buffer_limit = 2)
{
    struct tcp_raw raw;
    struct aio_buffer *kept;
    char bytes[8];
    REQUIRE(tcp_raw_open(&raw, 0));
    struct rent_call call = {.stream = raw.stream, .timeout_ns = AIO_MS(1)};
    REQUIRE(rent_call_start(&call));
    AIO_CHECK_ERROR(rent_call_join(&call), -ETIMEDOUT);
    REQUIRE_OK(aio_buffer_rent(&kept));
    REQUIRE(tcp_plain_send(raw.fd, "hello", 5));
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, bytes, 5, NULL), 5);
    AIO_CHECK(memcmp(bytes, "hello", 5) == 0);
    aio_buffer_release(kept);
    tcp_raw_close(&raw);
}

/* Readers that are cancelled or run out of time, around the moment of the data, lose none of it. */
BEHAVIOUR(cancel_and_timeout_lose_nothing)
{
    struct tcp_raw raw;
    uint64_t sent = 0, got = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < tcp_rounds(300); i++) {
        uint64_t dice = test_random();
        struct rent_call call = {.stream = raw.stream,
                                 .timeout_ns =
                                     (dice & 1) != 0 ? AIO_US((int64_t)(dice >> 8) % 200) + 1 : 0};
        REQUIRE(rent_call_start(&call));
        if ((dice & 2) != 0)
            tcp_settle();
        size_t part = (dice >> 20) % 3 == 0 ? 0 : 1 + (dice >> 24) % 500;
        REQUIRE(rent_plain_send_pattern(raw.fd, part, sent));
        sent += part;
        if ((dice & 4) != 0)
            tcp_settle();
        ssize_t n = call.timeout_ns > 0 ? rent_call_join(&call) : rent_call_cancel(&call);
        if (n > 0) {
            AIO_CHECK(test_pattern_check(aio_buffer_data(call.buffer), (size_t)n, got));
            got += (uint64_t)n;
            aio_buffer_release(call.buffer);
        } else {
            AIO_CHECK_ERROR((int)n, call.timeout_ns > 0 ? -ETIMEDOUT : -ECANCELED);
        }
    }
    AIO_CHECK_EQ(got + rent_read_pattern(raw.stream, sent - got, got), sent);
    tcp_raw_close(&raw);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}

BEHAVIOUR(close_ends_readers_and_returns_buffers)
{
    for (int i = 0; i < tcp_rounds(40); i++) {
        struct tcp_raw raw;
        REQUIRE(tcp_raw_open(&raw, 0));
        struct rent_call calls[2] = {{.stream = raw.stream}, {.stream = raw.stream}};
        REQUIRE(rent_call_start(&calls[0]) && rent_call_start(&calls[1]));
        tcp_settle();
        if (i % 2 == 0) { /* one gets some; more is received and not read */
            REQUIRE(rent_plain_send_pattern(raw.fd, 40000, 0));
            AIO_CHECK(rent_call_join(&calls[0]) > 0);
            aio_buffer_release(calls[0].buffer);
        }
        aio_stream_close(raw.stream);
        if (i % 2 == 1)
            AIO_CHECK_ERROR((int)rent_call_join(&calls[0]), -EBADF);
        ssize_t n = rent_call_join(&calls[1]);
        AIO_CHECK(n > 0 || n == -EBADF);
        aio_buffer_release(calls[1].buffer);
        AIO_CHECK_EQ(rent_stats().buffers_held, 0);
        AIO_CHECK_EQ(tcp_plain_drain(raw.fd) < 0, i % 2 == 0); /* a reset: not all was read */
        close(raw.fd);
    }
}

/* A buffer outlives the stream it came from. */
BEHAVIOUR(buffer_outlives_its_stream)
{
    struct tcp_raw raw;
    struct aio_buffer *buffer;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(tcp_plain_send(raw.fd, "still", 5));
    size_t got = 0;
    char text[6] = "";
    ssize_t n = aio_stream_read_rent(raw.stream, &buffer);
    REQUIRE(n > 0);
    tcp_raw_close(&raw);
    memcpy(text + got, aio_buffer_data(buffer), (size_t)n);
    AIO_CHECK(memcmp(text, "still", (size_t)n) == 0);
    aio_buffer_release(buffer);
}

BEHAVIOUR(peer_resets)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct rent_call call = {.stream = raw.stream};
    REQUIRE(rent_call_start(&call));
    tcp_settle();
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR((int)rent_call_join(&call), -ECONNRESET);
    struct aio_buffer *buffer;
    AIO_CHECK_EQ(aio_stream_read_rent(raw.stream, &buffer), 0);
    aio_stream_close(raw.stream);
}

BEHAVIOUR(shutdown_of_the_reading_side)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct rent_call call = {.stream = raw.stream};
    REQUIRE(rent_call_start(&call));
    tcp_settle();
    AIO_CHECK_OK(aio_stream_shutdown(raw.stream, AIO_STREAM_READ));
    AIO_CHECK_EQ(rent_call_join(&call), 0);
    tcp_raw_close(&raw);
}

/* Sticky: entered with either pending, the call takes nothing. */
BEHAVIOUR(pending_interruption_takes_nothing)
{
    struct tcp_raw raw;
    struct aio_buffer *buffer;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(tcp_plain_send(raw.fd, "abc", 3));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR((int)aio_stream_read_rent(raw.stream, &buffer), -ETIMEDOUT);
        AIO_CHECK(buffer == NULL);
    }
    struct rent_call call = {.stream = raw.stream};
    REQUIRE(rent_call_start(&call));
    AIO_CHECK_ERROR((int)rent_call_cancel(&call), -ECANCELED);
    char bytes[3];
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, bytes, 3, NULL), 3);
    tcp_raw_close(&raw);
}
