/*
 * Cancellation and deadlines against every kind of wait, a test for each kind of the list in
 * task_stage.h.
 */
#define SUITE "cancel_waits"
#include "tests/behaviour/task_stage.h"

#include <errno.h>

/* Cancelling a task ends what it waits for; the same call is then refused and starts nothing. */
static void check_cancel_ends(int (*wait)(struct stage *stage))
{
    struct stage stage;
    REQUIRE(stage_open(&stage));
    struct stage_waiter waiter = {&stage, wait, 1, 1, 99, 99};
    struct aio_task *task = task_named("waiter", stage_waiter_run, &waiter);
    REQUIRE(task != NULL && task_wait_parked("waiter"));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_ERROR(waiter.again, -ECANCELED);
    AIO_CHECK_EQ(waiter.ops_again, 0);
    stage_close(&stage);
}

#define CANCEL_ENDS(kind)                                                                          \
    BEHAVIOUR(cancel_ends_##kind)                                                                  \
    {                                                                                              \
        check_cancel_ends(stage_wait_##kind);                                                      \
    }
STAGE_WAITS(CANCEL_ENDS)

/* A task cancelled before its first run starts nothing when it comes to wait. */
static void check_canceled_before(int (*wait)(struct stage *stage))
{
    struct stage stage;
    REQUIRE(stage_open(&stage));
    struct stage_waiter waiter = {&stage, wait, 1, 1, 99, 99};
    struct aio_task *task = task_named("waiter", stage_waiter_run, &waiter);
    REQUIRE(task != NULL);
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_CHECK_EQ(waiter.ops_first, 0);
    stage_close(&stage);
}

#define CANCELED_BEFORE(kind)                                                                      \
    BEHAVIOUR(canceled_before_##kind)                                                              \
    {                                                                                              \
        check_canceled_before(stage_wait_##kind);                                                  \
    }
STAGE_WAITS(CANCELED_BEFORE)

/* A deadline ends the wait, not before its time, and the same call is then refused. */
static void check_deadline_ends(int (*wait)(struct stage *stage))
{
    struct stage stage;
    struct aio_deadline deadline;
    REQUIRE(stage_open(&stage));
    struct stage_waiter waiter = {&stage, wait, 1, 1, 99, 99};
    int64_t start = aio_time_now();
    aio_deadline_set(&deadline, AIO_MS(4));
    AIO_CHECK_ERROR(stage_waiter_run(&waiter), -ETIMEDOUT);
    AIO_CHECK(aio_time_now() - start >= AIO_MS(4));
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK_ERROR(waiter.again, -ETIMEDOUT);
    AIO_CHECK_EQ(waiter.ops_again, 0);
    aio_deadline_clear(&deadline);
    stage_close(&stage);
}

#define DEADLINE_ENDS(kind)                                                                        \
    BEHAVIOUR(deadline_ends_##kind)                                                                \
    {                                                                                              \
        check_deadline_ends(stage_wait_##kind);                                                    \
    }
STAGE_WAITS(DEADLINE_ENDS)

struct shielded {
    struct stage_waiter waiter;
    int64_t timeout_ns;
    bool left;
};

static int wait_in_a_shield(void *arg)
{
    struct shielded *shielded = arg;
    AIO_SHIELD
    {
        AIO_TIMEOUT(shielded->timeout_ns)
        {
            (void)stage_waiter_run(&shielded->waiter);
        }
    }
    shielded->left = true;
    return aio_task_yield();
}

static bool parked_or_left(void *arg)
{
    const struct shielded *shielded = arg;
    return shielded->left || task_parked("shielded");
}

/* Whether the cancellation came while it waited: on a slow machine the time was over before. */
static bool cancel_shielded(struct shielded *shielded, int *result)
{
    struct aio_task *task = task_named("shielded", wait_in_a_shield, shielded);
    if (!AIO_CHECK(task != NULL) || !test_wait(parked_or_left, shielded))
        return true;
    bool waiting = !shielded->left;
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, result));
    return waiting;
}

/* In a shield the cancellation does not disturb the wait; a deadline set inside does. */
static void check_shielded(int (*wait)(struct stage *stage))
{
    struct stage stage;
    struct shielded shielded;
    int64_t timeout_ns = AIO_MS(5);
    int result = 0;
    REQUIRE(stage_open(&stage));
    do {
        timeout_ns *= 2;
        shielded = (struct shielded){{&stage, wait, 1, 1, 99, 99}, timeout_ns, false};
    } while (!cancel_shielded(&shielded, &result) && AIO_CHECK(timeout_ns < AIO_SEC(3)));
    AIO_CHECK_ERROR(shielded.waiter.first, -ETIMEDOUT);
    AIO_CHECK(shielded.left);
    AIO_CHECK_ERROR(result, -ECANCELED); /* it is pending still */
    stage_close(&stage);
}

#define SHIELDED(kind)                                                                             \
    BEHAVIOUR(shielded_##kind)                                                                     \
    {                                                                                              \
        check_shielded(stage_wait_##kind);                                                         \
    }
STAGE_WAITS(SHIELDED)
