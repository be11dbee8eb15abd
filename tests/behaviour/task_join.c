/*
 * Spawning, joining, detaching: what <aio/task.h> says of a task's life.
 */
#define SUITE "task"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <limits.h>

static int give_back(void *arg)
{
    return *(int *)arg;
}

/* A join gives what the task returned, whatever int that is. */
BEHAVIOUR(join_gives_the_result)
{
    int values[] = {0, 1, -5, -ECANCELED, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct aio_task *task;
        int result = 42;
        REQUIRE_OK(aio_task_spawn(&task, give_back, &values[i], NULL));
        AIO_CHECK_EQ(aio_task_join(task, &result), 0);
        AIO_CHECK_EQ(result, values[i]);
    }
}

static int set_flag(void *arg)
{
    *(bool *)arg = true;
    return 7;
}

/* A spawned task starts after the caller's next suspension, not before. */
BEHAVIOUR(spawn_starts_after_the_next_suspension)
{
    bool ran = false;
    struct aio_task *task = task_named("later", set_flag, &ran);
    REQUIRE(task != NULL);
    task_burn(AIO_MS(1));
    AIO_CHECK(!ran);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(ran);
    AIO_CHECK_OK(aio_task_join(task, NULL));
}

/* A task that has returned long ago can still be joined, with or without asking for the result. */
BEHAVIOUR(join_of_a_finished_task)
{
    for (int with_result = 0; with_result < 2; with_result++) {
        bool ran = false;
        int result = 0;
        struct aio_task *task = task_named("done", set_flag, &ran);
        REQUIRE(task != NULL && task_wait_flag(&ran));
        AIO_CHECK_EQ(task_stats().tasks_live, 1);
        AIO_CHECK_EQ(aio_task_join(task, with_result != 0 ? &result : NULL), 0);
        AIO_CHECK_EQ(result, with_result != 0 ? 7 : 0);
    }
}

static int join_and_report(void *arg)
{
    int result = 0;
    int rc = aio_task_join(arg, &result);
    return rc < 0 ? rc : result;
}

/* A join that is cancelled leaves the handle valid: another may join. */
BEHAVIOUR(canceled_join_leaves_the_handle)
{
    struct aio_task *slow = task_named("slow", task_sleep_forever, NULL);
    struct aio_task *joiner = task_named("joiner", join_and_report, slow);
    REQUIRE(slow != NULL && joiner != NULL && task_wait_parked("joiner"));
    AIO_CHECK_ERROR(task_stop(joiner), -ECANCELED);
    AIO_CHECK_STR(aio_task_name(slow), "slow");
    AIO_CHECK_ERROR(task_stop(slow), -ECANCELED);
}

/* So does one that times out; the same task may join again. */
BEHAVIOUR(timed_out_join_leaves_the_handle)
{
    struct aio_task *slow = task_named("slow", task_sleep_forever, NULL);
    REQUIRE(slow != NULL);
    for (int i = 0; i < 3; i++)
        AIO_TIMEOUT(AIO_US(500))
        {
            AIO_CHECK_ERROR(aio_task_join(slow, NULL), -ETIMEDOUT);
        }
    AIO_CHECK_ERROR(task_stop(slow), -ECANCELED);
}

/* A cancelled task's join of a finished one is refused, and the handle stays. */
static int join_when_canceled(void *arg)
{
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(aio_task_join(arg, NULL), -ECANCELED);
    int result = 0;
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_task_join(arg, &result));
    }
    return result;
}

BEHAVIOUR(canceled_task_joins_a_finished_one_in_a_shield)
{
    bool ran = false;
    struct aio_task *done = task_named("done", set_flag, &ran);
    REQUIRE(done != NULL && task_wait_flag(&ran));
    struct aio_task *joiner = task_named("joiner", join_when_canceled, done);
    REQUIRE(joiner != NULL);
    AIO_CHECK_EQ(join_and_report(joiner), 7);
}

/* Who joins need not be who spawned. */
BEHAVIOUR(another_task_joins)
{
    bool ran = false;
    struct aio_task *worker = task_named("worker", set_flag, &ran);
    struct aio_task *joiner = task_named("joiner", join_and_report, worker);
    REQUIRE(worker != NULL && joiner != NULL);
    AIO_CHECK_EQ(join_and_report(joiner), 7);
}

static int join_previous(void *arg)
{
    struct aio_task **slot = arg;
    return slot[-1] == NULL ? 1 : join_and_report(slot[-1]) + 1;
}

/* A chain of a thousand joins unwinds from its end, and each result arrives. */
BEHAVIOUR(chain_of_joins)
{
    enum { LENGTH = 1000 };
    static struct aio_task *chain[LENGTH + 1];
    for (int i = 1; i <= LENGTH; i++)
        REQUIRE_OK(aio_task_spawn(&chain[i], join_previous, &chain[i], NULL));
    AIO_CHECK_EQ(join_and_report(chain[LENGTH]), LENGTH);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

struct tree {
    int depth;
    int nodes;
};

static int grow_tree(void *arg)
{
    struct tree *tree = arg;
    struct tree halves[2] = {{tree->depth - 1, 0}, {tree->depth - 1, 0}};
    struct aio_task *tasks[2];
    tree->nodes = 1;
    if (tree->depth == 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(&tasks[i], grow_tree, &halves[i], NULL)))
            return -1;
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        tree->nodes += halves[i].nodes;
    }
    return 0;
}

/* Tasks spawn tasks, whose arguments stand in the frames of their parents. */
BEHAVIOUR(tasks_spawn_tasks)
{
    struct tree tree = {10, 0};
    AIO_CHECK_EQ(grow_tree(&tree), 0);
    AIO_CHECK_EQ(tree.nodes, 2047);
}

/* With out NULL the task is detached from the start and frees itself. */
BEHAVIOUR(spawn_detached)
{
    bool ran = false;
    REQUIRE_OK(aio_task_spawn(NULL, set_flag, &ran, NULL));
    AIO_CHECK_EQ(task_stats().tasks_live, 2);
    REQUIRE(task_wait_flag(&ran));
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* A task may be detached before it has returned, and after. */
BEHAVIOUR(detach_before_and_after_the_end)
{
    bool ran[2] = {false, false};
    struct aio_task *before = task_named("before", set_flag, &ran[0]);
    struct aio_task *after = task_named("after", set_flag, &ran[1]);
    REQUIRE(before != NULL && after != NULL);
    aio_task_detach(before);
    REQUIRE(task_wait_flag(&ran[0]) && task_wait_flag(&ran[1]));
    aio_task_detach(after);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
    AIO_CHECK(!task_parked("before") && !task_parked("after"));
}

static int check_inherits_nothing(void *arg)
{
    AIO_CHECK(!aio_task_canceled());
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    *(bool *)arg = true;
    return 0;
}

static int spawn_with_everything_pending(void *arg)
{
    int rc = 0;
    aio_task_cancel(aio_task_current());
    AIO_TIMEOUT(0)
    {
        rc = aio_task_spawn(NULL, check_inherits_nothing, arg, NULL);
    }
    return rc;
}

/* A new task inherits neither deadlines nor cancellation; spawning suspends never, so neither
 * stops it. */
BEHAVIOUR(spawn_inherits_nothing)
{
    bool ran = false;
    struct aio_task *parent = task_named("parent", spawn_with_everything_pending, &ran);
    REQUIRE(parent != NULL);
    AIO_CHECK_EQ(join_and_report(parent), 0);
    AIO_CHECK(task_wait_flag(&ran));
}

/* A hundred thousand tasks one after the other need the stacks of a few. */
BEHAVIOUR(many_spawns_reuse_stacks)
{
    uint64_t count = 100000 / (uint64_t)test_slowness();
    struct aio_runtime_stats before = task_stats();
    for (uint64_t i = 0; i < count; i++) {
        struct aio_task *task;
        bool ran = false;
        REQUIRE_OK(aio_task_spawn(&task, set_flag, &ran, NULL));
        REQUIRE_OK(aio_task_join(task, NULL));
        REQUIRE(ran);
    }
    struct aio_runtime_stats after = task_stats();
    AIO_CHECK_EQ(after.tasks_started - before.tasks_started, count);
    AIO_CHECK_EQ(after.tasks_live, 1);
    AIO_CHECK(after.stacks_mapped <= before.stacks_mapped + 4);
}

/* The same for detached tasks that come in bursts. */
BEHAVIOUR(bursts_of_detached_tasks_reuse_stacks)
{
    bool ran = false;
    uint32_t mapped = 0;
    for (int burst = 0; burst < 50; burst++) {
        for (int i = 0; i < 200; i++)
            REQUIRE_OK(aio_task_spawn(NULL, set_flag, &ran, NULL));
        while (task_stats().tasks_live > 1)
            REQUIRE_OK(aio_task_yield());
        mapped = task_stats().stacks_mapped;
        AIO_CHECK(mapped <= 202);
    }
    AIO_CHECK(ran && mapped >= 200);
}

struct crowd {
    int arrived;
    bool open;
};

static int join_crowd(void *arg)
{
    struct crowd *crowd = arg;
    int number = crowd->arrived++;
    while (!crowd->open) {
        int rc = aio_time_sleep(AIO_MS(5));
        if (rc < 0)
            return rc;
    }
    return number;
}

/* Ten thousand tasks are alive at once, each keeps its own frame, all of them end. */
BEHAVIOUR(ten_thousand_alive)
{
    enum { COUNT = TEN_THOUSAND };
    static struct aio_task *tasks[COUNT];
    struct crowd crowd = {0, false};
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], join_crowd, &crowd, NULL));
    while (crowd.arrived < COUNT)
        REQUIRE_OK(aio_task_yield());
    AIO_CHECK_EQ(task_stats().tasks_live, COUNT + 1);
    AIO_CHECK(task_stats().stacks_mapped > COUNT);
    crowd.open = true;
    for (int i = 0; i < COUNT; i++) {
        int result;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        REQUIRE(AIO_CHECK_EQ(result, i));
    }
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

/* One task more than task_limit is refused with -EAGAIN; when one has ended there is room. */
BEHAVIOUR_WITH(task_limit, .task_limit = 5)
{
    struct aio_task *tasks[4], *more = NULL;
    for (int i = 0; i < 4; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], task_sleep_forever, NULL, NULL));
    for (int i = 0; i < 3; i++)
        AIO_CHECK_ERROR(aio_task_spawn(&more, task_sleep_forever, NULL, NULL), -EAGAIN);
    AIO_CHECK_ERROR(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL), -EAGAIN);
    AIO_CHECK_EQ(task_stats().tasks_live, 5);
    AIO_CHECK_EQ(task_stats().tasks_started, 5);
    AIO_CHECK_ERROR(task_stop(tasks[0]), -ECANCELED);
    AIO_CHECK_OK(aio_task_spawn(&tasks[0], task_sleep_forever, NULL, NULL));
    for (int i = 0; i < 4; i++)
        AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
}
