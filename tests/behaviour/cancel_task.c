/*
 * Cancelling: when, whom, how often; and what a cancelled task can still do.
 */
#define SUITE "cancel"
#include "tests/behaviour/task_tools.h"

#include <errno.h>

static int refuse_all(void *arg)
{
    AIO_CHECK(aio_task_canceled());
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
        AIO_CHECK_ERROR(aio_time_sleep(0), -ECANCELED);
        AIO_CHECK_ERROR(aio_time_sleep(AIO_SEC(100)), -ECANCELED);
    }
    ++*(int *)arg;
    return 9;
}

/* A task cancelled before its first run does run; every call that can suspend is refused; it
 * returns what it likes. */
BEHAVIOUR(cancel_before_the_first_run)
{
    int ran = 0;
    struct aio_task *task = task_named("early", refuse_all, &ran);
    REQUIRE(task != NULL);
    AIO_CHECK_EQ(task_stop(task), 9);
    AIO_CHECK_EQ(ran, 1);
}

static int cancel_self(void *arg)
{
    AIO_CHECK(!aio_task_canceled());
    aio_task_cancel(aio_task_current());
    return refuse_all(arg);
}

/* A task may cancel itself. */
BEHAVIOUR(cancel_oneself)
{
    int ran = 0, result = 0;
    struct aio_task *task = task_named("self", cancel_self, &ran);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, 9);
    AIO_CHECK_EQ(ran, 1);
}

/* Cancelling twice is harmless: the wait ends once. */
BEHAVIOUR(cancel_twice)
{
    struct aio_task *task = task_named("twice", task_sleep_forever, NULL);
    REQUIRE(task != NULL && task_wait_parked("twice"));
    aio_task_cancel(task);
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_yield());
    aio_task_cancel(task);
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
}

static int return_three(void *arg)
{
    *(bool *)arg = true;
    return 3;
}

/* So is cancelling a finished task that is not joined yet; its result stays. */
BEHAVIOUR(cancel_a_finished_task)
{
    bool ran = false;
    struct aio_task *task = task_named("finished", return_three, &ran);
    REQUIRE(task != NULL && task_wait_flag(&ran));
    AIO_CHECK_EQ(task_stop(task), 3);
}

static int ignore_cancel(void *arg)
{
    int *rounds = arg;
    while (*rounds < 100) {
        (void)!aio_task_yield();
        ++*rounds;
    }
    return 5;
}

/* Cancelling is a request: the task runs on until it returns. */
BEHAVIOUR(cancel_is_a_request)
{
    int rounds = 0;
    struct aio_task *task = task_named("stubborn", ignore_cancel, &rounds);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(task_stop(task), 5);
    AIO_CHECK_EQ(rounds, 100);
}

struct overtaken {
    struct aio_task *quick;
    int result;
};

static int return_at_once(void *unused)
{
    (void)unused;
    return 4;
}

static int join_then_sleep(void *arg)
{
    struct overtaken *overtaken = arg;
    AIO_CHECK_OK(aio_task_join(overtaken->quick, &overtaken->result));
    AIO_CHECK(aio_task_canceled());
    return aio_time_sleep(AIO_FOREVER);
}

/* A wait that had ended well when the cancellation came is a success; the next call brings the
 * cancellation. */
BEHAVIOUR(success_beats_cancel)
{
    struct overtaken overtaken = {NULL, 0};
    struct aio_task *joiner = task_named("joiner", join_then_sleep, &overtaken);
    overtaken.quick = task_named("quick", return_at_once, NULL);
    REQUIRE(joiner != NULL && overtaken.quick != NULL);
    AIO_CHECK_OK(aio_task_yield()); /* the joiner parks, the quick one ends and wakes it */
    AIO_CHECK_ERROR(task_stop(joiner), -ECANCELED);
    AIO_CHECK_EQ(overtaken.result, 4);
}

/* Cancellation outranks a deadline when both are pending. */
static int both_pending(void *unused)
{
    (void)unused;
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, 0);
    AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    aio_deadline_clear(&deadline);
    return aio_task_yield();
}

BEHAVIOUR(cancellation_outranks_a_deadline)
{
    int result = 0;
    struct aio_task *task = task_named("both", both_pending, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
}

static int cancel_victim(void *arg)
{
    aio_task_cancel(arg);
    return 0;
}

/* The first task of a runtime is cancelled like any other. */
BEHAVIOUR(cancel_the_first_task)
{
    AIO_CHECK(!aio_task_canceled());
    REQUIRE_OK(aio_task_spawn(NULL, cancel_victim, aio_task_current(), NULL));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    AIO_CHECK(aio_task_canceled());
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
}

static int cancel_each_other(void *arg)
{
    struct aio_task **other = arg;
    int rc = aio_task_yield();
    aio_task_cancel(*other);
    int again = aio_time_sleep(AIO_FOREVER);
    return rc < 0 ? rc : again;
}

/* Two tasks cancel each other. */
BEHAVIOUR(tasks_cancel_each_other)
{
    struct aio_task *tasks[2];
    REQUIRE_OK(aio_task_spawn(&tasks[0], cancel_each_other, &tasks[1], NULL));
    REQUIRE_OK(aio_task_spawn(&tasks[1], cancel_each_other, &tasks[0], NULL));
    for (int i = 0; i < 2; i++) {
        int result = 0;
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
    }
}

/* A task that is being joined may be cancelled; its joiner gets its result. */
BEHAVIOUR(cancel_what_is_joined)
{
    struct aio_task *task = task_named("joined", task_sleep_forever, NULL);
    int result = 0;
    REQUIRE(task != NULL);
    REQUIRE_OK(aio_task_spawn(NULL, cancel_victim, task, NULL));
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
}

/* A thousand parked tasks are cancelled in any order, and each ends. */
BEHAVIOUR(cancel_a_thousand)
{
    enum { COUNT = 1000 };
    static struct aio_task *tasks[COUNT];
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], task_sleep_forever, NULL, NULL));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    for (int i = 0; i < COUNT; i++)
        aio_task_cancel(tasks[(i * 17) % COUNT]);
    for (int i = 0; i < COUNT; i++) {
        int result = 0;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
    }
}
