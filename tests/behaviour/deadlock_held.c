/*
 * Who holds a runtime from outside may still wake its tasks; once the last has let go, nobody can.
 */
#define SUITE "deadlock_held"
#include "tests/behaviour/deadlock_tools.h"

static struct aio_task *first;

/* Holders in a thread: each wakes the next sleep of the first core, and lets go in every order. */
struct holders {
    atomic_int asked;
    atomic_int given;
    struct aio_runtime *runtime;
    bool over;
};

static int give(void *arg)
{
    struct holders *holders = arg;
    atomic_fetch_add(&holders->given, 1);
    aio_task_cancel(first);
    return 0;
}

static void *hold_and_release(void *arg)
{
    struct holders *holders = arg;
    for (int round = 1;; round++) {
        while (atomic_load(&holders->asked) < round)
            (void)sched_yield();
        if (holders->over)
            return NULL;
        if (test_random() % 4 == 0)
            (void)sched_yield();
        AIO_CHECK_OK(aio_runtime_post(holders->runtime, 0, give, holders));
        aio_runtime_release(holders->runtime);
    }
}

static int sleep_until_given(void *unused)
{
    return aio_time_sleep(unused == NULL ? AIO_FOREVER : 0);
}

static int ask_holders(void *arg)
{
    struct holders *holders = arg;
    if (aio_core_index() != 0)
        return cores_serve(NULL);
    int rounds = 3000 / (int)test_slowness();
    holders->runtime = aio_runtime_current();
    for (int round = 1; round <= rounds; round++) {
        first = task_named("asker", sleep_until_given, NULL);
        aio_runtime_hold(holders->runtime);
        atomic_fetch_add(&holders->asked, 1);
        int result = 0;
        if (!AIO_CHECK_OK(aio_task_join(first, &result)))
            break;
        AIO_CHECK_ERROR(result, -ECANCELED);
        AIO_CHECK_EQ(holders->given, round);
    }
    holders->over = true;
    atomic_fetch_add(&holders->asked, 1);
    AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), 0));
    return 0;
}

/* Whoever holds posts first and then lets go: that is never taken for a deadlock. */
BEHAVIOUR_OUTSIDE(holders_come_and_go)
{
    for (uint32_t cores = 1; cores <= 2; cores++) {
        pthread_t thread;
        struct holders holders = {.asked = 0};
        REQUIRE(thread_start(&thread, hold_and_release, &holders));
        AIO_CHECK_OK(cores_run(cores, ask_holders, &holders));
        thread_join(thread);
    }
}

static void *let_go_later(void *runtime)
{
    const struct timespec pause = {.tv_nsec = 3000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    aio_runtime_release(runtime);
    return NULL;
}

static pthread_t releaser;

static int held_for_a_while(void *unused)
{
    if (aio_core_index() == 0) {
        aio_runtime_hold(aio_runtime_current());
        AIO_CHECK(thread_start(&releaser, let_go_later, aio_runtime_current()));
    }
    return deadlock_sleep(unused);
}

static int run_held(void *arg)
{
    int rc = deadlock_run(arg);
    thread_join(releaser);
    return rc;
}

/* When the last holder lets go without a word, it is one. */
BEHAVIOUR_OUTSIDE(holder_lets_go)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    for (uint32_t cores = 1; cores <= 3; cores++) {
        struct deadlock_scene scene = {cores, held_for_a_while};
        REQUIRE(child_run(&child, run_held, &scene));
        child_exited(&child, DEADLOCK_FOUND);
        child_said(&child, "task 'sleeper': parked in sleep");
    }
}

static int start_unheld(void *arg)
{
    const struct deadlock_scene *scene = arg;
    struct aio_runtime_options options = cores_options(scene->cores);
    struct aio_runtime *runtime;
    int result = 0;
    options.flags = AIO_RUNTIME_UNHELD;
    if (aio_runtime_create(&runtime, &options) < 0 ||
        aio_runtime_start(runtime, scene->entry, NULL) < 0 ||
        aio_runtime_wait(runtime, &result) < 0)
        return 2;
    aio_runtime_destroy(runtime);
    return result == -EDEADLK ? DEADLOCK_FOUND : 3;
}

/* A started runtime whose creator says that he keeps out of it. */
BEHAVIOUR_OUTSIDE(unheld_by_its_creator)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    for (uint32_t cores = 1; cores <= 3; cores++) {
        struct deadlock_scene scene = {cores, deadlock_sleep};
        REQUIRE(child_run(&child, start_unheld, &scene));
        child_exited(&child, DEADLOCK_FOUND);
    }
}

static atomic_int asleep;

static int sleep_quietly(void *unused)
{
    atomic_fetch_add(&asleep, 1);
    return cores_serve(unused);
}

/* One whose creator may still post is none, however long it sleeps. */
BEHAVIOUR_OUTSIDE(held_by_its_creator)
{
    asleep = 0;
    struct aio_runtime *runtime = cores_start(2, sleep_quietly, NULL);
    REQUIRE(runtime != NULL);
    REQUIRE(cores_wait_outside(&asleep, 2));
    for (int i = 0; i < 200; i++) {
        aio_runtime_hold(runtime);
        aio_runtime_release(runtime);
        (void)sched_yield();
    }
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(cores_end(runtime));
}

/* Nor is one in somebody else's loop, where he may stop it between two turns. */
BEHAVIOUR_OUTSIDE(embedded_and_held)
{
    struct aio_runtime_options options = test_options();
    struct aio_runtime *runtime;
    int result = 0;
    REQUIRE_OK(aio_runtime_create(&runtime, &options));
    AIO_CHECK_OK(aio_runtime_attach(runtime, sleep_quietly, NULL));
    for (int i = 0; i < 50; i++)
        AIO_CHECK_EQ(aio_runtime_turn(runtime), 1);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    while (aio_runtime_turn(runtime) > 0)
        continue;
    AIO_CHECK_OK(aio_runtime_wait(runtime, &result));
    AIO_CHECK_OK(result);
    aio_runtime_destroy(runtime);
}
