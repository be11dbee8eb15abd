/*
 * Blocking work in the pool: its result, where it runs, how much of it at once, and in which order.
 */
#define SUITE "offload_call"
#include "tests/behaviour/offload_tools.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct visit {
    pthread_t thread;
    char name[32];
    bool blocked;
    bool in_task;
};

static int visit(void *arg)
{
    struct visit *visit = arg;
    sigset_t mask;
    visit->thread = pthread_self();
    pthread_getname_np(visit->thread, visit->name, sizeof visit->name);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    visit->blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGUSR1) == 1;
    visit->in_task = aio_task_current() != NULL;
    return 42;
}

/* The work runs on another thread, with a name and without signals; its result comes back. */
BEHAVIOUR(result_of_another_thread)
{
    struct visit there = {.blocked = false};
    int result = 0;
    AIO_CHECK_OK(aio_offload_call(visit, &there, &result));
    AIO_CHECK_EQ(result, 42);
    AIO_CHECK(!pthread_equal(there.thread, pthread_self()));
    AIO_CHECK_STR(there.name, "aio-offload");
    AIO_CHECK(there.blocked && !there.in_task);
    AIO_CHECK_OK(aio_offload_call(visit, &there, NULL));
}

static int negative(void *unused)
{
    (void)unused;
    return -EIO;
}

/* What the work returns is not mixed up with what the call returns. */
BEHAVIOUR(result_that_looks_like_an_error)
{
    int result = 0;
    AIO_CHECK_EQ(aio_offload_call(negative, NULL, &result), 0);
    AIO_CHECK_EQ(result, -EIO);
}

static int count_up(void *count)
{
    for (int i = 0; i < 20; i++) {
        ++*(int *)count;
        AIO_CHECK_OK(aio_task_yield());
    }
    return 0;
}

/* Other tasks run meanwhile; the call counts as an operation that is pending. */
BEHAVIOUR(others_run_meanwhile)
{
    struct work work = {.timeout_ns = 0};
    struct aio_task *counter;
    int count = 0;
    REQUIRE(work_start(&work, 7) && work_wait_begun(&work));
    AIO_CHECK_EQ(task_stats().ops_pending, 1);
    REQUIRE_OK(aio_task_spawn(&counter, count_up, &count, NULL));
    AIO_CHECK_OK(aio_task_join(counter, NULL));
    AIO_CHECK_EQ(count, 20);
    AIO_CHECK(!work.returned);
    work_open(&work);
    AIO_CHECK_OK(work_join(&work));
    AIO_CHECK_EQ(work.result, 7);
    AIO_CHECK_EQ(task_stats().ops_pending, 0);
}

/* As many calls run at once as there may be threads, all of them if they block each other. */
BEHAVIOUR_WITH(threads_at_once, .offload_threads = 3)
{
    struct work works[4] = {{.timeout_ns = 0}};
    for (int i = 0; i < 4; i++)
        REQUIRE(work_start(&works[i], i));
    for (int i = 0; i < 3; i++)
        AIO_CHECK(work_wait_begun(&works[i]));
    AIO_CHECK_EQ(task_stats().offload_threads, 3);
    AIO_CHECK(pool_wait_queued(1));
    AIO_CHECK(!works[3].begun);
    work_open(&works[1]);
    AIO_CHECK_OK(work_join(&works[1]));
    AIO_CHECK(work_wait_begun(&works[3]));
    for (int i = 0; i < 4; i++)
        work_open(&works[i]);
    for (int i = 0; i < 4; i++) {
        if (i != 1)
            AIO_CHECK_OK(work_join(&works[i]));
        AIO_CHECK_EQ(works[i].result, i);
    }
}

/* Beyond the pool's bound callers wait, and all of them are served in the order they came. */
BEHAVIOUR_WITH(order_beyond_the_bound, .offload_threads = 1, .offload_queue = 2)
{
    enum { COUNT = 12 };
    struct work works[COUNT] = {{.timeout_ns = 0}};
    for (int i = 0; i < COUNT; i++)
        REQUIRE(work_start(&works[i], i));
    AIO_CHECK(work_wait_begun(&works[0]) && pool_wait_queued(COUNT - 1));
    AIO_CHECK_EQ(task_stats().ops_pending, 3); /* the others are not in the pool yet */
    for (int i = 0; i < COUNT; i++)
        work_open(&works[i]);
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(work_join(&works[i]));
        AIO_CHECK_EQ(works[i].result, i);
        AIO_CHECK_EQ(works[i].place, works[0].place + i);
    }
    AIO_CHECK_EQ(task_stats().offload_queued, 0);
}

static int add_one(void *sum)
{
    atomic_fetch_add((atomic_int *)sum, 1);
    return 0;
}

static int call_often(void *sum)
{
    for (int i = 0; i < 50; i++)
        if (!AIO_CHECK_OK(aio_offload_call(add_one, sum, NULL)))
            return 1;
    return 0;
}

/* Many tasks with many calls through a small pool: each runs once. */
BEHAVIOUR_WITH(storm, .offload_threads = 3, .offload_queue = 5)
{
    struct aio_task *tasks[40];
    atomic_int sum = 0;
    for (int i = 0; i < 40; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], call_often, &sum, NULL));
    for (int i = 0; i < 40; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    AIO_CHECK_EQ(sum, 40 * 50);
    AIO_CHECK(task_stats().offload_threads <= 3);
}

static int spawn_there(void *unused)
{
    return aio_task_spawn(NULL, task_sleep_forever, unused, NULL);
}

static int spawn_in_the_pool(void *unused)
{
    (void)unused;
    return aio_offload_call(spawn_there, NULL, NULL);
}

static int call_outside(void *unused)
{
    return aio_offload_call(negative, unused, NULL);
}

/* The work is not a task, and only a task may call. */
BEHAVIOUR_OUTSIDE(misuse)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, spawn_in_the_pool, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_task_spawn was called outside a task");
    REQUIRE(child_run(&child, call_outside, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_offload_call was called outside a task");
}
