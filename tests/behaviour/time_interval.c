/*
 * Intervals: never early, steady, what becomes of missed ticks, cancellation and deadlines.
 */
#define SUITE "interval"
#include "tests/behaviour/task_tools.h"

#include <errno.h>

/* Ticks shorter than a millisecond come at their points of time, never before. */
BEHAVIOUR(ticks_are_never_early)
{
    static const enum aio_interval_policy policies[] = {AIO_INTERVAL_BURST, AIO_INTERVAL_DELAY,
                                                        AIO_INTERVAL_SKIP};
    for (int i = 0; i < 3; i++) {
        struct aio_interval interval;
        int64_t begin = aio_time_now(), ticks = 0;
        AIO_CHECK_OK(aio_interval_start(&interval, AIO_US(150), policies[i]));
        while (ticks < 20) {
            int missed = aio_interval_wait(&interval);
            if (!AIO_CHECK(missed >= 0))
                break;
            ticks++;
            AIO_CHECK(aio_time_now() >= begin + ticks * AIO_US(150));
            if (policies[i] == AIO_INTERVAL_SKIP)
                ticks += missed;
        }
    }
}

/* Burst: missed ticks follow at once, so that none is lost. */
BEHAVIOUR(burst_catches_up)
{
    struct aio_interval interval;
    int64_t begin = aio_time_now();
    AIO_CHECK_OK(aio_interval_start(&interval, AIO_MS(20), AIO_INTERVAL_BURST));
    task_burn(AIO_MS(110));
    for (int i = 0; i < 5; i++)
        AIO_CHECK(aio_interval_wait(&interval) >= 4 - i);
    AIO_CHECK(aio_interval_wait(&interval) >= 0);
    AIO_CHECK(aio_time_now() - begin >= AIO_MS(120));
}

/* Delay: a late tick moves the rhythm. */
BEHAVIOUR(delay_moves_the_rhythm)
{
    struct aio_interval interval;
    AIO_CHECK_OK(aio_interval_start(&interval, AIO_MS(10), AIO_INTERVAL_DELAY));
    task_burn(AIO_MS(35));
    int64_t late = aio_time_now();
    AIO_CHECK(aio_interval_wait(&interval) >= 2);
    AIO_CHECK(aio_interval_wait(&interval) >= 0);
    AIO_CHECK(aio_time_now() - late >= AIO_MS(10));
}

/* Skip: the ticks that were missed are left out, and the rhythm stays. */
BEHAVIOUR(skip_keeps_the_rhythm)
{
    struct aio_interval interval;
    int64_t begin = aio_time_now();
    AIO_CHECK_OK(aio_interval_start(&interval, AIO_MS(20), AIO_INTERVAL_SKIP));
    task_burn(AIO_MS(70));
    int missed = aio_interval_wait(&interval);
    AIO_CHECK(missed >= 2);
    int again = aio_interval_wait(&interval);
    AIO_CHECK(again >= 0);
    AIO_CHECK(aio_time_now() - begin >= AIO_MS(20) * (missed + 2));
}

/* Ticks that are all due already leave room for other tasks. */
static int count_runs(void *arg)
{
    int rc = 0;
    for (; rc == 0; ++*(int *)arg)
        rc = aio_task_yield();
    return rc;
}

BEHAVIOUR(late_ticks_give_way)
{
    struct aio_interval interval;
    int runs = 0;
    struct aio_task *task = task_named("other", count_runs, &runs);
    REQUIRE(task != NULL);
    AIO_CHECK_OK(aio_interval_start(&interval, 1, AIO_INTERVAL_BURST));
    for (int i = 0; i < 100; i++)
        AIO_CHECK(aio_interval_wait(&interval) >= 0);
    AIO_CHECK(runs >= 99); /* it counts after its yield */
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
}

/* A deadline ends the wait and leaves the tick to come. */
BEHAVIOUR(deadline_keeps_the_tick)
{
    struct aio_interval interval;
    struct aio_deadline deadline;
    const int64_t period_ns = AIO_MS(200);
    int64_t begin = aio_time_now();
    AIO_CHECK_OK(aio_interval_start(&interval, period_ns, AIO_INTERVAL_SKIP));
    aio_deadline_set(&deadline, AIO_US(100));
    AIO_CHECK_ERROR(aio_interval_wait(&interval), -ETIMEDOUT);
    AIO_CHECK(aio_deadline_expired(&deadline));
    task_burn(period_ns);
    AIO_CHECK_ERROR(aio_interval_wait(&interval), -ETIMEDOUT); /* also a tick that is due */
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_interval_wait(&interval) >= 0);
    AIO_CHECK(aio_time_now() - begin >= period_ns);
}

static int tick_forever(void *period)
{
    struct aio_interval interval;
    int rc = aio_interval_start(&interval, *(int64_t *)period, AIO_INTERVAL_BURST);
    while (rc >= 0)
        rc = aio_interval_wait(&interval);
    return rc;
}

BEHAVIOUR(cancelled)
{
    int64_t periods[] = {1, AIO_US(10), AIO_SEC(100), AIO_FOREVER};
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        struct aio_task *task = task_named("ticker", tick_forever, &periods[i]);
        REQUIRE(task != NULL);
        for (int j = 0; j < 10; j++)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    }
}

BEHAVIOUR(bad_arguments)
{
    struct aio_interval interval;
    AIO_CHECK_ERROR(aio_interval_start(&interval, 0, AIO_INTERVAL_SKIP), -EINVAL);
    AIO_CHECK_ERROR(aio_interval_start(&interval, -5, AIO_INTERVAL_SKIP), -EINVAL);
    AIO_CHECK_ERROR(aio_interval_start(&interval, 5, (enum aio_interval_policy)3), -EINVAL);
}
