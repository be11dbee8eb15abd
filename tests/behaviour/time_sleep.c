/*
 * The clock and sleeping.
 */
#define SUITE "time"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static int64_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return AIO_SEC(now.tv_sec) + now.tv_nsec;
}

/* The clock is CLOCK_MONOTONIC in nanoseconds. */
BEHAVIOUR_OUTSIDE(now_is_the_monotonic_clock)
{
    for (int i = 0; i < 1000; i++) {
        int64_t before = clock_now();
        int64_t now = aio_time_now();
        REQUIRE(before <= now && now <= clock_now());
    }
}

/* Units are what their names say. */
BEHAVIOUR_OUTSIDE(units)
{
    AIO_CHECK_EQ(AIO_NS(3), 3);
    AIO_CHECK_EQ(AIO_US(3), 3000);
    AIO_CHECK_EQ(AIO_MS(3), 3000000);
    AIO_CHECK_EQ(AIO_SEC(3), INT64_C(3000000000));
    AIO_CHECK_EQ(AIO_SEC(100000), INT64_C(100000000000000));
}

/* A sleep is never shorter than asked for, whatever its length. */
BEHAVIOUR(sleep_is_never_early)
{
    const int64_t lengths[] = {1,           100,          AIO_US(1), AIO_US(50),
                               AIO_US(999), AIO_US(1001), AIO_MS(2), AIO_MS(20)};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int round = 0; round < 5; round++) {
            int64_t start = aio_time_now();
            AIO_CHECK_OK(aio_time_sleep(lengths[i]));
            AIO_CHECK(aio_time_now() - start >= lengths[i]);
        }
}

/* Below a millisecond too a sleep takes about as long as asked for, on every backend: ten of many
 * do. Where the clock of timers is too coarse none does, on a slow machine some. */
BEHAVIOUR(sleep_is_precise_below_a_millisecond)
{
    int precise = 0;
    int64_t limit_ns = aio_time_now() + AIO_SEC(5) * test_slowness();
    while (precise < 10 && AIO_CHECK(aio_time_now() < limit_ns)) {
        int64_t start = aio_time_now();
        AIO_CHECK_OK(aio_time_sleep(AIO_US(300)));
        int64_t length_ns = aio_time_now() - start;
        AIO_CHECK(length_ns >= AIO_US(300));
        precise += length_ns < AIO_MS(1);
    }
}

/* Nothing, and less than nothing, yields once. */
BEHAVIOUR(sleep_of_nothing_yields)
{
    int turns = 0;
    struct aio_task *counter = task_named("counter", task_count_turns, &turns);
    REQUIRE(counter != NULL);
    const int64_t lengths[] = {0, -1, AIO_SEC(-1), INT64_MIN};
    AIO_CHECK_OK(aio_task_yield());
    for (int i = 0; i < 4; i++) {
        AIO_CHECK_EQ(turns, i);
        AIO_CHECK_OK(aio_time_sleep(lengths[i]));
    }
    AIO_CHECK_EQ(turns, 4);
    AIO_CHECK_EQ(task_stop(counter), 0);
}

struct sleeper {
    int64_t length_ns;
    int64_t due_ns;
    int64_t woken_ns;
    int *order;
    int place;
};

static int sleep_once(void *arg)
{
    struct sleeper *sleeper = arg;
    sleeper->due_ns = aio_time_now() + sleeper->length_ns;
    int rc = aio_time_sleep(sleeper->length_ns);
    sleeper->woken_ns = aio_time_now();
    sleeper->place = (*sleeper->order)++;
    AIO_CHECK(sleeper->woken_ns >= sleeper->due_ns);
    return rc;
}

/* Sleepers wake in the order of their times, not in that of their calls. */
BEHAVIOUR(sleepers_wake_in_order)
{
    enum { COUNT = 20 };
    struct sleeper sleepers[COUNT];
    struct aio_task *tasks[COUNT];
    int order = 0;
    for (int i = 0; i < COUNT; i++) {
        int64_t length_ns = AIO_MS(10 + 3 * ((i * 7) % COUNT));
        sleepers[i] = (struct sleeper){.length_ns = length_ns, .order = &order, .place = -1};
        REQUIRE_OK(aio_task_spawn(&tasks[i], sleep_once, &sleepers[i], NULL));
    }
    AIO_CHECK_OK(aio_task_yield());
    int64_t begun_ns = aio_time_now(); /* all sleep; the machine may have stalled meanwhile */
    for (int i = 0; i < COUNT; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++)
            if (begun_ns + sleepers[i].length_ns < sleepers[j].due_ns)
                AIO_CHECK(sleepers[i].place < sleepers[j].place);
}

/* Ten thousand sleep at once, for times at random, none wakes early, all wake. */
BEHAVIOUR(ten_thousand_sleepers)
{
    enum { COUNT = TEN_THOUSAND };
    static struct sleeper sleepers[COUNT];
    static struct aio_task *tasks[COUNT];
    int order = 0;
    for (int i = 0; i < COUNT; i++) {
        int64_t length_ns = AIO_MS(1) + (int64_t)(test_random() % (uint64_t)AIO_MS(200));
        sleepers[i] = (struct sleeper){.length_ns = length_ns, .order = &order, .place = -1};
        REQUIRE_OK(aio_task_spawn(&tasks[i], sleep_once, &sleepers[i], NULL));
    }
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(aio_task_join(tasks[i], NULL));
    AIO_CHECK_EQ(order, COUNT);
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}

/* A sleeping runtime sleeps: the loop does not turn meanwhile. */
BEHAVIOUR(sleep_does_not_spin)
{
    uint64_t turns = task_stats().turns;
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(100)));
    AIO_CHECK(task_stats().turns - turns < 30);
}

static int sleep_for(void *arg)
{
    return aio_time_sleep(*(int64_t *)arg);
}

/* Sleeping for ever, or for longer than the clock will count, ends by cancellation only. */
BEHAVIOUR(sleep_for_ever)
{
    const int64_t lengths[] = {AIO_FOREVER, AIO_FOREVER - 1, AIO_SEC(INT64_C(9000000000))};
    for (int i = 0; i < 3; i++) {
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_CHECK_ERROR(aio_time_sleep(lengths[i]), -ETIMEDOUT);
        }
        int64_t length_ns = lengths[i];
        struct aio_task *task = task_named("ever", sleep_for, &length_ns);
        REQUIRE(task != NULL && task_wait_parked("ever"));
        AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    }
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}

/* A cancelled sleep leaves no timer. */
BEHAVIOUR(canceled_sleeps_leave_nothing)
{
    enum { COUNT = 500 };
    static struct aio_task *tasks[COUNT];
    static int64_t length_ns;
    for (int i = 0; i < COUNT; i++) {
        length_ns = AIO_SEC(1000 + i % 7);
        REQUIRE_OK(aio_task_spawn(&tasks[i], sleep_for, &length_ns, NULL));
    }
    AIO_CHECK_OK(aio_task_yield());
    for (int i = 0; i < COUNT; i++)
        AIO_CHECK_ERROR(task_stop(tasks[(i * 7) % COUNT]), -ECANCELED);
    AIO_CHECK_EQ(task_stats().timers_armed, 0);
}
