/*
 * Select's case of a task that ends.
 */
#define SUITE "select_join"
#include "tests/behaviour/task_tools.h"

#include <aio/select.h>
#include <errno.h>

/* A select over the end of a task and a channel, and which of them it was. */
struct choice {
    struct aio_task *task;
    struct aio_channel *channel;
    int which;
};

static int choose(void *arg)
{
    struct choice *choice = arg;
    int item, result;
    struct aio_select_case cases[] = {aio_select_join(choice->task, &result),
                                      aio_select_receive(choice->channel, &item)};
    choice->which = aio_select_wait(cases, 2);
    return 0;
}

/* Opens the channel, and a task that waits for it and for the end of the one given. */
static struct aio_task *choice_open(struct choice *choice, int (*fn)(void *arg))
{
    *choice = (struct choice){.which = -1};
    if (!AIO_CHECK_OK(aio_channel_open(&choice->channel, sizeof(int), 0)))
        return NULL;
    choice->task = task_named("awaited", fn, NULL);
    struct aio_task *chooser = task_named("choosing", choose, choice);
    AIO_CHECK(task_wait_parked("choosing"));
    return chooser;
}

/* The select has chosen the channel, and not run yet. */
static void choice_decide(struct choice *choice)
{
    int item = 1;
    AIO_CHECK_OK(aio_channel_send(choice->channel, &item));
}

static void choice_close(struct choice *choice, struct aio_task *chooser)
{
    AIO_CHECK_OK(aio_task_join(chooser, NULL));
    AIO_CHECK_EQ(choice->which, 1);
    aio_channel_free(choice->channel);
}

/* A select that is decided joins nobody any more, even before its task has run. */
BEHAVIOUR(task_of_a_decided_select)
{
    struct choice choice;
    struct aio_task *chooser = choice_open(&choice, task_sleep_forever);
    REQUIRE(chooser != NULL);
    choice_decide(&choice);
    aio_task_cancel(choice.task);
    AIO_CHECK_OK(aio_task_join(choice.task, NULL));
    choice_close(&choice, chooser);
}

/* It leaves a task alone that was detached meanwhile, and may be gone. */
BEHAVIOUR(detached_from_a_decided_select)
{
    struct choice choice;
    struct aio_task *chooser = choice_open(&choice, task_sleep_forever);
    REQUIRE(chooser != NULL);
    choice_decide(&choice);
    aio_task_cancel(choice.task);
    aio_task_detach(choice.task);
    choice_close(&choice, chooser);
}

/* The same from within another select, which then gets the result. */
BEHAVIOUR(task_of_a_decided_select_in_another)
{
    struct choice choice;
    int result = 0;
    struct aio_task *chooser = choice_open(&choice, task_sleep_forever);
    REQUIRE(chooser != NULL);
    choice_decide(&choice);
    struct aio_select_case cases[] = {aio_select_join(choice.task, &result),
                                      aio_select_after(AIO_SEC(60))};
    aio_task_cancel(choice.task);
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 0);
    AIO_CHECK_ERROR(result, -ECANCELED);
    choice_close(&choice, chooser);
}

static int join_beside(void *arg)
{
    int result = 0;
    AIO_CHECK_OK(aio_task_join(arg, &result));
    return result;
}

/* The next one to join waits as if the select had never been. */
BEHAVIOUR(joined_after_a_decided_select)
{
    struct choice choice;
    int result = 0;
    struct aio_task *chooser = choice_open(&choice, task_sleep_forever);
    REQUIRE(chooser != NULL);
    choice_decide(&choice);
    struct aio_task *joiner = task_named("joining", join_beside, choice.task);
    AIO_CHECK(task_wait_parked("joining"));
    choice_close(&choice, chooser);
    aio_task_cancel(choice.task);
    AIO_CHECK_OK(aio_task_join(joiner, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
}

static int sleep_then_three(void *unused)
{
    return task_sleep_forever(unused) == -ECANCELED ? 3 : -1;
}

static int choose_join(void *task)
{
    int result = 0;
    struct aio_select_case cases[] = {aio_select_join(task, &result),
                                      aio_select_after(AIO_SEC(60))};
    int which = aio_select_wait(cases, 2);
    return which == 0 ? result : which;
}

/* The task has ended, and the select is cancelled before it runs: it has joined it. */
BEHAVIOUR(joined_then_canceled)
{
    struct aio_task *task = task_named("awaited", sleep_then_three, NULL);
    struct aio_task *chooser = task_named("choosing", choose_join, task);
    REQUIRE(chooser != NULL && task_wait_parked("choosing"));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_yield()); /* it ends; the select is behind us */
    AIO_CHECK_EQ(task_stop(chooser), 3);
}
