/*
 * Condition: a waiter stands first in the condition's queue, then in its mutex's, and parks only
 * once. A signal, a cancellation and a deadline all move it from the one to the other; it wakes
 * when it has the mutex, so no task runs only to find the mutex taken.
 */
#include "core/sync.h"

struct condition_wait {
    struct aio__wait wait;
    struct aio_condition *condition;
    struct aio_mutex *mutex;
};

static void condition_relock(struct condition_wait *frame)
{
    struct aio_mutex *mutex = frame->mutex;
    frame->wait.what = "mutex after condition";
    if (mutex->holder != NULL) {
        aio__wait_enqueue(&mutex->queue, &frame->wait);
        return;
    }
    aio__mutex_grant(mutex, frame->wait.task);
    aio__wake(&frame->wait, 0);
}

/* Called once at most: a wait that is interrupted stays so. */
static void condition_abort(struct aio__wait *wait)
{
    struct condition_wait *frame = AIO__CONTAINER(wait, struct condition_wait, wait);
    aio__wait_unlink(&frame->condition->queue, wait);
    condition_relock(frame);
}

int aio_condition_wait(struct aio_condition *condition, struct aio_mutex *mutex)
{
    struct aio__core *core = aio__sync_enter(&condition->core, NULL, "condition", __func__);
    aio__mutex_require(mutex, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    struct condition_wait frame = {
        .wait = {.what = "condition", .abort = condition_abort},
        .condition = condition,
        .mutex = mutex,
    };
    aio__wait_enqueue(&condition->queue, &frame.wait);
    aio__mutex_pass(mutex);
    (void)aio__park(core, &frame.wait);
    return aio__wait_reason(&frame.wait);
}

static bool condition_wake_first(struct aio_condition *condition)
{
    struct aio__wait *wait = aio__wait_dequeue(&condition->queue);
    if (wait == NULL)
        return false;
    wait->abort = NULL; /* it has the signal; the way to the mutex is shielded */
    condition_relock(AIO__CONTAINER(wait, struct condition_wait, wait));
    return true;
}

void aio_condition_signal(struct aio_condition *condition)
{
    (void)aio__sync_enter(&condition->core, NULL, "condition", __func__);
    (void)condition_wake_first(condition);
}

void aio_condition_broadcast(struct aio_condition *condition)
{
    (void)aio__sync_enter(&condition->core, NULL, "condition", __func__);
    while (condition_wake_first(condition))
        ;
}

void aio_condition_destroy(struct aio_condition *condition)
{
    aio__sync_destroy(&condition->core, &condition->queue, "condition", __func__);
}
