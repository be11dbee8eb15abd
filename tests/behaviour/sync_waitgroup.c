/*
 * The waitgroup: waiters go on when nothing is left to be done.
 */
#define SUITE "sync_waitgroup"
#include "tests/behaviour/sync_support.h"

static int wait_for(void *group)
{
    return aio_waitgroup_wait(group);
}

static int work(void *group)
{
    int rc = aio_task_yield();
    aio_waitgroup_done(group);
    return rc;
}

BEHAVIOUR(waits_for_all)
{
    static struct aio_waitgroup group = AIO_WAITGROUP_INIT;
    struct aio_task *workers[10], *waiters[3];
    for (int round = 0; round < 2; round++) {
        aio_waitgroup_add(&group, 10);
        sync_start(waiters, 3, "waiter", wait_for, &group);
        for (int i = 0; i < 10; i++) {
            AIO_CHECK(task_parked("waiter"));
            workers[i] = task_named("worker", work, &group);
        }
        AIO_CHECK_OK(aio_waitgroup_wait(&group));
        sync_finish(waiters, 3, 0);
        sync_finish(workers, 10, 0);
    }
    aio_waitgroup_destroy(&group);
}

/* Each that is done counts for one. */
BEHAVIOUR(some_is_not_all)
{
    struct aio_waitgroup group = AIO_WAITGROUP_INIT;
    struct aio_task *waiter;
    aio_waitgroup_add(&group, 2);
    aio_waitgroup_add(&group, 1);
    sync_start(&waiter, 1, "waiter", wait_for, &group);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK(task_parked("waiter"));
        aio_waitgroup_done(&group);
        sync_settle();
    }
    sync_finish(&waiter, 1, 0);
    aio_waitgroup_destroy(&group);
}

/* Nothing to be done: no wait, no switch; done and add never suspend. */
BEHAVIOUR(nothing_to_wait_for)
{
    static struct aio_waitgroup group;
    uint64_t before = task_stats().switches;
    AIO_CHECK_OK(aio_waitgroup_wait(&group));
    aio_waitgroup_add(&group, 0);
    AIO_CHECK_OK(aio_waitgroup_wait(&group));
    aio_waitgroup_add(&group, 1);
    aio_waitgroup_done(&group);
    AIO_CHECK_OK(aio_waitgroup_wait(&group));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_waitgroup_wait(&group), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(task_stats().switches, before);
    aio_waitgroup_destroy(&group);
}

/* Waiters at the head, in the middle, at the tail leave early; the others go on waiting. */
BEHAVIOUR(waiters_may_leave)
{
    for (int gone = 0; gone < 3; gone++) {
        struct aio_waitgroup group = AIO_WAITGROUP_INIT;
        struct aio_task *waiters[3];
        aio_waitgroup_add(&group, 1);
        sync_start(waiters, 3, "waiter", wait_for, &group);
        AIO_CHECK_ERROR(task_stop(waiters[gone]), -ECANCELED);
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_CHECK_ERROR(aio_waitgroup_wait(&group), -ETIMEDOUT);
        }
        AIO_CHECK(task_parked("waiter"));
        aio_waitgroup_done(&group);
        for (int i = 0; i < 3; i++)
            if (i != gone)
                sync_finish(&waiters[i], 1, 0);
        aio_waitgroup_destroy(&group);
    }
}

/* Woken, and cancelled before it runs: the wait has succeeded. More work that was added in the
 * meantime does not hold it up. */
BEHAVIOUR(woken_then_canceled_is_woken)
{
    struct aio_waitgroup group = AIO_WAITGROUP_INIT;
    struct aio_task *waiter;
    aio_waitgroup_add(&group, 1);
    sync_start(&waiter, 1, "waiter", wait_for, &group);
    aio_waitgroup_done(&group);
    aio_waitgroup_add(&group, 1);
    AIO_CHECK_EQ(task_stop(waiter), 0);
    aio_waitgroup_done(&group);
    aio_waitgroup_destroy(&group);
}

/* Workers are cancelled at random, and still count. */
BEHAVIOUR(hammered)
{
    enum { CROWD = 8 };
    struct aio_waitgroup group = AIO_WAITGROUP_INIT;
    for (int round = 0; round < 100; round++) {
        struct aio_task *workers[CROWD], *waiters[2];
        aio_waitgroup_add(&group, CROWD);
        for (int i = 0; i < CROWD; i++)
            workers[i] = task_named("worker", work, &group);
        waiters[0] = task_named("waiter", wait_for, &group);
        waiters[1] = task_named("waiter", wait_for, &group);
        aio_task_cancel(workers[test_random() % CROWD]);
        if (test_random() % 2 == 0)
            sync_settle();
        aio_task_cancel(waiters[0]);
        AIO_CHECK_OK(aio_waitgroup_wait(&group));
        sync_finish(waiters + 1, 1, 0);
        AIO_CHECK_OK(aio_task_join(waiters[0], NULL));
        for (int i = 0; i < CROWD; i++)
            AIO_CHECK_OK(aio_task_join(workers[i], NULL));
    }
    aio_waitgroup_destroy(&group);
}
