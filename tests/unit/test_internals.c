/*
 * What the scheduler keeps of tasks: the queue of waits, timers that are armed lazily, the room
 * reserved for them. On each backend, where a runtime is needed.
 */
#define SUITE "internals"
#include "tests/unit/unit_tools.h"

#include "core/task.h"

#include <signal.h>

/* Waits leave their queue in order, or from any place, and it is whole afterwards. */
PLAIN(waits_are_fifo)
{
    for (int gone = -1; gone < 4; gone++) {
        struct aio__wait_queue queue = {NULL, NULL};
        struct aio__wait waits[4], late;
        AIO_CHECK(aio__wait_dequeue(&queue) == NULL);
        for (int i = 0; i < 4; i++)
            aio__wait_enqueue(&queue, &waits[i]);
        if (gone >= 0)
            aio__wait_unlink(&queue, &waits[gone]);
        aio__wait_enqueue(&queue, &late);
        for (int i = 0; i < 4; i++)
            AIO_CHECK(i == gone || aio__wait_dequeue(&queue) == &waits[i]);
        AIO_CHECK(aio__wait_dequeue(&queue) == &late);
        AIO_CHECK(queue.head == NULL && queue.tail == NULL);
    }
}

static void arm_without_room(void *unused)
{
    struct aio__heap heap = {0};
    struct aio__timer timer = AIO__TIMER_INIT(NULL);
    (void)unused;
    aio__heap_arm(&heap, &timer, 1);
}

/* Arming a timer where no room was reserved is an error of ours, and ends the process. */
PLAIN(no_room_for_a_timer)
{
    AIO_CHECK_EQ(unit_end_of(arm_without_room, NULL), SIGABRT);
}

static void on_each_backend(int (*entry)(void *arg))
{
    static const char *const backends[] = {"uring", "epoll"};
    for (int i = 0; i < 2; i++) {
        struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
        options.backend = backends[i];
        (void)aio_runtime_run(&options, entry, NULL);
    }
}

static int set_deadlines(void *unused)
{
    struct aio_task *task = aio_task_current();
    struct aio_deadline deadline;
    (void)unused;
    aio_deadline_set(&deadline, AIO_SEC(100));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(!aio__timer_armed(&task->timer)); /* it has not waited */
    AIO_CHECK_OK(aio_time_sleep(1));
    AIO_CHECK(aio__timer_armed(&task->timer));
    int64_t armed_ns = task->timer.at_ns;
    AIO_CHECK_EQ(armed_ns, deadline.at_ns);
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio__timer_armed(&task->timer)); /* taking it away would cost */
    aio_deadline_set(&deadline, AIO_SEC(200));
    AIO_CHECK_OK(aio_time_sleep(1));
    AIO_CHECK_EQ(task->timer.at_ns, armed_ns); /* early enough for the later one */
    aio_deadline_clear(&deadline);
    aio_deadline_set(&deadline, AIO_SEC(50));
    AIO_CHECK_OK(aio_time_sleep(1));
    AIO_CHECK_EQ(task->timer.at_ns, deadline.at_ns); /* not for a nearer one */
    aio_deadline_clear(&deadline);
    return 0;
}

/* A deadline costs a timer only when the task waits under it, and a later one none at all. */
PLAIN(deadlines_are_armed_lazily)
{
    on_each_backend(set_deadlines);
}

static int park_under_deadline(void *unused)
{
    (void)unused;
    AIO_TIMEOUT(AIO_SEC(100))
    {
        return aio_time_sleep(AIO_SEC(100));
    }
    return -1;
}

static int use_all_timers(void *unused)
{
    enum { COUNT = 500 };
    static struct aio_task *tasks[COUNT];
    struct aio__core *core = aio_task_current()->core;
    (void)unused;
    for (int i = 0; i < COUNT; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(&tasks[i], park_under_deadline, NULL, NULL)))
            return -1;
    AIO_CHECK_OK(aio_time_sleep(1));
    AIO_CHECK_EQ(core->timers.count, 2 * COUNT); /* its deadline's and its sleep's */
    AIO_CHECK(core->timers.capacity >= 2 * (COUNT + 1));
    for (int i = 0; i < COUNT; i++) {
        aio_task_cancel(tasks[i]);
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    }
    AIO_CHECK_EQ(core->timers.count, 0);
    return 0;
}

/* There is room for the two timers that each task can have. */
PLAIN(room_for_all_timers)
{
    on_each_backend(use_all_timers);
}

static int look_at_states(void *unused)
{
    struct aio_task *self = aio_task_current(), *other;
    (void)unused;
    AIO_CHECK_EQ(self->state, AIO__TASK_RUNNING);
    if (!AIO_CHECK_OK(aio_task_spawn(&other, park_under_deadline, NULL, NULL)))
        return -1;
    AIO_CHECK_EQ(other->state, AIO__TASK_READY);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(other->state, AIO__TASK_PARKED);
    AIO_CHECK_STR(other->wait->what, "sleep");
    aio_task_cancel(other);
    AIO_CHECK_EQ(other->state, AIO__TASK_READY);
    AIO_CHECK(other->wait == NULL);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(other->state, AIO__TASK_FINISHED);
    AIO_CHECK_OK(aio_task_join(other, NULL));
    AIO_CHECK(self->core->tasks == self && self->all_next == NULL);
    return 0;
}

/* A task goes from ready to running to parked, back to ready, and ends finished. */
PLAIN(states)
{
    on_each_backend(look_at_states);
}

static int stand_above_stack(void *unused)
{
    struct aio_task *task = aio_task_current();
    char *frame = __builtin_frame_address(0);
    (void)unused;
    AIO_CHECK((char *)task == aio__stack_header(&task->stack));
    AIO_CHECK(frame > task->stack.base && frame < (char *)task);
    AIO_CHECK((char *)task + sizeof *task <= task->stack.base + task->stack.bytes);
    AIO_CHECK_EQ((uintptr_t)task % 16, 0);
    return 0;
}

/* A task stands at the top of its own stack. */
PLAIN(task_above_its_stack)
{
    on_each_backend(stand_above_stack);
}
