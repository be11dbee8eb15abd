/*
 * The semaphore: permits in equal permits out, and nobody is overtaken.
 */
#define SUITE "sync_semaphore"
#include "tests/behaviour/sync_support.h"

enum { PERMITS = 3 };

static int semaphore_take_one(void *semaphore)
{
    return aio_semaphore_acquire(semaphore, 1);
}

static void semaphore_give_one(void *semaphore)
{
    aio_semaphore_release(semaphore, 1);
}

static int semaphore_take_all(void *semaphore)
{
    return aio_semaphore_acquire(semaphore, PERMITS);
}

static void semaphore_give_all(void *semaphore)
{
    aio_semaphore_release(semaphore, PERMITS);
}

static void with_semaphore(void (*scenario)(const struct sync_lock *lock))
{
    struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(PERMITS);
    struct sync_lock lock = {&semaphore,         semaphore_take_one, semaphore_give_one,
                             semaphore_take_all, semaphore_give_all, PERMITS};
    scenario(&lock);
    AIO_CHECK_EQ(aio_semaphore_available(&semaphore), PERMITS);
    aio_semaphore_destroy(&semaphore);
}

BEHAVIOUR(handed_over_in_order)
{
    with_semaphore(sync_check_fifo);
}

BEHAVIOUR(canceled_waiters_leave_the_queue)
{
    with_semaphore(sync_check_cancel);
}

BEHAVIOUR(deadlines_bound_the_wait)
{
    with_semaphore(sync_check_deadline);
}

BEHAVIOUR(granted_then_canceled_keeps_it)
{
    with_semaphore(sync_check_granted);
}

BEHAVIOUR(what_is_pending_comes_first)
{
    with_semaphore(sync_check_sticky);
}

BEHAVIOUR(uncontended_makes_no_switch)
{
    with_semaphore(sync_check_quick);
}

BEHAVIOUR(hammered)
{
    with_semaphore(sync_check_hammer);
}

struct order {
    struct aio_semaphore *semaphore;
    uint32_t count;
    bool served;
};

static int acquire(void *arg)
{
    struct order *order = arg;
    int rc = aio_semaphore_acquire(order->semaphore, order->count);
    order->served = rc == 0;
    return rc;
}

/* Nothing free: one asks for five, then two for one each. */
static void start_behind_a_big_one(struct aio_semaphore *semaphore, struct order orders[3],
                                   struct aio_task *tasks[3])
{
    for (int i = 0; i < 3; i++) {
        orders[i] = (struct order){semaphore, i == 0 ? 5 : 1, false};
        tasks[i] = task_named("customer", acquire, &orders[i]);
    }
    sync_settle();
}

/* Permits that would do for the small ones are kept for the big one before them. */
BEHAVIOUR(a_big_request_is_not_overtaken)
{
    static struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(0);
    struct order orders[3];
    struct aio_task *tasks[3];
    start_behind_a_big_one(&semaphore, orders, tasks);
    aio_semaphore_release(&semaphore, 4);
    AIO_CHECK_ERROR(aio_semaphore_try(&semaphore, 1), -EAGAIN);
    sync_settle();
    AIO_CHECK(!orders[0].served && !orders[1].served && !orders[2].served);
    aio_semaphore_release(&semaphore, 2);
    sync_settle();
    AIO_CHECK(orders[0].served && orders[1].served && !orders[2].served);
    aio_semaphore_release(&semaphore, 1);
    sync_finish(tasks, 3, 0);
    AIO_CHECK_EQ(aio_semaphore_available(&semaphore), 0);
    aio_semaphore_destroy(&semaphore);
}

/* When it gives up, those behind it get what is there. */
BEHAVIOUR(a_canceled_big_request_lets_the_others_through)
{
    static struct aio_semaphore semaphore;
    struct order orders[3];
    struct aio_task *tasks[3];
    start_behind_a_big_one(&semaphore, orders, tasks);
    aio_semaphore_release(&semaphore, 4);
    AIO_CHECK_ERROR(task_stop(tasks[0]), -ECANCELED);
    sync_finish(tasks + 1, 2, 0);
    AIO_CHECK_EQ(aio_semaphore_available(&semaphore), 2);
    aio_semaphore_destroy(&semaphore);
}

/* Nothing, everything and more than there can be. */
BEHAVIOUR(extreme_counts)
{
    static struct aio_semaphore semaphore = AIO_SEMAPHORE_INIT(UINT32_MAX);
    AIO_CHECK_OK(aio_semaphore_acquire(&semaphore, UINT32_MAX));
    AIO_CHECK_OK(aio_semaphore_acquire(&semaphore, 0));
    AIO_CHECK_OK(aio_semaphore_try(&semaphore, 0));
    AIO_CHECK_ERROR(aio_semaphore_try(&semaphore, 1), -EAGAIN);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_semaphore_acquire(&semaphore, UINT32_MAX), -ETIMEDOUT);
    }
    aio_semaphore_release(&semaphore, 0);
    aio_semaphore_release(&semaphore, UINT32_MAX);
    AIO_CHECK_EQ(aio_semaphore_available(&semaphore), UINT32_MAX);
    aio_semaphore_destroy(&semaphore);
}

struct market {
    struct aio_semaphore semaphore;
    uint32_t out;
};

static int trade(void *arg)
{
    enum { ALL = 7 };
    struct market *market = arg;
    uint64_t choice = test_random();
    uint32_t count = (uint32_t)(choice % ALL) + 1;
    int rc = 0;
    AIO_TIMEOUT(choice % 5 == 0 ? AIO_US(20) : AIO_FOREVER)
    {
        rc = aio_semaphore_acquire(&market->semaphore, count);
    }
    if (rc < 0)
        return 0;
    market->out += count;
    AIO_CHECK(market->out <= ALL);
    (void)aio_task_yield();
    market->out -= count;
    aio_semaphore_release(&market->semaphore, count);
    return 0;
}

/* Different counts at random, some waiters cancelled: in the end all permits are back. */
BEHAVIOUR(weights_hammered)
{
    enum { CROWD = 12 };
    struct market market = {AIO_SEMAPHORE_INIT(7), 0};
    for (int round = 0; round < 150; round++) {
        struct aio_task *tasks[CROWD];
        for (int i = 0; i < CROWD; i++)
            tasks[i] = task_named("trader", trade, &market);
        for (int i = 0; i < 4; i++) {
            aio_task_cancel(tasks[test_random() % CROWD]);
            sync_settle();
        }
        sync_finish(tasks, CROWD, 0);
        REQUIRE(AIO_CHECK_EQ(aio_semaphore_available(&market.semaphore), 7));
    }
    aio_semaphore_destroy(&market.semaphore);
}
