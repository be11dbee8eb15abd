/*
 * Once: it is done once, however many ask and whatever happens to those who do it.
 */
#define SUITE "sync_once"
#include "tests/behaviour/sync_support.h"

struct making {
    struct aio_once once;
    struct aio_notify go;
    int runs;
    int inside;
    int fail; /* so many runs fail with -EIO */
};

static const struct making making_new = {.once = AIO_ONCE_INIT, .go = AIO_NOTIFY_INIT};

static int make(void *arg)
{
    struct making *making = arg;
    making->runs++;
    AIO_CHECK_EQ(++making->inside, 1);
    int rc = aio_notify_wait(&making->go);
    making->inside--;
    if (rc < 0)
        return rc;
    return making->fail-- > 0 ? -EIO : 5;
}

static int run_once(void *arg)
{
    struct making *making = arg;
    return aio_once_run(&making->once, make, making);
}

/* The others wait for the one that runs; afterwards nothing runs and nothing waits. */
BEHAVIOUR(one_runs_the_others_wait)
{
    static struct making making = {.once = AIO_ONCE_INIT, .go = AIO_NOTIFY_INIT};
    struct aio_task *tasks[4];
    sync_start(tasks, 4, "maker", run_once, &making);
    AIO_CHECK_EQ(making.runs, 1);
    aio_notify_one(&making.go);
    sync_finish(tasks, 4, 0);
    AIO_CHECK_EQ(making.runs, 1);
    uint64_t before = task_stats().switches;
    AIO_CHECK_EQ(run_once(&making), 0);
    AIO_CHECK_EQ(task_stats().switches, before);
    AIO_CHECK_EQ(making.runs, 1);
    aio_once_destroy(&making.once);
    aio_notify_one(&making.go);
    AIO_CHECK_EQ(run_once(&making), 0);
    AIO_CHECK_EQ(making.runs, 2);
    aio_once_destroy(&making.once);
}

/* When it fails, the first waiter tries, then the next. */
BEHAVIOUR(failure_passes_the_turn_on)
{
    struct making making = making_new;
    struct aio_task *tasks[4];
    making.fail = 2;
    sync_start(tasks, 4, "maker", run_once, &making);
    for (int i = 0; i < 3; i++) {
        aio_notify_one(&making.go);
        sync_settle();
        sync_settle();
    }
    sync_finish(tasks, 2, -EIO);
    sync_finish(tasks + 2, 2, 0);
    AIO_CHECK_EQ(making.runs, 3);
    aio_once_destroy(&making.once);
}

/* One that asks when a waiter has the turn, and has not run yet, goes behind it. */
BEHAVIOUR(a_turn_given_is_not_taken_by_another)
{
    struct making making = making_new;
    struct aio_task *tasks[3];
    making.fail = 1;
    sync_start(tasks, 2, "maker", run_once, &making);
    aio_notify_one(&making.go);
    sync_start(tasks + 2, 1, "newcomer", run_once, &making);
    sync_settle();
    AIO_CHECK_EQ(making.runs, 2);
    AIO_CHECK(task_parked("newcomer"));
    aio_notify_one(&making.go);
    sync_finish(tasks, 1, -EIO);
    sync_finish(tasks + 1, 2, 0);
    AIO_CHECK_EQ(making.runs, 2);
    aio_once_destroy(&making.once);
}

/* Nobody waits when it fails: the next call tries again. */
BEHAVIOUR(failure_is_not_remembered)
{
    struct making making = making_new;
    making.fail = 1;
    aio_notify_one(&making.go);
    AIO_CHECK_ERROR(run_once(&making), -EIO);
    aio_notify_one(&making.go);
    AIO_CHECK_OK(run_once(&making));
    aio_once_destroy(&making.once);
}

/* The runner is cancelled in the middle of it: the next one does it. */
BEHAVIOUR(canceled_runner_passes_the_turn_on)
{
    struct making making = making_new;
    struct aio_task *tasks[3];
    sync_start(tasks, 3, "maker", run_once, &making);
    AIO_CHECK_ERROR(task_stop(tasks[0]), -ECANCELED);
    sync_settle();
    AIO_CHECK_EQ(making.runs, 2);
    aio_notify_one(&making.go);
    sync_finish(tasks + 1, 2, 0);
    AIO_CHECK_EQ(making.runs, 2);
    aio_once_destroy(&making.once);
}

/* Given the turn, and cancelled before it runs: its fn says so, and the next one gets it. */
BEHAVIOUR(turn_given_then_canceled_is_passed_on)
{
    struct making making = making_new;
    struct aio_task *tasks[3];
    making.fail = 1;
    sync_start(tasks, 3, "maker", run_once, &making);
    aio_task_cancel(tasks[0]);
    aio_task_cancel(tasks[1]);
    sync_finish(tasks, 2, -ECANCELED);
    sync_settle();
    making.fail = 0;
    aio_notify_one(&making.go);
    sync_finish(tasks + 2, 1, 0);
    aio_once_destroy(&making.once);
}

/* Waiters at the head, in the middle and at the tail leave early; the others are not held up. */
BEHAVIOUR(waiters_may_leave)
{
    for (int gone = 1; gone < 4; gone++) {
        struct making making = making_new;
        struct aio_task *tasks[4];
        sync_start(tasks, 4, "maker", run_once, &making);
        AIO_CHECK_ERROR(task_stop(tasks[gone]), -ECANCELED);
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_CHECK_ERROR(run_once(&making), -ETIMEDOUT);
        }
        aio_notify_one(&making.go);
        for (int i = 0; i < 4; i++)
            if (i != gone)
                sync_finish(&tasks[i], 1, 0);
        AIO_CHECK_EQ(making.runs, 1);
        aio_once_destroy(&making.once);
    }
}

/* Also where all is done. */
BEHAVIOUR(what_is_pending_comes_first)
{
    struct making making = making_new;
    for (int i = 0; i < 2; i++) {
        AIO_TIMEOUT(0)
        {
            AIO_CHECK_ERROR(run_once(&making), -ETIMEDOUT);
        }
        AIO_CHECK_EQ(making.runs, i);
        aio_notify_one(&making.go);
        AIO_CHECK_OK(run_once(&making));
    }
    aio_once_destroy(&making.once);
}

/* Runners fail, are cancelled, and try anew at random: no two run at a time, and one succeeds. */
BEHAVIOUR(hammered)
{
    enum { CROWD = 6 };
    for (int round = 0; round < 100; round++) {
        struct making making = making_new;
        struct aio_task *tasks[CROWD];
        making.fail = (int)(test_random() % 3);
        sync_start(tasks, CROWD, "maker", run_once, &making);
        for (int i = 0; i < CROWD; i++) {
            aio_task_cancel(tasks[test_random() % CROWD]);
            aio_notify_one(&making.go);
            sync_settle();
        }
        for (int i = 0; i < CROWD; i++) {
            int result = 1;
            aio_notify_one(&making.go);
            AIO_CHECK_OK(aio_task_join(tasks[i], &result));
            AIO_CHECK(result == 0 || result == -EIO || result == -ECANCELED);
        }
        making.fail = 0;
        aio_notify_one(&making.go);
        AIO_CHECK_OK(run_once(&making));
        aio_once_destroy(&making.once);
    }
}
