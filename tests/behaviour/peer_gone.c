/*
 * Peers that reset, close early or vanish: each call gets the kernel's error, and no signal comes.
 */
#define SUITE "peer_gone"
#include "tests/behaviour/tcp_support.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { MUCH = 4 << 20 };

static struct sigaction former;

/* As in a program that has never thought of SIGPIPE. */
static void sigpipe_by_default(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    AIO_CHECK(sigaction(SIGPIPE, &by_default, &former) == 0);
}

static void sigpipe_as_before(void)
{
    AIO_CHECK(sigaction(SIGPIPE, &former, NULL) == 0);
}

/* A reader that waits when the reset comes gets -ECONNRESET; after that there is only the end. */
BEHAVIOUR(reset_wakes_the_reader)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR(tcp_call_join(&call), -ECONNRESET);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 0);
    aio_stream_close(raw.stream);
}

/* A reader that comes after the reset gets the same. */
BEHAVIOUR(reset_before_the_read)
{
    struct tcp_raw raw;
    char bytes[4];
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR(aio_stream_read_exact(raw.stream, bytes, 4, &done), -ECONNRESET);
    AIO_CHECK_EQ(done, 0);
    aio_stream_close(raw.stream);
}

/* A writer that waits when the reset comes gets -ECONNRESET, and after that -EPIPE. */
BEHAVIOUR(reset_wakes_the_writer)
{
    struct tcp_raw raw;
    char *bytes = calloc(1, MUCH);
    REQUIRE(bytes != NULL);
    sigpipe_by_default();
    REQUIRE(tcp_raw_open(&raw, 16384));
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = MUCH};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR(tcp_call_join(&call), -ECONNRESET);
    AIO_CHECK(call.done < MUCH);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_ERROR(aio_stream_write(raw.stream, bytes, 1), -EPIPE);
    aio_stream_close(raw.stream);
    sigpipe_as_before();
    free(bytes);
}

/* Reader and writer at once: the kernel tells one of them, the other finds the stream ended. */
BEHAVIOUR(reset_wakes_both)
{
    struct tcp_raw raw;
    char byte, *bytes = calloc(1, MUCH);
    REQUIRE(bytes != NULL);
    sigpipe_by_default();
    REQUIRE(tcp_raw_open(&raw, 16384));
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    struct tcp_call writer = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = MUCH};
    REQUIRE(tcp_call_start(&reader) && tcp_call_start(&writer));
    tcp_settle();
    tcp_plain_reset(raw.fd);
    ssize_t read = tcp_call_join(&reader), written = tcp_call_join(&writer);
    AIO_CHECK(read == -ECONNRESET || read == 0);
    AIO_CHECK(written == -ECONNRESET || written == -EPIPE);
    AIO_CHECK(read == -ECONNRESET || written == -ECONNRESET);
    aio_stream_close(raw.stream);
    sigpipe_as_before();
    free(bytes);
}

/* A peer that closes without reading: writes fail, at the latest once its kernel has said so. */
BEHAVIOUR(writes_after_the_peer_closed)
{
    struct tcp_raw raw;
    ssize_t rc = 0;
    sigpipe_by_default();
    REQUIRE(tcp_raw_open(&raw, 0));
    close(raw.fd);
    for (int i = 0; i < 1000 && rc >= 0; i++)
        rc = aio_stream_write(raw.stream, "x", 1);
    AIO_CHECK(rc == -EPIPE || rc == -ECONNRESET);
    AIO_CHECK_ERROR(aio_stream_write(raw.stream, "x", 1), -EPIPE);
    aio_stream_close(raw.stream);
    sigpipe_as_before();
}

/* A peer that closes with our bytes unread resets: what it had sent before may be lost, the error
 * may not. */
BEHAVIOUR(peer_closes_early)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, "unread", 6, NULL), 6);
    close(raw.fd);
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ECONNRESET);
    aio_stream_close(raw.stream);
}

/* Data before the end is read first, however early the peer has closed. */
BEHAVIOUR(data_before_the_end)
{
    enum { SIZE = 100000 };
    struct tcp_raw raw;
    unsigned char *bytes = malloc(SIZE + 1);
    size_t done = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 0));
    test_pattern_fill(bytes, SIZE, 0);
    REQUIRE(tcp_plain_send(raw.fd, bytes, SIZE));
    close(raw.fd);
    AIO_CHECK_ERROR(aio_stream_read_exact(raw.stream, bytes, SIZE + 1, &done), -ENODATA);
    AIO_CHECK_EQ(done, SIZE);
    test_pattern_check(bytes, SIZE, 0);
    aio_stream_close(raw.stream);
    free(bytes);
}

/* Resets keep the loop no busier than ends do. */
BEHAVIOUR(idle_after_it)
{
    struct tcp_raw raws[3];
    char byte = 0;
    for (int i = 0; i < 3; i++) {
        REQUIRE(tcp_raw_open(&raws[i], 0));
        struct tcp_call call = {
            .kind = TCP_READ, .object = raws[i].stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        tcp_settle(); /* the backend has seen the descriptor */
        REQUIRE(tcp_plain_send(raws[i].fd, "i", 1));
        AIO_CHECK_EQ(tcp_call_join(&call), 1);
    }
    tcp_plain_reset(raws[0].fd);
    close(raws[1].fd);
    AIO_CHECK(tcp_plain_send(raws[2].fd, "unread", 6));
    tcp_check_no_spin();
    for (int i = 0; i < 3; i++)
        aio_stream_close(raws[i].stream);
    tcp_check_no_spin();
    close(raws[2].fd);
}

/* A server that serves each connection until its end; how it went does not matter to the others. */
static int serve_one(void *arg)
{
    struct aio_stream *stream = arg;
    char bytes[512];
    ssize_t rc;
    while ((rc = aio_stream_read(stream, bytes, sizeof bytes)) > 0)
        if ((rc = aio_stream_write_all(stream, bytes, (size_t)rc, NULL)) < 0)
            break;
    aio_stream_close(stream);
    return 0;
}

static int serve(void *arg)
{
    struct aio_stream *stream;
    while (aio_listener_accept(arg, &stream) == 0)
        if (!AIO_CHECK_OK(aio_task_spawn(NULL, serve_one, stream, NULL)))
            break;
    return 0;
}

static void rude_client(int port, int kind)
{
    int fd = tcp_plain_connect(port);
    if (kind != 0)
        AIO_CHECK(tcp_plain_send(fd, "some bytes", 10));
    if (kind == 1)
        AIO_CHECK_OK(aio_task_yield());
    if (kind % 2 == 0)
        close(fd);
    else
        tcp_plain_reset(fd);
}

/* Rude clients by the dozen, and a polite one among them who gets every byte back. */
BEHAVIOUR(server_goes_on)
{
    struct tcp_server server;
    struct aio_task *task;
    char bytes[100], back[100];
    REQUIRE(tcp_server_open(&server, NULL));
    REQUIRE_OK(aio_task_spawn(&task, serve, server.listener, NULL));
    int polite = tcp_plain_connect(server.port);
    for (int i = 0; i < 100; i++) {
        rude_client(server.port, i % 4);
        test_pattern_fill(bytes, sizeof bytes, (uint64_t)i * 100);
        AIO_CHECK(tcp_plain_send(polite, bytes, sizeof bytes));
        AIO_CHECK(tcp_plain_receive(polite, back, sizeof back));
        test_pattern_check(back, sizeof back, (uint64_t)i * 100);
    }
    close(polite);
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    aio_listener_close(server.listener);
}

/* Errors that the kernel gives seldom reach the caller as they are (fault rows). */
BEHAVIOUR(injected_errors)
{
    struct tcp_pair pair;
    char byte = 0;
    REQUIRE(tcp_pair_open(&pair));
    if (test_fail_next("recv", -EHOSTUNREACH, 1))
        AIO_CHECK_ERROR(aio_stream_read(pair.near, &byte, 1), -EHOSTUNREACH);
    if (test_fail_next("send", -ENOBUFS, 1))
        AIO_CHECK_ERROR(aio_stream_write(pair.near, &byte, 1), -ENOBUFS);
    AIO_CHECK_EQ(aio_stream_write(pair.near, "g", 1), 1); /* and the stream still works */
    AIO_CHECK_EQ(aio_stream_read(pair.far, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'g');
    tcp_pair_close(&pair);
}
