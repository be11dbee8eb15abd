/*
 * Closing listeners: who waits learns it, who has not been accepted is reset, and the port is free.
 */
#define SUITE "listener_close"
#include "tests/behaviour/tcp_support.h"

#include <unistd.h>

/* NULL is ignored. */
BEHAVIOUR(null)
{
    aio_listener_close(NULL);
}

/* A listener that has never accepted can be closed, and its port be used again. */
BEHAVIOUR(unused)
{
    struct tcp_server server;
    for (int i = 0; i < 50; i++) {
        REQUIRE(tcp_server_open(&server, NULL));
        aio_listener_close(server.listener);
        REQUIRE_OK(aio_tcp_listen(&server.listener, server.text, NULL));
        aio_listener_close(server.listener);
    }
}

/* Every call that waits for a connection returns -EBADF, the queued ones too. */
BEHAVIOUR(acceptors_wait)
{
    struct tcp_call calls[4];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < 4; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    aio_listener_close(server.listener);
    for (int i = 0; i < 4; i++) {
        AIO_CHECK(calls[i].ended); /* close has waited for them */
        AIO_CHECK_ERROR(tcp_call_join(&calls[i]), -EBADF);
    }
}

/* Connections nobody has accepted are reset, those in the backlog and those taken ahead. */
static void resets_the_rest(int clients, int accepted)
{
    enum { CLIENTS = 200 };
    static int fds[CLIENTS];
    struct aio_stream *streams[8];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < clients; i++)
        fds[i] = tcp_plain_connect(server.port);
    for (int i = 0; i < accepted; i++)
        REQUIRE_OK(aio_listener_accept(server.listener, &streams[i]));
    aio_listener_close(server.listener);
    for (int i = 0; i < clients; i++) {
        if (i >= accepted)
            AIO_CHECK_ERROR(tcp_plain_drain(fds[i]), -ECONNRESET);
        else
            AIO_CHECK(tcp_plain_send(fds[i], "x", 1));
    }
    for (int i = 0; i < accepted; i++)
        aio_stream_close(streams[i]);
    for (int i = 0; i < clients; i++)
        close(fds[i]);
}

/* A backlog of which nothing was accepted is reset. */
BEHAVIOUR(backlog_is_reset)
{
    resets_the_rest(200, 0);
}

/* So is what was accepted ahead of its callers; who was accepted stays. */
BEHAVIOUR(deliveries_are_reset)
{
    resets_the_rest(20, 1);
    resets_the_rest(200, 8);
}

/* A connection that arrives after a cancelled accept, with nobody to take it, is reset. */
BEHAVIOUR(armed_without_caller)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    int fd = tcp_plain_connect(server.port);
    tcp_settle();
    aio_listener_close(server.listener);
    AIO_CHECK_ERROR(tcp_plain_drain(fd), -ECONNRESET);
    close(fd);
}

/* After the close the port is nobody's: connecting is refused, listening works. */
BEHAVIOUR(port_is_free)
{
    struct tcp_server server;
    struct aio_stream *stream;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    aio_listener_close(server.listener);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    AIO_CHECK_ERROR(aio_tcp_connect(&stream, server.text), -ECONNREFUSED);
    REQUIRE_OK(aio_tcp_listen(&server.listener, server.text, NULL));
    aio_listener_close(server.listener);
}

/* A cancelled task, and one whose deadline has passed, can close: it is shielded. */
static int close_when_stopped(void *arg)
{
    struct aio_listener *listener = arg;
    struct aio_stream *stream;
    AIO_CHECK_ERROR(aio_listener_accept(listener, &stream), -ECANCELED);
    AIO_TIMEOUT(0)
    {
        aio_listener_close(listener);
    }
    AIO_CHECK(aio_task_canceled());
    return 0;
}

BEHAVIOUR(close_is_shielded)
{
    struct aio_task *task;
    struct tcp_server server;
    struct aio_stream *stream;
    REQUIRE(tcp_server_open(&server, NULL));
    REQUIRE_OK(aio_task_spawn(&task, close_when_stopped, server.listener, NULL));
    tcp_settle();
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(aio_tcp_connect(&stream, server.text), -ECONNREFUSED);
}

/* Closes while connections arrive and tasks accept: each client is served or reset, none hangs. */
static void close_amid_arrivals(void)
{
    enum { CLIENTS = 12, ACCEPTORS = 3 };
    int fds[CLIENTS];
    struct tcp_call calls[ACCEPTORS];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < ACCEPTORS; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = tcp_plain_connect(server.port);
        if (test_random() % 4 == 0)
            AIO_CHECK_OK(aio_task_yield());
    }
    aio_listener_close(server.listener);
    int served = 0, ends = 0;
    for (int i = 0; i < ACCEPTORS; i++) {
        ssize_t rc = tcp_call_join(&calls[i]);
        served += rc == 0;
        if (rc == 0)
            aio_stream_close(calls[i].accepted);
        else
            AIO_CHECK_ERROR(rc, -EBADF);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ends += tcp_plain_drain(fds[i]) == 0;
        close(fds[i]);
    }
    AIO_CHECK_EQ(ends, served);
}

BEHAVIOUR(close_race)
{
    int count = tcp_rounds(200);
    for (int i = 0; i < count; i++)
        close_amid_arrivals();
}

/* A close that comes in the same turn as a connection does not leave the acceptor waiting. */
BEHAVIOUR(close_while_the_acceptor_is_woken)
{
    for (int i = 0; i < 50; i++) {
        struct tcp_server server;
        REQUIRE(tcp_server_open(&server, NULL));
        struct tcp_call calls[2];
        for (int j = 0; j < 2; j++) {
            calls[j] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
            REQUIRE(tcp_call_start(&calls[j]));
        }
        tcp_settle();
        int fd = tcp_plain_connect(server.port);
        for (int yields = i % 5; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        aio_listener_close(server.listener);
        for (int j = 0; j < 2; j++)
            if (tcp_call_join(&calls[j]) == 0)
                aio_stream_close(calls[j].accepted);
        close(fd);
    }
}
