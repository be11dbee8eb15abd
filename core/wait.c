/*
 * Parking and waking of tasks, and the queues they wait in; see wait.h.
 */
#include "core/core.h"

void aio__wait_enqueue(struct aio__wait_queue *queue, struct aio__wait *wait)
{
    wait->next = NULL;
    wait->prev = queue->tail;
    if (queue->tail == NULL)
        queue->head = wait;
    else
        queue->tail->next = wait;
    queue->tail = wait;
}

void aio__wait_unlink(struct aio__wait_queue *queue, struct aio__wait *wait)
{
    if (wait->prev == NULL)
        queue->head = wait->next;
    else
        wait->prev->next = wait->next;
    if (wait->next == NULL)
        queue->tail = wait->prev;
    else
        wait->next->prev = wait->prev;
}

struct aio__wait *aio__wait_dequeue(struct aio__wait_queue *queue)
{
    struct aio__wait *wait = queue->head;
    if (wait != NULL)
        aio__wait_unlink(queue, wait);
    return wait;
}

int aio__park(struct aio__core *core, struct aio__wait *wait)
{
    struct aio_task *task = core->current;
    AIO__ASSERT(task->state == AIO__TASK_RUNNING);
    AIO__ASSERT(task->wait == NULL);
    wait->task = task;
    wait->interrupted = 0;
    task->wait = wait;
    task->state = AIO__TASK_PARKED;
    if (task->deadline_ns < task->timer.at_ns && wait->abort != NULL)
        aio__heap_arm(&core->timers, &task->timer, task->deadline_ns);
    aio__reschedule(core);
    return wait->result;
}

void aio__wake(struct aio__wait *wait, int result)
{
    struct aio_task *task = wait->task;
    AIO__REQUIRE(task->wait == wait, "a wait in '%s' ended twice", wait->what);
    AIO__ASSERT(task->state == AIO__TASK_PARKED);
    wait->result = result;
    task->wait = NULL;
    aio__ready_push(task->core, task);
}

/* A close outranks a cancellation, which outranks a deadline. */
static bool wait_outranks(int code, int other)
{
    return code == -EBADF || (code == -ECANCELED && other == -ETIMEDOUT);
}

void aio__wait_interrupt(struct aio__wait *wait, int code)
{
    if (wait->task->wait != wait || wait->abort == NULL)
        return; /* woken already, or not to be disturbed */
    if (wait->interrupted != 0) {
        if (wait_outranks(code, wait->interrupted))
            wait->interrupted = code;
        return;
    }
    wait->interrupted = code;
    wait->abort(wait);
}

int aio__wait_reason(struct aio__wait *wait)
{
    if (wait->interrupted == -ETIMEDOUT)
        return aio__deadline_hit(wait->task);
    return wait->interrupted;
}
