/*
 * Deadlocks are found, reported and broken.
 */
#define SUITE "deadlock"
#include "tests/behaviour/deadlock_tools.h"

#include <aio/buf.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct aio_task *first;

static int join_first(void *unused)
{
    (void)unused;
    int rc = aio_task_join(first, NULL);
    return rc == -ECANCELED ? 0 : 1;
}

/* Two tasks that wait for each other's end. */
static int join_cycle(void *unused)
{
    (void)unused;
    first = aio_task_current();
    struct aio_task *second = task_named("second", join_first, NULL);
    aio_task_rename("first");
    return aio_task_join(second, NULL) == -ECANCELED ? 0 : 1;
}

BEHAVIOUR_OUTSIDE(joins_in_a_ring)
{
    struct child child;
    if (!deadlock_check(&child, 1, join_cycle))
        return;
    child_said(&child, "task 'first': parked in join");
    child_said(&child, "task 'second': parked in join");
}

/* An endless sleep is not woken either; and an entry that has returned waits for it in a shield. */
BEHAVIOUR_OUTSIDE(nothing_to_wait_for)
{
    struct child child;
    for (uint32_t cores = 1; cores <= 3; cores += 2) {
        if (!deadlock_check(&child, cores, deadlock_sleep))
            return;
        child_said(&child, "task 'sleeper': parked in sleep");
        if (cores == 3)
            child_said(&child, "deadlock on core 2");
    }
}

/* Neither is a stream that nobody reads or writes, though it has read and sent rented buffers. */
static int sleep_after_rent(void *unused)
{
    struct wire wire;
    struct aio_buffer *buffer;
    if (!wire_open(&wire))
        return 1;
    AIO_CHECK_EQ(aio_stream_write(wire.near, "ping", 4), 4);
    AIO_CHECK(aio_stream_read_rent(wire.far, &buffer) > 0);
    AIO_CHECK_OK(aio_stream_write_rent(wire.far, buffer));
    int rc = deadlock_sleep(unused);
    wire_close(&wire);
    return rc;
}

BEHAVIOUR_OUTSIDE(rented_buffers_keep_nobody_awake)
{
    struct child child;
    deadlock_check(&child, 1, sleep_after_rent);
}

/* From core to core until the ring is closed, where the call waits for its own first task. */
static int call_round(void *arg)
{
    uint32_t next = (aio_core_index() + 1) % aio_core_count();
    int result = 0;
    if (aio_core_index() == 0 && arg != NULL)
        return join_first(NULL);
    if (aio_core_index() == 0)
        first = aio_task_current();
    AIO_CHECK_OK(aio_core_call(next, call_round, &result, &result));
    return result;
}

static int call_ring(void *unused)
{
    (void)unused;
    if (aio_core_index() == 0)
        return call_round(NULL);
    return deadlock_sleep(NULL);
}

/* A ring of calls over the cores; the calls return, cancelled. */
BEHAVIOUR_OUTSIDE(calls_in_a_ring)
{
    struct child child;
    for (uint32_t cores = 2; cores <= 4; cores++) {
        if (!deadlock_check(&child, cores, call_ring))
            return;
        child_said(&child, "task 'call': parked in core call");
        child_said(&child, "task 'call': parked in join");
    }
}

/* Tasks that no cancellation reaches are abandoned, and reported again. */
BEHAVIOUR_OUTSIDE(shielded_are_abandoned)
{
    struct child child;
    for (uint32_t cores = 1; cores <= 3; cores += 2) {
        if (!deadlock_check(&child, cores, deadlock_shield))
            return;
        child_said(&child, "task 'shielded': parked in sleep");
        child_said(&child, "abandoned");
    }
}

static int send_and_shield(void *unused)
{
    for (int i = 0; aio_core_index() == 0 && i < 5; i++)
        AIO_CHECK_OK(aio_core_spawn(1, deadlock_sleep, NULL, NULL));
    return deadlock_shield(unused);
}

static int run_without_room(void *unused)
{
    struct aio_runtime_options options = cores_options(2);
    (void)unused;
    options.task_limit = 1;
    return aio_runtime_run(&options, send_and_shield, NULL) == -EDEADLK ? DEADLOCK_FOUND : 1;
}

/* So are tasks that never found room. */
BEHAVIOUR_OUTSIDE(abandoned_without_room)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, run_without_room, NULL));
    child_exited(&child, DEADLOCK_FOUND);
    child_said(&child, "abandoned");
}

/* Cleans up with I/O, calls and time, for which the other cores must still be there. */
static int clean_up(void *unused)
{
    struct wire wire;
    char byte = 'x';
    int rc = deadlock_sleep(unused);
    AIO_SHIELD
    {
        if (!wire_open(&wire))
            return 2;
        for (int i = 0; i < 10; i++) {
            if (aio_stream_write(wire.near, &byte, 1) != 1 || aio_time_sleep(AIO_US(100)) < 0)
                return 3;
            if (aio_stream_read(wire.far, &byte, 1) != 1)
                return 4;
        }
        wire_close(&wire);
    }
    return rc;
}

/* Tasks that clean up are waited for, also while the other cores idle again. */
BEHAVIOUR_OUTSIDE(clean_up_is_no_deadlock)
{
    struct child child;
    for (int round = 0; round < 10; round++) {
        if (!deadlock_check(&child, 4, clean_up))
            return;
        AIO_CHECK(strstr(child.text, "abandoned") == NULL);
    }
}

static int leave_early(void *unused)
{
    if (aio_core_index() == 0)
        return aio_time_sleep(AIO_MS(3));
    return deadlock_sleep(unused);
}

/* A core that ends leaves the others to themselves. */
BEHAVIOUR_OUTSIDE(left_by_the_last_active_core)
{
    struct child child;
    if (deadlock_check(&child, 3, leave_early))
        child_said(&child, "deadlock on core 1");
}

static void on_poke(int number)
{
    (void)number;
}

static void *poke_all(void *stop)
{
    while (!atomic_load((atomic_int *)stop))
        (void)kill(getpid(), SIGUSR1);
    return NULL;
}

static int run_poked(void *arg)
{
    struct sigaction action = {.sa_handler = on_poke, .sa_flags = SA_RESTART};
    atomic_int stop = 0;
    pthread_t thread;
    if (sigaction(SIGUSR1, &action, NULL) < 0 || !thread_start(&thread, poke_all, &stop))
        return 2;
    int rc = deadlock_run(arg);
    atomic_store(&stop, 1);
    thread_join(thread);
    return rc;
}

/* Signals that wake the cores for a moment change nothing. */
BEHAVIOUR_OUTSIDE(amid_signals)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    for (int round = 0; round < 10; round++) {
        struct deadlock_scene scene = {3, round % 2 == 0 ? clean_up : deadlock_sleep};
        REQUIRE(child_run(&child, run_poked, &scene));
        child_exited(&child, DEADLOCK_FOUND);
        AIO_CHECK(strstr(child.text, "abandoned") == NULL);
    }
}
