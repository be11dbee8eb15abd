/*
 * Accepting: order, bursts, cancellation and deadlines that lose nothing.
 */
#define SUITE "listener_accept"
#include "tests/behaviour/tcp_support.h"

#include <unistd.h>

/* Sends a byte as the plain client does and expects it at the stream. */
static void carries(int fd, struct aio_stream *stream, char byte)
{
    char got = 0;
    AIO_CHECK(tcp_plain_send(fd, &byte, 1));
    AIO_CHECK_EQ(aio_stream_read(stream, &got, 1), 1);
    AIO_CHECK_EQ(got, byte);
}

/* An accept waits for its connection. */
BEHAVIOUR(waits)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    int fd = tcp_plain_connect(server.port);
    REQUIRE_OK(tcp_call_join(&call));
    carries(fd, call.accepted, 'x');
    aio_stream_close(call.accepted);
    close(fd);
    aio_listener_close(server.listener);
}

/* A connection that was there before is taken at once. */
BEHAVIOUR(takes_what_is_there)
{
    struct tcp_server server;
    struct aio_stream *stream;
    REQUIRE(tcp_server_open(&server, NULL));
    int fd = tcp_plain_connect(server.port);
    REQUIRE_OK(aio_listener_accept(server.listener, &stream));
    carries(fd, stream, 'y');
    aio_stream_close(stream);
    close(fd);
    aio_listener_close(server.listener);
}

/* Five hundred connections at once are all accepted, each once. */
BEHAVIOUR(burst)
{
    enum { CLIENTS = 500 };
    static int fds[CLIENTS];
    static bool seen[CLIENTS];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = tcp_plain_connect(server.port);
        seen[i] = false;
        AIO_CHECK(tcp_plain_send(fds[i], &i, sizeof i));
    }
    for (int i = 0; i < CLIENTS; i++) {
        struct aio_stream *stream;
        int number = -1;
        REQUIRE_OK(aio_listener_accept(server.listener, &stream));
        AIO_CHECK_EQ(aio_stream_read_exact(stream, &number, sizeof number, NULL), sizeof number);
        aio_stream_close(stream);
        REQUIRE(number >= 0 && number < CLIENTS && !seen[number]);
        seen[number] = true;
    }
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    aio_listener_close(server.listener);
}

/* Connections come in the order in which they were made. */
BEHAVIOUR(order_of_connections)
{
    enum { CLIENTS = 100 };
    int fds[CLIENTS];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = tcp_plain_connect(server.port);
    for (int i = 0; i < CLIENTS; i++) {
        struct aio_stream *stream;
        REQUIRE_OK(aio_listener_accept(server.listener, &stream));
        carries(fds[i], stream, (char)i);
        aio_stream_close(stream);
        close(fds[i]);
    }
    aio_listener_close(server.listener);
}

/* Several tasks that accept are served in turn. */
BEHAVIOUR(acceptors_in_turn)
{
    enum { ACCEPTORS = 5 };
    struct tcp_call calls[ACCEPTORS];
    int sequence = 0, fds[ACCEPTORS];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < ACCEPTORS; i++) {
        calls[i] =
            (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener, .sequence = &sequence};
        REQUIRE(tcp_call_start(&calls[i]));
        tcp_settle();
    }
    for (int i = 0; i < ACCEPTORS; i++)
        fds[i] = tcp_plain_connect(server.port);
    for (int i = 0; i < ACCEPTORS; i++) {
        REQUIRE_OK(tcp_call_join(&calls[i]));
        AIO_CHECK_EQ(calls[i].place, i + 1);
        carries(fds[i], calls[i].accepted, (char)('a' + i));
        aio_stream_close(calls[i].accepted);
        close(fds[i]);
    }
    aio_listener_close(server.listener);
}

/* An acceptor that is cancelled in the queue leaves the others their turns. */
BEHAVIOUR(cancel_in_the_queue)
{
    struct tcp_call calls[3];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < 3; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&calls[1]), -ECANCELED);
    AIO_CHECK_ERROR(tcp_call_cancel(&calls[0]), -ECANCELED);
    AIO_CHECK(!calls[2].ended);
    int fd = tcp_plain_connect(server.port);
    REQUIRE_OK(tcp_call_join(&calls[2]));
    carries(fd, calls[2].accepted, 'z');
    aio_stream_close(calls[2].accepted);
    close(fd);
    aio_listener_close(server.listener);
}

/* After a cancelled accept the next one gets the connection. */
BEHAVIOUR(cancel_loses_nothing)
{
    struct aio_stream *stream;
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    int fd = tcp_plain_connect(server.port);
    tcp_settle();
    REQUIRE_OK(aio_listener_accept(server.listener, &stream));
    carries(fd, stream, 'c');
    aio_stream_close(stream);
    close(fd);
    aio_listener_close(server.listener);
}

/* An accept ends at its deadline, which says so, and the next one gets the connection. */
BEHAVIOUR(deadline_loses_nothing)
{
    struct aio_deadline deadline;
    struct aio_stream *stream;
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    int64_t start = aio_time_now();
    aio_deadline_set(&deadline, AIO_MS(5));
    AIO_CHECK_ERROR(aio_listener_accept(server.listener, &stream), -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK(aio_time_now() - start >= AIO_MS(5));
    int fd = tcp_plain_connect(server.port);
    REQUIRE_OK(aio_listener_accept(server.listener, &stream));
    carries(fd, stream, 'd');
    aio_stream_close(stream);
    close(fd);
    aio_listener_close(server.listener);
}

/* With a pending deadline or cancellation nothing is taken, though a connection is there. */
BEHAVIOUR(nothing_is_taken_after_the_deadline)
{
    struct aio_stream *stream;
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    int fd = tcp_plain_connect(server.port);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_listener_accept(server.listener, &stream), -ETIMEDOUT);
    }
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    REQUIRE_OK(aio_listener_accept(server.listener, &stream));
    carries(fd, stream, 'n');
    aio_stream_close(stream);
    close(fd);
    aio_listener_close(server.listener);
}

struct race {
    struct tcp_server server;
    int accepted;
};

/* An accept that has succeeded in the moment of its cancellation is a success. */
static void race_once(struct race *race, int *fd)
{
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = race->server.listener};
    if (test_random() % 2 == 0)
        call.timeout_ns = AIO_US(1 + test_random() % 100);
    if (!tcp_call_start(&call))
        return;
    for (uint64_t i = test_random() % 3; i > 0; i--)
        AIO_CHECK_OK(aio_task_yield());
    *fd = tcp_plain_connect(race->server.port);
    for (uint64_t i = test_random() % 4; i > 0; i--)
        AIO_CHECK_OK(aio_task_yield());
    ssize_t rc = call.timeout_ns > 0 ? tcp_call_join(&call) : tcp_call_cancel(&call);
    if (rc == 0) {
        race->accepted++;
        aio_stream_close(call.accepted);
    } else {
        AIO_CHECK_ERROR(rc, call.timeout_ns > 0 ? -ETIMEDOUT : -ECANCELED);
    }
}

/* Accepts that race with their end: each connection is accepted once, and none leaks. */
BEHAVIOUR(races_lose_nothing)
{
    enum { CLIENTS = 1000 };
    static int fds[CLIENTS];
    struct race race = {.accepted = 0};
    int count = tcp_rounds(CLIENTS);
    REQUIRE(tcp_server_open(&race.server, NULL));
    for (int i = 0; i < count; i++) {
        fds[i] = -1;
        race_once(&race, &fds[i]);
    }
    AIO_CHECK(race.accepted <= count);
    while (race.accepted < count) {
        struct aio_stream *stream;
        REQUIRE_OK(aio_listener_accept(race.server.listener, &stream));
        aio_stream_close(stream);
        race.accepted++;
    }
    for (int i = 0; i < count; i++)
        AIO_CHECK_EQ(tcp_plain_drain(fds[i]), 0);
    for (int i = 0; i < count; i++)
        close(fds[i]);
    aio_listener_close(race.server.listener);
}

/* Connections that were reset in the backlog do not stop the others, accepted or passed over. */
BEHAVIOUR(dead_in_the_backlog)
{
    enum { CLIENTS = 20 };
    struct tcp_server server;
    int accepted = 0, alive = 0, dead = 0;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < CLIENTS; i++)
        tcp_plain_reset(tcp_plain_connect(server.port));
    int fd = tcp_plain_connect(server.port);
    AIO_CHECK(tcp_plain_send(fd, "!", 1));
    for (; alive == 0 && accepted <= CLIENTS; accepted++) {
        struct aio_stream *stream;
        char byte;
        REQUIRE_OK(aio_listener_accept(server.listener, &stream));
        ssize_t rc = aio_stream_read(stream, &byte, 1);
        alive += rc == 1;
        dead += rc == -ECONNRESET;
        aio_stream_close(stream);
    }
    AIO_CHECK_EQ(alive, 1);
    AIO_CHECK_EQ(dead + alive, accepted);
    close(fd);
    aio_listener_close(server.listener);
}

/* A listener that is asked for its address while it accepts says the same. */
BEHAVIOUR(address_while_accepting)
{
    struct tcp_server server;
    struct aio_address address;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_OK(aio_listener_address(server.listener, &address));
    AIO_CHECK_EQ(aio_address_port(&address), server.port);
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    aio_listener_close(server.listener);
}

/* A listener on which nothing happens does not keep the loop turning. */
BEHAVIOUR(idle_is_idle)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_check_no_spin();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    tcp_check_no_spin();
    int fd = tcp_plain_connect(server.port); /* and nobody accepts it */
    tcp_check_no_spin();
    close(fd);
    tcp_check_no_spin();
    aio_listener_close(server.listener);
}
