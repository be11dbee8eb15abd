/*
 * Cancellation at every wait: a scenario of many different waits is played again and again, the
 * n-th wait cancelled for every n, in the moments before and during it. Whatever was under way
 * must have ended then, and nothing be left.
 */
#define SUITE "scope_every_wait"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>
#include <errno.h>

/* When the chosen wait is cancelled. */
enum moment { BEFORE_IT, WHEN_PARKED, A_ROUND_LATER, THREE_ROUNDS_LATER, MOMENTS };

struct scenario {
    int waits;  /* entered so far */
    int chosen; /* the one to be cancelled, from 1 */
    enum moment moment;
    struct aio_task *task;
    struct aio_stream *near; /* connected to each other while open */
    struct aio_stream *far;
};

/* Belongs to the scenario's task as long as that lives, which is told by its scope. */
static int cancel_player(void *arg)
{
    struct scenario *scenario = arg;
    for (int i = scenario->moment == A_ROUND_LATER ? 1 : 3; i > 0; i--)
        if (scenario->moment != WHEN_PARKED && aio_task_yield() < 0)
            return 0;
    aio_task_cancel(scenario->task);
    return 0;
}

/* To be called with each call that may wait; the canceller is a child of the player's stage. */
static void waiting(struct scenario *scenario, struct aio_scope *scope)
{
    if (++scenario->waits != scenario->chosen)
        return;
    if (scenario->moment == BEFORE_IT)
        aio_task_cancel(scenario->task);
    else
        AIO_CHECK_OK(aio_scope_spawn(scope, cancel_player, scenario));
}

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

static int play(void *arg)
{
    struct scenario *scenario = arg;
    struct aio_scope scope;
    scenario->task = aio_task_current();
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    int rc = stage_time(scenario, &scope);
    if (rc >= 0)
        rc = stage_join(scenario, &scope);
    if (rc >= 0)
        rc = stage_branches(scenario, &scope);
    if (rc >= 0)
        rc = connect_to(scenario, &scope);
    if (rc >= 0)
        rc = stage_stream(scenario, &scope);
    if (rc >= 0)
        waiting(scenario, &scope);
    else
        aio_scope_cancel(&scope);
    int joined = aio_scope_join(&scope);
    if (scenario->near != NULL)
        aio_stream_close(scenario->near);
    if (scenario->far != NULL)
        aio_stream_close(scenario->far);
    return rc < 0 ? rc : joined;
}

/* Plays with one wait cancelled. Tells whether there was such a wait. */
static bool play_once(int chosen, enum moment moment)
{
    struct scenario scenario = {.chosen = chosen, .moment = moment};
    struct aio_task *task;
    int result = 1;
    if (!AIO_CHECK_OK(aio_task_spawn(&task, play, &scenario, NULL)))
        return false;
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK(result == 0 || result == -ECANCELED);
    if (moment == BEFORE_IT || scenario.waits < chosen)
        AIO_CHECK_EQ(result, scenario.waits < chosen ? 0 : -ECANCELED);
    struct aio_runtime_stats stats = task_stats();
    AIO_CHECK_EQ(stats.tasks_live, 1);
    AIO_CHECK_EQ(stats.ops_pending, 0);
    AIO_CHECK_EQ(stats.handles_open, 0);
    return scenario.waits >= chosen;
}

static void play_all(enum moment moment)
{
    int chosen = 1;
    while (play_once(chosen, moment))
        chosen++;
    AIO_CHECK_EQ(chosen, 15); /* as many waits as the stages have, and one more */
}

BEHAVIOUR(cancelled_before)
{
    play_all(BEFORE_IT);
}

BEHAVIOUR(cancelled_when_parked)
{
    play_all(WHEN_PARKED);
}

BEHAVIOUR(cancelled_a_round_later)
{
    play_all(A_ROUND_LATER);
}

BEHAVIOUR(cancelled_three_rounds_later)
{
    play_all(THREE_ROUNDS_LATER);
}
