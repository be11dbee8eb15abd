/*
 * aio_stream_zerocopy changes speed, never meaning.
 */
#define SUITE "stream_zerocopy"
#include "tests/behaviour/copy_tools.h"

#include <aio/pinned.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Buffers are reused at once; small writes and large ones mix. */
BEHAVIOUR(zerocopy_writes_arrive_in_order)
{
    static const size_t sizes[] = {300000, 10, 70000, 65535, 65536, 1};
    struct tcp_pair pair;
    char *buffer = malloc(300000);
    uint64_t at = 0;
    REQUIRE(tcp_pair_open(&pair));
    aio_stream_zerocopy(pair.near, 65536);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct tcp_call call = {
            .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = buffer, .size = sizes[i]};
        test_pattern_fill(buffer, sizes[i], at);
        REQUIRE(tcp_call_start(&call));
        copy_check_bytes(pair.far, at, sizes[i]);
        AIO_CHECK_EQ(tcp_call_join(&call), sizes[i]);
        memset(buffer, 0, sizes[i]);
        at += sizes[i];
    }
    aio_stream_zerocopy(pair.near, 0);
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, buffer, 70000, NULL), 70000);
    free(buffer);
    tcp_pair_close(&pair);
}

/* From pinned memory too, wherever in it, and from other memory beside it. */
BEHAVIOUR(zerocopy_from_pinned_memory)
{
    enum { SIZE = 1 << 18, PART = 70000 };
    static const size_t offsets[] = {0, 1, 4095, SIZE - PART};
    struct tcp_pair pair;
    void *memory;
    static char beside[PART];
    REQUIRE(tcp_pair_open(&pair));
    REQUIRE(aio_pinned_alloc(&memory, SIZE) >= 0);
    aio_stream_zerocopy(pair.near, 1);
    for (size_t i = 0; i <= sizeof offsets / sizeof offsets[0]; i++) {
        char *part = i < sizeof offsets / sizeof offsets[0] ? (char *)memory + offsets[i] : beside;
        struct tcp_call call = {
            .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = part, .size = PART};
        test_pattern_fill(part, PART, i * PART);
        REQUIRE(tcp_call_start(&call));
        copy_check_bytes(pair.far, i * PART, PART);
        AIO_CHECK_EQ(tcp_call_join(&call), PART);
        memset(part, 0, PART);
    }
    aio_pinned_free(memory);
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, beside, 10, NULL), 10);
    tcp_pair_close(&pair);
}

/* Takes what has come, checking it. Returns the position after it. */
static uint64_t receive_some(int fd, uint64_t position)
{
    static char block[65536];
    ssize_t n = recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (n > 0)
        test_pattern_check(block, (size_t)n, position);
    return position + (n > 0 ? (uint64_t)n : 0);
}

BEHAVIOUR(zerocopy_write_is_cancelled)
{
    enum { SIZE = 16 << 20 };
    struct tcp_raw raw;
    char *buffer = calloc(1, SIZE);
    REQUIRE(tcp_raw_open(&raw, 4096));
    test_pattern_fill(buffer, SIZE, 0);
    aio_stream_zerocopy(raw.stream, 4096);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = buffer, .size = SIZE};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 1000, 0));
    AIO_CHECK(!call.ended);
    aio_task_cancel(call.task);
    tcp_settle();
    /* What has been taken is not taken back: it ends when the peer has that. */
    uint64_t received = 1000;
    while (!call.ended) {
        received = receive_some(raw.fd, received);
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    }
    AIO_CHECK_ERROR(tcp_call_join(&call), -ECANCELED);
    AIO_CHECK(call.done >= received && call.done < SIZE);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, call.done - received, received));
    AIO_CHECK_OK(aio_stream_shutdown(raw.stream, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    free(buffer);
    tcp_raw_close(&raw);
}

/* A peer that stalls keeps the kernel from giving the buffer back, whatever deadline there is; a
 * time limit of the connection ends that too. */
BEHAVIOUR(zerocopy_to_a_peer_that_stalls)
{
    enum { SIZE = 16 << 20 };
    struct tcp_raw raw;
    char *buffer = calloc(1, SIZE);
    REQUIRE(buffer != NULL && tcp_raw_open(&raw, 4096));
    aio_stream_zerocopy(raw.stream, 4096);
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_USER_TIMEOUT, 50));
    struct tcp_call call = {.kind = TCP_WRITE_ALL,
                            .object = raw.stream,
                            .buffer = buffer,
                            .size = SIZE,
                            .timeout_ns = AIO_MS(5)};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK_ERROR(tcp_call_join(&call), -ETIMEDOUT);
    AIO_CHECK(call.done < SIZE);
    free(buffer);
    tcp_raw_close(&raw);
}
