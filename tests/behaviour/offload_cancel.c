/*
 * Calls into the pool that are cancelled, or whose deadline passes: waiting for a place, queued,
 * running, finished.
 */
#define SUITE "offload_cancel"
#include "tests/behaviour/offload_tools.h"

enum { ONE_RUNS, ONE_QUEUED, ONE_WAITS, COUNT = 5 };

/* A pool of one thread and one place: the first work runs, the second is queued, three wait. */
static bool fill(struct work works[COUNT], int64_t timeout_ns)
{
    for (int i = 0; i < COUNT; i++) {
        works[i].timeout_ns = i > 0 ? timeout_ns : 0;
        if (!work_start(&works[i], i))
            return false;
        if (i == 0 && !work_wait_begun(&works[0]))
            return false;
    }
    return timeout_ns > 0 || pool_wait_queued(COUNT - 1);
}

#define SMALL_POOL .offload_threads = 1, .offload_queue = 1

/* A call that no thread has begun ends at once, and its work never runs. The others move up. */
BEHAVIOUR_WITH(not_begun, SMALL_POOL)
{
    struct work works[COUNT] = {{.timeout_ns = 0}};
    REQUIRE(fill(works, 0));
    work_cancel(&works[ONE_QUEUED]);
    work_cancel(&works[ONE_WAITS + 1]);
    AIO_CHECK_ERROR(work_join(&works[ONE_QUEUED]), -ECANCELED);
    AIO_CHECK_ERROR(work_join(&works[ONE_WAITS + 1]), -ECANCELED);
    AIO_CHECK_EQ(task_stats().offload_queued, 2);
    AIO_CHECK_EQ(task_stats().ops_pending, 2); /* a place fell free and was taken */
    for (int i = 0; i < COUNT; i++)
        if (i != ONE_QUEUED && i != ONE_WAITS + 1)
            work_open(&works[i]);
    AIO_CHECK_OK(work_join(&works[ONE_RUNS]));
    AIO_CHECK_OK(work_join(&works[ONE_WAITS]));
    AIO_CHECK_OK(work_join(&works[ONE_WAITS + 2]));
    AIO_CHECK(!works[ONE_QUEUED].begun && !works[ONE_WAITS + 1].begun);
    AIO_CHECK_EQ(works[ONE_WAITS].result, ONE_WAITS);
    AIO_CHECK_EQ(works[ONE_WAITS + 2].result, ONE_WAITS + 2);
}

/* Deadlines end them too; as the first is not begun before, none of the others is. */
BEHAVIOUR_WITH(deadlines, SMALL_POOL)
{
    struct work works[COUNT] = {{.timeout_ns = 0}};
    REQUIRE(fill(works, AIO_MS(2)));
    for (int i = 1; i < COUNT; i++) {
        AIO_CHECK_ERROR(work_join(&works[i]), -ETIMEDOUT);
        AIO_CHECK(!works[i].begun);
        AIO_CHECK_EQ(works[i].result, -1);
    }
    work_open(&works[ONE_RUNS]);
    AIO_CHECK_OK(work_join(&works[ONE_RUNS]));
}

static int call_then_yield(void *arg)
{
    struct work *work = arg;
    work->rc = aio_offload_call(work_run, work, &work->result);
    work->returned = true;
    return aio_task_yield();
}

/* Work that runs is awaited, and its result is a success; the cancellation comes with the next
 * call. */
BEHAVIOUR(running)
{
    struct work work = {.number = 5};
    int result = 0;
    sem_init(&work.gate, 0, 0);
    REQUIRE_OK(aio_task_spawn(&work.task, call_then_yield, &work, NULL));
    REQUIRE(work_wait_begun(&work));
    work_cancel(&work);
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(!work.returned);
    work_open(&work);
    AIO_CHECK_OK(aio_task_join(work.task, &result));
    AIO_CHECK_EQ(work.rc, 0);
    AIO_CHECK_EQ(work.result, 5);
    AIO_CHECK_ERROR(result, -ECANCELED);
    sem_destroy(&work.gate);
}

static bool begun_or_over(void *arg)
{
    struct work *work = arg;
    return work->begun || work->returned;
}

static bool time_has_passed(void *at_ns)
{
    return aio_time_now() > *(int64_t *)at_ns;
}

/* So it is with a deadline that passes while it runs, and not before. */
BEHAVIOUR(running_past_its_deadline)
{
    struct work work = {.timeout_ns = AIO_MS(1)};
    do {
        work.timeout_ns *= 2;
        REQUIRE(work_start(&work, 6) && test_wait(begun_or_over, &work));
    } while (work.returned && work_join(&work) == -ETIMEDOUT);
    int64_t past_ns = aio_time_now() + work.timeout_ns;
    AIO_CHECK(test_wait(time_has_passed, &past_ns));
    AIO_CHECK(!work.returned);
    work_open(&work);
    AIO_CHECK_OK(work_join(&work));
    AIO_CHECK_EQ(work.result, 6);
}

static int call_and_keep(void *arg)
{
    struct work *work = arg;
    work->rc = aio_offload_call(work_run, work, &work->result);
    work->returned = true;
    return 0;
}

/* A cancellation or expiry that is pending already: nothing is begun. */
BEHAVIOUR(pending_before)
{
    struct work work = {.number = 1, .result = -1};
    sem_init(&work.gate, 0, 0);
    REQUIRE_OK(aio_task_spawn(&work.task, call_and_keep, &work, NULL));
    work_cancel(&work);
    AIO_CHECK_ERROR(work_join(&work), -ECANCELED);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_offload_call(work_run, &work, NULL), -ETIMEDOUT);
    }
    AIO_CHECK(!work.begun);
    AIO_CHECK_EQ(work.result, -1);
    AIO_CHECK_EQ(task_stats().offload_threads, 0);
}

/* A shield holds both back. */
BEHAVIOUR(shielded)
{
    struct work work = {.number = 9};
    sem_init(&work.gate, 0, 0);
    work_open(&work);
    AIO_TIMEOUT(0)
    {
        AIO_SHIELD
        {
            AIO_CHECK_OK(aio_offload_call(work_run, &work, &work.result));
        }
    }
    AIO_CHECK_EQ(work.result, 9);
    sem_destroy(&work.gate);
}

static int count_run(void *runs)
{
    atomic_fetch_add((atomic_int *)runs, 1);
    return 1;
}

struct racer {
    atomic_int *runs;
    int successes;
};

static int race(void *arg)
{
    struct racer *racer = arg;
    int rc, result = 0;
    while ((rc = aio_offload_call(count_run, racer->runs, &result)) == 0)
        racer->successes += result;
    return rc;
}

/* Cancelled at any moment: what has run was reported as a success, what was not has not run. */
BEHAVIOUR_WITH(storm, .offload_threads = 2, .offload_queue = 2)
{
    enum { RACERS = 12 };
    int rounds = test_row()->faults ? 5 : 15;
    for (int round = 0; round < rounds; round++) {
        struct racer racers[RACERS];
        struct aio_task *tasks[RACERS];
        atomic_int runs = 0;
        int successes = 0;
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){&runs, 0};
            REQUIRE_OK(aio_task_spawn(&tasks[i], race, &racers[i], NULL));
        }
        for (int i = 0; i < RACERS; i++) {
            for (uint64_t pause = test_random() % 20; pause > 0; pause--)
                AIO_CHECK_OK(aio_task_yield());
            AIO_CHECK_ERROR(task_stop(tasks[i]), -ECANCELED);
            successes += racers[i].successes;
        }
        AIO_CHECK_EQ(successes, runs);
        AIO_CHECK_EQ(task_stats().ops_pending, 0);
    }
}
