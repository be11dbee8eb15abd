/*
 * A runtime inside another event loop: here a plain one over epoll(7).
 */
#define SUITE "embed_loop"
#include "tests/behaviour/tcp_support.h"

#include "tests/behaviour/cores_tools.h"

#include <aio/buf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST = 2 };

/* The loop, and the runtimes in it. */
struct loop {
    int epoll;
    struct aio_runtime *runtimes[MOST];
    int alive;
    uint64_t turns;
};

static bool loop_open(struct loop *loop)
{
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return AIO_CHECK(loop->epoll >= 0);
}

static struct aio_runtime *loop_attach_with(struct loop *loop, uint32_t ring_entries,
                                            int (*entry)(void *arg), void *arg)
{
    struct aio_runtime *runtime;
    struct aio_runtime_options options = test_options();
    options.ring_entries = ring_entries;
    if (!AIO_CHECK_OK(aio_runtime_create(&runtime, &options)))
        return NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = runtime};
    AIO_CHECK_ERROR(aio_runtime_fd(runtime), -EINVAL);
    AIO_CHECK_OK(aio_runtime_attach(runtime, entry, arg));
    int fd = aio_runtime_fd(runtime);
    AIO_CHECK(fd >= 0);
    AIO_CHECK_EQ(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event), 0);
    loop->runtimes[loop->alive++] = runtime;
    return runtime;
}

static struct aio_runtime *loop_attach(struct loop *loop, int (*entry)(void *arg), void *arg)
{
    return loop_attach_with(loop, 0, entry, arg);
}

/* Waits at most that long for a runtime that is ready, and turns it. Returns whether one was. */
static bool loop_turn(struct loop *loop, int timeout_ms)
{
    struct epoll_event event;
    if (epoll_wait(loop->epoll, &event, 1, timeout_ms) != 1)
        return false;
    loop->turns++;
    int rc = aio_runtime_turn(event.data.ptr);
    if (rc == 0) {
        loop->alive--;
        AIO_CHECK_ERROR(aio_runtime_fd(event.data.ptr), -EINVAL);
        AIO_CHECK_EQ(aio_runtime_turn(event.data.ptr), 0);
    }
    AIO_CHECK(rc == 0 || rc == 1);
    return true;
}

/* Turns until all runtimes are over. */
static bool loop_run(struct loop *loop)
{
    int64_t limit_ns = aio_time_now() + AIO_SEC(10) * test_slowness();
    while (loop->alive > 0 && aio_time_now() < limit_ns)
        (void)loop_turn(loop, 100);
    return AIO_CHECK_EQ(loop->alive, 0);
}

static void loop_close(struct loop *loop)
{
    for (int i = 0; i < MOST; i++)
        aio_runtime_destroy(loop->runtimes[i]);
    close(loop->epoll);
}

static int result_of(struct aio_runtime *runtime)
{
    int result = -1;
    AIO_CHECK_OK(aio_runtime_wait(runtime, &result));
    return result;
}

static int note_entry(void *arg)
{
    *(int *)arg = 1;
    AIO_CHECK_ERROR(aio_runtime_turn(aio_runtime_current()), -EBUSY);
    return aio_task_yield() == 0 ? 6 : -1;
}

/* Nothing runs before the first turn; the last one ends the runtime. */
BEHAVIOUR_OUTSIDE(runs_in_turns)
{
    struct loop loop;
    int entered = 0;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach(&loop, note_entry, &entered);
    REQUIRE(runtime != NULL);
    AIO_CHECK_ERROR(aio_runtime_wait(runtime, NULL), -EDEADLK); /* nobody would turn it */
    AIO_CHECK_EQ(entered, 0);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK_EQ(entered, 1);
    AIO_CHECK_EQ(result_of(runtime), 6);
    loop_close(&loop);
}

/* A runtime of several cores has no place in a loop. */
BEHAVIOUR_OUTSIDE(one_core_only)
{
    struct aio_runtime *runtime = cores_create(2);
    REQUIRE(runtime != NULL);
    AIO_CHECK_ERROR(aio_runtime_attach(runtime, cores_serve, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_runtime_turn(runtime), -EINVAL);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(aio_runtime_serve(runtime, cores_serve, NULL));
    aio_runtime_destroy(runtime);
}

static int echo_back(void *stream)
{
    char buffer[256];
    ssize_t n;
    while ((n = aio_stream_read(stream, buffer, sizeof buffer)) > 0)
        if (aio_stream_write_all(stream, buffer, (size_t)n, NULL) < 0)
            break;
    return (int)n;
}

static int talk(void *arg)
{
    struct tcp_pair pair;
    char sent[200], got[200];
    (void)arg;
    if (!tcp_pair_open(&pair))
        return -1;
    struct aio_task *task = task_named("echo", echo_back, pair.far);
    for (int i = 0; i < 100 / (int)test_slowness(); i++) {
        test_pattern_fill(sent, sizeof sent, (uint64_t)i);
        AIO_CHECK_EQ(aio_stream_write_all(pair.near, sent, sizeof sent, NULL), sizeof sent);
        AIO_CHECK_EQ(aio_stream_read_exact(pair.near, got, sizeof got, NULL), sizeof got);
        AIO_CHECK(test_pattern_check(got, sizeof got, (uint64_t)i));
    }
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    tcp_pair_close(&pair);
    return 0;
}

BEHAVIOUR_OUTSIDE(echo_over_tcp)
{
    struct loop loop;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach(&loop, talk, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK_OK(result_of(runtime));
    loop_close(&loop);
}

enum { RENTED_BYTES = 300000 };

static int echo_rented(void *stream)
{
    struct aio_buffer *buffer;
    ssize_t n;
    while ((n = aio_stream_read_rent(stream, &buffer)) > 0)
        if ((n = aio_stream_write_rent(stream, buffer)) < 0)
            break;
    return n < 0 ? (int)n : aio_stream_flush(stream);
}

static int send_pattern(void *stream)
{
    char bytes[1000];
    int rc = 0;
    for (uint64_t at = 0; at < RENTED_BYTES && rc == 0; at += sizeof bytes) {
        test_pattern_fill(bytes, sizeof bytes, at);
        ssize_t n = aio_stream_write_all(stream, bytes, sizeof bytes, NULL);
        rc = n < 0 ? (int)n : 0;
    }
    return rc;
}

/* The replies fill what the peer has room for: what is queued goes out by completions alone. */
static int talk_rented(void *arg)
{
    struct tcp_pair pair;
    char got[1000];
    (void)arg;
    if (!tcp_pair_open(&pair))
        return -1;
    AIO_CHECK_OK(aio_stream_option_set(pair.far, AIO_STREAM_SEND_BUFFER, 4096));
    struct aio_task *echo = task_named("echo", echo_rented, pair.far);
    struct aio_task *sender = task_named("sender", send_pattern, pair.near);
    for (uint64_t at = 0; at < RENTED_BYTES; at += sizeof got) {
        AIO_CHECK_EQ(aio_stream_read_exact(pair.near, got, sizeof got, NULL), sizeof got);
        AIO_CHECK(test_pattern_check(got, sizeof got, at));
    }
    AIO_CHECK_OK(aio_task_join(sender, NULL));
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_task_join(echo, NULL));
    tcp_pair_close(&pair);
    return 0;
}

BEHAVIOUR_OUTSIDE(rented_buffers)
{
    struct loop loop;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach(&loop, talk_rented, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK_OK(result_of(runtime));
    loop_close(&loop);
}

static int talk_at_once(void *arg)
{
    enum { TALKERS = 40 };
    struct aio_task *tasks[TALKERS];
    for (int i = 0; i < TALKERS; i++)
        tasks[i] = task_named("talker", talk, arg);
    for (int i = 0; i < TALKERS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    return 0;
}

/* More at once than the ring has room for. */
BEHAVIOUR_OUTSIDE(small_ring)
{
    struct loop loop;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach_with(&loop, 8, talk_at_once, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK_OK(result_of(runtime));
    loop_close(&loop);
}

static int sleep_often(void *arg)
{
    int64_t start_ns = aio_time_now();
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(700)));
    AIO_CHECK(aio_time_now() - start_ns >= 20 * AIO_US(700));
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    }
    *(int64_t *)arg = aio_time_now() - start_ns;
    return 0;
}

/* Timers make the descriptor readable when they are due, and turns in between are few. */
BEHAVIOUR_OUTSIDE(timers)
{
    struct loop loop;
    int64_t took_ns = 0;
    REQUIRE(loop_open(&loop));
    REQUIRE(loop_attach(&loop, sleep_often, &took_ns) != NULL);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK(took_ns < AIO_SEC(2) * test_slowness());
    AIO_CHECK(loop.turns < 150);
    loop_close(&loop);
}

static atomic_int ran;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* Posts one at a time and stops in the end. */
static void *post_and_stop(void *runtime)
{
    for (int i = 1; i <= 100; i++) {
        AIO_CHECK_OK(aio_runtime_post(runtime, 0, count, NULL));
        if (!cores_wait_outside(&ran, i))
            break;
    }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    return NULL;
}

/* A thread's posts and its stop wake the loop that sleeps. */
BEHAVIOUR_OUTSIDE(posts_from_a_thread)
{
    struct loop loop;
    pthread_t thread;
    ran = 0;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach(&loop, cores_serve, NULL);
    REQUIRE(runtime != NULL);
    REQUIRE(thread_start(&thread, post_and_stop, runtime));
    AIO_CHECK(loop_run(&loop));
    thread_join(thread);
    AIO_CHECK_EQ(ran, 100);
    AIO_CHECK_OK(result_of(runtime));
    loop_close(&loop);
}

static int wait_for_everything(void *unused)
{
    struct tcp_server server;
    struct aio_stream *stream;
    struct tcp_pair pair;
    (void)unused;
    if (!tcp_pair_open(&pair) || !tcp_server_open(&server, NULL))
        return -1;
    AIO_CHECK_OK(aio_task_spawn(NULL, echo_back, pair.near, NULL));
    AIO_CHECK_OK(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL));
    AIO_TIMEOUT(AIO_SEC(60))
    {
        AIO_CHECK_ERROR(aio_listener_accept(server.listener, &stream), -ECANCELED);
    }
    aio_listener_close(server.listener);
    aio_stream_close(pair.far);
    return 0;
}

/* At rest nothing is readable: the loop sleeps. The fault shim may turn while it keeps something
 * back. */
BEHAVIOUR_OUTSIDE(at_rest)
{
    struct loop loop;
    REQUIRE(loop_open(&loop));
    struct aio_runtime *runtime = loop_attach(&loop, wait_for_everything, NULL);
    REQUIRE(runtime != NULL);
    int64_t limit_ns = aio_time_now() + AIO_SEC(5) * test_slowness();
    while (loop_turn(&loop, 20) && aio_time_now() < limit_ns)
        continue;
    AIO_CHECK(aio_time_now() < limit_ns);
    loop.turns = 0;
    AIO_CHECK(!loop_turn(&loop, 50));
    AIO_CHECK_EQ(aio_runtime_turn(runtime), 1); /* for nothing */
    while (loop_turn(&loop, 20) && aio_time_now() < limit_ns)
        continue;
    AIO_CHECK(loop.turns <= 3);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK(loop_run(&loop));
    loop_close(&loop);
}

static int leave_some(void *unused)
{
    struct aio_listener *listener;
    struct aio_stream *stream;
    (void)unused;
    if (aio_tcp_listen(&listener, "127.0.0.1:0", NULL) < 0)
        return -1;
    (void)!aio_task_spawn(NULL, task_sleep_forever, NULL, NULL); /* not when it is ending */
    return aio_listener_accept(listener, &stream);
}

/* Destroying one that still lives ends it at once, its listeners and sleepers included. */
BEHAVIOUR_OUTSIDE(destroyed_alive)
{
    for (int turns = 0; turns < 20; turns += 5) {
        struct loop loop;
        REQUIRE(loop_open(&loop));
        REQUIRE(loop_attach(&loop, leave_some, NULL) != NULL);
        for (int i = 0; i < turns; i++)
            (void)loop_turn(&loop, 5);
        loop_close(&loop);
    }
}

/* Two runtimes that post to each other. */
struct game {
    struct aio_runtime *players[MOST];
    int rallies;
};

static int strike(void *arg)
{
    struct game *game = arg;
    int side = game->rallies++ % MOST;
    AIO_CHECK(aio_runtime_current() == game->players[side]);
    if (game->rallies < 200)
        return aio_runtime_post(game->players[game->rallies % MOST], 0, strike, game);
    for (int i = 0; i < MOST; i++)
        AIO_CHECK_OK(aio_runtime_stop(game->players[i], 0));
    return 0;
}

BEHAVIOUR_OUTSIDE(two_on_one_thread)
{
    struct loop loop;
    struct game game = {.rallies = 0};
    REQUIRE(loop_open(&loop));
    for (int i = 0; i < MOST; i++) {
        game.players[i] = loop_attach(&loop, cores_serve, NULL);
        REQUIRE(game.players[i] != NULL);
    }
    AIO_CHECK_OK(aio_runtime_post(game.players[0], 0, strike, &game));
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK_EQ(game.rallies, 200);
    loop_close(&loop);
}

static void *turn_it(void *runtime)
{
    (void)aio_runtime_turn(runtime);
    return NULL;
}

static int turn_elsewhere(void *unused)
{
    pthread_t thread;
    struct aio_runtime *runtime = cores_create(1);
    (void)unused;
    if (runtime == NULL || aio_runtime_attach(runtime, cores_serve, NULL) < 0 ||
        !thread_start(&thread, turn_it, runtime))
        return 2;
    thread_join(thread);
    return 3;
}

/* Only the thread that attached it may turn it. */
BEHAVIOUR_OUTSIDE(turned_by_another_thread)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, turn_elsewhere, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_runtime_turn was called by another thread than aio_runtime_attach");
}

/* A server that finds no descriptor for its first connection. */
struct short_server {
    atomic_int port;
    struct rlimit before;
    bool accepted;
};

/* Descriptors in use stay; the kernel looks at the limit when the accept is made. */
static bool forbid_descriptors(struct short_server *server)
{
    int lowest = dup(STDERR_FILENO);
    (void)close(lowest);
    if (!AIO_CHECK_EQ(getrlimit(RLIMIT_NOFILE, &server->before), 0))
        return false;
    struct rlimit none = server->before;
    none.rlim_cur = (rlim_t)lowest;
    return AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static int accept_one(void *arg)
{
    struct short_server *server = arg;
    struct tcp_server tcp;
    struct aio_stream *stream;
    if (!tcp_server_open(&tcp, NULL) || !forbid_descriptors(server))
        return -1;
    atomic_store(&server->port, tcp.port);
    AIO_CHECK_OK(aio_listener_accept(tcp.listener, &stream));
    server->accepted = true;
    aio_stream_close(stream);
    aio_listener_close(tcp.listener);
    return 0;
}

static bool connect_to(int fd, int port)
{
    struct aio_address address;
    char text[32];
    (void)snprintf(text, sizeof text, "127.0.0.1:%d", port);
    return AIO_CHECK_OK(aio_address_parse(&address, text)) &&
           AIO_CHECK_EQ(connect(fd, &address.any, address.length), 0);
}

/* An accept without a descriptor is tried again, although nothing but time wakes the loop. */
BEHAVIOUR_OUTSIDE(accept_without_descriptors)
{
    struct loop loop;
    struct short_server server = {.port = 0};
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps RLIMIT_NOFILE from the kernel");
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(loop_open(&loop));
    REQUIRE(loop_attach(&loop, accept_one, &server) != NULL);
    while (server.port == 0 && loop_turn(&loop, 1000))
        continue;
    while (loop_turn(&loop, 10))
        continue;
    AIO_CHECK(connect_to(fd, server.port));
    int64_t until_ns = aio_time_now() + AIO_MS(20);
    while (aio_time_now() < until_ns)
        (void)loop_turn(&loop, 5);
    AIO_CHECK(!server.accepted);
    AIO_CHECK(loop.turns < (test_row()->faults ? 30000 : 300)); /* faults turn it while they last */
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &server.before), 0);
    AIO_CHECK(loop_run(&loop));
    AIO_CHECK(server.accepted);
    close(fd);
    loop_close(&loop);
}
