/*
 * How a runtime ends: what is left is cancelled and awaited, handles are closed, memory is freed.
 * The harness finds what is left behind.
 */
#define SUITE "runtime_end"
#include "tests/behaviour/task_stage.h"

#include <errno.h>
#include <stdlib.h>

/* A stage outside the runtime that plays on it. */
struct play {
    struct stage stage;
    struct stage_waiter waiter;
    bool opened;
};

static int leave_a_waiter(void *arg)
{
    struct play *play = arg;
    play->opened = stage_open(&play->stage);
    struct aio_task *task = task_named("left", stage_waiter_run, &play->waiter);
    return task != NULL && task_wait_parked("left") ? 5 : -1;
}

/* Entry returns while tasks wait, one of them in the way at hand: they are cancelled and awaited,
 * then the streams and listeners nobody closed are closed. */
static void check_left_waiting(int (*wait)(struct stage *stage))
{
    struct play play = {.waiter = {&play.stage, wait, 1, 1, 99, 99}};
    AIO_CHECK_EQ(test_run(leave_a_waiter, &play), 5);
    AIO_CHECK_ERROR(play.waiter.first, -ECANCELED);
    AIO_CHECK_ERROR(play.waiter.again, -ECANCELED);
    if (play.opened)
        stage_close_silent(&play.stage);
}

#define LEFT_WAITING(kind)                                                                         \
    BEHAVIOUR_OUTSIDE(left_waiting_in_##kind)                                                      \
    {                                                                                              \
        check_left_waiting(stage_wait_##kind);                                                     \
    }
STAGE_WAITS(LEFT_WAITING)

static int note_cancellation(void *arg)
{
    int *seen = arg;
    int rc = aio_task_yield();
    *seen += rc == -ECANCELED && aio_task_canceled();
    return rc;
}

static int leave_unstarted(void *arg)
{
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, note_cancellation, arg, NULL));
    return 0;
}

/* Tasks that have not started yet run too, cancelled. */
BEHAVIOUR_OUTSIDE(left_unstarted)
{
    int seen = 0;
    AIO_CHECK_OK(test_run(leave_unstarted, &seen));
    AIO_CHECK_EQ(seen, 3);
}

static int clean_up_slowly(void *arg)
{
    int *cleaned = arg;
    (void)!aio_time_sleep(AIO_FOREVER);
    AIO_SHIELD
    {
        for (int i = 0; i < 5; i++)
            AIO_CHECK_OK(aio_time_sleep(AIO_US(500)));
    }
    ++*cleaned;
    return 0;
}

static int leave_slow_cleaners(void *arg)
{
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, clean_up_slowly, arg, NULL));
    return aio_task_yield();
}

/* The runtime waits for shielded clean-up as long as it takes. */
BEHAVIOUR_OUTSIDE(clean_up_is_awaited)
{
    int cleaned = 0;
    AIO_CHECK_OK(test_run(leave_slow_cleaners, &cleaned));
    AIO_CHECK_EQ(cleaned, 20);
}

static int spawn_at_the_end(void *arg)
{
    struct aio_task *task = NULL;
    (void)!aio_time_sleep(AIO_FOREVER);
    *(int *)arg = aio_task_spawn(&task, task_sleep_forever, NULL, NULL);
    AIO_CHECK(task == NULL);
    return 0;
}

static int leave_a_spawner(void *arg)
{
    AIO_CHECK_OK(aio_task_spawn(NULL, spawn_at_the_end, arg, NULL));
    return aio_task_yield();
}

/* While it ends nothing new is started. */
BEHAVIOUR_OUTSIDE(spawn_is_refused_at_the_end)
{
    int rc = 0;
    AIO_CHECK_OK(test_run(leave_a_spawner, &rc));
    AIO_CHECK_ERROR(rc, -ECANCELED);
}

static int return_two(void *unused)
{
    (void)unused;
    return 2;
}

static int leave_handles_of_tasks(void *unused)
{
    struct aio_task *tasks[10];
    (void)unused;
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(
            aio_task_spawn(&tasks[i], i < 5 ? return_two : task_sleep_forever, NULL, NULL));
    return aio_task_yield();
}

/* Tasks that nobody joined, finished or not, are freed. */
BEHAVIOUR_OUTSIDE(unjoined_tasks_are_freed)
{
    AIO_CHECK_OK(test_run(leave_handles_of_tasks, NULL));
}

static int leave_streams(void *unused)
{
    (void)unused;
    for (int i = 0; i < 10; i++) {
        struct wire wire;
        struct aio_listener *listener;
        char text[AIO_ADDRESS_TEXT_BYTES];
        if (!wire_open(&wire) || !wire_listen(&listener, text))
            return -1;
        AIO_CHECK_EQ(aio_stream_write_all(wire.near, "unread", 6, NULL), 6);
    }
    return 0;
}

/* Streams and listeners that nobody closed are closed. */
BEHAVIOUR_OUTSIDE(open_handles_are_closed)
{
    AIO_CHECK_OK(test_run(leave_streams, NULL));
}

static int join_left(void *task)
{
    return aio_task_join(task, NULL);
}

static int leave_joiners(void *unused)
{
    struct aio_task *task = task_named("end", task_sleep_forever, NULL);
    (void)unused;
    for (int i = 0; i < 50 && task != NULL; i++)
        task = task_named("joiner", join_left, task);
    /* The last one joins entry's own task, which has no end before the runtime's. */
    struct aio_task *self = task_named("self", join_left, aio_task_current());
    return self != NULL && task != NULL ? aio_task_yield() : -1;
}

/* Tasks that wait for each other, and for the first task, are untangled. */
BEHAVIOUR_OUTSIDE(left_joining_each_other)
{
    AIO_CHECK_OK(test_run(leave_joiners, NULL));
}

static int return_with_everything_pending(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL));
    aio_task_cancel(aio_task_current());
    AIO_TIMEOUT(0)
    {
        return 8;
    }
    return -1;
}

/* Neither a cancellation nor a deadline of the first task cuts the end short. */
BEHAVIOUR_OUTSIDE(end_is_shielded)
{
    AIO_CHECK_EQ(test_run(return_with_everything_pending, NULL), 8);
}

static int leave_thousands(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5000; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL)))
            return -1;
    return aio_time_sleep(AIO_MS(1));
}

/* Thousands of tasks are ended. */
BEHAVIOUR_OUTSIDE(thousands_are_left)
{
    AIO_CHECK_OK(test_run(leave_thousands, NULL));
}

static int exit_in_a_task(void *arg)
{
    struct play *play = arg;
    if (leave_a_waiter(play) < 0)
        _Exit(9);
#if UNDER_ASAN
    _Exit(3); /* its look for leaks does not know what is referred to from the stacks of tasks */
#else
    exit(3);
#endif
}

/* A process that exits with operations in flight does so at once. */
BEHAVIOUR_OUTSIDE(exit_with_operations_in_flight)
{
    static struct play play = {.waiter = {&play.stage, stage_wait_read, 1, 1, 99, 99}};
    struct child child;
    REQUIRE(child_run_task(&child, exit_in_a_task, &play));
    child_exited(&child, 3);
    AIO_CHECK(child.took_ns < AIO_SEC(10) * test_slowness());
}
