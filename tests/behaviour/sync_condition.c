/*
 * The condition: signals reach waiters in order, and whoever returns holds the mutex.
 */
#define SUITE "sync_condition"
#include "tests/behaviour/sync_support.h"

/* A number of items under a mutex. */
struct shop {
    struct aio_mutex mutex;
    struct aio_condition condition;
    int items;
    int order[8];
    int served;
};

struct customer {
    struct shop *shop;
    int id;
    int64_t timeout_ns;
};

static const struct shop shop_new = {.mutex = AIO_MUTEX_INIT, .condition = AIO_CONDITION_INIT};

/* Waits for an item. Whatever comes of it, the mutex is held before it is unlocked. */
static int customer_run(void *arg)
{
    struct customer *customer = arg;
    struct shop *shop = customer->shop;
    int rc = aio_mutex_lock(&shop->mutex);
    if (rc < 0)
        return rc;
    AIO_TIMEOUT(customer->timeout_ns)
    {
        while (shop->items == 0 && rc == 0)
            rc = aio_condition_wait(&shop->condition, &shop->mutex);
    }
    if (rc == 0) {
        shop->items--;
        shop->order[shop->served++] = customer->id;
    }
    aio_mutex_unlock(&shop->mutex);
    return rc;
}

static void shop_open(struct shop *shop, struct customer *customers, struct aio_task **tasks,
                      int count)
{
    *shop = shop_new;
    for (int i = 0; i < count; i++) {
        customers[i] = (struct customer){shop, i, AIO_FOREVER};
        tasks[i] = task_named("customer", customer_run, &customers[i]);
    }
    sync_settle();
}

static void shop_deliver(struct shop *shop, int items)
{
    REQUIRE_OK(aio_mutex_lock(&shop->mutex));
    shop->items += items;
    if (items == 1)
        aio_condition_signal(&shop->condition);
    else
        aio_condition_broadcast(&shop->condition);
    aio_mutex_unlock(&shop->mutex);
}

static void shop_close(struct shop *shop)
{
    AIO_CHECK_EQ(shop->items, 0);
    aio_condition_destroy(&shop->condition);
    aio_mutex_destroy(&shop->mutex);
}

BEHAVIOUR(signals_in_order)
{
    struct shop shop;
    struct customer customers[4];
    struct aio_task *tasks[4];
    shop_open(&shop, customers, tasks, 4);
    for (int i = 0; i < 4; i++) {
        shop_deliver(&shop, 1);
        sync_settle();
        AIO_CHECK_EQ(shop.served, i + 1);
        AIO_CHECK_EQ(shop.order[i], i);
    }
    sync_finish(tasks, 4, 0);
    shop_close(&shop);
}

/* A broadcast wakes all; they get the mutex one after the other. */
BEHAVIOUR(broadcast_reaches_all)
{
    struct shop shop;
    struct customer customers[4];
    struct aio_task *tasks[4];
    shop_open(&shop, customers, tasks, 4);
    shop_deliver(&shop, 4);
    sync_finish(tasks, 4, 0);
    for (int i = 0; i < 4; i++)
        AIO_CHECK_EQ(shop.order[i], i);
    shop_close(&shop);
}

/* Nobody waits: the signal is forgotten, and the next wait waits. */
BEHAVIOUR(signals_are_not_stored)
{
    static struct shop shop = {.mutex = AIO_MUTEX_INIT, .condition = AIO_CONDITION_INIT};
    aio_condition_signal(&shop.condition);
    aio_condition_broadcast(&shop.condition);
    REQUIRE_OK(aio_mutex_lock(&shop.mutex));
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_condition_wait(&shop.condition, &shop.mutex), -ETIMEDOUT);
    }
    aio_mutex_unlock(&shop.mutex);
    shop_close(&shop);
}

/* A waiter at the head, in the middle, at the tail is cancelled while the mutex is taken: it
 * returns only when it has it, and the signal goes to another one. */
BEHAVIOUR(canceled_waiters_return_with_the_mutex)
{
    for (int gone = 0; gone < 3; gone++) {
        struct shop shop;
        struct customer customers[3];
        struct aio_task *tasks[3];
        int result = 0;
        shop_open(&shop, customers, tasks, 3);
        REQUIRE_OK(aio_mutex_lock(&shop.mutex));
        aio_task_cancel(tasks[gone]);
        for (int i = 0; i < 5; i++)
            sync_settle();
        AIO_CHECK(task_parked("customer"));
        aio_task_cancel(tasks[gone]); /* twice changes nothing */
        aio_mutex_unlock(&shop.mutex);
        AIO_CHECK_OK(aio_task_join(tasks[gone], &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
        shop_deliver(&shop, 1);
        shop_deliver(&shop, 1);
        for (int i = 0; i < 3; i++)
            if (i != gone)
                sync_finish(&tasks[i], 1, 0);
        shop_close(&shop);
    }
}

/* Signalled, and cancelled before it has the mutex: it has the signal, and the mutex. */
BEHAVIOUR(signalled_then_canceled_is_signalled)
{
    struct shop shop;
    struct customer customer;
    struct aio_task *task;
    shop_open(&shop, &customer, &task, 1);
    REQUIRE_OK(aio_mutex_lock(&shop.mutex));
    shop.items = 1;
    aio_condition_signal(&shop.condition);
    aio_task_cancel(task);
    sync_settle();
    AIO_CHECK_EQ(shop.served, 0);
    aio_mutex_unlock(&shop.mutex);
    sync_finish(&task, 1, 0);
    AIO_CHECK_EQ(shop.served, 1);
    shop_close(&shop);
}

/* A customer that waits, with the mutex taken. Returns NULL when its deadline may have come before
 * that: it has ended then. */
static struct aio_task *shop_wait(struct shop *shop, struct customer *customer)
{
    int64_t end_ns = aio_time_now() + customer->timeout_ns;
    struct aio_task *task = task_named("customer", customer_run, customer);
    sync_settle();
    AIO_CHECK_OK(aio_mutex_lock(&shop->mutex));
    if (aio_time_now() < end_ns)
        return task;
    aio_mutex_unlock(&shop->mutex);
    sync_finish(&task, 1, -ETIMEDOUT);
    return NULL;
}

/* A customer's deadline expires while the mutex is taken. The mutex is held on return. */
static struct aio_task *shop_late(struct shop *shop, struct customer *customer)
{
    struct aio_task *task = NULL;
    *customer = (struct customer){shop, 0, AIO_MS(5)};
    while (task == NULL && AIO_CHECK(customer->timeout_ns < AIO_SEC(10))) {
        customer->timeout_ns *= 4;
        task = shop_wait(shop, customer);
    }
    if (task == NULL)
        return NULL;
    AIO_CHECK_OK(aio_time_sleep(customer->timeout_ns + AIO_MS(2)));
    AIO_CHECK(task_parked("customer"));
    return task;
}

/* The wait ends late, with the mutex. */
BEHAVIOUR(deadlines_end_the_wait_not_the_locking)
{
    struct shop shop = shop_new;
    struct customer customer;
    struct aio_task *task = shop_late(&shop, &customer);
    REQUIRE(task != NULL);
    aio_mutex_unlock(&shop.mutex);
    sync_finish(&task, 1, -ETIMEDOUT);
    shop_close(&shop);
}

/* A cancellation that comes while it waits for the mutex outranks the deadline that had passed. */
BEHAVIOUR(cancellation_outranks_the_deadline)
{
    struct shop shop = shop_new;
    struct customer customer;
    struct aio_task *task = shop_late(&shop, &customer);
    REQUIRE(task != NULL);
    aio_task_cancel(task);
    aio_mutex_unlock(&shop.mutex);
    sync_finish(&task, 1, -ECANCELED);
    shop_close(&shop);
}

/* What is pending at the call ends it before the mutex is released. */
BEHAVIOUR(what_is_pending_comes_first)
{
    struct shop shop = shop_new;
    REQUIRE_OK(aio_mutex_lock(&shop.mutex));
    uint64_t before = task_stats().switches;
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_condition_wait(&shop.condition, &shop.mutex), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(task_stats().switches, before);
    AIO_CHECK_ERROR(aio_mutex_try(&shop.mutex), -EAGAIN);
    aio_mutex_unlock(&shop.mutex);
    shop_close(&shop);
}

/* Customers with deadlines and cancellations at random: each item is sold once, none is lost. */
BEHAVIOUR(hammered)
{
    enum { CROWD = 6 };
    for (int round = 0; round < 100; round++) {
        struct shop shop;
        struct customer customers[CROWD];
        struct aio_task *tasks[CROWD];
        int sold = 0;
        shop_open(&shop, customers, tasks, CROWD);
        for (int i = 0; i < CROWD; i++) {
            shop_deliver(&shop, 1);
            aio_task_cancel(tasks[test_random() % CROWD]);
            if (test_random() % 2 == 0)
                sync_settle();
        }
        shop_deliver(&shop, CROWD);
        for (int i = 0; i < CROWD; i++) {
            int result = 1;
            AIO_CHECK_OK(aio_task_join(tasks[i], &result));
            AIO_CHECK(result == 0 || result == -ECANCELED);
            sold += result == 0;
        }
        AIO_CHECK_EQ(shop.served, sold);
        AIO_CHECK_EQ(shop.items, 2 * CROWD - sold);
        shop.items = 0;
        shop_close(&shop);
    }
}
