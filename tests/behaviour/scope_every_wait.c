/*
 * Cancellation and deadlines at every wait of a scenario of time, joins, races, scopes and streams.
 */
#define SUITE "scope_every_wait"
#include "tests/behaviour/every_wait.h"

static int nap(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_US(20));
}

static int yield_twice(void *unused)
{
    (void)unused;
    int rc = aio_task_yield();
    return rc < 0 ? rc : aio_task_yield();
}

static int stage_time(struct scenario *scenario, struct aio_scope *scope)
{
    struct aio_interval interval;
    waiting(scenario, scope);
    int rc = aio_task_yield();
    waiting(scenario, scope);
    if (rc == 0)
        rc = aio_time_sleep(AIO_US(20));
    if (rc == 0)
        rc = aio_interval_start(&interval, AIO_US(20), AIO_INTERVAL_BURST);
    waiting(scenario, scope);
    if (rc == 0)
        rc = aio_interval_wait(&interval);
    if (rc < 0)
        return rc;
    waiting(scenario, scope);
    AIO_TIMEOUT(AIO_US(20))
    {
        rc = aio_time_sleep(AIO_FOREVER);
    }
    return rc == -ETIMEDOUT ? 0 : rc;
}

static int stage_join(struct scenario *scenario, struct aio_scope *scope)
{
    struct aio_task *task;
    int rc = aio_task_spawn(&task, nap, NULL, NULL);
    if (rc < 0)
        return rc;
    waiting(scenario, scope);
    rc = aio_task_join(task, NULL);
    if (rc < 0)
        (void)task_stop(task);
    return rc;
}

static int stage_branches(struct scenario *scenario, struct aio_scope *scope)
{
    struct aio_scope inner;
    struct aio_branch branches[] = {{.fn = nap}, {.fn = yield_twice}, {.fn = task_sleep_forever}};
    waiting(scenario, scope);
    int rc = aio_scope_race(branches, 3, 0);
    if (rc < 0)
        return rc;
    waiting(scenario, scope);
    rc = aio_scope_gather(branches, 2);
    if (rc < 0)
        return rc;
    AIO_CHECK_OK(aio_scope_open(&inner, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&inner, nap, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&inner, yield_twice, NULL));
    waiting(scenario, scope);
    return aio_scope_join(&inner);
}

static int connect_to(struct scenario *scenario, struct aio_scope *scope)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    if (!wire_listen(&listener, text))
        return -EIO;
    waiting(scenario, scope);
    int rc = aio_tcp_connect(&scenario->near, text);
    waiting(scenario, scope);
    if (rc == 0)
        rc = aio_listener_accept(listener, &scenario->far);
    aio_listener_close(listener);
    return rc;
}

enum { BULK_BYTES = 8 << 20 }; /* more than sockets hold */
static char bulk[BULK_BYTES];

static int say_hello(void *arg)
{
    int rc = yield_twice(NULL);
    return rc < 0 ? rc : (int)aio_stream_write_all(arg, "hello", 5, NULL);
}

static int swallow(void *arg)
{
    ssize_t n, left = BULK_BYTES;
    static char sink[1 << 20];
    while (left > 0 && (n = aio_stream_read(arg, sink, sizeof sink)) > 0)
        left -= n;
    return left > 0 ? -EIO : 0;
}

static int stage_stream(struct scenario *scenario, struct aio_scope *scope)
{
    char text[5];
    int rc = aio_scope_spawn(scope, say_hello, scenario->far);
    waiting(scenario, scope);
    ssize_t n = rc < 0 ? rc : aio_stream_read(scenario->near, text, 1);
    waiting(scenario, scope);
    if (n > 0)
        n = aio_stream_read_exact(scenario->near, text + 1, 4, NULL);
    if (n >= 0)
        n = aio_scope_spawn(scope, swallow, scenario->far);
    waiting(scenario, scope);
    if (n >= 0)
        n = aio_stream_write_all(scenario->near, bulk, sizeof bulk, NULL);
    return n < 0 ? (int)n : 0;
}

static int play_all(struct scenario *scenario, struct aio_scope *scope)
{
    int rc = stage_time(scenario, scope);
    if (rc >= 0)
        rc = stage_join(scenario, scope);
    if (rc >= 0)
        rc = stage_branches(scenario, scope);
    if (rc >= 0)
        rc = connect_to(scenario, scope);
    if (rc >= 0)
        rc = stage_stream(scenario, scope);
    return rc;
}

static void play(enum moment moment)
{
    every_wait_play((struct scenario){.play = play_all, .moment = moment}, 13);
}

EVERY_WAIT_TESTS(play)
