/*
 * The server kit: serving, the limit on connections, timeouts, options.
 */
#define SUITE "server"
#include "tests/behaviour/server_tools.h"
#include "tests/behaviour/task_tools.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BEHAVIOUR(server_serves)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    REQUIRE(kit_start(&kit));
    struct aio_stream *one = kit_connect(&kit), *two = kit_connect(&kit);
    for (int i = 0; i < 3; i++) {
        kit_send(one, "one\n");
        kit_send(two, "two\n");
        kit_expect(one, "one\n");
        kit_expect(two, "two\n");
    }
    aio_stream_close(one);
    aio_stream_close(two);
    AIO_CHECK(test_wait(kit_has_none, &kit));
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_EQ(kit.requests, 6);
    AIO_CHECK_EQ(kit.most, 2);
    AIO_CHECK_EQ(kit.error, 0);
}

/* The third one waits for the end of another, and is served then. */
BEHAVIOUR(server_stops_accepting_at_its_limit)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    struct aio_stream *clients[6];
    kit.options.connection_limit = 2;
    REQUIRE(kit_start(&kit));
    int before = tcp_fd_count();
    for (int i = 0; i < 6; i++) {
        clients[i] = kit_connect(&kit);
        kit_send(clients[i], "hello\n");
    }
    kit_expect(clients[1], "hello\n");
    tcp_settle();
    AIO_CHECK_EQ(tcp_fd_count(), before + 6 + 2); /* the others are in the backlog */
    for (int i = 0; i < 6; i++) {
        if (i != 1)
            kit_expect(clients[i], "hello\n");
        AIO_CHECK(kit.requests <= i + 2);
        aio_stream_close(clients[i]);
    }
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_EQ(kit.most, 2);
    AIO_CHECK_EQ(kit.requests, 6);
}

/* While it waits for room it can be asked to end all the same. */
BEHAVIOUR(server_is_stopped_at_its_limit)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.connection_limit = 1;
    REQUIRE(kit_start(&kit));
    struct aio_stream *one = kit_connect(&kit), *two = kit_connect(&kit);
    kit_send(one, "hello\n");
    kit_expect(one, "hello\n");
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    kit_expect_end(one);
    kit_expect_end(two);
    aio_stream_close(one);
    aio_stream_close(two);
}

enum { HOGS = 400 };

/* Tasks until there is no memory for one more. Returns how many. */
static int hogs_start(struct aio_task *hogs[HOGS])
{
    int count = 0, rc = 0;
    while (count < HOGS && (rc = aio_task_spawn(&hogs[count], task_sleep_forever, NULL, NULL)) == 0)
        count++;
    AIO_CHECK_ERROR(rc, -ENOMEM);
    return count;
}

/* Memory that others give back serves as well as that of a connection which ends. */
BEHAVIOUR_WITH(server_waits_for_memory, .memory_limit = (size_t)400 * 1024, .stack_cache = 4)
{
    static struct aio_task *hogs[HOGS];
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    char answer[6] = "";
    REQUIRE(kit_start(&kit));
    struct aio_stream *one = kit_connect(&kit);
    kit_send(one, "hello\n");
    kit_expect(one, "hello\n");
    int count = hogs_start(hogs), late = tcp_plain_connect(atoi(strrchr(kit.address, ':') + 1));
    AIO_CHECK(tcp_plain_send(late, "late\n", 5));
    tcp_settle();
    AIO_CHECK_EQ(kit.live, 1);
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(hogs[i]), -ECANCELED);
    AIO_CHECK(tcp_plain_receive(late, answer, 5));
    AIO_CHECK_STR(answer, "late\n");
    close(late);
    aio_stream_close(one);
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_EQ(kit.most, 2);
}

BEHAVIOUR(server_ends_connections_that_are_kept_alive_too_long)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.keep_alive_ns = AIO_MS(1);
    REQUIRE(kit_start(&kit));
    struct aio_stream *client = kit_connect(&kit);
    kit_expect_end(client);
    aio_stream_close(client);
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_EQ(kit.error, 0);
}

/* Within a request it is an error of the read. */
BEHAVIOUR(server_ends_requests_that_stand_still)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.idle_ns = AIO_MS(1);
    REQUIRE(kit_start(&kit));
    struct aio_stream *client = kit_connect(&kit);
    kit_send(client, "hal");
    kit_expect_end(client);
    aio_stream_close(client);
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_ERROR(kit.error, -ETIMEDOUT);
    AIO_CHECK(kit.expired);
}

static int no_handler(struct aio_connection *connection, void *arg)
{
    (void)connection, (void)arg;
    return 0;
}

BEHAVIOUR(server_with_bad_options)
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    struct tcp_server taken;
    AIO_CHECK_ERROR(aio_server_run(NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_server_run(&options), -EINVAL);
    options.handler = no_handler;
    AIO_CHECK_ERROR(aio_server_run(&options), -EINVAL);
    options.address = "127.0.0.1:0";
    options.connection_limit = 0;
    AIO_CHECK_ERROR(aio_server_run(&options), -EINVAL);
    options.connection_limit = 1;
    options.idle_ns = 0;
    AIO_CHECK_ERROR(aio_server_run(&options), -EINVAL);
    options.idle_ns = AIO_SEC(1);
    REQUIRE(tcp_server_open(&taken, NULL));
    options.address = taken.text;
    AIO_CHECK_ERROR(aio_server_run(&options), -EADDRINUSE);
    aio_listener_close(taken.listener);
}

BEHAVIOUR(server_without_inherited_sockets)
{
    struct aio_listener *listener;
    AIO_CHECK_EQ(aio_activation_count(), 0);
    AIO_CHECK_ERROR(aio_activation_listen(&listener, 0), -ENOENT);
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.activation = true;
    REQUIRE(kit_start(&kit));
    AIO_CHECK_EQ(kit_stop(&kit), 0);
}
