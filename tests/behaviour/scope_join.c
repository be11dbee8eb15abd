/*
 * Scopes: children are awaited, the first failure ends the others, and what came of it is told.
 */
#define SUITE "scope"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>

#include <errno.h>
#include <string.h>

/* A child that yields some times and then returns. */
struct plan {
    int yields;
    int result;
    int ended; /* what it returned; 1 before */
};

static int follow(void *arg)
{
    struct plan *plan = arg;
    int rc = 0;
    for (int i = 0; i < plan->yields && rc == 0; i++)
        rc = aio_task_yield();
    return plan->ended = rc < 0 ? rc : plan->result;
}

static void spawn_plans(struct aio_scope *scope, struct plan *plans, int count)
{
    for (int i = 0; i < count; i++) {
        plans[i].ended = 1;
        AIO_CHECK_OK(aio_scope_spawn(scope, follow, &plans[i]));
    }
}

/* The join returns when the last child has. */
BEHAVIOUR(join_awaits_all)
{
    struct aio_scope scope;
    struct plan plans[3] = {{.yields = 5}, {.yields = 0, .result = 7}, {.yields = 20}};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    spawn_plans(&scope, plans, 3);
    AIO_CHECK_EQ(plans[1].ended, 1); /* not before the caller suspends */
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_EQ(plans[0].ended, 0);
    AIO_CHECK_EQ(plans[1].ended, 7);
    AIO_CHECK_EQ(plans[2].ended, 0);
    AIO_CHECK_OK(aio_scope_error(&scope));
    AIO_CHECK_EQ(aio_scope_failures(&scope), 0);
    AIO_CHECK(aio_scope_culprit(&scope, NULL) == NULL);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* Nothing to wait for, before or after the children have ended; and the struct may be used again.
 */
BEHAVIOUR(join_without_waiting)
{
    struct aio_scope scope;
    for (int i = 0; i < 3; i++) {
        struct plan plan = {.result = i};
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        if (i > 0)
            spawn_plans(&scope, &plan, 1);
        if (i == 2)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_OK(aio_scope_join(&scope));
    }
}

/* The first failure cancels the siblings; theirs, which follow from it, do not count. */
BEHAVIOUR(first_failure_cancels)
{
    struct aio_scope scope;
    struct plan plans[3] = {{.yields = 1000000}, {.yields = 3, .result = -EIO}, {.yields = 100000}};
    uint32_t index = 99;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    spawn_plans(&scope, plans, 3);
    AIO_CHECK_OK(aio_scope_spawn(&scope, task_sleep_forever, NULL));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EIO);
    AIO_CHECK_ERROR(plans[0].ended, -ECANCELED);
    AIO_CHECK_ERROR(plans[2].ended, -ECANCELED);
    AIO_CHECK_ERROR(aio_scope_error(&scope), -EIO);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 1);
    AIO_CHECK_STR(aio_scope_culprit(&scope, &index), "task");
    AIO_CHECK_EQ(index, 1);
}

/* First in time, not in order; a failure on the way out counts but does not replace it. */
BEHAVIOUR(first_in_time_is_told)
{
    struct aio_scope scope;
    struct plan first = {.yields = 2, .result = -EPROTO}, later = {.yields = 5, .result = -EIO};
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_scope_options collect = AIO_SCOPE_OPTIONS;
    uint32_t index = 99;
    collect.flags = AIO_SCOPE_COLLECT;
    options.name = "a name that is longer than what fits";
    AIO_CHECK_OK(aio_scope_open(&scope, &collect));
    AIO_CHECK_OK(aio_scope_launch(&scope, follow, &later, NULL));
    AIO_CHECK_OK(aio_scope_launch(&scope, follow, &first, &options));
    AIO_CHECK_OK(aio_scope_error(&scope));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EPROTO);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 2);
    AIO_CHECK_STR(aio_scope_culprit(&scope, &index), "a name that is longer t");
    AIO_CHECK_EQ(index, 1);
}

/* With AIO_SCOPE_COLLECT all children run to their end. */
BEHAVIOUR(collect_cancels_nobody)
{
    struct aio_scope scope;
    struct aio_scope_options options = AIO_SCOPE_OPTIONS;
    struct plan plans[4] = {{.yields = 1, .result = -EIO},
                            {.yields = 9, .result = 4},
                            {.yields = 3, .result = -EPIPE},
                            {.yields = 5, .result = -ECANCELED}}; /* of its own accord: counts */
    options.flags = AIO_SCOPE_COLLECT;
    AIO_CHECK_OK(aio_scope_open(&scope, &options));
    spawn_plans(&scope, plans, 4);
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EIO);
    AIO_CHECK_EQ(plans[1].ended, 4);
    AIO_CHECK_ERROR(plans[2].ended, -EPIPE);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 3);
}

BEHAVIOUR(bad_options)
{
    struct aio_scope scope;
    struct aio_scope_options options = {.size = 3};
    struct aio_task_options task_options = {.size = 3};
    AIO_CHECK_ERROR(aio_scope_open(&scope, &options), -EINVAL);
    options = AIO_SCOPE_OPTIONS;
    options.flags = 0x80;
    AIO_CHECK_ERROR(aio_scope_open(&scope, &options), -EINVAL);
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_ERROR(aio_scope_launch(&scope, follow, NULL, &task_options), -EINVAL);
    AIO_CHECK_OK(aio_scope_join(&scope));
}

/* A child that spawns the next one into its own scope when it is about to end. */
struct relay {
    struct aio_scope *scope;
    int left;
};

static int pass_on(void *arg)
{
    struct relay *relay = arg;
    int rc = aio_task_yield();
    if (rc < 0 || relay->left == 0)
        return rc;
    relay->left--;
    return aio_scope_spawn(relay->scope, pass_on, relay);
}

/* Children spawned while the owner joins are awaited too, also when they fail. */
BEHAVIOUR(children_spawn_late)
{
    struct aio_scope scope;
    struct relay relay = {&scope, 100};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, pass_on, &relay));
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_EQ(relay.left, 0);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* Spawns once the scope's only child has ended, before the owner has run again. */
struct intruder {
    struct aio_scope *scope;
    struct aio_task *victim;
    struct plan plan;
};

static int intrude(void *arg)
{
    struct intruder *intruder = arg;
    AIO_CHECK_OK(aio_task_join(intruder->victim, NULL));
    return aio_scope_spawn(intruder->scope, follow, &intruder->plan);
}

static int end_both(void *arg)
{
    struct intruder *intruder = arg;
    aio_task_cancel(intruder->victim);
    return aio_task_yield();
}

BEHAVIOUR(spawn_between_the_last_and_the_join)
{
    struct aio_scope scope;
    struct intruder intruder = {.scope = &scope, .plan = {.yields = 20, .ended = 1}};
    struct aio_task *task;
    int result = 1;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    intruder.victim = task_named("victim", task_sleep_forever, NULL);
    REQUIRE(intruder.victim != NULL);
    AIO_CHECK_OK(aio_task_spawn(&task, intrude, &intruder, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_scope_spawn(&scope, end_both, &intruder));
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_OK(result);
    AIO_CHECK(intruder.plan.ended <= 0);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* A spawn that is refused changes nothing for the others. */
BEHAVIOUR_WITH(spawn_beyond_the_limit, .task_limit = 5)
{
    struct aio_scope scope;
    struct plan plans[6] = {{.yields = 3}, {.yields = 1}, {.yields = 2}, {.yields = 4}};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    spawn_plans(&scope, plans, 4);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_ERROR(aio_scope_spawn(&scope, follow, &plans[4]), -EAGAIN);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_task_yield()); /* one has ended by now */
    spawn_plans(&scope, &plans[5], 1);
    AIO_CHECK_OK(aio_scope_join(&scope));
    for (int i = 0; i < 6; i++)
        AIO_CHECK_EQ(plans[i].ended, 0);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* Ten thousand children, of which the one in the middle fails. */
BEHAVIOUR(many_children)
{
    struct aio_scope scope;
    struct plan failing = {.yields = 2, .result = -EIO};
    uint32_t index = 0;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    for (int i = 0; i < TEN_THOUSAND; i++)
        if (i == TEN_THOUSAND / 2)
            REQUIRE_OK(aio_scope_spawn(&scope, follow, &failing));
        else
            REQUIRE_OK(aio_scope_spawn(&scope, task_sleep_forever, NULL));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EIO);
    AIO_CHECK(aio_scope_culprit(&scope, &index) != NULL);
    AIO_CHECK_EQ(index, TEN_THOUSAND / 2);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

static int leave_early(struct plan *plan, int way)
{
    for (int i = 0; i < 2; i++) {
        AIO_SCOPE(scope);
        AIO_CHECK_OK(aio_scope_spawn(&scope, follow, plan));
        AIO_CHECK_OK(aio_task_yield());
        if (way == 0)
            return 5;
        if (way == 1)
            break;
        if (way == 2)
            goto out;
        return aio_scope_join(&scope);
    }
out:
    return 6;
}

/* A scope left without a join ends its children before anything they use is gone. */
BEHAVIOUR(left_in_every_way)
{
    for (int way = 0; way < 3; way++) {
        struct plan plan = {.yields = 1000000, .ended = 1};
        AIO_CHECK_EQ(leave_early(&plan, way), way == 0 ? 5 : 6);
        AIO_CHECK_ERROR(plan.ended, -ECANCELED);
        AIO_CHECK_EQ(task_stats().tasks_live, 1);
    }
    struct plan plan = {.yields = 50, .result = -EIO, .ended = 1};
    AIO_CHECK_ERROR(leave_early(&plan, 3), -EIO);
    AIO_CHECK_ERROR(plan.ended, -EIO);
}
