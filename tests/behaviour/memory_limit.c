/*
 * The memory limit of a core: what asks for too much gets -ENOMEM, nothing is lost, and it works
 * again when memory has been given back.
 */
#define SUITE "memory_limit"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdlib.h>

enum { LIMIT = 400 * 1024, MANY = 400 };

static int note_run(void *ran)
{
    *(bool *)ran = true;
    return 0;
}

/* A runtime for which the limit is too small says so and leaves nothing, wherever it hits. */
static int start_with_little(void *unused)
{
    struct aio_runtime_options options = test_options();
    bool ran = false;
    (void)unused;
    for (options.memory_limit = 1; !ran; options.memory_limit += 2000) {
        int rc = aio_runtime_run(&options, note_run, &ran);
        if (!AIO_CHECK(ran ? rc == 0 : rc == -ENOMEM) || !AIO_CHECK(options.memory_limit < LIMIT))
            return 1;
    }
    return 0;
}

BEHAVIOUR_OUTSIDE(too_little_to_start)
{
    setenv("AIO_LOG", "off", 1);
    AIO_CHECK_EQ(start_with_little(NULL), 0);
    unsetenv("AIO_LOG");
}

static int spawn_sleepers(struct aio_task *tasks[MANY])
{
    for (int i = 0; i < MANY; i++) {
        int rc = aio_task_spawn(&tasks[i], task_sleep_forever, NULL, NULL);
        if (rc < 0) {
            AIO_CHECK_ERROR(rc, -ENOMEM);
            return i;
        }
    }
    return MANY;
}

/* Tasks are counted by the page that each takes; their stacks serve the next ones. */
BEHAVIOUR_WITH(spawning, .memory_limit = LIMIT)
{
    static struct aio_task *tasks[MANY];
    int first = 0;
    uint64_t before = task_stats().memory_used;
    for (int round = 0; round < 3; round++) {
        int count = spawn_sleepers(tasks);
        AIO_CHECK(count > 10 && count < MANY);
        AIO_CHECK(round == 0 || count >= first);
        first = count;
        struct aio_runtime_stats stats = task_stats();
        AIO_CHECK(stats.memory_used <= LIMIT && stats.memory_peak <= LIMIT);
        AIO_CHECK(stats.memory_used >= before + 4096 * (uint64_t)(count - 1));
        for (int i = 0; i < count; i++)
            AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
    }
}

/* Memory of stacks beyond the cache is given back, and nothing spins for want of it. */
BEHAVIOUR_WITH(giving_back, .memory_limit = LIMIT, .stack_cache = 4)
{
    static struct aio_task *tasks[MANY];
    int count = spawn_sleepers(tasks);
    uint64_t full = task_stats().memory_used;
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    AIO_CHECK(task_stats().memory_used + 4096 * (uint64_t)(count - 10) < full);
    AIO_CHECK_EQ(spawn_sleepers(tasks), count);
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
}

/* A server that closes what it has no memory to serve. */
struct server {
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct aio_task *task;
    int served;
    int refusals;
};

static int serve_one(void *arg)
{
    struct aio_stream *stream = arg;
    char byte;
    ssize_t n;
    while ((n = aio_stream_read(stream, &byte, 1)) == 1)
        if ((n = aio_stream_write(stream, &byte, 1)) < 0)
            break;
    aio_stream_close(stream);
    return (int)n;
}

static int serve(void *arg)
{
    struct server *server = arg;
    struct aio_stream *stream;
    int rc;
    while ((rc = aio_listener_accept(server->listener, &stream)) == 0 || rc == -ENOMEM) {
        bool accepted = rc == 0;
        if (accepted)
            rc = aio_task_spawn(NULL, serve_one, stream, NULL);
        if (rc == 0) {
            server->served++;
            continue;
        }
        AIO_CHECK_ERROR(rc, -ENOMEM);
        server->refusals++;
        if (accepted)
            aio_stream_close(stream);
        rc = aio_time_sleep(AIO_US(200));
        if (rc < 0)
            break;
    }
    return rc;
}

static bool server_open(struct server *server)
{
    *server = (struct server){.served = 0};
    return wire_listen(&server->listener, server->text) &&
           AIO_CHECK_OK(aio_task_spawn(&server->task, serve, server, NULL));
}

static void server_close(struct server *server)
{
    AIO_CHECK_ERROR(task_stop(server->task), -ECANCELED);
    aio_listener_close(server->listener);
}

/* A byte there and back. Returns 1, 0 when the server closed, or an error. */
static ssize_t talk(struct aio_stream *stream)
{
    char byte = 0;
    ssize_t n = aio_stream_write(stream, "x", 1);
    if (n == 1)
        n = aio_stream_read(stream, &byte, 1);
    return n;
}

/* The same, and -ETIMEDOUT when the server has refused somebody since it counted so many. */
static ssize_t talk_unless_refused(struct server *server, struct aio_stream *stream, int refusals)
{
    char byte = 0;
    ssize_t n = aio_stream_write(stream, "x", 1);
    if (n != 1)
        return n;
    do {
        AIO_TIMEOUT(AIO_MS(50))
        {
            n = aio_stream_read(stream, &byte, 1);
        }
    } while (n == -ETIMEDOUT && server->refusals == refusals);
    return n;
}

/* Connects until a client is refused, closed or not served. Returns how many are served; one more
 * may be open, in *unserved. */
static int connect_up_to(struct server *server, struct aio_stream *clients[MANY], int most,
                         struct aio_stream **unserved)
{
    *unserved = NULL;
    for (int i = 0; i < most; i++) {
        int refusals = server->refusals;
        int rc = aio_tcp_connect(&clients[i], server->text);
        if (rc < 0) {
            AIO_CHECK_ERROR(rc, -ENOMEM);
            return i;
        }
        if (talk_unless_refused(server, clients[i], refusals) != 1) {
            *unserved = clients[i];
            return i;
        }
    }
    return most;
}

static void close_all(struct aio_stream *clients[MANY], int count)
{
    for (int i = 0; i < count; i++)
        aio_stream_close(clients[i]);
}

/* What was written to it is answered now, or it was closed. */
static void check_unserved(struct aio_stream *client)
{
    char byte;
    ssize_t n = aio_stream_read(client, &byte, 1);
    if (n < 0)
        AIO_CHECK_ERROR(n, -ECONNRESET);
    aio_stream_close(client);
}

static bool is_alone(void *listeners)
{
    return task_stats().handles_open == *(unsigned *)listeners;
}

/* Leaves room for streams only: stacks enough are there, kept for reuse. */
static void use_up(size_t limit)
{
    static struct aio_task *tasks[MANY];
    int count = 0;
    while (count < MANY && task_stats().memory_used + 12 * 1024 < limit &&
           AIO_CHECK_OK(aio_task_spawn(&tasks[count], task_sleep_forever, NULL, NULL)))
        count++;
    for (int i = 0; i < count; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
}

static int serve_in_rounds(void *limit)
{
    static struct aio_stream *clients[MANY];
    struct server server;
    struct aio_stream *unserved;
    unsigned listeners = 1;
    int first = 0;
    if (!server_open(&server))
        return 1;
    if (limit != NULL)
        use_up(*(size_t *)limit);
    for (int round = 0; round < 3; round++) {
        int count = connect_up_to(&server, clients, round == 0 ? MANY : first, &unserved);
        AIO_CHECK(round == 0 ? count > 5 && count < MANY : count == first);
        for (int i = 0; i < count; i++)
            AIO_CHECK_EQ(talk(clients[i]), 1);
        close_all(clients, count);
        if (unserved != NULL)
            check_unserved(unserved);
        AIO_CHECK(test_wait(is_alone, &listeners));
        if (round == 0) /* what grows by doubling may have grown since */
            first = count - count / 4 - 2;
    }
    server_close(&server);
    return 0;
}

/* In the middle of a server's work: those who are served stay so, and when they leave, as many
 * others are served. The limits are near each other, so that another call is the one that hits. */
BEHAVIOUR_OUTSIDE(server)
{
    struct aio_runtime_options options = test_options();
    setenv("AIO_LOG", "error", 1);
    for (int i = 0; i < 6; i++) {
        options.memory_limit = LIMIT + 100 * (size_t)i;
        AIO_CHECK_EQ(
            aio_runtime_run(&options, serve_in_rounds, i % 2 == 0 ? NULL : &options.memory_limit),
            0);
    }
    unsetenv("AIO_LOG");
}
