/*
 * Cancellation at every wait: a scenario of many waits is played again and again, the n-th wait
 * cancelled for every n, in the moments before and during it, or running into a deadline. Whatever
 * was under way must have ended then, and nothing be left.
 */
#ifndef AIO_TESTS_BEHAVIOUR_EVERY_WAIT_H
#define AIO_TESTS_BEHAVIOUR_EVERY_WAIT_H

#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>
#include <errno.h>

/* When the chosen wait is cancelled; the last one sets it a deadline of 2 us instead. */
enum moment { BEFORE_IT, WHEN_PARKED, A_ROUND_LATER, THREE_ROUNDS_LATER, OUT_OF_TIME };

struct scenario {
    int waits;  /* entered so far */
    int chosen; /* the one to be cancelled, from 1 */
    enum moment moment;
    bool lasting; /* no wait ends before it is cancelled, so the chosen one is the last */
    bool played;  /* to its end */
    struct aio_deadline deadline;
    struct aio_task *task;
    int (*play)(struct scenario *scenario, struct aio_scope *scope);
    void (*end)(struct scenario *scenario); /* after the last child; may be NULL */
    struct aio_stream *near;                /* connected to each other while open */
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
    else if (scenario->moment == OUT_OF_TIME)
        aio_deadline_set(&scenario->deadline, AIO_US(2));
    else
        AIO_CHECK_OK(aio_scope_spawn(scope, cancel_player, scenario));
}

static int every_wait_task(void *arg)
{
    struct scenario *scenario = arg;
    struct aio_scope scope;
    scenario->task = aio_task_current();
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    int rc = scenario->play(scenario, &scope);
    scenario->played = rc >= 0;
    if (rc >= 0)
        waiting(scenario, &scope);
    else
        aio_scope_cancel(&scope);
    int joined = aio_scope_join(&scope);
    aio_deadline_clear(&scenario->deadline);
    if (scenario->near != NULL)
        aio_stream_close(scenario->near);
    if (scenario->far != NULL)
        aio_stream_close(scenario->far);
    if (scenario->end != NULL)
        scenario->end(scenario);
    return rc < 0 ? rc : joined;
}

/* How it ended, if the chosen wait was there. The last of all has nothing to wait for that takes
 * longer than the deadline. */
static void every_wait_check(const struct scenario *scenario, int result)
{
    if (scenario->moment == OUT_OF_TIME)
        AIO_CHECK(result == -ETIMEDOUT || (result == 0 && scenario->played));
    else
        AIO_CHECK_ERROR(result, -ECANCELED);
    if (scenario->lasting)
        AIO_CHECK_EQ(scenario->waits, scenario->chosen);
}

/* Plays with one wait cancelled. Tells whether there was such a wait. */
static bool every_wait_once(struct scenario scenario)
{
    struct aio_task *task;
    int result = 1;
    if (!AIO_CHECK_OK(aio_task_spawn(&task, every_wait_task, &scenario, NULL)))
        return false;
    AIO_CHECK_OK(aio_task_join(task, &result));
    if (scenario.waits >= scenario.chosen)
        every_wait_check(&scenario, result);
    else
        AIO_CHECK_OK(result);
    struct aio_runtime_stats stats = task_stats();
    AIO_CHECK_EQ(stats.tasks_live, 1);
    AIO_CHECK_EQ(stats.ops_pending, 0);
    AIO_CHECK_EQ(stats.handles_open, 0);
    return scenario.waits >= scenario.chosen;
}

/* The scenario has so many waits, and that at its end. */
static void every_wait_play(struct scenario scenario, int waits)
{
    scenario.chosen = 1;
    while (every_wait_once(scenario))
        scenario.chosen++;
    AIO_CHECK_EQ(scenario.chosen, waits + 2); /* one more that there was not */
}

/* A test for each moment, all that play(moment). */
#define EVERY_WAIT_TESTS(play)                                                                     \
    BEHAVIOUR(cancelled_before)                                                                    \
    {                                                                                              \
        play(BEFORE_IT);                                                                           \
    }                                                                                              \
    BEHAVIOUR(cancelled_when_parked)                                                               \
    {                                                                                              \
        play(WHEN_PARKED);                                                                         \
    }                                                                                              \
    BEHAVIOUR(cancelled_a_round_later)                                                             \
    {                                                                                              \
        play(A_ROUND_LATER);                                                                       \
    }                                                                                              \
    BEHAVIOUR(cancelled_three_rounds_later)                                                        \
    {                                                                                              \
        play(THREE_ROUNDS_LATER);                                                                  \
    }                                                                                              \
    BEHAVIOUR(out_of_time)                                                                         \
    {                                                                                              \
        play(OUT_OF_TIME);                                                                         \
    }

#endif
