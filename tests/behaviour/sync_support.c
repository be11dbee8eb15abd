/*
 * The scenarios of sync_support.h.
 */
#define SUITE "sync"
#include "tests/behaviour/sync_support.h"

#include <signal.h>

enum { USERS = 5, AT_ONCE = 8 };

/* The order in which users got it. */
struct sync_order {
    int ids[USERS];
    int count;
};

struct sync_user {
    const struct sync_lock *lock;
    struct sync_order *order;
    int id;
    int64_t timeout_ns;
};

static int user_run(void *arg)
{
    struct sync_user *user = arg;
    int rc = 0;
    AIO_TIMEOUT(user->timeout_ns)
    {
        rc = user->lock->take(user->lock->object);
    }
    if (rc < 0)
        return rc;
    user->order->ids[user->order->count++] = user->id;
    rc = aio_task_yield();
    user->lock->give(user->lock->object);
    return rc;
}

/* Users that wait in the order of their ids. */
struct sync_crowd {
    struct sync_order order;
    struct sync_user users[USERS];
    struct aio_task *tasks[USERS];
};

void sync_settle(void)
{
    uint64_t memory = task_stats().memory_used;
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(task_stats().memory_used <= memory);
}

/* The user `timed` has a deadline; -1: none has. */
static void crowd_start(struct sync_crowd *crowd, const struct sync_lock *lock, int timed)
{
    crowd->order.count = 0;
    for (int i = 0; i < USERS; i++) {
        crowd->users[i] = (struct sync_user){lock, &crowd->order, i, AIO_FOREVER};
        if (i == timed)
            crowd->users[i].timeout_ns = AIO_MS(1);
        crowd->tasks[i] = task_named("user", user_run, &crowd->users[i]);
    }
    sync_settle();
    AIO_CHECK_EQ(crowd->order.count, 0);
}

/* All but `gone` were served, in order. */
static void crowd_finish(struct sync_crowd *crowd, int gone)
{
    int place = 0;
    for (int i = 0; i < USERS; i++) {
        int result = -1;
        if (i == gone)
            continue;
        AIO_CHECK_OK(aio_task_join(crowd->tasks[i], &result));
        AIO_CHECK_EQ(result, 0);
        AIO_CHECK_EQ(crowd->order.ids[place++], i);
    }
    AIO_CHECK_EQ(crowd->order.count, place);
}

static void check_free(const struct sync_lock *lock)
{
    int rc = -1;
    AIO_TIMEOUT(AIO_SEC(5))
    {
        rc = lock->block(lock->object);
    }
    REQUIRE_OK(rc);
    lock->unblock(lock->object);
}

void sync_check_fifo(const struct sync_lock *lock)
{
    struct sync_crowd crowd;
    REQUIRE_OK(lock->block(lock->object));
    crowd_start(&crowd, lock, -1);
    lock->unblock(lock->object);
    REQUIRE_OK(lock->block(lock->object));
    AIO_CHECK_EQ(crowd.order.count, USERS);
    lock->unblock(lock->object);
    crowd_finish(&crowd, -1);
    check_free(lock);
}

void sync_check_cancel(const struct sync_lock *lock)
{
    for (int gone = 0; gone < USERS; gone += USERS / 2) {
        struct sync_crowd crowd;
        REQUIRE_OK(lock->block(lock->object));
        crowd_start(&crowd, lock, -1);
        AIO_CHECK_ERROR(task_stop(crowd.tasks[gone]), -ECANCELED);
        AIO_CHECK_EQ(crowd.order.count, 0);
        lock->unblock(lock->object);
        crowd_finish(&crowd, gone);
        check_free(lock);
    }
}

void sync_check_deadline(const struct sync_lock *lock)
{
    for (int gone = 0; gone < USERS; gone += USERS / 2) {
        struct sync_crowd crowd;
        int result = 0;
        REQUIRE_OK(lock->block(lock->object));
        crowd_start(&crowd, lock, gone);
        AIO_CHECK_OK(aio_task_join(crowd.tasks[gone], &result));
        AIO_CHECK_ERROR(result, -ETIMEDOUT);
        AIO_CHECK_EQ(crowd.order.count, 0);
        lock->unblock(lock->object);
        crowd_finish(&crowd, gone);
        check_free(lock);
    }
}

/* Takes it, under a deadline if asked for, then finds out what is pending. */
static int user_take_then_wait(void *arg)
{
    struct sync_user *user = arg;
    int rc = 0;
    AIO_TIMEOUT(user->timeout_ns)
    {
        rc = user->lock->take(user->lock->object);
        if (rc == 0) {
            user->order->count++;
            rc = aio_time_sleep(AIO_FOREVER);
            user->lock->give(user->lock->object);
        }
    }
    return rc;
}

/* It is granted to one who waits, and is cancelled or runs out of time before it runs again.
 * Returns whether it was granted: on a slow machine the time was over before. */
static bool granted_and_stopped(const struct sync_lock *lock, int64_t timeout_ns)
{
    struct sync_order order = {.count = 0};
    struct sync_user user = {lock, &order, 0, timeout_ns};
    bool late = timeout_ns != AIO_FOREVER;
    int result = 0;
    if (!AIO_CHECK_OK(lock->block(lock->object)))
        return true;
    struct aio_task *task = task_named("user", user_take_then_wait, &user);
    sync_settle();
    lock->unblock(lock->object);
    if (late)
        task_burn(timeout_ns + AIO_MS(1));
    else
        aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, late ? -ETIMEDOUT : -ECANCELED);
    check_free(lock);
    return order.count == 1;
}

void sync_check_granted(const struct sync_lock *lock)
{
    int64_t timeout_ns = AIO_MS(1);
    AIO_CHECK(granted_and_stopped(lock, AIO_FOREVER));
    while (!granted_and_stopped(lock, timeout_ns) && AIO_CHECK(timeout_ns < AIO_SEC(2)))
        timeout_ns *= 2;
}

static int user_try_canceled(void *arg)
{
    const struct sync_lock *lock = arg;
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(lock->take(lock->object), -ECANCELED);
    AIO_SHIELD
    {
        AIO_CHECK_OK(lock->take(lock->object));
    }
    lock->give(lock->object);
    return 0;
}

void sync_check_sticky(const struct sync_lock *lock)
{
    struct sync_lock mutable_copy = *lock;
    struct aio_task *task = task_named("user", user_try_canceled, &mutable_copy);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(lock->take(lock->object), -ETIMEDOUT);
    }
    check_free(lock);
}

void sync_check_quick(const struct sync_lock *lock)
{
    struct aio_runtime_stats before = task_stats();
    for (int i = 0; i < 1000; i++) {
        AIO_CHECK_OK(lock->take(lock->object));
        lock->give(lock->object);
    }
    struct aio_runtime_stats after = task_stats();
    AIO_CHECK_EQ(after.switches, before.switches);
    AIO_CHECK_EQ(after.turns, before.turns);
    AIO_CHECK_EQ(after.polls, before.polls);
    AIO_CHECK_EQ(after.ops, before.ops);
}

struct sync_hammer {
    const struct sync_lock *lock;
    int inside;
    int served;
};

static int hammer_once(struct sync_hammer *hammer)
{
    uint64_t choice = test_random();
    int rc = 0;
    AIO_TIMEOUT(choice % 4 == 0 ? AIO_US(choice / 4 % 50) : AIO_FOREVER)
    {
        rc = hammer->lock->take(hammer->lock->object);
        if (rc == 0) {
            hammer->served++;
            AIO_CHECK(++hammer->inside <= hammer->lock->limit);
            for (uint64_t turns = choice / 256 % 3; turns > 0 && rc == 0; turns--)
                rc = aio_task_yield();
            hammer->inside--;
            hammer->lock->give(hammer->lock->object);
        }
    }
    return rc;
}

static int hammer_until_canceled(void *arg)
{
    int rc = 0;
    for (int i = 0; i < 10 && rc != -ECANCELED; i++)
        rc = hammer_once(arg);
    return 0;
}

void sync_check_hammer(const struct sync_lock *lock)
{
    struct sync_hammer hammer = {lock, 0, 0};
    for (int round = 0; round < 100; round++) {
        struct aio_task *tasks[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++)
            tasks[i] = task_named("user", hammer_until_canceled, &hammer);
        for (int i = 0; i < 3; i++) {
            for (uint64_t turns = test_random() % 8; turns > 0; turns--)
                sync_settle();
            aio_task_cancel(tasks[test_random() % AT_ONCE]);
        }
        sync_finish(tasks, AT_ONCE, 0);
    }
    AIO_CHECK_EQ(hammer.inside, 0);
    AIO_CHECK(hammer.served > 0);
    check_free(lock);
}

void sync_check_aborts(int (*entry)(void *arg), const char *text)
{
    struct child child;
    REQUIRE(child_run_task(&child, entry, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, text);
}

void sync_start(struct aio_task **tasks, int count, const char *name, int (*fn)(void *arg),
                void *arg)
{
    for (int i = 0; i < count; i++)
        tasks[i] = task_named(name, fn, arg);
    sync_settle();
}

void sync_finish(struct aio_task **tasks, int count, int result)
{
    for (int i = 0; i < count; i++) {
        int got = -1;
        AIO_CHECK_OK(aio_task_join(tasks[i], &got));
        AIO_CHECK_EQ(got, result);
    }
}
