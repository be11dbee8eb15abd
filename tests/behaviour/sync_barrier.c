/*
 * The barrier: nobody goes on before all have come, round after round.
 */
#define SUITE "sync_barrier"
#include "tests/behaviour/sync_support.h"

enum { CROWD = 4 };

static int come(void *barrier)
{
    return aio_barrier_wait(barrier);
}

/* The last one to come is told so and goes on at once. */
BEHAVIOUR(the_last_one_frees_all)
{
    static struct aio_barrier barrier = AIO_BARRIER_INIT(CROWD);
    struct aio_task *tasks[CROWD - 1];
    for (int round = 0; round < 3; round++) {
        sync_start(tasks, CROWD - 1, "walker", come, &barrier);
        AIO_CHECK(task_parked("walker"));
        uint64_t before = task_stats().switches;
        AIO_CHECK_EQ(aio_barrier_wait(&barrier), 1);
        AIO_CHECK_EQ(task_stats().switches, before);
        sync_finish(tasks, CROWD - 1, 0);
    }
    aio_barrier_destroy(&barrier);
}

BEHAVIOUR(a_barrier_of_one_never_waits)
{
    struct aio_barrier barrier = AIO_BARRIER_INIT(1);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(aio_barrier_wait(&barrier), 1);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_barrier_wait(&barrier), -ETIMEDOUT);
    }
    aio_barrier_destroy(&barrier);
}

struct march {
    struct aio_barrier barrier;
    int steps[CROWD];
    int lasts;
};

struct walker {
    struct march *march;
    int id;
};

static int walk(void *arg)
{
    struct walker *walker = arg;
    struct march *march = walker->march;
    for (int step = 1; step <= 50; step++) {
        march->steps[walker->id] = step;
        int rc = aio_barrier_wait(&march->barrier);
        if (rc < 0)
            return rc;
        march->lasts += rc;
        for (int i = 0; i < CROWD; i++)
            AIO_CHECK(march->steps[i] == step || march->steps[i] == step + 1);
    }
    return 0;
}

/* All march in step, and each round has one last one. */
BEHAVIOUR(in_step)
{
    struct march march = {.barrier = AIO_BARRIER_INIT(CROWD)};
    struct walker walkers[CROWD];
    struct aio_task *tasks[CROWD];
    for (int i = 0; i < CROWD; i++) {
        walkers[i] = (struct walker){&march, i};
        tasks[i] = task_named("walker", walk, &walkers[i]);
    }
    sync_finish(tasks, CROWD, 0);
    AIO_CHECK_EQ(march.lasts, 50);
    aio_barrier_destroy(&march.barrier);
}

/* Who is cancelled or late has not come: another one must, whatever its place in the queue. */
BEHAVIOUR(who_leaves_does_not_count)
{
    for (int gone = 0; gone < CROWD - 1; gone++) {
        struct aio_barrier barrier = AIO_BARRIER_INIT(CROWD);
        struct aio_task *tasks[CROWD - 1];
        sync_start(tasks, CROWD - 1, "walker", come, &barrier);
        AIO_CHECK_ERROR(task_stop(tasks[gone]), -ECANCELED);
        AIO_TIMEOUT(AIO_MS(1))
        {
            AIO_CHECK_ERROR(aio_barrier_wait(&barrier), -ETIMEDOUT);
        }
        sync_start(&tasks[gone], 1, "walker", come, &barrier);
        AIO_CHECK_EQ(aio_barrier_wait(&barrier), 1);
        sync_finish(tasks, CROWD - 1, 0);
        aio_barrier_destroy(&barrier);
    }
}

/* Freed, and cancelled before they run: they have passed. */
BEHAVIOUR(freed_then_canceled_has_passed)
{
    struct aio_barrier barrier = AIO_BARRIER_INIT(2);
    struct aio_task *task;
    sync_start(&task, 1, "walker", come, &barrier);
    AIO_CHECK_EQ(aio_barrier_wait(&barrier), 1);
    AIO_CHECK_EQ(task_stop(task), 0);
    aio_barrier_destroy(&barrier);
}
