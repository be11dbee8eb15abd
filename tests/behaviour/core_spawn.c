/*
 * Tasks sent to another core.
 */
#define SUITE "core_spawn"
#include "tests/behaviour/cores_tools.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static atomic_int ran;
static atomic_int misplaced;

static int run_there(void *unused)
{
    (void)unused;
    if (aio_core_index() != 1)
        atomic_fetch_add(&misplaced, 1);
    atomic_fetch_add(&ran, 1);
    return 0;
}

ON_CORES(runs_there, .cores = 2)
{
    ran = misplaced = 0;
    for (int i = 0; i < 100; i++)
        AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, NULL));
    AIO_CHECK(cores_wait(&ran, 100));
    AIO_CHECK_EQ(misplaced, 0);
}

static char expected_name[] = "a name that is longer t";

static int check_name(void *name)
{
    AIO_CHECK_STR(aio_task_name(aio_task_current()), name);
    atomic_fetch_add(&ran, 1);
    return 0;
}

/* Options are copied before the call returns; bad ones are refused by the caller's core. */
ON_CORES(options, .cores = 2)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    char name[] = "a name that is longer than 23 bytes";
    ran = 0;
    for (uint32_t index = 0; index < 2; index++) {
        options.name = name;
        options.stack_bytes = (size_t)512 * 1024;
        AIO_CHECK_OK(aio_core_spawn(index, check_name, expected_name, &options));
    }
    memset(name, 'x', sizeof name - 1);
    AIO_CHECK(cores_wait(&ran, 2));
    options.stack_bytes = 1;
    AIO_CHECK_ERROR(aio_core_spawn(1, run_there, NULL, &options), -EINVAL);
    options.stack_bytes = 0;
    options.size = 3;
    AIO_CHECK_ERROR(aio_core_spawn(1, run_there, NULL, &options), -EINVAL);
    AIO_CHECK_ERROR(aio_core_spawn(2, run_there, NULL, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_core_spawn(UINT32_MAX, run_there, NULL, NULL), -EINVAL);
}

/* What each sender sent last, as the receiver saw it. */
enum { SENDERS = 4, EACH = 200 };
static int last_seen[SENDERS];
static atomic_int disordered;

static int note_order(void *arg)
{
    int number = (int)(intptr_t)arg, sender = number / EACH;
    if (number % EACH != last_seen[sender])
        atomic_fetch_add(&disordered, 1);
    last_seen[sender] = number % EACH + 1;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static int send_in_order(void *arg)
{
    int sender = *(int *)arg;
    for (int i = 0; i < EACH; i++) {
        void *number = (void *)(intptr_t)(sender * EACH + i);
        AIO_CHECK_OK(aio_core_spawn(2, note_order, number, NULL));
        if (test_random() % 16 == 0)
            AIO_CHECK_OK(aio_task_yield());
    }
    return 0;
}

static int spawn_sender(void *arg)
{
    return aio_task_spawn(NULL, send_in_order, arg, NULL);
}

static void check_order(void)
{
    int senders[SENDERS] = {0, 1, 2, 3};
    ran = disordered = 0;
    memset(last_seen, 0, sizeof last_seen);
    for (int i = 0; i < SENDERS; i++)
        AIO_CHECK_OK(aio_core_call((uint32_t)i % 2, spawn_sender, &senders[i], NULL));
    AIO_CHECK(cores_wait(&ran, SENDERS * EACH));
    AIO_CHECK_EQ(disordered, 0);
}

/* The tasks of one sender start in order. */
ON_CORES(order_per_sender, .cores = 3)
{
    check_order();
}

/* Also when most of them find no room at first. */
ON_CORES(order_without_room, .cores = 3, .task_limit = 4)
{
    check_order();
}

static atomic_int holding;
static atomic_bool let_go;

static int hold_room(void *unused)
{
    (void)unused;
    atomic_fetch_add(&holding, 1);
    while (!atomic_load(&let_go) && aio_time_sleep(AIO_US(100)) == 0)
        continue;
    return 0;
}

/* A full core takes what comes, and starts it as soon as a task has ended; it may sleep then. */
ON_CORES(full_core, .cores = 2, .task_limit = 4)
{
    ran = holding = 0;
    let_go = false;
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_core_spawn(1, hold_room, NULL, NULL));
    REQUIRE(cores_wait(&holding, 3));
    for (int i = 0; i < 50; i++)
        AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, NULL));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    AIO_CHECK_EQ(ran, 0);
    atomic_store(&let_go, true);
    AIO_CHECK(cores_wait(&ran, 50));
}

static atomic_int held;

static int hold_core(void *unused)
{
    (void)unused;
    atomic_fetch_add(&held, 1);
    while (!atomic_load(&let_go))
        sched_yield();
    return 0;
}

/* Takes the room in the address space for large stacks away, and gives it back. */
static void limit_space(struct rlimit *before, size_t room)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!AIO_CHECK(file != NULL))
        return;
    AIO_CHECK_EQ(fscanf(file, "%ld", &pages), 1);
    (void)fclose(file);
    AIO_CHECK_EQ(getrlimit(RLIMIT_AS, before), 0);
    struct rlimit tight = *before;
    tight.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + room;
    AIO_CHECK_EQ(setrlimit(RLIMIT_AS, &tight), 0);
}

/* A stack that cannot be mapped is told of at once; if that turns out later, nobody else waits. */
ON_CORES(stacks_without_memory, .cores = 2)
{
    const struct aio_task_options large = {.size = sizeof large, .stack_bytes = (size_t)1 << 30};
    struct rlimit before;
    ran = held = 0;
    let_go = false;
    if (UNDER_ASAN || UNDER_TSAN || test_on_valgrind()) {
        aio_test_skip("a sanitizer's memory leaves no limit to set");
        return;
    }
    AIO_CHECK_OK(aio_core_spawn(1, hold_core, NULL, NULL));
    AIO_CHECK(cores_wait(&held, 1));
    AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, &large)); /* there was room when it was sent */
    limit_space(&before, (size_t)256 << 20);
    AIO_CHECK_ERROR(aio_core_spawn(1, run_there, NULL, &large), -ENOMEM);
    AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, NULL));
    atomic_store(&let_go, true);
    AIO_CHECK(cores_wait(&ran, 1));
    AIO_CHECK_EQ(ran, 1);
    AIO_CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
    AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, NULL));
    AIO_CHECK(cores_wait(&ran, 3));
}

static atomic_int accepted;

static int spawn_and_leave(void *unused)
{
    (void)unused;
    if (aio_core_index() == 1)
        return cores_wait(&accepted, 5) ? 0 : -1;
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_core_spawn(1, run_there, NULL, NULL));
    atomic_store(&accepted, 5);
    return 0;
}

/* Room for the first task only: what was taken runs when that has ended. */
BEHAVIOUR_OUTSIDE(room_for_one)
{
    struct aio_runtime_options options = cores_options(2);
    options.task_limit = 1;
    ran = accepted = 0;
    AIO_CHECK_OK(aio_runtime_run(&options, spawn_and_leave, NULL));
    AIO_CHECK_EQ(ran, 5);
}

static atomic_int late;

/* What races the end: it is cancelled from the start if it comes late, but it runs. */
static int run_at_the_end(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    if (aio_task_canceled())
        atomic_fetch_add(&late, 1);
    int rc = aio_task_yield();
    AIO_CHECK(rc == 0 || rc == -ECANCELED);
    return rc;
}

/* How far the senders are ahead of the receiver, at most, or the end takes its time. */
enum { AHEAD = 300 };

static int send_until_refused(void *unused)
{
    int rc;
    (void)unused;
    while ((rc = aio_core_spawn(0, run_at_the_end, NULL, NULL)) == 0) {
        atomic_fetch_add(&accepted, 1);
        while (accepted - ran > AHEAD || test_random() % 8 == 0)
            if (aio_task_yield() < 0)
                break;
    }
    AIO_CHECK_ERROR(rc, -ESHUTDOWN);
    return 0;
}

static int race_the_end(void *unused)
{
    if (aio_core_index() != 0)
        return send_until_refused(unused);
    return aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_MS(1)));
}

/* Cores send while the receiver ends: what was accepted has run, nothing more. */
static void check_race(uint32_t task_limit)
{
    struct aio_runtime_options options = cores_options(4);
    options.task_limit = task_limit;
    int rounds = 24 / (int)test_slowness();
    for (int round = 0; round < rounds; round++) {
        ran = accepted = late = 0;
        AIO_CHECK_OK(aio_runtime_run(&options, race_the_end, NULL));
        AIO_CHECK_EQ(ran, accepted);
        AIO_CHECK(late <= ran);
    }
}

BEHAVIOUR_OUTSIDE(races_shutdown)
{
    check_race(0);
}

BEHAVIOUR_OUTSIDE(races_shutdown_without_room)
{
    check_race(3);
}
