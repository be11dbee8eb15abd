/*
 * Deadlines and scopes: what children inherit, on whose deadline it is told, what a deadline of
 * the joiner does.
 */
#define SUITE "scope_deadline"
#include "tests/behaviour/task_tools.h"

#include <aio/scope.h>

#include <errno.h>

static int note_sleep(void *arg)
{
    return *(int *)arg = aio_time_sleep(AIO_FOREVER);
}

/* The children run into the owner's deadline, which is the one that is marked. */
BEHAVIOUR(children_inherit)
{
    struct aio_deadline outer, inner;
    struct aio_scope scope;
    int ends[2] = {1, 1};
    aio_deadline_set(&outer, AIO_US(300));
    aio_deadline_set(&inner, AIO_SEC(100));
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &ends[0]));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &ends[1]));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
    AIO_CHECK_ERROR(ends[0], -ETIMEDOUT);
    AIO_CHECK_ERROR(ends[1], -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&outer));
    AIO_CHECK(!aio_deadline_expired(&inner));
    aio_deadline_clear(&inner);
    aio_deadline_clear(&outer);
}

/* Inherited at the opening, not at the spawn, also by what a child spawns late. */
struct late {
    struct aio_scope *scope;
    int end;
};

static int spawn_late(void *arg)
{
    struct late *late = arg;
    int rc = 0;
    AIO_TIMEOUT(0) /* a deadline of the spawner is not the scope's */
    {
        rc = aio_scope_spawn(late->scope, note_sleep, &late->end);
    }
    return rc;
}

BEHAVIOUR(late_children_inherit_the_scopes)
{
    struct aio_deadline deadline;
    struct aio_scope scope;
    struct late late = {&scope, 1};
    int64_t begin = aio_time_now();
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_scope_spawn(&scope, spawn_late, &late));
        AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT); /* the child's */
    }
    AIO_CHECK(aio_time_now() - begin >= AIO_MS(2));
    AIO_CHECK_ERROR(late.end, -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
}

/* A deadline set after the opening binds the owner only; its children are cancelled by the join. */
BEHAVIOUR(deadline_of_the_join)
{
    struct aio_deadline deadline;
    struct aio_scope scope;
    int end = 1;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &end));
    aio_deadline_set(&deadline, AIO_US(100));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    AIO_CHECK_EQ(end, 1);
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    AIO_CHECK_ERROR(end, -ECANCELED);
    AIO_CHECK_EQ(aio_scope_failures(&scope), 0);

    end = 1;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &end));
    aio_deadline_set(&deadline, AIO_US(100));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    AIO_CHECK_ERROR(end, -ECANCELED);
    AIO_CHECK_OK(aio_task_yield());
}

/* A join with nobody to wait for tells a deadline that has passed, as any call does. */
BEHAVIOUR(too_late_without_children)
{
    struct aio_deadline deadline;
    struct aio_scope scope;
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    aio_deadline_set(&deadline, 0);
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
}

/* A child's own deadlines nest inside the inherited ones, and its shields hold both back. */
struct inside {
    int64_t outer_ns;
    bool own;
    int shielded;
    int end;
};

static int nest_inside(void *arg)
{
    struct inside *inside = arg;
    struct aio_deadline own;
    aio_deadline_set(&own, AIO_US(50));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    inside->own = aio_deadline_expired(&own);
    aio_deadline_clear(&own);
    AIO_SHIELD
    {
        inside->shielded = aio_time_sleep(inside->outer_ns + AIO_MS(1));
    }
    return inside->end = aio_time_sleep(AIO_FOREVER);
}

/* Returns whether the child's own was the one that ended its first wait: on a slow machine the
 * outer one may be over before the child begins. */
static bool nest_within(int64_t outer_ns)
{
    struct aio_deadline deadline;
    struct aio_scope scope;
    struct inside inside = {outer_ns, false, 1, 1};
    aio_deadline_set(&deadline, outer_ns);
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, nest_inside, &inside));
    AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
    AIO_CHECK_OK(inside.shielded);
    AIO_CHECK_ERROR(inside.end, -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    return inside.own;
}

BEHAVIOUR(deadlines_and_shields_of_a_child)
{
    int64_t outer_ns = AIO_MS(2);
    while (!nest_within(outer_ns) && AIO_CHECK(outer_ns < AIO_SEC(2)))
        outer_ns *= 4;
}

static int just_yield(void *unused)
{
    (void)unused;
    return aio_task_yield();
}

/* A scope inside a shield inherits only what was set inside the shield. */
BEHAVIOUR(shield_around_a_scope)
{
    struct aio_deadline outer, inner;
    struct aio_scope scope;
    int end = 1;
    aio_deadline_set(&outer, 0);
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        AIO_CHECK_OK(aio_scope_spawn(&scope, just_yield, NULL));
        AIO_CHECK_OK(aio_scope_join(&scope));
        aio_deadline_set(&inner, AIO_US(100));
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        AIO_CHECK_OK(aio_scope_spawn(&scope, note_sleep, &end));
        AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
        AIO_CHECK(aio_deadline_expired(&inner));
        aio_deadline_clear(&inner);
    }
    AIO_CHECK_ERROR(end, -ETIMEDOUT);
    AIO_CHECK(!aio_deadline_expired(&outer));
    aio_deadline_clear(&outer);
}

/* Three levels, each with a deadline of its own; the outermost is the nearest. */
struct level {
    int depth;
    bool expired[3];
    int end;
};

static int descend(void *arg)
{
    struct level *level = arg;
    struct aio_deadline deadline;
    struct aio_scope scope;
    if (level->depth == 3)
        return note_sleep(&level->end);
    int depth = level->depth++;
    aio_deadline_set(&deadline, depth == 0 ? AIO_US(500) : AIO_SEC(100 + depth));
    AIO_CHECK_OK(aio_scope_open(&scope, NULL));
    AIO_CHECK_OK(aio_scope_spawn(&scope, descend, level));
    int rc = aio_scope_join(&scope);
    level->expired[depth] = aio_deadline_expired(&deadline);
    aio_deadline_clear(&deadline);
    return rc;
}

BEHAVIOUR(nested_levels)
{
    struct level level = {.end = 1};
    AIO_CHECK_ERROR(descend(&level), -ETIMEDOUT);
    AIO_CHECK_ERROR(level.end, -ETIMEDOUT);
    AIO_CHECK(level.expired[0]);
    AIO_CHECK(!level.expired[1]);
    AIO_CHECK(!level.expired[2]);
}

static int wait_often(void *arg)
{
    int rc = 0;
    for (int i = 0; rc == 0; i++)
        rc = i % 3 != 0 ? aio_task_yield() : aio_time_sleep(AIO_US(1));
    ++*(int *)arg;
    return rc;
}

/* Deadlines of 2 us: wherever they strike, all children end with -ETIMEDOUT or are cancelled by one
 * that did, and the deadline is marked. */
BEHAVIOUR(deadlines_of_2_us)
{
    int rounds = UNDER_TSAN || UNDER_ASAN || test_on_valgrind() ? 200 : 1000;
    for (int i = 0; i < rounds; i++) {
        struct aio_deadline deadline;
        struct aio_scope scope;
        int ended = 0;
        aio_deadline_set(&deadline, AIO_US(2));
        AIO_CHECK_OK(aio_scope_open(&scope, NULL));
        for (int j = 0; j < 3; j++)
            REQUIRE_OK(aio_scope_spawn(&scope, wait_often, &ended));
        AIO_CHECK_ERROR(aio_scope_join(&scope), -ETIMEDOUT);
        AIO_CHECK(aio_deadline_expired(&deadline));
        AIO_CHECK_EQ(ended, 3);
        aio_deadline_clear(&deadline);
        REQUIRE_OK(aio_task_yield());
    }
    AIO_CHECK_EQ(task_stats().tasks_live, 1);
}
