/*
 * Descriptors' numbers are used again at once: nothing of the former stream reaches the next one.
 */
#define SUITE "close_reuse"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Closes a stream with a reader (and maybe data on its way) and opens the next on its number. */
static void reuse_once(const struct tcp_raw_server *server, int i, int *same)
{
    struct tcp_raw first, second;
    char old = 0, new = 0;
    REQUIRE(tcp_raw_server_connect(server, &first));
    int number = same != NULL ? tcp_fd_of_stream(first.stream) : -1;
    struct tcp_call call = {.kind = TCP_READ, .object = first.stream, .buffer = &old, .size = 1};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK_OK(aio_task_yield()); /* the read is begun, perhaps not handed to the kernel yet */
    if (i % 3 != 0)
        tcp_settle();
    if (i % 2 == 0)
        AIO_CHECK(tcp_plain_send(first.fd, "?", 1));
    aio_stream_close(first.stream);
    REQUIRE(tcp_raw_server_connect(server, &second));
    if (same != NULL)
        *same += tcp_fd_of_stream(second.stream) == number;
    ssize_t rc = tcp_call_join(&call);
    AIO_CHECK_ERROR(rc, -EBADF);
    AIO_CHECK(tcp_plain_send(second.fd, "!", 1));
    AIO_CHECK_EQ(aio_stream_read(second.stream, &new, 1), 1);
    AIO_CHECK_EQ(new, '!');
    tcp_raw_close(&second);
    close(first.fd);
}

/* The numbers are indeed the same: without that the storm would prove nothing. */
BEHAVIOUR(numbers_come_back)
{
    struct tcp_raw_server server;
    int same = 0;
    REQUIRE(tcp_raw_server_open(&server, 0));
    for (int i = 0; i < 10; i++)
        reuse_once(&server, i, &same);
    AIO_CHECK_EQ(same, 10);
    tcp_raw_server_close(&server);
}

/* Two thousand times. */
BEHAVIOUR(storm)
{
    struct tcp_raw_server server;
    int count = tcp_rounds(2000);
    REQUIRE(tcp_raw_server_open(&server, 0));
    for (int i = 0; i < count; i++)
        reuse_once(&server, i, NULL);
    tcp_raw_server_close(&server);
}

/* A number that comes back as something else than a socket is left alone. */
BEHAVIOUR(another_kind)
{
    struct tcp_raw_server server;
    REQUIRE(tcp_raw_server_open(&server, 0));
    for (int i = 0; i < 100; i++) {
        struct tcp_raw raw;
        char byte = 0;
        int ends[2];
        REQUIRE(tcp_raw_server_connect(&server, &raw));
        struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        aio_stream_close(raw.stream);
        REQUIRE(pipe(ends) == 0);
        AIO_CHECK(tcp_plain_send(raw.fd, "?", 1));
        AIO_CHECK(write(ends[1], "p", 1) == 1);
        AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
        tcp_settle();
        AIO_CHECK(read(ends[0], &byte, 1) == 1); /* nobody has taken it */
        AIO_CHECK_EQ(byte, 'p');
        close(ends[0]);
        close(ends[1]);
        close(raw.fd);
    }
    tcp_raw_server_close(&server);
}

/* A listener's number that becomes a stream's, and back. */
BEHAVIOUR(listener_and_stream)
{
    for (int i = 0; i < 50; i++) {
        struct tcp_server server;
        struct tcp_pair pair;
        char byte = 0;
        REQUIRE(tcp_server_open(&server, NULL));
        struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        aio_listener_close(server.listener);
        REQUIRE(tcp_pair_open(&pair));
        AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
        AIO_CHECK_EQ(aio_stream_write_all(pair.near, "l", 1, NULL), 1);
        AIO_CHECK_EQ(aio_stream_read_exact(pair.far, &byte, 1, NULL), 1);
        AIO_CHECK_EQ(byte, 'l');
        tcp_pair_close(&pair);
    }
}

/* A writer that is cut off by the close sends nothing of its rest to the next stream. */
BEHAVIOUR(writer)
{
    enum { SIZE = 1 << 20 };
    struct tcp_raw_server server;
    char *bytes = malloc(SIZE);
    REQUIRE(bytes != NULL);
    memset(bytes, 'w', SIZE);
    REQUIRE(tcp_raw_server_open(&server, 4096));
    int count = tcp_rounds(200);
    for (int i = 0; i < count; i++) {
        struct tcp_raw first, second;
        char got[3] = "";
        REQUIRE(tcp_raw_server_connect(&server, &first));
        AIO_CHECK_OK(aio_stream_option_set(first.stream, AIO_STREAM_SEND_BUFFER, 4096));
        struct tcp_call call = {
            .kind = TCP_WRITE_ALL, .object = first.stream, .buffer = bytes, .size = SIZE};
        REQUIRE(tcp_call_start(&call));
        tcp_settle();
        aio_stream_close(first.stream);
        AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
        REQUIRE(tcp_raw_server_connect(&server, &second));
        tcp_plain_reset(first.fd); /* makes room, had anything been left to send */
        AIO_CHECK_EQ(aio_stream_write_all(second.stream, "ok", 2, NULL), 2);
        aio_stream_close(second.stream);
        AIO_CHECK(tcp_plain_receive(second.fd, got, 2));
        AIO_CHECK_STR(got, "ok");
        AIO_CHECK_EQ(tcp_plain_drain(second.fd), 0);
        close(second.fd);
    }
    tcp_raw_server_close(&server);
    free(bytes);
}
