/*
 * aio_stream_write_more: what it sends waits for what follows, and arrives in any case.
 */
#define SUITE "stream_more"
#include "tests/behaviour/tcp_support.h"

#include <aio/buf.h>
#include <aio/pipe.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* For how long TCP holds back what is not a full packet, at least. */
#define HELD_NS AIO_MS(150)

enum { MUCH = 4 << 20 };

/* Nothing arrives before the rest is written. */
BEHAVIOUR(waits_for_what_follows)
{
    struct tcp_raw raw;
    char bytes[9] = "";
    size_t done = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    int64_t start = aio_time_now();
    AIO_CHECK_EQ(aio_stream_write_more(raw.stream, "head", 4, &done), 4);
    AIO_CHECK_EQ(done, 4);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(5)));
    ssize_t early = recv(raw.fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_PEEK);
    AIO_CHECK(early < 0 || aio_time_now() - start > HELD_NS);
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, "body", 4, NULL), 4);
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, 8));
    AIO_CHECK_STR(bytes, "headbody");
    tcp_raw_close(&raw);
}

/* Nothing follows: it comes all the same. */
BEHAVIOUR(waits_not_for_ever)
{
    struct tcp_raw raw;
    char bytes[4];
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_EQ(aio_stream_write_more(raw.stream, "head", 4, NULL), 4);
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, 4));
    tcp_raw_close(&raw);
}

static int send_much(void *arg)
{
    char *bytes = malloc(MUCH);
    size_t done = 0;
    test_pattern_fill(bytes, MUCH, 0);
    AIO_CHECK_EQ(aio_stream_write_more(arg, bytes, MUCH, &done), MUCH);
    AIO_CHECK_EQ(done, MUCH);
    free(bytes);
    return 0;
}

/* More than the socket takes at once. */
BEHAVIOUR(all_of_much)
{
    struct tcp_raw raw;
    struct aio_task *task;
    REQUIRE(tcp_raw_open(&raw, 16384));
    REQUIRE_OK(aio_task_spawn(&task, send_much, raw.stream, NULL));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, MUCH, 0));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    tcp_raw_close(&raw);
}

/* What is pending comes first, and nothing is sent. */
BEHAVIOUR(nothing_after_the_deadline)
{
    struct tcp_raw raw;
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_EQ(aio_stream_write_more(raw.stream, NULL, 0, &done), 0);
    AIO_CHECK_EQ(done, 0);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_write_more(raw.stream, "x", 1, &done), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(done, 0);
    aio_stream_close(raw.stream);
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
}

/* A peer that is gone is an error, and no signal. */
BEHAVIOUR(to_a_peer_that_is_gone)
{
    struct tcp_raw raw;
    ssize_t rc = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    tcp_plain_reset(raw.fd);
    for (int i = 0; i < 1000 && rc >= 0; i++)
        rc = aio_stream_write_more(raw.stream, "x", 1, NULL);
    AIO_CHECK(rc == -EPIPE || rc == -ECONNRESET);
    AIO_CHECK_ERROR(aio_stream_write_more(raw.stream, "x", 1, NULL), -EPIPE);
    aio_stream_close(raw.stream);
}

/* What is no socket sends at once; so do rented buffers, in their order. */
BEHAVIOUR(other_streams)
{
    struct aio_stream *reader, *writer;
    struct tcp_raw raw;
    struct aio_buffer *buffer;
    char bytes[9] = "";
    REQUIRE_OK(aio_pipe_open(&reader, &writer));
    AIO_CHECK_EQ(aio_stream_write_more(writer, "pipe", 4, NULL), 4);
    AIO_CHECK_EQ(aio_stream_read_exact(reader, bytes, 4, NULL), 4);
    AIO_CHECK_STR(bytes, "pipe");
    aio_stream_close(reader);
    aio_stream_close(writer);
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_buffer_rent(&buffer));
    memcpy(aio_buffer_data(buffer), "rent", 4);
    AIO_CHECK_OK(aio_buffer_resize(buffer, 4));
    AIO_CHECK_OK(aio_stream_write_rent(raw.stream, buffer));
    AIO_CHECK_EQ(aio_stream_write_more(raw.stream, "more", 4, NULL), 4);
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, 8));
    AIO_CHECK_STR(bytes, "rentmore");
    tcp_raw_close(&raw);
}
