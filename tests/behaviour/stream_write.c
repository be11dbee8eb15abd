/*
 * Writing: all of it through small buffers and slow readers, exact counts when it is cut short.
 */
#define SUITE "stream_write"
#include "tests/behaviour/tcp_support.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BIG = 8 << 20, SMALL_BUFFER = 16384 };

/* Bytes with a pattern, on the heap. */
static unsigned char *pattern_new(size_t size)
{
    unsigned char *bytes = malloc(size);
    AIO_CHECK(bytes != NULL);
    if (bytes != NULL)
        test_pattern_fill(bytes, size, 0);
    return bytes;
}

/* Reads what has come, at once, and checks it. Returns how much; -1 at the end. */
static int64_t take(int fd, uint64_t position, size_t most)
{
    static unsigned char chunk[65536];
    ssize_t rc = recv(fd, chunk, most < sizeof chunk ? most : sizeof chunk, MSG_DONTWAIT);
    if (rc > 0)
        test_pattern_check(chunk, (size_t)rc, position);
    AIO_CHECK(rc >= 0 || errno == EAGAIN || errno == ECONNRESET);
    return rc > 0 ? rc : rc == 0 ? -1 : 0;
}

/* Takes until the end has come. Returns the whole. */
static uint64_t take_all(int fd, uint64_t position)
{
    int64_t limit_ns = aio_time_now() + AIO_SEC(10) * test_slowness();
    while (AIO_CHECK(aio_time_now() < limit_ns)) {
        int64_t rc = take(fd, position, SIZE_MAX);
        if (rc < 0)
            return position;
        position += (uint64_t)rc;
        if (rc == 0)
            AIO_CHECK_OK(aio_task_yield());
    }
    return position;
}

/* A write says how much the kernel has taken: that much arrives. */
BEHAVIOUR(some)
{
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new(BIG);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    ssize_t taken = aio_stream_write(raw.stream, bytes, BIG);
    AIO_CHECK(taken > 0);
    AIO_CHECK(taken < BIG); /* the buffers are smaller */
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(take_all(raw.fd, 0), taken);
    close(raw.fd);
    free(bytes);
}

/* A write of no bytes returns 0 at once, even when the kernel would take none. */
BEHAVIOUR(size_0)
{
    struct tcp_raw raw;
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    AIO_CHECK_EQ(aio_stream_write(raw.stream, NULL, 0), 0);
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, NULL, 0, &done), 0);
    AIO_CHECK_EQ(done, 0);
    unsigned char *bytes = pattern_new(BIG);
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, bytes, BIG, NULL), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_stream_write(raw.stream, bytes, 0), 0);
    tcp_raw_close(&raw);
    free(bytes);
}

/* Eight megabytes through small buffers to a reader that takes them in dribbles. */
BEHAVIOUR(all_to_a_slow_reader)
{
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new(BIG);
    uint64_t position = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 65536));
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_SEND_BUFFER, 4096));
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = BIG};
    REQUIRE(tcp_call_start(&call));
    int64_t limit_ns = aio_time_now() + AIO_SEC(15) * test_slowness();
    while (position < BIG && AIO_CHECK(aio_time_now() < limit_ns)) {
        int64_t rc = take(raw.fd, position, 1 + test_random() % 65536);
        if (!AIO_CHECK(rc >= 0))
            break;
        position += (uint64_t)rc;
        AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK_EQ(tcp_call_join(&call), BIG);
    AIO_CHECK_EQ(call.done, BIG);
    tcp_raw_close(&raw);
    free(bytes);
}

/* A writer whose peer never reads waits, without spinning. */
BEHAVIOUR(waits)
{
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new(BIG);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = BIG};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(5))); /* whatever goes, goes */
    tcp_check_no_spin();
    AIO_CHECK(!call.ended);
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK(call.done > 0);
    AIO_CHECK(call.done < BIG);
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(take_all(raw.fd, 0), call.done);
    close(raw.fd);
    free(bytes);
}

/* A deadline in the middle: done is exactly what reaches the reader. */
BEHAVIOUR(deadline_in_the_middle)
{
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new(BIG);
    uint64_t position = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    struct tcp_call call = {.kind = TCP_WRITE_ALL,
                            .object = raw.stream,
                            .buffer = bytes,
                            .size = BIG,
                            .timeout_ns = AIO_MS(10)};
    REQUIRE(tcp_call_start(&call));
    while (!call.ended && position < BIG / 4) { /* reads some, then stops */
        int64_t rc = take(raw.fd, position, SIZE_MAX);
        position += rc > 0 ? (uint64_t)rc : 0;
        AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK_ERROR(tcp_call_join(&call), -ETIMEDOUT);
    AIO_CHECK(call.done < BIG);
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(take_all(raw.fd, position), call.done);
    close(raw.fd);
    free(bytes);
}

/* Writes that race with cancellation: what was taken arrives, once, and nothing else. */
BEHAVIOUR(cancel_races)
{
    enum { ROUNDS = 300, MOST = 30000 };
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new((size_t)ROUNDS * MOST);
    uint64_t written = 0, position = 0;
    int count = tcp_rounds(ROUNDS);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    for (int i = 0; i < count; i++) {
        struct tcp_call call = {.kind = TCP_WRITE_ALL,
                                .object = raw.stream,
                                .buffer = bytes + written,
                                .size = 1 + test_random() % MOST};
        REQUIRE(tcp_call_start(&call));
        for (uint64_t yields = test_random() % 4; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        int64_t rc = take(raw.fd, position, test_random() % MOST);
        position += rc > 0 ? (uint64_t)rc : 0;
        ssize_t result = tcp_call_cancel(&call);
        AIO_CHECK(result == -ECANCELED || result == (ssize_t)call.size);
        written += call.done;
    }
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(take_all(raw.fd, position), written);
    close(raw.fd);
    free(bytes);
}

/* With a pending deadline nothing is sent. */
BEHAVIOUR(nothing_is_sent_after_the_deadline)
{
    struct tcp_raw raw;
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_write(raw.stream, "x", 1), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, "x", 1, &done), -ETIMEDOUT);
        AIO_CHECK_EQ(done, 0);
    }
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
}

/* What a writer gives to a peer that never reads is bounded, and so is the memory for it. */
BEHAVIOUR(never_reading_peer)
{
    struct tcp_raw raw;
    unsigned char *bytes = pattern_new(BIG);
    uint64_t taken = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, SMALL_BUFFER));
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 30; i++) {
        size_t done = 0;
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, bytes, BIG, &done), -ETIMEDOUT);
        }
        taken += done;
    }
    struct mallinfo2 after = mallinfo2();
    AIO_CHECK(taken > 0);
    AIO_CHECK(taken < BIG);
    AIO_CHECK(after.uordblks < before.uordblks + 100000);
    tcp_raw_close(&raw);
    free(bytes);
}
