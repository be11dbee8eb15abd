/*
 * Notify: a wake-up reaches one waiter, or is kept, once.
 */
#define SUITE "sync_notify"
#include "tests/behaviour/sync_support.h"

static int notify_take(void *notify)
{
    return aio_notify_wait(notify);
}

static void notify_give(void *notify)
{
    aio_notify_one(notify);
}

/* With one wake-up in store it is a lock: waiting takes it, notifying gives it back. */
static void with_notify(void (*scenario)(const struct sync_lock *lock))
{
    struct aio_notify notify = AIO_NOTIFY_INIT;
    struct sync_lock lock = {&notify, notify_take, notify_give, notify_take, notify_give, 1};
    aio_notify_one(&notify);
    scenario(&lock);
    aio_notify_destroy(&notify);
}

BEHAVIOUR(woken_in_order)
{
    with_notify(sync_check_fifo);
}

BEHAVIOUR(canceled_waiters_leave_the_queue)
{
    with_notify(sync_check_cancel);
}

BEHAVIOUR(deadlines_bound_the_wait)
{
    with_notify(sync_check_deadline);
}

BEHAVIOUR(woken_then_canceled_is_woken)
{
    with_notify(sync_check_granted);
}

BEHAVIOUR(what_is_pending_comes_first)
{
    with_notify(sync_check_sticky);
}

BEHAVIOUR(a_stored_wakeup_makes_no_switch)
{
    with_notify(sync_check_quick);
}

BEHAVIOUR(hammered)
{
    with_notify(sync_check_hammer);
}

/* However often it is notified, one wake-up is kept. */
BEHAVIOUR(one_wakeup_is_stored)
{
    static struct aio_notify notify = AIO_NOTIFY_INIT;
    aio_notify_one(&notify);
    aio_notify_one(&notify);
    AIO_CHECK_OK(aio_notify_wait(&notify));
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_notify_wait(&notify), -ETIMEDOUT);
    }
    aio_notify_one(&notify);
    aio_notify_destroy(&notify);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_notify_wait(&notify), -ETIMEDOUT);
    }
    aio_notify_destroy(&notify);
}

/* All that wait now are woken; nothing is stored for those who come later. */
BEHAVIOUR(all_means_those_that_wait)
{
    struct aio_notify notify = AIO_NOTIFY_INIT;
    struct aio_task *tasks[5];
    sync_start(tasks, 5, "waiter", notify_take, &notify);
    aio_notify_all(&notify);
    sync_finish(tasks, 5, 0);
    aio_notify_all(&notify);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_notify_wait(&notify), -ETIMEDOUT);
    }
    aio_notify_destroy(&notify);
}
