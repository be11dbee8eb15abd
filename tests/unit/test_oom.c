/*
 * The n-th allocation fails, for n = 1, 2, ... until the call gets through: each failure is
 * -ENOMEM, changes nothing and leaves nothing behind. On each backend.
 */
#define SUITE "oom"
#include "tests/unit/unit_tools.h"

#include "core/alloc.h"

#include <aio/channel.h>
#include <aio/local.h>
#include <aio/scope.h>
#include <aio/shared.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ATTEMPTS = 100 };

static void start_without_memory(const char *backend)
{
    for (int n = 1; n < ATTEMPTS; n++) {
        struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
        bool entered = false;
        int64_t live = aio__alloc_live();
        options.backend = backend;
        aio__alloc_fail_at(n);
        int rc = aio_runtime_run(&options, unit_entered, &entered);
        aio__alloc_fail_at(0);
        AIO_CHECK_EQ(aio__alloc_live(), live);
        if (entered || !AIO_CHECK_ERROR(rc, -ENOMEM)) {
            AIO_CHECK(n > 1);
            return;
        }
    }
    AIO_CHECK(!"it never started");
}

static bool available(const char *backend)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    bool entered = false;
    options.backend = backend;
    (void)aio_runtime_run(&options, unit_entered, &entered);
    return entered;
}

/* A runtime that finds no memory while it starts says so and leaves nothing. */
PLAIN(start)
{
    setenv("AIO_LOG", "off", 1);
    if (available("uring"))
        start_without_memory("uring");
    if (available("epoll"))
        start_without_memory("epoll");
    unsetenv("AIO_LOG");
}

static int return_number(void *arg)
{
    return *(int *)arg;
}

/* Spawns with failures until one gets through. Returns how many failed, -1 for ever. */
static int spawn_stubbornly(struct aio_task **out, int *number)
{
    for (int n = 1; n < ATTEMPTS; n++) {
        int64_t live = aio__alloc_live();
        aio__alloc_fail_at(n);
        int rc = aio_task_spawn(out, return_number, number, NULL);
        aio__alloc_fail_at(0);
        if (rc == 0)
            return n - 1;
        AIO_CHECK_ERROR(rc, -ENOMEM);
        AIO_CHECK_EQ(aio__alloc_live(), live);
    }
    return -1;
}

static int spawn_many(void *entered)
{
    enum { COUNT = 300 };
    static struct aio_task *tasks[COUNT];
    static int numbers[COUNT];
    int failures = 0;
    unit_entered(entered);
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i * 3;
        int failed = spawn_stubbornly(&tasks[i], &numbers[i]);
        if (!AIO_CHECK(failed >= 0))
            return -1;
        failures += failed;
    }
    AIO_CHECK(failures > 3); /* slabs and the timers' room have grown several times */
    for (int i = 0; i < COUNT; i++) {
        int result = -1;
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_EQ(result, i * 3);
    }
    return 0;
}

/* Spawning: nothing was started, and the next spawn works. */
PLAIN(spawn)
{
    unit_on_each_backend(spawn_many);
}

static int count_up(void *count)
{
    ++*(int *)count;
    return aio_task_yield();
}

/* A scope whose spawns fail again and again. */
static int spawn_children(void *entered)
{
    enum { COUNT = 300 };
    struct aio_scope scope;
    int count = 0, failures = 0, spawned = 0;
    unit_entered(entered);
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    for (int n = 1; spawned < COUNT && n < ATTEMPTS; n++) {
        int64_t live = aio__alloc_live();
        aio__alloc_fail_at(n);
        int rc = aio_scope_spawn(&scope, count_up, &count);
        aio__alloc_fail_at(0);
        failures += rc == -ENOMEM;
        spawned += rc == 0;
        AIO_CHECK(rc == 0 || (rc == -ENOMEM && aio__alloc_live() == live));
        n = rc == 0 ? 0 : n;
    }
    AIO_CHECK(failures > 3);
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_EQ(count, COUNT);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 0);
    return 0;
}

/* A child that cannot be spawned changes nothing for the others, or the join. */
PLAIN(spawn_in_a_scope)
{
    unit_on_each_backend(spawn_children);
}

static bool listen_stubbornly(struct aio_listener **out, char text[AIO_ADDRESS_TEXT_BYTES])
{
    struct aio_address address;
    int rc = -ENOMEM, n;
    for (n = 1; rc < 0 && n < ATTEMPTS; n++) {
        aio__alloc_fail_at(n);
        rc = aio_tcp_listen(out, "127.0.0.1:0", NULL);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || rc == -ENOMEM);
    }
    AIO_CHECK(n > 2);
    return AIO_CHECK_OK(rc) && AIO_CHECK_OK(aio_listener_address(*out, &address)) &&
           AIO_CHECK_OK(aio_address_format(&address, text, AIO_ADDRESS_TEXT_BYTES));
}

static bool connect_stubbornly(struct aio_stream **out, const char *text)
{
    int rc = -ENOMEM, n;
    for (n = 1; rc < 0 && n < ATTEMPTS; n++) {
        aio__alloc_fail_at(n);
        rc = aio_tcp_connect(out, text);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || rc == -ENOMEM);
    }
    AIO_CHECK(n > 2);
    return AIO_CHECK_OK(rc);
}

static bool accept_stubbornly(struct aio_listener *listener, struct aio_stream **out)
{
    int rc = -ENOMEM, n;
    for (n = 1; n < ATTEMPTS; n++) {
        aio__alloc_fail_at(n);
        AIO_TIMEOUT(AIO_SEC(10) * test_slowness()) /* if the connection was lost */
        {
            rc = aio_listener_accept(listener, out);
        }
        aio__alloc_fail_at(0);
        if (rc != -ENOMEM)
            break;
    }
    AIO_CHECK(n > 1);
    return AIO_CHECK_OK(rc);
}

/* A byte there, whatever fails on the way: after an error nothing was sent or taken. */
static void pass_byte(struct aio_stream *from, struct aio_stream *to)
{
    ssize_t rc = -ENOMEM;
    char byte = 0;
    for (int n = 1; rc < 0 && n < ATTEMPTS; n++) {
        aio__alloc_fail_at(n);
        rc = aio_stream_write(from, "x", 1);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 1 || rc == -ENOMEM);
    }
    rc = -ENOMEM;
    for (int n = 1; rc < 0 && n < ATTEMPTS; n++) {
        aio__alloc_fail_at(n);
        rc = aio_stream_read(to, &byte, 1);
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 1 || rc == -ENOMEM);
    }
    AIO_CHECK_EQ(byte, 'x');
}

static int talk_over(struct aio_listener *listener, const char *text)
{
    enum { PAIRS = 40 }; /* more descriptors than small tables hold */
    static struct aio_stream *streams[2 * PAIRS];
    for (int i = 0; i < PAIRS; i++)
        if (!connect_stubbornly(&streams[2 * i], text) ||
            !accept_stubbornly(listener, &streams[2 * i + 1]))
            return -1;
    for (int i = 0; i < PAIRS; i++) {
        pass_byte(streams[2 * i], streams[2 * i + 1]);
        pass_byte(streams[2 * i + 1], streams[2 * i]);
    }
    for (int i = 0; i < 2 * PAIRS; i++)
        aio_stream_close(streams[i]);
    return 0;
}

static int talk(void *entered)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    unit_entered(entered);
    if (!listen_stubbornly(&listener, text))
        return -1;
    int rc = talk_over(listener, text);
    aio_listener_close(listener);
    return rc;
}

/* Listening, connecting, accepting, writing, reading: no connection and no byte is lost. */
PLAIN(streams)
{
    unit_on_each_backend(talk);
}

/* Opens and closes; returns how the opening ended. */
static int open_udp(const char *path)
{
    struct aio_socket *socket;
    (void)path;
    int rc = aio_udp_connect(&socket, "127.0.0.1:9", NULL);
    if (rc == 0)
        aio_socket_close(socket);
    return rc;
}

static int open_unix(const char *path)
{
    struct aio_socket *socket;
    int rc = aio_unix_bind(&socket, path, NULL);
    if (rc == 0)
        aio_socket_close(socket);
    return rc;
}

static int open_unix_listener(const char *path)
{
    struct aio_listener *listener;
    int rc = aio_unix_listen(&listener, path, NULL);
    if (rc == 0)
        aio_listener_close(listener);
    return rc;
}

static int open_pair(const char *path)
{
    struct aio_stream *streams[2];
    (void)path;
    int rc = aio_unix_pair(streams);
    for (int i = 0; i < 2 && rc == 0; i++)
        aio_stream_close(streams[i]);
    return rc;
}

static int open_pair_of_sockets(const char *path)
{
    struct aio_socket *sockets[2];
    (void)path;
    int rc = aio_unix_pair_sockets(sockets, AIO_UNIX_SEQUENCE);
    for (int i = 0; i < 2 && rc == 0; i++)
        aio_socket_close(sockets[i]);
    return rc;
}

static int open_stubbornly(void *entered)
{
    static int (*const openers[])(const char *) = {open_udp, open_unix, open_unix_listener,
                                                   open_pair, open_pair_of_sockets};
    char path[64];
    unit_entered(entered);
    snprintf(path, sizeof path, "/tmp/aio-oom-%d", (int)getpid());
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        int rc = -ENOMEM, n;
        for (n = 1; rc < 0 && n < ATTEMPTS; n++) {
            int64_t live = aio__alloc_live();
            aio__alloc_fail_at(n);
            rc = openers[i](path);
            aio__alloc_fail_at(0);
            AIO_CHECK(rc == 0 || rc == -ENOMEM);
            AIO_CHECK(rc == 0 || aio__alloc_live() == live);
            AIO_CHECK(access(path, F_OK) < 0);
        }
        AIO_CHECK(n > 2);
    }
    return 0;
}

/* Sockets of every other kind: no descriptor and no file is left of those that were refused. */
PLAIN(sockets)
{
    unit_on_each_backend(open_stubbornly);
}

static int accept_burst(void *entered)
{
    enum { BURST = 50 }; /* more than the deliveries hold at first */
    static struct aio_stream *clients[BURST];
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    unit_entered(entered);
    if (!listen_stubbornly(&listener, text))
        return -1;
    for (int i = 0; i < BURST; i++)
        if (!AIO_CHECK_OK(aio_tcp_connect(&clients[i], text)))
            return -1;
    for (int i = 0; i < BURST; i++) {
        struct aio_stream *stream;
        if (!accept_stubbornly(listener, &stream))
            return -1;
        aio_stream_close(stream);
    }
    for (int i = 0; i < BURST; i++)
        aio_stream_close(clients[i]);
    aio_listener_close(listener);
    return 0;
}

/* A burst of connections arrives while memory is short: each is accepted in the end. */
PLAIN(burst)
{
    unit_on_each_backend(accept_burst);
}

static int set_locals(void *entered)
{
    enum { COUNT = 50 };
    static struct aio_local_key keys[COUNT];
    int values[COUNT], failures = 0;
    unit_entered(entered);
    for (int i = 0; i < COUNT; i++) {
        int rc = -ENOMEM;
        for (int n = 1; rc < 0 && n < ATTEMPTS; n++) {
            aio__alloc_fail_at(n);
            rc = aio_local_set(&keys[i], &values[i]);
            aio__alloc_fail_at(0);
            AIO_CHECK(rc == 0 || (rc == -ENOMEM && aio_local_get(&keys[i]) == NULL));
            failures += rc < 0;
        }
    }
    AIO_CHECK(failures >= 3); /* the table has grown several times */
    for (int i = 0; i < COUNT; i++)
        AIO_CHECK(aio_local_get(&keys[i]) == &values[i]);
    return 0;
}

/* Task-locals: the values before are still there. */
PLAIN(locals)
{
    unit_on_each_backend(set_locals);
}

static int open_channels(void *entered)
{
    struct aio_channel *channel;
    struct aio_broadcast *news;
    struct aio_subscriber *subscriber;
    unit_entered(entered);
    int64_t live = aio__alloc_live();
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio_channel_open(&channel, sizeof(int), 4), -ENOMEM);
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio_broadcast_open(&news, sizeof(int), 4), -ENOMEM);
    aio__alloc_fail_at(0);
    if (!AIO_CHECK_OK(aio_broadcast_open(&news, sizeof(int), 4)))
        return -1;
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio_broadcast_subscribe(&subscriber, news), -ENOMEM);
    aio__alloc_fail_at(0);
    aio_broadcast_free(news); /* nobody counts as subscribed */
    AIO_CHECK_EQ(aio__alloc_live(), live);
    return 0;
}

/* A channel, a broadcast and a subscriber are one block each, or nothing. */
PLAIN(channels)
{
    unit_on_each_backend(open_channels);
}

/* A shared channel is one block, or nothing. */
PLAIN(shared_channel)
{
    struct aio_shared_channel *channel;
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio_shared_open(&channel, sizeof(int), 4), -ENOMEM);
    aio__alloc_fail_at(0);
    REQUIRE_OK(aio_shared_open(&channel, sizeof(int), 4));
    aio_shared_release(channel);
}
