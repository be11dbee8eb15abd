/*
 * The mutex: one holder, handed on in order, whatever happens to those who wait.
 */
#define SUITE "sync_mutex"
#include "tests/behaviour/sync_support.h"

#include <pthread.h>

static int mutex_take(void *mutex)
{
    return aio_mutex_lock(mutex);
}

static void mutex_give(void *mutex)
{
    aio_mutex_unlock(mutex);
}

static void with_mutex(void (*scenario)(const struct sync_lock *lock))
{
    struct aio_mutex mutex = AIO_MUTEX_INIT;
    struct sync_lock lock = {&mutex, mutex_take, mutex_give, mutex_take, mutex_give, 1};
    scenario(&lock);
    aio_mutex_destroy(&mutex);
}

BEHAVIOUR(handed_over_in_order)
{
    with_mutex(sync_check_fifo);
}

BEHAVIOUR(canceled_waiters_leave_the_queue)
{
    with_mutex(sync_check_cancel);
}

BEHAVIOUR(deadlines_bound_the_wait)
{
    with_mutex(sync_check_deadline);
}

BEHAVIOUR(granted_then_canceled_keeps_it)
{
    with_mutex(sync_check_granted);
}

BEHAVIOUR(what_is_pending_comes_first)
{
    with_mutex(sync_check_sticky);
}

BEHAVIOUR(uncontended_makes_no_switch)
{
    with_mutex(sync_check_quick);
}

BEHAVIOUR(hammered)
{
    with_mutex(sync_check_hammer);
}

static struct aio_mutex static_mutex = AIO_MUTEX_INIT;

static int use_static(void *unused)
{
    (void)unused;
    if (aio_mutex_lock(&static_mutex) < 0)
        return 1;
    aio_mutex_unlock(&static_mutex);
    aio_mutex_destroy(&static_mutex);
    return 0;
}

static void *use_static_there(void *unused)
{
    AIO_CHECK_EQ(test_run(use_static, unused), 0);
    return NULL;
}

static int use_static_here_and_there(void *unused)
{
    pthread_t thread;
    if (use_static(unused) != 0 || pthread_create(&thread, NULL, use_static_there, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return use_static(unused);
}

/* A mutex made statically serves one runtime after another, if destroyed in between. */
BEHAVIOUR_OUTSIDE(static_and_destroyed_is_as_new)
{
    AIO_CHECK_EQ(test_run(use_static_here_and_there, NULL), 0);
}

/* Zero bytes are a mutex too. */
BEHAVIOUR(zero_is_a_mutex)
{
    static struct aio_mutex zero;
    REQUIRE_OK(aio_mutex_lock(&zero));
    aio_mutex_unlock(&zero);
    aio_mutex_destroy(&zero);
}

static int lock_and_release(void *mutex)
{
    int rc = aio_mutex_lock(mutex);
    if (rc == 0)
        aio_mutex_unlock(mutex);
    return rc;
}

/* Trying takes it only when it is free: not when held, and not when it was handed to a waiter that
 * has not run yet. It works for a cancelled task too. */
BEHAVIOUR(try_takes_only_a_free_one)
{
    struct aio_mutex mutex = AIO_MUTEX_INIT;
    int result = -1;
    REQUIRE_OK(aio_mutex_try(&mutex));
    AIO_CHECK_ERROR(aio_mutex_try(&mutex), -EAGAIN);
    struct aio_task *waiter = task_named("waiter", lock_and_release, &mutex);
    sync_settle();
    AIO_CHECK_ERROR(aio_mutex_try(&mutex), -EAGAIN);
    aio_mutex_unlock(&mutex);
    AIO_CHECK_ERROR(aio_mutex_try(&mutex), -EAGAIN);
    AIO_CHECK_OK(aio_task_join(waiter, &result));
    AIO_CHECK_EQ(result, 0);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_OK(aio_mutex_try(&mutex));
        aio_mutex_unlock(&mutex);
    }
    aio_mutex_destroy(&mutex);
}

struct crossing {
    struct aio_mutex *first;
    struct aio_mutex *second;
};

static int cross(void *arg)
{
    struct crossing *crossing = arg;
    int rc = aio_mutex_lock(crossing->first);
    if (rc < 0)
        return rc;
    sync_settle();
    rc = aio_mutex_lock(crossing->second);
    if (rc == 0)
        aio_mutex_unlock(crossing->second);
    aio_mutex_unlock(crossing->first);
    return rc;
}

static int lock_crosswise(void *unused)
{
    static struct aio_mutex left, right;
    struct crossing there = {&left, &right}, back = {&right, &left};
    (void)unused;
    struct aio_task *task = task_named("crosser", cross, &back);
    int rc = cross(&there), result = 0;
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_task_join(task, &result));
    }
    return rc == -ECANCELED && result == -ECANCELED ? 0 : 1;
}

static int run_crosswise(void *unused)
{
    return test_run(lock_crosswise, unused) == -EDEADLK ? 0 : 1;
}

/* Two tasks wait for each other's mutex: the runtime says so, and both waits end. */
BEHAVIOUR_OUTSIDE(deadlock_is_reported)
{
    struct child child;
    REQUIRE(child_run(&child, run_crosswise, NULL));
    child_exited(&child, 0);
    child_said(&child, "task 'crosser': parked");
    child_said(&child, "mutex");
}
