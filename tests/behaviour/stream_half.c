/*
 * Half-close: ending one direction while the other goes on.
 */
#define SUITE "stream_half"
#include "tests/behaviour/tcp_support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The peer reads to its end, and what it then says is still heard. */
BEHAVIOUR(write_side)
{
    struct tcp_pair pair;
    char bytes[8] = "";
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, "ask", 3, NULL), 3);
    AIO_CHECK_EQ(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE), 0);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.far, bytes, 3, NULL), 3);
    AIO_CHECK_STR(bytes, "ask");
    AIO_CHECK_EQ(aio_stream_read(pair.far, bytes, 1), 0);
    AIO_CHECK_EQ(aio_stream_write_all(pair.far, "answer", 6, NULL), 6);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.near, bytes, 6, NULL), 6);
    AIO_CHECK_STR(bytes, "answer");
    AIO_CHECK_OK(aio_stream_shutdown(pair.far, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(pair.near, bytes, 1), 0);
    tcp_pair_close(&pair);
}

/* A write after it is -EPIPE, and raises no signal though SIGPIPE would end the process. */
BEHAVIOUR(write_after_it)
{
    struct tcp_pair pair;
    struct sigaction former, by_default = {.sa_handler = SIG_DFL};
    size_t done = 99;
    struct iovec vector = {&done, 1};
    REQUIRE(sigaction(SIGPIPE, &by_default, &former) == 0);
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE));
    AIO_CHECK_ERROR(aio_stream_write(pair.near, "x", 1), -EPIPE);
    AIO_CHECK_ERROR(aio_stream_write_all(pair.near, "x", 1, &done), -EPIPE);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_ERROR(aio_stream_writev(pair.near, &vector, 1), -EPIPE);
    tcp_pair_close(&pair);
    AIO_CHECK(sigaction(SIGPIPE, &former, NULL) == 0);
}

/* Ending the reading side wakes every reader with 0, and later reads return 0. */
BEHAVIOUR(read_side_wakes_readers)
{
    struct tcp_pair pair;
    struct tcp_call calls[3];
    char bytes[3];
    REQUIRE(tcp_pair_open(&pair));
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = pair.near, .buffer = &bytes[i], .size = 1};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    AIO_CHECK(!calls[0].ended);
    AIO_CHECK_EQ(aio_stream_shutdown(pair.near, AIO_STREAM_READ), 0);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), 0);
    AIO_CHECK_EQ(aio_stream_read(pair.near, bytes, 1), 0);
    tcp_pair_close(&pair);
}

/* The other direction is not concerned. */
BEHAVIOUR(read_side_leaves_writing)
{
    struct tcp_pair pair;
    char bytes[8] = "";
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_READ));
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, "on", 2, NULL), 2);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.far, bytes, 2, NULL), 2);
    AIO_CHECK_STR(bytes, "on");
    tcp_pair_close(&pair);
}

/* Both sides at once: readers get 0, the peer its end, writers -EPIPE. */
BEHAVIOUR(both_sides)
{
    struct tcp_pair pair;
    char byte;
    REQUIRE(tcp_pair_open(&pair));
    struct tcp_call call = {.kind = TCP_READ, .object = pair.near, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_EQ(aio_stream_shutdown(pair.near, AIO_STREAM_BOTH), 0);
    AIO_CHECK_EQ(tcp_call_join(&call), 0);
    AIO_CHECK_EQ(aio_stream_read(pair.far, &byte, 1), 0);
    AIO_CHECK_ERROR(aio_stream_write(pair.near, &byte, 1), -EPIPE);
    tcp_pair_close(&pair);
}

/* What is no side is -EINVAL and ends nothing. */
BEHAVIOUR(bad_side)
{
    struct tcp_pair pair;
    char byte = 0;
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_ERROR(aio_stream_shutdown(pair.near, (enum aio_stream_side)0), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_shutdown(pair.near, (enum aio_stream_side)4), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_shutdown(pair.near, (enum aio_stream_side) - 1), -EINVAL);
    AIO_CHECK_EQ(aio_stream_write(pair.near, "s", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.far, &byte, 1), 1);
    tcp_pair_close(&pair);
}

/* Ending the writing side waits for the writers before it, and only then: nothing is cut off. */
BEHAVIOUR(waits_for_earlier_writers)
{
    enum { SIZE = 1 << 20 };
    struct tcp_raw raw;
    unsigned char *bytes = malloc((size_t)2 * SIZE);
    int sequence = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    test_pattern_fill(bytes, (size_t)2 * SIZE, 0);
    struct tcp_call calls[4] = {
        {.kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = SIZE},
        {.kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes + SIZE, .size = SIZE},
        {.kind = TCP_SHUTDOWN_WRITE, .object = raw.stream},
        {.kind = TCP_WRITE, .object = raw.stream, .buffer = bytes, .size = 1}};
    for (int i = 0; i < 4; i++) {
        calls[i].sequence = &sequence;
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    AIO_CHECK(!calls[2].ended);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, (uint64_t)2 * SIZE, 0));
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    AIO_CHECK_EQ(tcp_call_join(&calls[0]), SIZE);
    AIO_CHECK_EQ(tcp_call_join(&calls[1]), SIZE);
    AIO_CHECK_EQ(tcp_call_join(&calls[2]), 0);
    AIO_CHECK_ERROR(tcp_call_join(&calls[3]), -EPIPE);
    for (int i = 0; i < 4; i++)
        AIO_CHECK_EQ(calls[i].place, i + 1);
    tcp_raw_close(&raw);
    free(bytes);
}

/* While it waits it can be cancelled or time out, and the stream is as it was. */
BEHAVIOUR(wait_can_end_early)
{
    enum { SIZE = 1 << 20 };
    struct tcp_raw raw;
    unsigned char *bytes = malloc(SIZE);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    test_pattern_fill(bytes, SIZE, 0);
    struct tcp_call writer = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = SIZE};
    struct tcp_call shutdown_call = {.kind = TCP_SHUTDOWN_WRITE, .object = raw.stream};
    REQUIRE(tcp_call_start(&writer));
    REQUIRE(tcp_call_start(&shutdown_call));
    tcp_settle();
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_stream_shutdown(raw.stream, AIO_STREAM_BOTH), -ETIMEDOUT);
    }
    AIO_CHECK_ERROR(tcp_call_cancel(&shutdown_call), -ECANCELED);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, SIZE, 0));
    AIO_CHECK_EQ(tcp_call_join(&writer), SIZE);
    AIO_CHECK_EQ(aio_stream_write(raw.stream, "!", 1), 1);
    tcp_raw_close(&raw);
    free(bytes);
}

/* A pending deadline keeps the reading side too from being ended. */
BEHAVIOUR(deadline_passed)
{
    struct tcp_pair pair;
    char byte = 0;
    REQUIRE(tcp_pair_open(&pair));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_shutdown(pair.near, AIO_STREAM_READ), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_stream_write(pair.near, "a", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.far, &byte, 1), 1);
    AIO_CHECK_EQ(aio_stream_write(pair.far, "b", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.near, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'b');
    tcp_pair_close(&pair);
}

/* A peer that is gone already is -ENOTCONN. */
BEHAVIOUR(peer_is_gone)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ECONNRESET);
    AIO_CHECK_ERROR(aio_stream_shutdown(raw.stream, AIO_STREAM_WRITE), -ENOTCONN);
    AIO_CHECK_ERROR(aio_stream_shutdown(raw.stream, AIO_STREAM_READ), -ENOTCONN);
    aio_stream_close(raw.stream);
}
