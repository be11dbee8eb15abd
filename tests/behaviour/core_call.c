/*
 * Calling a function on another core.
 */
#define SUITE "core_call"
#include "tests/behaviour/cores_tools.h"

#include <stdio.h>

struct question {
    int number;
    uint32_t asked_on;
    uint32_t answered_on;
    char name[24];
};

static int answer(void *arg)
{
    struct question *question = arg;
    question->answered_on = aio_core_index();
    (void)snprintf(question->name, sizeof question->name, "%s", aio_task_name(aio_task_current()));
    if (question->number % 2 == 1)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(20)));
    return question->number * 2;
}

/* The function runs there, on what stands in the caller's frame, and its result comes back. */
ON_CORES(results_come_back, .cores = 3)
{
    for (int i = 0; i < 60; i++) {
        struct question question = {.number = i, .answered_on = 99};
        int result = -1;
        uint32_t index = (uint32_t)i % 3;
        AIO_CHECK_OK(aio_core_call(index, answer, &question, &result));
        AIO_CHECK_EQ(result, 2 * i);
        AIO_CHECK_EQ(question.answered_on, index);
        AIO_CHECK_EQ(aio_core_index(), 0);
    }
    struct question question = {.number = 1};
    AIO_CHECK_OK(aio_core_call(1, answer, &question, NULL));
    AIO_CHECK_STR(question.name, "call");
}

static int same_task(void *task)
{
    return aio_task_current() == task;
}

static void count_up(void *value)
{
    (void)!aio_time_sleep(AIO_US(50));
    atomic_fetch_add((atomic_int *)value, 1);
}

static struct aio_local_key counted = AIO_LOCAL_KEY_INIT(count_up);

static int set_local(void *number)
{
    return aio_local_set(&counted, number);
}

/* What fn leaves to its task's locals is destroyed before the caller, whose frame it may use, goes
 * on. */
ON_CORES(locals_end_before_the_answer, .cores = 2)
{
    for (int i = 0; i < 20; i++) {
        atomic_int destroyed = 0;
        int result = -1;
        AIO_CHECK_OK(aio_core_call(1, set_local, &destroyed, &result));
        AIO_CHECK_OK(result);
        AIO_CHECK_EQ(atomic_load(&destroyed), 1);
    }
}

/* On the caller's own core it is a plain call. */
ON_CORES(own_core, .cores = 2)
{
    int result = 0;
    AIO_CHECK_OK(aio_core_call(0, same_task, aio_task_current(), &result));
    AIO_CHECK_EQ(result, 1);
}

static int must_not_run(void *unused)
{
    (void)unused;
    return AIO_CHECK(!"this must not run");
}

ON_CORES(bad_index, .cores = 2)
{
    int result = 5;
    AIO_CHECK_ERROR(aio_core_call(2, must_not_run, NULL, &result), -EINVAL);
    AIO_CHECK_ERROR(aio_core_call(UINT32_MAX, must_not_run, NULL, &result), -EINVAL);
    AIO_CHECK_EQ(result, 5);
}

/* What was pending before the call: the function does not run, on either core. */
static int call_canceled(void *unused)
{
    (void)unused;
    aio_task_cancel(aio_task_current());
    for (uint32_t index = 0; index < 2; index++)
        AIO_CHECK_ERROR(aio_core_call(index, must_not_run, NULL, NULL), -ECANCELED);
    return 0;
}

ON_CORES(pending_before, .cores = 2)
{
    AIO_CHECK_OK(aio_task_join(task_named("canceled", call_canceled, NULL), NULL));
    AIO_TIMEOUT(-1)
    {
        for (uint32_t index = 0; index < 2; index++)
            AIO_CHECK_ERROR(aio_core_call(index, must_not_run, NULL, NULL), -ETIMEDOUT);
    }
}

/* Calls that lead to and fro, `left` times more. */
static int call_on(void *arg)
{
    int left = *(int *)arg - 1, result = 0;
    if (left == 0)
        return (int)aio_core_index();
    uint32_t next = (aio_core_index() + 1) % aio_core_count();
    AIO_CHECK_OK(aio_core_call(next, call_on, &left, &result));
    return result + 10;
}

ON_CORES(nested, .cores = 2)
{
    int left = 21, result = 0;
    AIO_CHECK_OK(aio_core_call(1, call_on, &left, &result));
    AIO_CHECK_EQ(result, 201);
}

ON_CORES(nested_round, .cores = 4)
{
    int left = 12, result = 0;
    AIO_CHECK_OK(aio_core_call(1, call_on, &left, &result));
    AIO_CHECK_EQ(result, 110);
}

static atomic_int inside;

/* Counts itself while it waits for ever. */
static int wait_inside(void *unused)
{
    (void)unused;
    atomic_fetch_add(&inside, 1);
    int rc = aio_time_sleep(AIO_FOREVER);
    AIO_CHECK(aio_task_canceled());
    atomic_fetch_sub(&inside, 1);
    return rc;
}

/* A caller that notes its call's end. */
struct caller {
    uint32_t index;
    int (*fn)(void *arg);
    int rc;
    int result;
    int after;
};

static int call_it(void *arg)
{
    struct caller *caller = arg;
    caller->rc = aio_core_call(caller->index, caller->fn, arg, &caller->result);
    caller->after = aio_task_yield();
    return 0;
}

/* The caller's cancellation ends the function; the caller goes on when it has ended. */
ON_CORES(cancel_follows, .cores = 2)
{
    struct caller caller = {1, wait_inside, -1, -1, -1};
    struct aio_task *task = task_named("caller", call_it, &caller);
    REQUIRE(cores_wait(&inside, 1));
    AIO_CHECK_EQ(task_stop(task), 0);
    AIO_CHECK_EQ(inside, 0);
    AIO_CHECK_OK(caller.rc);
    AIO_CHECK_ERROR(caller.result, -ECANCELED);
    AIO_CHECK_ERROR(caller.after, -ECANCELED);
}

ON_CORES(deadline_follows, .cores = 2)
{
    struct aio_deadline deadline;
    int result = 0;
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_OK(aio_core_call(1, wait_inside, NULL, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
    AIO_CHECK_EQ(inside, 0);
    AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
}

static int call_back_and_wait(void *unused)
{
    int result = 0;
    (void)unused;
    AIO_CHECK_OK(aio_core_call(0, wait_inside, NULL, &result));
    return result;
}

/* It follows through several calls, and back to the caller's own core. */
ON_CORES(cancel_follows_nested, .cores = 2)
{
    struct caller caller = {1, call_back_and_wait, -1, -1, -1};
    struct aio_task *task = task_named("caller", call_it, &caller);
    REQUIRE(cores_wait(&inside, 1));
    AIO_CHECK_EQ(task_stop(task), 0);
    AIO_CHECK_OK(caller.rc);
    AIO_CHECK_ERROR(caller.result, -ECANCELED);
}

static int clean_up_inside(void *unused)
{
    int rc = wait_inside(unused);
    AIO_SHIELD
    {
        for (int i = 0; i < 5; i++)
            AIO_CHECK_OK(aio_time_sleep(AIO_US(300)));
        AIO_CHECK_OK(aio_core_call(0, answer, &(struct question){.number = 3}, NULL));
    }
    return rc == -ECANCELED ? 77 : rc;
}

/* The function's shield holds, and the caller waits for it; a deadline on top changes nothing. */
ON_CORES(callee_is_shielded, .cores = 2)
{
    struct caller caller = {1, clean_up_inside, -1, -1, -1};
    struct aio_task *task = task_named("caller", call_it, &caller);
    REQUIRE(cores_wait(&inside, 1));
    AIO_CHECK_EQ(task_stop(task), 0);
    AIO_CHECK_OK(caller.rc);
    AIO_CHECK_EQ(caller.result, 77);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_OK(aio_core_call(1, clean_up_inside, NULL, &caller.result));
        AIO_CHECK_EQ(caller.result, 77);
    }
}

static int call_in_shield(void *arg)
{
    AIO_SHIELD
    {
        (void)call_it(arg);
    }
    return aio_task_yield();
}

static atomic_int waited;

static int short_wait(void *unused)
{
    (void)unused;
    atomic_fetch_add(&waited, 1);
    return aio_time_sleep(AIO_MS(3));
}

/* A caller's shield holds its cancellation back from the function. */
ON_CORES(caller_is_shielded, .cores = 2)
{
    struct caller caller = {1, short_wait, -1, -1, -1};
    waited = 0;
    struct aio_task *task = task_named("caller", call_in_shield, &caller);
    REQUIRE(cores_wait(&waited, 1));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_OK(caller.rc);
    AIO_CHECK_OK(caller.result);
}

/* A core with as many tasks as it may have refuses; when one has gone it does not. */
ON_CORES(no_room, .cores = 2, .task_limit = 4)
{
    struct caller callers[3];
    struct aio_task *tasks[3];
    for (int i = 0; i < 3; i++) {
        callers[i] = (struct caller){1, wait_inside, -1, -1, -1};
        tasks[i] = task_named("caller", call_it, &callers[i]);
    }
    REQUIRE(cores_wait(&inside, 3));
    AIO_CHECK_ERROR(aio_core_call(1, must_not_run, NULL, NULL), -EAGAIN);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(task_stop(tasks[i]), 0);
    AIO_CHECK_OK(aio_core_call(1, short_wait, NULL, NULL));
}

/* Many callers of one core at a time, each gets its own answer. */
static int ask_some(void *arg)
{
    int number = *(int *)arg;
    for (int i = 0; i < 10; i++) {
        struct question question = {.number = 10 * number + i};
        int result = -1;
        AIO_CHECK_OK(aio_core_call(1 + (uint32_t)i % 2, answer, &question, &result));
        AIO_CHECK_EQ(result, 2 * question.number);
    }
    return 0;
}

ON_CORES(many_callers, .cores = 3)
{
    enum { CALLERS = 100 };
    struct aio_task *tasks[CALLERS];
    int numbers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        numbers[i] = i;
        tasks[i] = task_named("caller", ask_some, &numbers[i]);
    }
    for (int i = 0; i < CALLERS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
}

static atomic_int storm_ran;
static atomic_int storm_answered;

/* What is called in a storm: it may wait, call back, hold out in a shield. */
static int storm_callee(void *arg)
{
    unsigned *plan = arg;
    unsigned mine = *plan;
    int rc = 0;
    atomic_fetch_add(&storm_ran, 1);
    if (mine % 4 == 1)
        rc = aio_time_sleep((int64_t)(mine % 20000));
    else if (mine % 4 == 2)
        rc = aio_core_call((aio_core_index() + 1) % aio_core_count(), same_task, NULL, NULL);
    else if (mine % 4 == 3)
        AIO_SHIELD
        {
            AIO_CHECK_OK(aio_task_yield());
        }
    AIO_CHECK_EQ(*plan, mine); /* the caller is still there */
    *plan = ~mine;
    return rc;
}

static int storm_caller(void *arg)
{
    unsigned plan = (unsigned)test_random(), sent = plan;
    int result = 1;
    (void)arg;
    int rc = aio_core_call((aio_core_index() + 1) % aio_core_count(), storm_callee, &plan, &result);
    AIO_CHECK(rc == 0 || rc == -ECANCELED);
    if (rc == 0) {
        atomic_fetch_add(&storm_answered, 1);
        AIO_CHECK(result == 0 || result == -ECANCELED);
        AIO_CHECK_EQ(plan, ~sent);
    }
    plan = 0;
    return rc;
}

/* Calls in both directions from every core, half of them cancelled at any moment. */
static int storm_core(void *unused)
{
    enum { AT_ONCE = 8 };
    struct aio_task *tasks[AT_ONCE];
    int rounds = 60 / (int)test_slowness() + 3;
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            tasks[i] = task_named("storm", storm_caller, NULL);
        for (int i = 0; i < AT_ONCE; i++) {
            if (test_random() % 4 == 0)
                AIO_CHECK_OK(aio_time_sleep((int64_t)(test_random() % 5000)));
            if (test_random() % 2 == 0)
                aio_task_cancel(tasks[i]);
        }
        for (int i = 0; i < AT_ONCE; i++)
            AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    }
    atomic_fetch_add((atomic_int *)unused, 1);
    return cores_wait(unused, (int)aio_core_count()) ? 0 : -1;
}

BEHAVIOUR_OUTSIDE(storm_both_ways)
{
    for (uint32_t cores = 2; cores <= 3; cores++) {
        atomic_int finished = 0;
        storm_ran = storm_answered = 0;
        AIO_CHECK_OK(cores_run(cores, storm_core, &finished));
        AIO_CHECK(storm_ran > 0);
        AIO_CHECK_EQ(storm_ran, storm_answered);
    }
}

/* A runtime that ends amid calls: each returns, with an answer or without. */
static int call_until_refused(void *unused)
{
    unsigned plan = 1;
    int rc;
    (void)unused;
    do
        rc = aio_core_call((aio_core_index() + 1) % aio_core_count(), storm_callee, &plan, NULL);
    while (rc == 0);
    AIO_CHECK(rc == -ESHUTDOWN || rc == -ECANCELED);
    return 0;
}

static int end_amid_calls(void *unused)
{
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, call_until_refused, unused, NULL));
    return aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_MS(1)));
}

BEHAVIOUR_OUTSIDE(ends_amid_calls)
{
    for (int round = 0; round < 10; round++)
        AIO_CHECK_OK(cores_run(3, end_amid_calls, NULL));
}
