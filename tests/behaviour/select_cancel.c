/*
 * A scenario of channels and selects, cancelled at each of its waits in turn; and selects as large
 * as they may be.
 */
#define SUITE "select_cancel"
#include "tests/behaviour/task_tools.h"

#include <aio/select.h>
#include <errno.h>

struct scenario {
    struct aio_channel *in;
    struct aio_channel *out;
    struct aio_broadcast *news;
    int put; /* items that went into `in`, came out of it, and so on */
    int got;
    int passed;
    int heard;
};

/* Takes an item by select, passes it on, waits for the news and for a task: each a wait, at which
 * it may be cancelled. */
static int scenario_step(struct scenario *scenario, struct aio_subscriber *subscriber)
{
    int item, rc;
    struct aio_select_case cases[] = {aio_select_receive(scenario->in, &item),
                                      aio_select_after(AIO_SEC(60))};
    rc = aio_select_wait(cases, 2);
    if (rc < 0)
        return rc;
    scenario->got++;
    rc = aio_channel_send(scenario->out, &item);
    if (rc < 0)
        return rc;
    scenario->passed++;
    cases[0] = aio_select_subscriber(subscriber, &item);
    rc = aio_select_wait(cases, 2);
    if (rc < 0)
        return rc;
    scenario->heard++;
    return 0;
}

static int scenario_middle(void *arg)
{
    struct scenario *scenario = arg;
    struct aio_subscriber *subscriber;
    int rc = aio_broadcast_subscribe(&subscriber, scenario->news);
    if (rc < 0)
        return rc;
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = scenario_step(scenario, subscriber);
    aio_subscriber_free(subscriber);
    return rc;
}

static int scenario_source(void *arg)
{
    struct scenario *scenario = arg;
    int rc;
    while ((rc = aio_channel_send(scenario->in, &scenario->put)) == 0)
        scenario->put++;
    return rc;
}

static int scenario_sink(void *arg)
{
    struct scenario *scenario = arg;
    int item, rc, count = 0;
    while ((rc = aio_channel_receive(scenario->out, &item)) == 1) {
        count++;
        AIO_CHECK_OK(aio_broadcast_send(scenario->news, &item));
    }
    return rc < 0 ? rc : count;
}

/* Runs it and cancels the middle after so many turns. Returns what the middle returned. */
static int scenario_run(int turns)
{
    struct scenario scenario = {.put = 0};
    int sent = 0;
    AIO_CHECK_OK(aio_channel_open(&scenario.in, sizeof(int), 0));
    AIO_CHECK_OK(aio_channel_open(&scenario.out, sizeof(int), 0));
    AIO_CHECK_OK(aio_broadcast_open(&scenario.news, sizeof(int), 8));
    struct aio_task *middle = task_named("middle", scenario_middle, &scenario);
    struct aio_task *source = task_named("source", scenario_source, &scenario);
    struct aio_task *sink = task_named("sink", scenario_sink, &scenario);
    for (int i = 0; i < turns; i++)
        AIO_CHECK_OK(aio_task_yield());
    int rc = task_stop(middle);
    aio_channel_close(scenario.in);
    aio_channel_close(scenario.out);
    AIO_CHECK_OK(aio_task_join(source, NULL));
    AIO_CHECK_OK(aio_task_join(sink, &sent));
    AIO_CHECK_EQ(scenario.got, scenario.put);
    AIO_CHECK_EQ(scenario.passed, sent);
    AIO_CHECK(scenario.got - scenario.passed <= 1 && scenario.passed - scenario.heard <= 1);
    AIO_CHECK(rc < 0 || scenario.heard == 3);
    aio_channel_free(scenario.in);
    aio_channel_free(scenario.out);
    aio_broadcast_free(scenario.news);
    return rc;
}

/* Whichever wait is cut short: what was taken was taken once, and nothing was passed on twice. */
BEHAVIOUR(canceled_at_each_wait)
{
    int turns = 0;
    while (turns < 1000 && scenario_run(turns) < 0)
        turns++;
    AIO_CHECK(turns >= 4 && turns < 1000);
}

struct large {
    struct aio_channel *channels[AIO_SELECT_CASES];
    int order[AIO_SELECT_CASES];
    int count;
};

static int large_select(void *arg)
{
    struct large *large = arg;
    struct aio_select_case cases[AIO_SELECT_CASES];
    int item, which = 0;
    for (int i = 0; i < AIO_SELECT_CASES; i++)
        cases[i] = aio_select_receive(large->channels[i], &item);
    while (large->count < AIO_SELECT_CASES) {
        which = aio_select_wait(cases, AIO_SELECT_CASES);
        if (which < 0 || item != which)
            return -1;
        large->order[large->count++] = which;
        cases[which] = (struct aio_select_case){.kind = NULL}; /* never again */
    }
    return 0;
}

/* As many cases as there may be: each is chosen when its channel is sent to, and switched off. */
BEHAVIOUR(as_many_cases_as_allowed)
{
    struct large large = {.count = 0};
    int result = -1;
    for (int i = 0; i < AIO_SELECT_CASES; i++)
        REQUIRE_OK(aio_channel_open(&large.channels[i], sizeof(int), 0));
    struct aio_task *task = task_named("large", large_select, &large);
    for (int i = 0; i < AIO_SELECT_CASES; i++) {
        int at = (i * 27 + 5) % AIO_SELECT_CASES;
        AIO_CHECK_OK(aio_channel_send(large.channels[at], &at));
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK(large.count == i + 1 && large.order[i] == at);
    }
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, 0);
    for (int i = 0; i < AIO_SELECT_CASES; i++)
        aio_channel_free(large.channels[i]);
}
