/*
 * Cancellation in scopes: whom it reaches, through how many levels, and what shields keep.
 */
#define SUITE "scope_cancel"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>

#include <errno.h>

/* A task that owns a scope, whose child owns a scope, and so on; the last one sleeps. */
struct tower {
    int levels;
    int leaf; /* why the last one's sleep ended; 1 before */
    bool built;
};

static int build(void *arg)
{
    struct tower *tower = arg;
    if (tower->levels-- == 0) {
        tower->built = true;
        return tower->leaf = aio_time_sleep(AIO_FOREVER);
    }
    struct aio_scope scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    int rc = aio_scope_spawn(&scope, build, tower);
    AIO_CHECK_OK(aio_scope_spawn(&scope, task_sleep_forever, NULL));
    int joined = aio_scope_join(&scope);
    return rc < 0 ? rc : joined;
}

/* Cancelling the outermost owner reaches the leaves at once; every join tells it. */
static void cancel_tower(int levels)
{
    struct tower tower = {levels, 1, false};
    struct aio_task *task = task_named("tower", build, &tower);
    REQUIRE(task != NULL && task_wait_flag(&tower.built));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_ERROR(tower.leaf, -ECANCELED);
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}

BEHAVIOUR(three_levels)
{
    cancel_tower(3);
}

/* The way down needs no stack. */
BEHAVIOUR(two_thousand_levels)
{
    cancel_tower(UNDER_TSAN ? 300 : 2000);
}

static int fail_soon(void *unused)
{
    (void)unused;
    return aio_task_yield() < 0 ? 0 : -EIO;
}

/* A failure reaches what is below the siblings. */
BEHAVIOUR(failure_reaches_the_leaves)
{
    struct aio_scope scope;
    struct tower tower = {3, 1, false};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, build, &tower));
    REQUIRE(task_wait_flag(&tower.built));
    AIO_CHECK_OK(aio_scope_spawn(&scope, fail_soon, NULL));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EIO);
    AIO_CHECK_ERROR(tower.leaf, -ECANCELED);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 1);
}

/* A task's function: sleeps for ever and notes how that ended. */
static int note_sleep(void *arg)
{
    return *(int *)arg = aio_time_sleep(AIO_FOREVER);
}

/* aio_scope_cancel ends the children and lets later ones start cancelled. The join succeeds: it
 * was the owner's wish. */
BEHAVIOUR(cancel_the_scope)
{
    struct aio_scope scope;
    int ends[2] = {1, 1};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &ends[0]));
    AIO_CHECK_OK(aio_task_yield());
    aio_scope_cancel(&scope);
    aio_scope_cancel(&scope);
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &ends[1]));
    AIO_CHECK_OK(aio_task_yield()); /* the owner is not cancelled */
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_ERROR(ends[0], -ECANCELED);
    AIO_CHECK_ERROR(ends[1], -ECANCELED);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 0);
}

static int cancel_own_scope(void *scope)
{
    aio_scope_cancel(scope);
    return aio_task_yield();
}

/* So may a child, which is cancelled with the others. */
BEHAVIOUR(child_cancels_the_scope)
{
    struct aio_scope scope;
    int end = 1;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &end));
    AIO_CHECK_OK(aio_scope_spawn(&scope, cancel_own_scope, &scope));
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_ERROR(end, -ECANCELED);
}

/* An owner that does something other than joining when it is cancelled. */
struct busy {
    int (*work)(void);
    int child;       /* why the child's sleep ended; 1 before */
    bool child_soon; /* it had ended before the owner joined */
    int joined;
    bool ready;
};

static int work_sleep(void)
{
    return aio_time_sleep(AIO_FOREVER);
}

static int work_shielded(void)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    while (!aio_task_canceled())
        AIO_CHECK_OK(aio_task_yield());
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_task_yield());
    aio_shield_leave(&shield);
    return aio_task_yield();
}

static int work_suicide(void)
{
    aio_task_cancel(aio_task_current());
    return aio_task_yield();
}

static int own_and_work(void *arg)
{
    struct busy *busy = arg;
    struct aio_scope scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &busy->child));
    AIO_CHECK_OK(aio_task_yield());
    busy->ready = true;
    AIO_CHECK_ERROR(busy->work(), -ECANCELED);
    busy->child_soon = busy->child < 0;
    return busy->joined = aio_scope_join(&scope);
}

static void cancel_busy(int (*work)(void), bool child_soon)
{
    struct busy busy = {.work = work, .child = 1, .joined = 1};
    struct aio_task *task = task_named("busy", own_and_work, &busy);
    REQUIRE(task != NULL && task_wait_flag(&busy.ready));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_ERROR(busy.child, -ECANCELED);
    AIO_CHECK_ERROR(busy.joined, -ECANCELED);
    AIO_CHECK_EQ(busy.child_soon, child_soon);
}

/* The children are cancelled wherever the owner waits, or runs. A shield entered inside the scope
 * keeps the owner, not them. */
BEHAVIOUR(owner_is_cancelled_elsewhere)
{
    cancel_busy(work_sleep, false); /* its child wakes after it */
    cancel_busy(work_shielded, true);
    cancel_busy(work_suicide, false);
}

/* Owners whose scope is opened inside a shield. */
struct sheltered {
    bool *may_end;
    int child;
    int joined;
    bool ready;
};

static int wait_for_flag(void *arg)
{
    int rc = 0;
    while (rc == 0 && !*(bool *)arg)
        rc = aio_task_yield();
    return rc < 0 ? rc : aio_task_yield();
}

static int own_inside_a_shield(void *arg)
{
    struct sheltered *sheltered = arg;
    AIO_SHIELD
    {
        struct aio_scope scope;
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        AIO_CHECK_OK(aio_scope_spawn(&scope, wait_for_flag, sheltered->may_end));
        sheltered->ready = true;
        sheltered->joined = aio_scope_join(&scope);
    }
    return aio_task_yield();
}

/* A shield protects everything in the scopes opened inside it, whichever level is cancelled. */
BEHAVIOUR(shield_around_a_scope)
{
    bool may_end = false;
    struct sheltered sheltered = {.may_end = &may_end, .joined = 1};
    struct aio_scope scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, own_inside_a_shield, &sheltered));
    REQUIRE(task_wait_flag(&sheltered.ready));
    aio_scope_cancel(&scope);
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(sheltered.joined, 1);
    may_end = true;
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_OK(sheltered.joined);
}

static int yield_once(void *unused)
{
    (void)unused;
    return aio_task_yield();
}

static int own_when_canceled(void *unused)
{
    int joined = 1;
    aio_task_cancel(aio_task_current());
    AIO_SHIELD
    {
        struct aio_scope scope;
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        AIO_CHECK_OK(aio_scope_spawn(&scope, yield_once, unused));
        joined = aio_scope_join(&scope);
    }
    return joined;
}

/* Also from a cancellation that came before the shield. */
BEHAVIOUR(shield_of_a_cancelled_task)
{
    int result = 1;
    struct aio_task *task = task_named("sheltered", own_when_canceled, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_OK(result);
}

/* An owner of two scopes, one inside the other, with a child in each. */
struct pair {
    int ends[2];
    bool ready;
};

static int own_two_scopes(void *arg)
{
    struct pair *pair = arg;
    struct aio_scope outer, inner;
    AIO_CHECK_OK(aio_scope_open(&outer, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&outer, note_sleep, &pair->ends[0]));
    AIO_CHECK_OK(aio_scope_open(&inner, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&inner, note_sleep, &pair->ends[1]));
    AIO_CHECK_OK(aio_task_yield());
    pair->ready = true;
    AIO_SHIELD /* until the cancellation has reached both */
    {
        while (pair->ends[0] == 1 || pair->ends[1] == 1)
            AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK_ERROR(aio_scope_join(&inner), -ECANCELED);
    return aio_scope_join(&outer);
}

/* All scopes that the owner has open are reached at once, whoever cancels it. */
BEHAVIOUR(every_scope_of_the_owner)
{
    struct pair pair = {{1, 1}, false};
    struct aio_task *task = task_named("owner", own_two_scopes, &pair);
    REQUIRE(task != NULL && task_wait_flag(&pair.ready));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);

    struct aio_scope scope;
    pair = (struct pair){{1, 1}, false};
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, own_two_scopes, &pair));
    REQUIRE(task_wait_flag(&pair.ready));
    aio_scope_cancel(&scope);
    AIO_CHECK_OK(aio_scope_join(&scope));
    for (int i = 0; i < 2; i++)
        AIO_CHECK_ERROR(pair.ends[i], -ECANCELED);
}

static int clean_up_shielded(void *arg)
{
    int rc = aio_time_sleep(AIO_FOREVER);
    AIO_SHIELD
    {
        for (int i = 0; i < 10; i++)
            *(int *)arg += aio_task_yield() == 0;
    }
    return rc;
}

/* A child's shield works as in any task, and the join awaits it. */
BEHAVIOUR(shield_inside_a_child)
{
    struct aio_scope scope;
    int cleaned = 0;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, clean_up_shielded, &cleaned));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_scope_spawn(&scope, fail_soon, NULL));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -EIO);
    AIO_CHECK_EQ(cleaned, 10);
}

static int open_when_canceled(void *arg)
{
    struct aio_scope scope;
    aio_task_cancel(aio_task_current());
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, arg));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ECANCELED);
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ECANCELED);
    return 0;
}

static int cancel_without_children(void *unused)
{
    struct aio_scope scope;
    (void)unused;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    aio_task_cancel(aio_task_current());
    return aio_scope_join(&scope);
}

/* The join of a cancelled task tells it, also when it has nobody to wait for. */
BEHAVIOUR(cancelled_without_children)
{
    int result = 1;
    struct aio_task *task = task_named("childless", cancel_without_children, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
}

/* A scope of a cancelled task starts cancelled. */
BEHAVIOUR(opened_by_a_cancelled_task)
{
    int end = 1, result = 1;
    struct aio_task *task = task_named("late", open_when_canceled, &end);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_OK(result);
    AIO_CHECK_ERROR(end, -ECANCELED);
}

/* Cancels the owner of the scope it is the last child of, and ends. */
static int betray(void *owner)
{
    aio_task_cancel(*(struct aio_task **)owner);
    return 0;
}

/* A scope with one child, whose owner is cancelled from outside when that has ended. */
struct trial {
    struct aio_task *owner;
    struct aio_scope *scope;
    int (*child)(void *arg);
    int (*after)(void *arg); /* a struct trial; NULL: the child does it itself */
    int joined;
    int late; /* what a child spawned in that moment returned */
};

static int cancel_owner(void *arg)
{
    const struct trial *trial = arg;
    aio_task_cancel(trial->owner);
    return 0;
}

static int cancel_owner_and_spawn(void *arg)
{
    struct trial *trial = arg;
    aio_task_cancel(trial->owner);
    return aio_scope_spawn(trial->scope, note_sleep, &trial->late);
}

static int end_at_once(void *unused)
{
    (void)unused;
    return 0;
}

static int stand_trial(void *arg)
{
    struct trial *trial = arg;
    struct aio_scope scope;
    trial->owner = aio_task_current();
    trial->scope = &scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, trial->child, &trial->owner));
    if (trial->after != NULL)
        AIO_CHECK_OK(aio_task_spawn(NULL, trial->after, trial, NULL));
    trial->joined = aio_scope_join(&scope);
    return aio_task_yield();
}

/* A join whose last child had ended when the cancellation came has succeeded, unless another one
 * was spawned then; the next call brings the cancellation. */
BEHAVIOUR(success_beats_cancel)
{
    struct trial trials[] = {{.child = betray},
                             {.child = end_at_once, .after = cancel_owner},
                             {.child = end_at_once, .after = cancel_owner_and_spawn, .late = 1}};
    for (int i = 0; i < 3; i++) {
        int result = 1;
        struct aio_task *task = task_named("trial", stand_trial, &trials[i]);
        REQUIRE(task != NULL);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
    }
    AIO_CHECK_ERROR(trials[0].joined, -ECANCELED);
    AIO_CHECK_OK(trials[1].joined);
    AIO_CHECK_ERROR(trials[2].joined, -ECANCELED);
    AIO_CHECK_ERROR(trials[2].late, -ECANCELED);
}

static int spawn_plainly(void *arg)
{
    AIO_CHECK_OK(aio_task_spawn(NULL, wait_for_flag, arg, NULL));
    return aio_time_sleep(AIO_FOREVER);
}

/* Plain spawns inherit nothing, also inside a scope. */
BEHAVIOUR(plain_spawns_inherit_nothing)
{
    struct aio_scope scope;
    bool may_end = false;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, spawn_plainly, &may_end));
    AIO_CHECK_OK(aio_task_yield());
    aio_scope_cancel(&scope);
    AIO_CHECK_OK(aio_scope_join(&scope));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(task_stats().tasks_live, 2);
    may_end = true;
    while (task_stats().tasks_live > 1)
        AIO_CHECK_OK(aio_task_yield());
}

/* What the end of a runtime finds. */
struct ending {
    struct tower tower;
    struct sheltered sheltered;
    bool may_end;
};

static int end_with_scopes_open(void *arg)
{
    struct ending *ending = arg;
    AIO_CHECK_OK(aio_task_spawn(NULL, build, &ending->tower, NULL));
    AIO_CHECK_OK(aio_task_spawn(NULL, own_inside_a_shield, &ending->sheltered, NULL));
    AIO_CHECK(task_wait_flag(&ending->tower.built));
    AIO_CHECK(task_wait_flag(&ending->sheltered.ready));
    ending->may_end = true; /* seen after the cancellation, which comes first */
    return 3;
}

/* At the end of a runtime the scopes of its tasks are cancelled and awaited; shields hold. */
BEHAVIOUR_OUTSIDE(runtime_ends_with_scopes_open)
{
    struct ending ending = {.tower = {3, 1, false}};
    ending.sheltered = (struct sheltered){.may_end = &ending.may_end, .joined = 1};
    AIO_CHECK_EQ(test_run(end_with_scopes_open, &ending), 3);
    AIO_CHECK_ERROR(ending.tower.leaf, -ECANCELED);
    AIO_CHECK_OK(ending.sheltered.joined);
}
