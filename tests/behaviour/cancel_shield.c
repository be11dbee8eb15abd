/*
 * Shields: clean-up that can wait although a cancellation or a deadline is pending.
 */
#define SUITE "shield"
#include "tests/behaviour/task_tools.h"

#include <errno.h>

static int clean_up(void *arg)
{
    int *steps = arg;
    aio_task_cancel(aio_task_current());
    AIO_SHIELD
    {
        AIO_CHECK(aio_task_canceled()); /* it can be asked for inside */
        AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
        ++*steps;
    }
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    ++*steps;
    return 0;
}

/* Inside a shield a cancelled task waits as usual; after it the cancellation is pending still. */
BEHAVIOUR(cancellation_is_held_back)
{
    int steps = 0;
    struct aio_task *task = task_named("tidy", clean_up, &steps);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(steps, 2);
}

static int sleep_shielded(void *arg)
{
    int *steps = arg, rc = 0;
    AIO_SHIELD
    {
        rc = aio_time_sleep(AIO_MS(3));
        ++*steps;
    }
    return rc < 0 ? -1 : aio_time_sleep(AIO_FOREVER);
}

/* A cancellation that comes during a shielded wait does not end it, and is delivered after. */
BEHAVIOUR(cancellation_during_a_shield)
{
    int steps = 0;
    struct aio_task *task = task_named("sleeper", sleep_shielded, &steps);
    REQUIRE(task != NULL && task_wait_parked("sleeper"));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_EQ(steps, 1);
}

static int nest(void *unused)
{
    (void)unused;
    aio_task_cancel(aio_task_current());
    AIO_SHIELD
    {
        AIO_SHIELD
        {
            AIO_CHECK_OK(aio_task_yield());
        }
        AIO_CHECK_OK(aio_task_yield());
        AIO_SHIELD
        {
            AIO_CHECK_OK(aio_task_yield());
            break; /* leaves only this block */
        }
        AIO_CHECK_OK(aio_task_yield());
    }
    return aio_task_yield();
}

/* Shields nest; the outermost one decides. */
BEHAVIOUR(shields_nest)
{
    int result = 0;
    struct aio_task *task = task_named("nested", nest, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -ECANCELED);
}

static int nest_deeply(int depth)
{
    AIO_SHIELD
    {
        return depth == 0 ? aio_time_sleep(AIO_US(50)) : nest_deeply(depth - 1);
    }
    return -1;
}

/* A thousand deep, left by return. */
BEHAVIOUR_WITH(shields_nest_deeply, .stack_bytes = 1 << 20)
{
    AIO_CHECK_OK(nest_deeply(1000));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT); /* nothing is held back any more */
    }
}

/* Deadlines set outside are held back, those set inside work, and the outer ones are there again
 * afterwards. */
BEHAVIOUR(deadlines_and_shields)
{
    struct aio_deadline outer;
    aio_deadline_set(&outer, AIO_US(100));
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
        struct aio_deadline inner;
        aio_deadline_set(&inner, AIO_MS(1));
        AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
        AIO_CHECK(aio_deadline_expired(&inner));
        AIO_CHECK(!aio_deadline_expired(&outer));
        aio_deadline_clear(&inner);
        AIO_CHECK_OK(aio_task_yield());
    }
    AIO_CHECK(!aio_deadline_expired(&outer));
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&outer));
    aio_deadline_clear(&outer);
}

/* An inner shield holds back the deadlines of the outer one too. */
BEHAVIOUR(deadlines_between_shields)
{
    AIO_SHIELD
    {
        struct aio_deadline middle;
        aio_deadline_set(&middle, 0);
        struct aio_shield inner;
        aio_shield_enter(&inner);
        AIO_CHECK_OK(aio_time_sleep(AIO_US(50)));
        aio_shield_leave(&inner);
        AIO_CHECK_ERROR(aio_task_yield(), -ETIMEDOUT);
        AIO_CHECK(aio_deadline_expired(&middle));
        aio_deadline_clear(&middle);
    }
    AIO_CHECK_OK(aio_task_yield());
}

static int leave_by_return(void)
{
    AIO_SHIELD
    {
        return aio_task_yield();
    }
    return 1;
}

static int leave_by_goto(void)
{
    int rc = 1;
    AIO_SHIELD
    {
        rc = aio_task_yield();
        goto out;
    }
    rc = 1;
out:
    return rc;
}

static int leave_in_every_way(void *unused)
{
    (void)unused;
    aio_task_cancel(aio_task_current());
    AIO_CHECK_EQ(leave_by_return(), 0);
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    AIO_CHECK_EQ(leave_by_goto(), 0);
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    int entered = 0;
    for (int i = 0; i < 3; i++) {
        AIO_SHIELD
        {
            entered++;
            AIO_CHECK_OK(aio_task_yield());
            if (i == 0)
                break;
            if (i == 1)
                continue;
        }
        AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    }
    return entered;
}

/* The block form may be left by return, goto, break and continue. */
BEHAVIOUR(block_is_left_in_every_way)
{
    int entered = 0;
    struct aio_task *task = task_named("ways", leave_in_every_way, NULL);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_task_join(task, &entered));
    AIO_CHECK_EQ(entered, 3);
}

static int read_until_closed(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

static int close_when_canceled(void *arg)
{
    struct wire *wire = arg;
    aio_task_cancel(aio_task_current());
    AIO_TIMEOUT(0)
    {
        wire_close(wire);
    }
    return aio_task_yield();
}

/* Closing is shielded by itself: a cancelled task, its deadline passed, waits for the readers to
 * leave and closes. */
BEHAVIOUR(close_is_shielded)
{
    struct wire wire;
    int results[2] = {0, 0};
    REQUIRE(wire_open(&wire));
    struct aio_task *reader = task_named("reader", read_until_closed, wire.near);
    REQUIRE(reader != NULL && task_wait_parked("reader"));
    struct aio_task *closer = task_named("closer", close_when_canceled, &wire);
    REQUIRE(closer != NULL);
    AIO_CHECK_OK(aio_task_join(closer, &results[0]));
    AIO_CHECK_OK(aio_task_join(reader, &results[1]));
    AIO_CHECK_ERROR(results[0], -ECANCELED);
    AIO_CHECK_ERROR(results[1], -EBADF);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
}
