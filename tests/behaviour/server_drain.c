/*
 * The end of a server: who waits for a request ends at once, who is within one may finish, for a
 * while.
 */
#define SUITE "server_drain"
#include "tests/behaviour/server_tools.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <unistd.h>

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

static struct {
    _Atomic int port;
    _Atomic int served;
    struct aio_runtime *runtime;
} cores;

static void cores_ready(struct aio_listener *listener, void *arg)
{
    struct aio_address address;
    (void)arg;
    if (AIO_CHECK_OK(aio_listener_address(listener, &address)))
        cores.port = aio_address_port(&address);
}

static int cores_handle(struct aio_connection *connection, void *arg)
{
    char byte;
    (void)arg;
    while (aio_connection_await(connection) > 0) {
        ssize_t n = aio_stream_read(aio_connection_stream(connection), &byte, 1);
        if (n <= 0 || aio_stream_write(aio_connection_stream(connection), &byte, 1) < 0)
            break;
        cores.served++;
    }
    return 0;
}

static int cores_entry(void *arg)
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    (void)arg;
    options.address = "127.0.0.1:0";
    options.handler = cores_handle;
    options.ready = cores_ready;
    return aio_server_run(&options);
}

static bool cores_listen(void *unused)
{
    (void)unused;
    return cores.port != 0;
}

static bool cores_served(void *wanted)
{
    return cores.served == *(int *)wanted;
}

/* The test's thread has no runtime: it may block. */
static int blocking_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

BEHAVIOUR_OUTSIDE(server_on_several_cores_is_stopped)
{
    struct aio_runtime_options options = test_options();
    int fds[20], wanted = 20, result = -1;
    cores.port = 0;
    cores.served = 0;
    options.cores = 2;
    REQUIRE_OK(aio_runtime_create(&cores.runtime, &options));
    REQUIRE_OK(aio_runtime_start(cores.runtime, cores_entry, NULL));
    AIO_CHECK(test_wait_outside(cores_listen, NULL));
    for (int i = 0; i < 20; i++) {
        fds[i] = blocking_connect(cores.port);
        AIO_CHECK(send(fds[i], "x", 1, MSG_NOSIGNAL) == 1);
    }
    AIO_CHECK(test_wait_outside(cores_served, &wanted));
    AIO_CHECK_OK(aio_runtime_stop(cores.runtime, AIO_SEC(60)));
    AIO_CHECK_OK(aio_runtime_wait(cores.runtime, &result));
    AIO_CHECK_EQ(result, 0);
    for (int i = 0; i < 20; i++)
        close(fds[i]);
    aio_runtime_destroy(cores.runtime);
}
