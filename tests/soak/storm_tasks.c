/*
 * Storms of tasks: spawning, joining, detaching, cancelling at any moment.
 */
#define SUITE "soak_tasks"
#include "tests/soak/soak.h"

#include <errno.h>

static int return_argument(void *arg)
{
    return (int)(intptr_t)arg;
}

/* A million tasks are spawned and joined, up to sixteen at a time, in any order. */
BEHAVIOUR(spawn_and_join)
{
    enum { SLOTS = 16 };
    struct aio_task *tasks[SLOTS] = {NULL};
    int numbers[SLOTS];
    struct storm storm = storm_begin("spawned and joined", 1000000);
    while (storm_goes_on(&storm)) {
        unsigned slot = (unsigned)(test_random() % SLOTS);
        int result;
        if (tasks[slot] != NULL) {
            REQUIRE(aio_task_join(tasks[slot], &result) == 0);
            REQUIRE(result == numbers[slot]);
        }
        numbers[slot] = (int)(test_random() % 1000000);
        void *arg = (void *)(intptr_t)numbers[slot];
        REQUIRE(aio_task_spawn(&tasks[slot], return_argument, arg, NULL) == 0);
    }
    for (int i = 0; i < SLOTS; i++)
        if (tasks[i] != NULL)
            REQUIRE_OK(aio_task_join(tasks[i], NULL));
    storm_check_end();
}

static int count_up(void *arg)
{
    ++*(uint64_t *)arg;
    return 0;
}

/* A million detached ones, a thousand alive at a time. */
BEHAVIOUR(spawn_detached)
{
    uint64_t ran = 0;
    struct storm storm = storm_begin("spawned detached", 1000000);
    while (storm_goes_on(&storm)) {
        REQUIRE(aio_task_spawn(NULL, count_up, &ran, NULL) == 0);
        if (storm.done % 1000 == 0)
            REQUIRE_OK(aio_task_yield());
    }
    while (ran < storm.done)
        REQUIRE_OK(aio_task_yield());
    REQUIRE_OK(aio_task_yield());
    storm_check_end();
}

struct victim {
    unsigned plan;
};

/* Waits in one of several ways; whatever comes first, the second wait must be refused. */
static int wait_somehow(void *arg)
{
    struct victim *victim = arg;
    int rc = 0;
    switch (victim->plan % 4) {
    case 0:
        rc = aio_time_sleep(AIO_FOREVER);
        break;
    case 1:
        rc = aio_time_sleep((int64_t)(victim->plan % 5000));
        break;
    case 2:
        rc = aio_task_yield();
        break;
    default:
        AIO_TIMEOUT((int64_t)(victim->plan % 5000))
        {
            rc = aio_time_sleep(AIO_FOREVER);
        }
    }
    if (rc != 0 && rc != -ECANCELED && rc != -ETIMEDOUT)
        return -1;
    return aio_time_sleep(AIO_FOREVER);
}

/* A million tasks are cancelled while they are about to wait, wait, or have just been woken. */
BEHAVIOUR(cancel_at_any_moment)
{
    struct storm storm = storm_begin("cancelled", 1000000);
    while (storm_goes_on(&storm)) {
        struct victim victim = {(unsigned)test_random()};
        struct aio_task *task;
        int result;
        REQUIRE(aio_task_spawn(&task, wait_somehow, &victim, NULL) == 0);
        for (uint64_t turns = test_random() % 3; turns > 0; turns--)
            REQUIRE(aio_task_yield() == 0);
        aio_task_cancel(task);
        REQUIRE(aio_task_join(task, &result) == 0);
        REQUIRE(result == -ECANCELED);
    }
    storm_check_end();
}
