/*
 * I/O of a runtime inside another event loop.
 */
#define SUITE "embed_io"
#include "tests/behaviour/tcp_support.h"

#include "tests/behaviour/embed_tools.h"

#include <aio/buf.h>
#include <aio/pipe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

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
    struct embed_loop loop;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach(&loop, talk, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK_OK(embed_result(runtime));
    embed_close(&loop);
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
    struct embed_loop loop;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach(&loop, talk_rented, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK_OK(embed_result(runtime));
    embed_close(&loop);
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
    struct embed_loop loop;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach_with(&loop, 8, talk_at_once, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK_OK(embed_result(runtime));
    embed_close(&loop);
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
    struct embed_loop loop;
    REQUIRE(embed_open(&loop));
    struct aio_runtime *runtime = embed_attach(&loop, wait_for_everything, NULL);
    REQUIRE(runtime != NULL);
    int64_t limit_ns = aio_time_now() + AIO_SEC(5) * test_slowness();
    while (embed_turn(&loop, 20) && aio_time_now() < limit_ns)
        continue;
    AIO_CHECK(aio_time_now() < limit_ns);
    loop.turns = 0;
    AIO_CHECK(!embed_turn(&loop, 50) || test_row()->faults);
    AIO_CHECK_EQ(aio_runtime_turn(runtime), 1); /* for nothing */
    while (embed_turn(&loop, 20) && aio_time_now() < limit_ns)
        continue;
    AIO_CHECK(loop.turns <= 3);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK(embed_run(&loop));
    embed_close(&loop);
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
    struct embed_loop loop;
    struct short_server server = {.port = 0};
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps RLIMIT_NOFILE from the kernel");
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(embed_open(&loop));
    REQUIRE(embed_attach(&loop, accept_one, &server) != NULL);
    while (server.port == 0 && embed_turn(&loop, 1000))
        continue;
    while (embed_turn(&loop, 10))
        continue;
    AIO_CHECK(connect_to(fd, server.port));
    int64_t until_ns = aio_time_now() + AIO_MS(20);
    while (aio_time_now() < until_ns)
        (void)embed_turn(&loop, 5);
    AIO_CHECK(!server.accepted);
    AIO_CHECK(loop.turns < (test_row()->faults ? 30000 : 300)); /* faults turn it while they last */
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &server.before), 0);
    AIO_CHECK(embed_run(&loop));
    AIO_CHECK(server.accepted);
    close(fd);
    embed_close(&loop);
}

/* Two runtimes of one thread that hold back SIGPIPE, of which the first to do so ends first. */
struct holders {
    struct embed_loop loop;
    int begun;
    ssize_t written;
};

static int hold_and_end(void *arg)
{
    struct holders *holders = arg;
    struct aio_stream *reader, *writer;
    if (!AIO_CHECK_OK(aio_pipe_open(&reader, &writer)))
        return -1;
    holders->begun = 1;
    while (holders->begun < 2)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    aio_stream_close(reader);
    aio_stream_close(writer);
    return 0;
}

static int hold_and_write(void *arg)
{
    struct holders *holders = arg;
    struct aio_stream *reader, *writer;
    while (holders->begun < 1)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    if (!AIO_CHECK_OK(aio_pipe_open(&reader, &writer)))
        return -1;
    holders->begun = 2;
    while (holders->loop.alive > 1)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    aio_stream_close(reader);
    holders->written = aio_stream_write(writer, "x", 1);
    aio_stream_close(writer);
    return 0;
}

BEHAVIOUR_OUTSIDE(signals_are_held_back_until_the_last_ends)
{
    struct holders holders = {.begun = 0};
    struct sigaction former, by_default = {.sa_handler = SIG_DFL};
    sigset_t mask, pending;
    REQUIRE(sigaction(SIGPIPE, &by_default, &former) == 0 && embed_open(&holders.loop));
    REQUIRE(embed_attach(&holders.loop, hold_and_end, &holders) != NULL);
    REQUIRE(embed_attach(&holders.loop, hold_and_write, &holders) != NULL);
    AIO_CHECK(embed_run(&holders.loop));
    embed_close(&holders.loop);
    AIO_CHECK_ERROR(holders.written, -EPIPE);
    REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigpending(&pending) == 0);
    AIO_CHECK_EQ(sigismember(&mask, SIGPIPE), 0);
    AIO_CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
    REQUIRE(sigaction(SIGPIPE, &former, NULL) == 0);
}
