/*
 * Many connections at once, and little at a time.
 */
#define SUITE "tcp_many"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { CONNECTIONS = 1000, ROUNDS = 5 };

static int echo(void *arg)
{
    struct aio_stream *stream = arg;
    char byte;
    ssize_t rc;
    while ((rc = aio_stream_read(stream, &byte, 1)) > 0)
        if (!AIO_CHECK_EQ(aio_stream_write(stream, &byte, 1), 1))
            break;
    AIO_CHECK_EQ(rc, 0);
    aio_stream_close(stream);
    return 0;
}

struct crowd {
    struct tcp_server server;
    int wanted;
    int echoed;
};

static int accept_all(void *arg)
{
    struct crowd *crowd = arg;
    for (int i = 0; i < crowd->wanted; i++) {
        struct aio_stream *stream;
        if (!AIO_CHECK_OK(aio_listener_accept(crowd->server.listener, &stream)) ||
            !AIO_CHECK_OK(aio_task_spawn(NULL, echo, stream, NULL)))
            return -1;
    }
    return 0;
}

/* As many descriptors as the process may have at all. */
static rlim_t raise_limit(struct rlimit *former)
{
    struct rlimit all;
    AIO_CHECK(getrlimit(RLIMIT_NOFILE, former) == 0);
    all = (struct rlimit){former->rlim_max, former->rlim_max};
    AIO_CHECK(setrlimit(RLIMIT_NOFILE, &all) == 0);
    return former->rlim_max;
}

static bool all_have_ended(void *arg)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    (void)arg;
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats.tasks_live == 1;
}

/* All write a byte before any of them reads: a thousand are in flight at once. */
static void exchange(struct aio_stream **clients, struct crowd *crowd, int round)
{
    for (int i = 0; i < crowd->wanted; i++) {
        char byte = (char)(i + round);
        AIO_CHECK_EQ(aio_stream_write(clients[i], &byte, 1), 1);
    }
    for (int i = 0; i < crowd->wanted; i++) {
        char byte = 0;
        AIO_CHECK_EQ(aio_stream_read(clients[i], &byte, 1), 1);
        crowd->echoed += byte == (char)(i + round);
    }
}

/* A thousand connections echo one byte at a time, each its own. */
BEHAVIOUR(a_byte_at_a_time)
{
    static struct aio_stream *clients[CONNECTIONS];
    struct crowd crowd = {.wanted = CONNECTIONS};
    struct rlimit former;
    struct aio_task *task;
    rlim_t limit = raise_limit(&former);
    if (limit < 2 * CONNECTIONS + 100)
        crowd.wanted = (int)(limit - 100) / 2;
    REQUIRE(tcp_server_open(&crowd.server, NULL));
    REQUIRE_OK(aio_task_spawn(&task, accept_all, &crowd, NULL));
    for (int i = 0; i < crowd.wanted; i++)
        REQUIRE_OK(aio_tcp_connect(&clients[i], crowd.server.text));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    for (int round = 0; round < ROUNDS; round++)
        exchange(clients, &crowd, round);
    AIO_CHECK_EQ(crowd.echoed, crowd.wanted * ROUNDS);
    for (int i = 0; i < crowd.wanted; i++)
        aio_stream_close(clients[i]);
    AIO_CHECK(test_wait(all_have_ended, NULL));
    aio_listener_close(crowd.server.listener);
    AIO_CHECK(setrlimit(RLIMIT_NOFILE, &former) == 0);
}

/* Connections on which nothing happens do not keep the loop turning. */
BEHAVIOUR(idle_connections)
{
    enum { IDLE = 200 };
    static struct tcp_call calls[IDLE];
    static char bytes[IDLE];
    static struct tcp_pair pairs[IDLE];
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    for (int i = 0; i < IDLE; i++) {
        REQUIRE_OK(aio_tcp_connect(&pairs[i].near, server.text));
        REQUIRE_OK(aio_listener_accept(server.listener, &pairs[i].far));
        calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = pairs[i].far, .buffer = &bytes[i], .size = 1};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    tcp_check_no_spin();
    for (int i = 0; i < IDLE; i++) {
        aio_stream_close(pairs[i].near);
        AIO_CHECK_EQ(tcp_call_join(&calls[i]), 0);
        aio_stream_close(pairs[i].far);
    }
    aio_listener_close(server.listener);
}

static int flood(void *arg)
{
    struct aio_stream *stream = arg;
    static char block[65536];
    while (aio_stream_write_all(stream, block, sizeof block, NULL) > 0)
        ;
    return 0;
}

static int drain(void *arg)
{
    static char block[65536];
    while (aio_stream_read(arg, block, sizeof block) > 0)
        ;
    return 0;
}

/* One stream that never rests keeps neither another from its turn, nor a timer. */
BEHAVIOUR(flood_leaves_room)
{
    struct tcp_pair flooded, other;
    struct aio_task *tasks[2];
    char byte = 0;
    REQUIRE(tcp_pair_open(&flooded));
    REQUIRE(tcp_pair_open(&other));
    REQUIRE_OK(aio_task_spawn(&tasks[0], flood, flooded.near, NULL));
    REQUIRE_OK(aio_task_spawn(&tasks[1], drain, flooded.far, NULL));
    int64_t start = aio_time_now();
    for (int i = 0; i < 50; i++) {
        AIO_CHECK_EQ(aio_stream_write(other.near, "p", 1), 1);
        AIO_CHECK_EQ(aio_stream_read(other.far, &byte, 1), 1);
        AIO_CHECK_OK(aio_time_sleep(AIO_US(50)));
    }
    AIO_CHECK(aio_time_now() - start < AIO_SEC(10) * test_slowness());
    tcp_pair_close(&flooded);
    AIO_CHECK_OK(aio_task_join(tasks[0], NULL));
    AIO_CHECK_OK(aio_task_join(tasks[1], NULL));
    tcp_pair_close(&other);
}
