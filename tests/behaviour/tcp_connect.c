/*
 * Connecting: success, each way of failing, and that nothing is left after a failure.
 */
#define SUITE "tcp_connect"
#include "tests/behaviour/tcp_support.h"

#include <string.h>
#include <unistd.h>

/* A connection stands when connect returns; small writes go out at once. */
BEHAVIOUR(success)
{
    struct tcp_server server;
    struct aio_stream *stream;
    int nodelay = 0;
    REQUIRE(tcp_server_open(&server, NULL));
    AIO_CHECK_EQ(aio_tcp_connect(&stream, server.text), 0);
    AIO_CHECK_OK(aio_stream_option_get(stream, AIO_STREAM_NODELAY, &nodelay));
    AIO_CHECK_EQ(nodelay, 1);
    aio_stream_close(stream);
    aio_listener_close(server.listener);
}

/* Connecting fails with this error, leaves no descriptor and writes nothing. */
static void fails(const char *address, int error)
{
    struct aio_stream *const untouched = (void *)&error;
    struct aio_stream *stream = untouched;
    int before = tcp_fd_count();
    AIO_CHECK_ERROR(aio_tcp_connect(&stream, address), error);
    AIO_CHECK(stream == untouched);
    AIO_CHECK_EQ(tcp_fd_count(), before);
}

/* Where nobody listens connecting is refused, again and again. */
BEHAVIOUR(refused)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    aio_listener_close(server.listener);
    for (int i = 0; i < 100; i++)
        fails(server.text, -ECONNREFUSED);
}

/* What is no address is -EINVAL; an unknown zone -ENODEV. */
BEHAVIOUR(bad_address)
{
    static const char *const texts[] = {"",         "127.0.0.1", "a b:80",
                                        "1.2.3:80", "[::1]",     "1.2.3.4:x"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        fails(texts[i], -EINVAL);
    fails(NULL, -EINVAL);
    fails("[fe80::1%nosuchthing]:1", -ENODEV);
}

/* What the kernel will not connect to is its error. */
BEHAVIOUR(kernels_error)
{
    struct aio_stream *stream;
    int before = tcp_fd_count();
    int rc = aio_tcp_connect(&stream, "255.255.255.255:9"); /* the broadcast address */
    AIO_CHECK(rc == -ENETUNREACH || rc == -EHOSTUNREACH || rc == -EACCES);
    AIO_CHECK_EQ(tcp_fd_count(), before);
}

/* A connect that nobody answers ends at its deadline, which says so. */
BEHAVIOUR(deadline)
{
    struct tcp_silence silence;
    struct aio_deadline deadline;
    REQUIRE(tcp_silence_open(&silence, "127.0.0.1:0"));
    int64_t start = aio_time_now();
    aio_deadline_set(&deadline, AIO_MS(5));
    fails(silence.text, -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK(aio_time_now() - start >= AIO_MS(5));
    tcp_silence_close(&silence);
}

static int connect_task(void *arg)
{
    struct aio_stream *stream;
    return aio_tcp_connect(&stream, arg);
}

/* A connect that nobody answers can be cancelled. */
BEHAVIOUR(cancel)
{
    struct tcp_silence silence;
    struct aio_task *task;
    int result = 0;
    REQUIRE(tcp_silence_open(&silence, "127.0.0.1:0"));
    int before = tcp_fd_count();
    REQUIRE_OK(aio_task_spawn(&task, connect_task, silence.text, NULL));
    tcp_settle();
    AIO_CHECK_EQ(tcp_fd_count(), before + 1); /* it is under way */
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
    AIO_CHECK_EQ(tcp_fd_count(), before);
    tcp_silence_close(&silence);
}

/* Waiting for a connection does not keep the loop turning. */
BEHAVIOUR(waits_without_spinning)
{
    struct tcp_silence silence;
    struct aio_task *task;
    REQUIRE(tcp_silence_open(&silence, "127.0.0.1:0"));
    REQUIRE_OK(aio_task_spawn(&task, connect_task, silence.text, NULL));
    tcp_check_no_spin();
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    tcp_silence_close(&silence);
}

/* With a deadline that has passed nothing is begun. */
BEHAVIOUR(deadline_passed)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    AIO_TIMEOUT(0)
    {
        fails(server.text, -ETIMEDOUT);
    }
    AIO_TIMEOUT(AIO_MS(5)) /* nobody has come */
    {
        struct aio_stream *stream;
        AIO_CHECK_ERROR(aio_listener_accept(server.listener, &stream), -ETIMEDOUT);
    }
    aio_listener_close(server.listener);
}

struct storm {
    struct tcp_server server;
    int ended;
    int served;
    int connected;
};

static int storm_client(void *arg)
{
    struct storm *storm = arg;
    struct aio_stream *stream;
    char byte = 'c', back = 0;
    int rc = aio_tcp_connect(&stream, storm->server.text);
    storm->ended++;
    if (!AIO_CHECK_OK(rc))
        return rc;
    storm->connected++;
    AIO_CHECK_EQ(aio_stream_write_all(stream, &byte, 1, NULL), 1);
    AIO_CHECK_EQ(aio_stream_read_exact(stream, &back, 1, NULL), 1);
    AIO_CHECK_EQ(back, byte);
    aio_stream_close(stream);
    return 0;
}

/* A storm of connects, all at once, is served to the last. */
BEHAVIOUR(storm)
{
    enum { CLIENTS = 500 };
    static struct aio_task *tasks[CLIENTS];
    struct storm storm = {.ended = 0};
    REQUIRE(tcp_server_open(&storm.server, NULL));
    for (int i = 0; i < CLIENTS; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], storm_client, &storm, NULL));
    for (; storm.served < CLIENTS; storm.served++) {
        struct aio_stream *stream;
        char byte = 0;
        REQUIRE_OK(aio_listener_accept(storm.server.listener, &stream));
        AIO_CHECK_EQ(aio_stream_read_exact(stream, &byte, 1, NULL), 1);
        AIO_CHECK_EQ(aio_stream_write_all(stream, &byte, 1, NULL), 1);
        aio_stream_close(stream);
    }
    for (int i = 0; i < CLIENTS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    AIO_CHECK_EQ(storm.connected, CLIENTS);
    aio_listener_close(storm.server.listener);
}

/* A connect that races with its end has connected or leaves nothing. */
static int racing_client(void *arg)
{
    struct storm *storm = arg;
    struct aio_stream *stream;
    int rc = -ETIMEDOUT;
    AIO_TIMEOUT(AIO_US(1 + (int64_t)(test_random() % 300)))
    {
        rc = aio_tcp_connect(&stream, storm->server.text);
    }
    if (rc == 0) {
        storm->connected++;
        aio_stream_close(stream);
    } else {
        AIO_CHECK(rc == -ETIMEDOUT || rc == -ECANCELED);
    }
    storm->ended++;
    return rc;
}

BEHAVIOUR(races_leave_nothing)
{
    struct storm storm = {.ended = 0};
    REQUIRE(tcp_server_open(&storm.server, NULL));
    int count = tcp_rounds(500), before = tcp_fd_count();
    for (int i = 0; i < count; i++) {
        struct aio_task *task;
        REQUIRE_OK(aio_task_spawn(&task, racing_client, &storm, NULL));
        for (uint64_t yields = test_random() % 4; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        if (test_random() % 2 == 0)
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
    }
    AIO_CHECK_EQ(storm.ended, count);
    AIO_CHECK_EQ(tcp_fd_count(), before);
    aio_listener_close(storm.server.listener);
}

/* After a failed connect the same number of descriptor serves another connection. */
BEHAVIOUR(descriptor_again)
{
    struct tcp_silence silence;
    struct tcp_server server;
    REQUIRE(tcp_silence_open(&silence, "127.0.0.1:0"));
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < 20; i++) {
        struct aio_stream *near, *far;
        char byte = 0;
        AIO_TIMEOUT(AIO_US(500))
        {
            fails(silence.text, -ETIMEDOUT);
        }
        REQUIRE_OK(aio_tcp_connect(&near, server.text));
        REQUIRE_OK(aio_listener_accept(server.listener, &far));
        AIO_CHECK_EQ(aio_stream_write(near, "d", 1), 1);
        AIO_CHECK_EQ(aio_stream_read(far, &byte, 1), 1);
        AIO_CHECK_EQ(byte, 'd');
        aio_stream_close(near);
        aio_stream_close(far);
    }
    aio_listener_close(server.listener);
    tcp_silence_close(&silence);
}
