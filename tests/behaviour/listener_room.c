/*
 * Out of descriptors: accepting waits without spinning and goes on when there is room; connecting
 * fails with -EMFILE.
 */
#define SUITE "listener_room"
#include "tests/behaviour/tcp_support.h"

#include <unistd.h>

/* A pair of a server and a client that has connected, but finds no descriptor to be accepted to. */
struct stuck {
    struct tcp_server server;
    struct tcp_call call;
    struct tcp_shortage shortage;
    int fd;
};

static bool stuck_begin(struct stuck *stuck)
{
    if (!tcp_server_open(&stuck->server, NULL))
        return false;
    stuck->fd = tcp_plain_connect(stuck->server.port);
    stuck->call = (struct tcp_call){.kind = TCP_ACCEPT, .object = stuck->server.listener};
    return tcp_shortage_begin(&stuck->shortage) && tcp_call_start(&stuck->call);
}

/* The client is served in the end. */
static void stuck_served(struct stuck *stuck)
{
    char byte = 0;
    REQUIRE_OK(tcp_call_join(&stuck->call));
    AIO_CHECK(tcp_plain_send(stuck->fd, "s", 1));
    AIO_CHECK_EQ(aio_stream_read(stuck->call.accepted, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 's');
    aio_stream_close(stuck->call.accepted);
    close(stuck->fd);
    aio_listener_close(stuck->server.listener);
}

/* Without a descriptor the accept waits, without spinning; when the limit rises it goes on. */
BEHAVIOUR(limit_rises)
{
    struct stuck stuck;
    REQUIRE(stuck_begin(&stuck));
    tcp_check_no_spin();
    AIO_CHECK(!stuck.call.ended);
    tcp_shortage_end(&stuck.shortage);
    stuck_served(&stuck);
}

/* The same when a descriptor is closed. */
BEHAVIOUR(descriptor_is_closed)
{
    int spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct stuck stuck;
    REQUIRE(stuck_begin(&stuck));
    tcp_check_no_spin();
    AIO_CHECK(!stuck.call.ended);
    close(spare);
    AIO_CHECK(test_wait(tcp_call_ended, &stuck.call));
    tcp_shortage_end(&stuck.shortage);
    stuck_served(&stuck);
}

/* With nobody connecting a shortage is no trouble, before or during an accept. */
BEHAVIOUR(nobody_connects)
{
    struct tcp_server server;
    struct tcp_shortage shortage;
    REQUIRE(tcp_server_open(&server, NULL));
    REQUIRE(tcp_shortage_begin(&shortage));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    AIO_CHECK(tcp_call_start(&call));
    tcp_check_no_spin();
    AIO_CHECK(!call.ended);
    tcp_shortage_end(&shortage);
    int fd = tcp_plain_connect(server.port);
    REQUIRE_OK(tcp_call_join(&call));
    aio_stream_close(call.accepted);
    close(fd);
    aio_listener_close(server.listener);
}

/* A shortage that begins while an accept waits, and clients that come meanwhile. */
BEHAVIOUR(shortage_while_accepting)
{
    struct tcp_server server;
    struct tcp_shortage shortage;
    struct tcp_call calls[2];
    int fds[2];
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < 2; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_settle();
    for (int i = 0; i < 2; i++) /* the first at least is accepted before the loop turns again */
        fds[i] = tcp_plain_connect(server.port);
    REQUIRE(tcp_shortage_begin(&shortage));
    tcp_check_no_spin();
    tcp_shortage_end(&shortage);
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(tcp_call_join(&calls[i]));
        aio_stream_close(calls[i].accepted);
        close(fds[i]);
    }
    aio_listener_close(server.listener);
}

/* An accept that waits for room can be cancelled, and the client is still served later. */
BEHAVIOUR(cancel_while_waiting_for_room)
{
    struct stuck stuck;
    REQUIRE(stuck_begin(&stuck));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&stuck.call), -ECANCELED);
    tcp_shortage_end(&stuck.shortage);
    AIO_CHECK(tcp_call_start(&stuck.call));
    stuck_served(&stuck);
}

/* So can it have a deadline. */
BEHAVIOUR(deadline_while_waiting_for_room)
{
    struct stuck stuck;
    struct aio_stream *stream;
    REQUIRE(stuck_begin(&stuck));
    AIO_CHECK_ERROR(tcp_call_cancel(&stuck.call), -ECANCELED);
    AIO_TIMEOUT(AIO_MS(20))
    {
        AIO_CHECK_ERROR(aio_listener_accept(stuck.server.listener, &stream), -ETIMEDOUT);
    }
    tcp_shortage_end(&stuck.shortage);
    AIO_CHECK(tcp_call_start(&stuck.call));
    stuck_served(&stuck);
}

/* A listener can be closed while its accept waits for room; the client is reset. */
BEHAVIOUR(close_while_waiting_for_room)
{
    struct stuck stuck;
    REQUIRE(stuck_begin(&stuck));
    tcp_settle();
    aio_listener_close(stuck.server.listener);
    AIO_CHECK_ERROR(tcp_call_join(&stuck.call), -EBADF);
    tcp_shortage_end(&stuck.shortage);
    AIO_CHECK_ERROR(tcp_plain_drain(stuck.fd), -ECONNRESET);
    close(stuck.fd);
}

/* Without descriptors connecting fails with -EMFILE and opening a listener too; later both work. */
BEHAVIOUR(connect_and_listen)
{
    struct tcp_server server;
    struct tcp_shortage shortage;
    struct aio_stream *stream;
    struct aio_listener *listener;
    REQUIRE(tcp_server_open(&server, NULL));
    REQUIRE(tcp_shortage_begin(&shortage));
    AIO_CHECK_ERROR(aio_tcp_connect(&stream, server.text), -EMFILE);
    AIO_CHECK_ERROR(aio_tcp_listen(&listener, "127.0.0.1:0", NULL), -EMFILE);
    tcp_shortage_end(&shortage);
    REQUIRE_OK(aio_tcp_connect(&stream, server.text));
    aio_stream_close(stream);
    aio_listener_close(server.listener);
}

/* Established streams are not concerned by a shortage. */
BEHAVIOUR(streams_go_on)
{
    struct tcp_pair pair;
    struct tcp_shortage shortage;
    char byte = 0;
    REQUIRE(tcp_pair_open(&pair));
    REQUIRE(tcp_shortage_begin(&shortage));
    struct tcp_call call = {.kind = TCP_READ, .object = pair.far, .buffer = &byte, .size = 1};
    AIO_CHECK(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, "e", 1, NULL), 1);
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    tcp_shortage_end(&shortage);
    AIO_CHECK_EQ(byte, 'e');
    tcp_pair_close(&pair);
}

/* Errors that an accept may meet for want of room do not reach the caller (fault rows). */
BEHAVIOUR(injected_shortages)
{
    static const int errors[] = {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM};
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        struct aio_stream *stream;
        test_fail_next("accept", errors[i], 2);
        int fd = tcp_plain_connect(server.port);
        REQUIRE_OK(aio_listener_accept(server.listener, &stream));
        aio_stream_close(stream);
        close(fd);
    }
    aio_listener_close(server.listener);
}

/* Another error of accept is the caller's, once; the connection is for the next call (fault rows).
 */
BEHAVIOUR(injected_error)
{
    struct tcp_server server;
    struct aio_stream *stream;
    REQUIRE(tcp_server_open(&server, NULL));
    int fd = tcp_plain_connect(server.port);
    if (test_fail_next("accept", -EOPNOTSUPP, 1))
        AIO_CHECK_ERROR(aio_listener_accept(server.listener, &stream), -EOPNOTSUPP);
    REQUIRE_OK(aio_listener_accept(server.listener, &stream));
    aio_stream_close(stream);
    close(fd);
    aio_listener_close(server.listener);
}

/* Sleeps a little less than the first wait for room, then closes. */
static int close_a_little_earlier(void *listener)
{
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(4)));
    aio_listener_close(listener);
    return 0;
}

/* A close in the same turn in which the acceptor is woken to try again. */
BEHAVIOUR(close_when_the_wait_for_room_ends)
{
    struct stuck stuck;
    struct aio_task *task;
    REQUIRE(stuck_begin(&stuck));
    tcp_settle();
    REQUIRE_OK(aio_task_spawn(&task, close_a_little_earlier, stuck.server.listener, NULL));
    AIO_CHECK_OK(aio_task_yield());
    int64_t both_ns = aio_time_now() + AIO_MS(12);
    while (aio_time_now() < both_ns)
        ; /* the loop sees both timers run out at once, the closer's first */
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(tcp_call_join(&stuck.call), -EBADF);
    tcp_shortage_end(&stuck.shortage);
    AIO_CHECK_ERROR(tcp_plain_drain(stuck.fd), -ECONNRESET);
    close(stuck.fd);
}
