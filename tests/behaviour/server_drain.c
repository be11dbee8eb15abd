/*
 * The end of a server: who waits for a request ends at once, who is within one may finish, for a
 * while.
 */
#define SUITE "server_drain"
#include "tests/behaviour/server_tools.h"

BEHAVIOUR(drain_ends_idle_connections_at_once)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    struct aio_stream *clients[10];
    kit.options.drain_ns = AIO_FOREVER;
    REQUIRE(kit_start(&kit));
    for (int i = 0; i < 10; i++) {
        clients[i] = kit_connect(&kit);
        kit_send(clients[i], "hello\n");
        kit_expect(clients[i], "hello\n");
    }
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    for (int i = 0; i < 10; i++) {
        kit_expect_end(clients[i]);
        aio_stream_close(clients[i]);
    }
    AIO_CHECK_EQ(kit.error, 0);
}

/* It gets its answer, and is ended after it; nobody new is let in. */
BEHAVIOUR(drain_lets_requests_finish)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    struct aio_stream *client, *late;
    kit.options.drain_ns = AIO_FOREVER;
    REQUIRE(kit_start(&kit));
    client = kit_connect(&kit);
    kit_send(client, "hello\nhal");
    kit_expect(client, "hello\n");
    AIO_CHECK(test_wait(kit_began_second, &kit));
    aio_task_cancel(kit.task);
    AIO_CHECK(test_wait(kit_drains, &kit));
    AIO_CHECK(!kit.ended);
    AIO_CHECK_ERROR(aio_tcp_connect(&late, kit.address), -ECONNREFUSED);
    kit_send(client, "f\n");
    kit_expect(client, "half\n");
    kit_expect_end(client);
    aio_stream_close(client);
    AIO_CHECK_EQ(kit_stop(&kit), 0);
    AIO_CHECK_EQ(kit.requests, 2);
}

BEHAVIOUR(drain_cuts_requests_that_take_too_long)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.drain_ns = AIO_MS(1);
    REQUIRE(kit_start(&kit));
    struct aio_stream *client = kit_connect(&kit);
    kit_send(client, "hello\nhal");
    kit_expect(client, "hello\n");
    AIO_CHECK(test_wait(kit_began_second, &kit));
    AIO_CHECK_EQ(kit_stop(&kit), 1);
    AIO_CHECK_ERROR(kit.error, -ECANCELED);
    kit_expect_end(client);
    aio_stream_close(client);
}

/* One that was started and has not run yet is cut as well. */
BEHAVIOUR(drain_of_no_time)
{
    struct kit kit = {.options = AIO_SERVER_OPTIONS};
    kit.options.drain_ns = 0;
    REQUIRE(kit_start(&kit));
    struct aio_stream *client = kit_connect(&kit);
    AIO_CHECK(kit_stop(&kit) <= 1);
    kit_expect_end(client);
    aio_stream_close(client);
    AIO_CHECK_EQ(kit.live, 0);
}
