/*
 * Ambient deadlines: what they bound, how they nest, whose it was.
 */
#define SUITE "deadline"
#include "tests/behaviour/task_tools.h"

#include <errno.h>

/* A deadline ends a wait with -ETIMEDOUT once it has passed, not before, and then says so. */
BEHAVIOUR(deadline_ends_a_wait)
{
    struct aio_deadline deadline;
    int64_t start = aio_time_now();
    aio_deadline_set(&deadline, AIO_MS(3));
    AIO_CHECK(!aio_deadline_expired(&deadline));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_SEC(100)), -ETIMEDOUT);
    AIO_CHECK(aio_time_now() - start >= AIO_MS(3));
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_deadline_expired(&deadline));
}

/* What ends in time is not touched, and the deadline has not expired. */
BEHAVIOUR(deadline_in_time)
{
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, AIO_SEC(100));
    AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(!aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    AIO_CHECK(!aio_deadline_expired(&deadline));
}

/* Once it has passed every call that can suspend is refused, until it is cleared. */
BEHAVIOUR(deadline_is_sticky)
{
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, AIO_MS(1));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_time_sleep(0), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_time_sleep(1), -ETIMEDOUT);
    }
    aio_deadline_clear(&deadline);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_time_sleep(1));
}

/* A time that has passed while the task computed ends the next wait. */
BEHAVIOUR(deadline_passed_without_waiting)
{
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, AIO_US(200));
    task_burn(AIO_MS(1));
    AIO_CHECK(!aio_deadline_expired(&deadline)); /* no call has failed because of it */
    AIO_CHECK_ERROR(aio_time_sleep(AIO_MS(5)), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
}

/* 0 and less have passed already: the first call is refused. */
BEHAVIOUR(deadline_of_nothing)
{
    const int64_t lengths[] = {0, -1, INT64_MIN};
    for (int i = 0; i < 3; i++) {
        struct aio_deadline deadline;
        aio_deadline_set(&deadline, lengths[i]);
        AIO_CHECK(!aio_deadline_expired(&deadline));
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
        AIO_CHECK(aio_deadline_expired(&deadline));
        aio_deadline_clear(&deadline);
    }
}

/* AIO_FOREVER, and what comes near it, never passes. */
BEHAVIOUR(deadline_never)
{
    const int64_t lengths[] = {AIO_FOREVER, AIO_FOREVER - 1};
    for (int i = 0; i < 2; i++) {
        struct aio_deadline deadline;
        aio_deadline_set(&deadline, lengths[i]);
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK(!aio_deadline_expired(&deadline));
        aio_deadline_clear(&deadline);
    }
}

/* Clearing twice is harmless. */
BEHAVIOUR(clear_twice)
{
    struct aio_deadline outer, inner;
    aio_deadline_set(&outer, 0);
    aio_deadline_set(&inner, AIO_SEC(1));
    aio_deadline_clear(&inner);
    aio_deadline_clear(&inner);
    AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
    aio_deadline_clear(&outer);
    aio_deadline_clear(&outer);
    AIO_CHECK_OK(aio_task_yield());
}

/* An outer deadline that is nearer stays in force, and it is the one that expires. */
BEHAVIOUR(nested_outer_is_nearer)
{
    struct aio_deadline outer, inner;
    aio_deadline_set(&outer, AIO_MS(1));
    aio_deadline_set(&inner, AIO_SEC(100));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&outer));
    AIO_CHECK(!aio_deadline_expired(&inner));
    aio_deadline_clear(&inner);
    AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
    aio_deadline_clear(&outer);
    AIO_CHECK_OK(aio_task_yield());
}

/* An inner one that is nearer expires alone; outside it the task goes on under the outer one. */
BEHAVIOUR(nested_inner_is_nearer)
{
    struct aio_deadline outer, inner;
    aio_deadline_set(&outer, AIO_SEC(100));
    aio_deadline_set(&inner, AIO_MS(1));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    AIO_CHECK(!aio_deadline_expired(&outer));
    AIO_CHECK(aio_deadline_expired(&inner));
    aio_deadline_clear(&inner);
    AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    AIO_CHECK(!aio_deadline_expired(&outer));
    aio_deadline_clear(&outer);
}

/* The nearest of many wins wherever it stands. */
BEHAVIOUR(nested_the_nearest_of_ten)
{
    for (int nearest = 0; nearest < 10; nearest++) {
        struct aio_deadline deadlines[10];
        for (int i = 0; i < 10; i++)
            aio_deadline_set(&deadlines[i], i == nearest ? AIO_US(500) : AIO_SEC(10 + i));
        AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
        for (int i = 9; i >= 0; i--) {
            AIO_CHECK_EQ(aio_deadline_expired(&deadlines[i]), i == nearest);
            aio_deadline_clear(&deadlines[i]);
        }
        AIO_CHECK_OK(aio_task_yield());
    }
}

static int wait_below(int depth)
{
    return depth == 0 ? aio_time_sleep(AIO_FOREVER) : wait_below(depth - 1);
}

/* It bounds functions called from there, which take no timeout. */
BEHAVIOUR(deadline_bounds_functions_below)
{
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(wait_below(20), -ETIMEDOUT);
    }
}

static int sleep_a_little(void *arg)
{
    *(bool *)arg = true;
    int rc = aio_time_sleep(AIO_MS(3));
    return rc < 0 ? rc : aio_task_yield();
}

/* It bounds the task that set it and no other. */
BEHAVIOUR(deadline_of_one_task)
{
    bool started = false;
    int result = -1;
    struct aio_task *other = task_named("other", sleep_a_little, &started);
    REQUIRE(other != NULL);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    }
    AIO_CHECK_OK(aio_task_join(other, &result));
    AIO_CHECK_EQ(result, 0);
}

static int leave_by_return(void)
{
    AIO_TIMEOUT(AIO_MS(1))
    {
        return aio_time_sleep(AIO_FOREVER);
    }
    return 0;
}

static int leave_by_goto(void)
{
    int rc = 0;
    AIO_TIMEOUT(0)
    {
        rc = aio_task_yield();
        goto out;
    }
    rc = 1;
out:
    return rc;
}

/* The block form may be left by return, goto, break and continue, and is over then. */
BEHAVIOUR(block_is_left_in_every_way)
{
    AIO_CHECK_ERROR(leave_by_return(), -ETIMEDOUT);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(leave_by_goto(), -ETIMEDOUT);
    AIO_CHECK_OK(aio_task_yield());
    int rounds = 0, after = 0;
    for (int i = 0; i < 6; i++) {
        AIO_TIMEOUT(0)
        {
            rounds++;
            AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
            if (i % 3 == 0)
                break; /* leaves only the block */
            if (i % 3 == 1)
                continue; /* so does this */
        }
        after++;
        AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK_EQ(rounds, 6);
    AIO_CHECK_EQ(after, 6);
}

/* The block is run once, and evaluates its time once. */
BEHAVIOUR(block_runs_once)
{
    int evaluated = 0, entered = 0;
    AIO_TIMEOUT((evaluated++, AIO_SEC(1)))
    {
        entered++;
        AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK_EQ(evaluated, 1);
    AIO_CHECK_EQ(entered, 1);
}

/* Blocks nest in one function. */
BEHAVIOUR(blocks_nest)
{
    AIO_TIMEOUT(AIO_SEC(100))
    {
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_TIMEOUT(AIO_SEC(50))
            {
                AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
            }
            AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
        }
        AIO_CHECK_OK(aio_task_yield());
    }
}

/* A deadline that was cleared in time does not end what comes after it, whenever its timer was
 * armed. */
BEHAVIOUR(cleared_deadlines_do_not_fire)
{
    int in_time = 0;
    for (int i = 0; i < 20; i++) {
        int rc = 0;
        AIO_TIMEOUT(AIO_MS(2))
        {
            rc = aio_time_sleep(AIO_US(10)); /* parks, so a timer may be armed */
        }
        AIO_CHECK(rc == 0 || rc == -ETIMEDOUT); /* when the machine stalls */
        in_time += rc == 0;
        AIO_TIMEOUT(AIO_SEC(100))
        {
            AIO_CHECK_OK(aio_time_sleep(AIO_MS(3)));
        }
    }
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(3)));
    AIO_CHECK(in_time > 0);
}

/* A longer deadline after a shorter one is as exact as the first. */
BEHAVIOUR(later_deadlines_come_in_time)
{
    const int64_t lengths[] = {AIO_MS(20), AIO_MS(1), AIO_MS(10), AIO_MS(2), AIO_MS(5)};
    for (int i = 0; i < 5; i++) {
        int64_t start = aio_time_now();
        AIO_TIMEOUT(lengths[i])
        {
            AIO_CHECK_OK(aio_time_sleep(1));
            AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
        }
        int64_t took = aio_time_now() - start;
        AIO_CHECK(took >= lengths[i]);
        AIO_CHECK(took < lengths[i] + AIO_SEC(10) * test_slowness());
    }
}

struct crowd {
    int waiting;
    bool go;
};

static int wait_under_deadlines(void *arg)
{
    struct crowd *crowd = arg;
    struct aio_deadline deadlines[3];
    int rc = 0;
    for (int i = 0; i < 3; i++)
        aio_deadline_set(&deadlines[i], AIO_SEC(100 + (int64_t)(test_random() % 100)));
    crowd->waiting++;
    while (!crowd->go && rc == 0)
        rc = aio_time_sleep(AIO_MS(20));
    for (int i = 2; i >= 0; i--) {
        AIO_CHECK(!aio_deadline_expired(&deadlines[i]));
        aio_deadline_clear(&deadlines[i]);
    }
    return rc < 0 ? rc : aio_task_yield();
}

/* Ten thousand tasks with three deadlines each: none fires, and none is left. */
BEHAVIOUR(many_deadlines_cleared)
{
    enum { COUNT = TEN_THOUSAND };
    static struct aio_task *tasks[COUNT];
    struct crowd crowd = {0, false};
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], wait_under_deadlines, &crowd, NULL));
    while (crowd.waiting < COUNT)
        REQUIRE_OK(aio_task_yield());
    crowd.go = true;
    for (int i = 0; i < COUNT; i++) {
        int result;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        REQUIRE_OK(result);
    }
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}

static int time_out_alone(void *arg)
{
    int64_t length_ns = *(int64_t *)arg, start = aio_time_now();
    struct aio_deadline deadline;
    aio_deadline_set(&deadline, length_ns);
    int rc = aio_time_sleep(AIO_FOREVER);
    AIO_CHECK(aio_time_now() - start >= length_ns);
    AIO_CHECK(aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    return rc;
}

/* Ten thousand tasks time out, each at its own time. */
BEHAVIOUR(many_deadlines_expire)
{
    enum { COUNT = TEN_THOUSAND };
    static struct aio_task *tasks[COUNT];
    static int64_t lengths[COUNT];
    for (int i = 0; i < COUNT; i++) {
        lengths[i] = (int64_t)(test_random() % (uint64_t)AIO_MS(100));
        REQUIRE_OK(aio_task_spawn(&tasks[i], time_out_alone, &lengths[i], NULL));
    }
    for (int i = 0; i < COUNT; i++) {
        int result;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        REQUIRE(AIO_CHECK_ERROR(result, -ETIMEDOUT));
    }
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}

static int fill(void *arg)
{
    static char bulk[1 << 20];
    ssize_t rc;
    while ((rc = aio_stream_write(arg, bulk, sizeof bulk)) > 0)
        ;
    return (int)rc;
}

/* The kernel's own -ETIMEDOUT is told apart: here it gives up a peer that takes nothing. */
BEHAVIOUR(timeout_of_the_kernel_is_not_ours)
{
    struct wire wire;
    struct aio_deadline deadline;
    REQUIRE(wire_open(&wire));
    AIO_CHECK_OK(aio_stream_option_set(wire.near, AIO_STREAM_USER_TIMEOUT, 100));
    aio_deadline_set(&deadline, AIO_SEC(15) * test_slowness());
    AIO_CHECK_ERROR(fill(wire.near), -ETIMEDOUT);
    AIO_CHECK(!aio_deadline_expired(&deadline));
    aio_deadline_clear(&deadline);
    wire_close(&wire);
}
