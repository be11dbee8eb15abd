/*
 * Deadlocks are found, reported and broken; what only looks like one is let be.
 */
#define SUITE "deadlock"
#include "tests/behaviour/cores_tools.h"

#include <aio/buf.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { FOUND = 35 };

/* A deadlock reports on standard error, so each is in a process of its own. */
struct scene {
    uint32_t cores;
    int (*entry)(void *arg);
};

static int scene_run(void *arg)
{
    const struct scene *scene = arg;
    int rc = cores_run(scene->cores, scene->entry, NULL);
    return rc == -EDEADLK ? FOUND : rc < 0 ? 1 : rc;
}

/* Returns false where children cannot have threads. */
static bool check_found(struct child *child, uint32_t cores, int (*entry)(void *arg))
{
    struct scene scene = {cores, entry};
    if (cores > 1 && !child_may_have_threads())
        return false;
    return child_run(child, scene_run, &scene) && child_exited(child, FOUND) &&
           child_said(child, "deadlock");
}

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
    if (!check_found(&child, 1, join_cycle))
        return;
    child_said(&child, "task 'first': parked in join");
    child_said(&child, "task 'second': parked in join");
}

/* An endless sleep is not woken either; and an entry that has returned waits for it in a shield. */
static int sleep_for_ever(void *unused)
{
    (void)unused;
    aio_task_rename("sleeper");
    return aio_time_sleep(AIO_FOREVER) == -ECANCELED ? 0 : 1;
}

BEHAVIOUR_OUTSIDE(nothing_to_wait_for)
{
    struct child child;
    for (uint32_t cores = 1; cores <= 3; cores += 2) {
        if (!check_found(&child, cores, sleep_for_ever))
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
    int rc = sleep_for_ever(unused);
    wire_close(&wire);
    return rc;
}

BEHAVIOUR_OUTSIDE(rented_buffers_keep_nobody_awake)
{
    struct child child;
    check_found(&child, 1, sleep_after_rent);
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
    return sleep_for_ever(NULL);
}

/* A ring of calls over the cores; the calls return, cancelled. */
BEHAVIOUR_OUTSIDE(calls_in_a_ring)
{
    struct child child;
    for (uint32_t cores = 2; cores <= 4; cores++) {
        if (!check_found(&child, cores, call_ring))
            return;
        child_said(&child, "task 'call': parked in core call");
        child_said(&child, "task 'call': parked in join");
    }
}

static int wait_in_shield(void *unused)
{
    (void)unused;
    aio_task_rename("shielded");
    AIO_SHIELD
    {
        (void)!aio_time_sleep(AIO_FOREVER);
    }
    return 1;
}

/* Tasks that no cancellation reaches are abandoned, and reported again. */
BEHAVIOUR_OUTSIDE(shielded_are_abandoned)
{
    struct child child;
    for (uint32_t cores = 1; cores <= 3; cores += 2) {
        if (!check_found(&child, cores, wait_in_shield))
            return;
        child_said(&child, "task 'shielded': parked in sleep");
        child_said(&child, "abandoned");
    }
}

static int send_and_shield(void *unused)
{
    for (int i = 0; aio_core_index() == 0 && i < 5; i++)
        AIO_CHECK_OK(aio_core_spawn(1, sleep_for_ever, NULL, NULL));
    return wait_in_shield(unused);
}

static int run_without_room(void *unused)
{
    struct aio_runtime_options options = cores_options(2);
    (void)unused;
    options.task_limit = 1;
    return aio_runtime_run(&options, send_and_shield, NULL) == -EDEADLK ? FOUND : 1;
}

/* So are tasks that never found room. */
BEHAVIOUR_OUTSIDE(abandoned_without_room)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, run_without_room, NULL));
    child_exited(&child, FOUND);
    child_said(&child, "abandoned");
}

/* Cleans up with I/O, calls and time, for which the other cores must still be there. */
static int clean_up(void *unused)
{
    struct wire wire;
    char byte = 'x';
    int rc = sleep_for_ever(unused);
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
        if (!check_found(&child, 4, clean_up))
            return;
        AIO_CHECK(strstr(child.text, "abandoned") == NULL);
    }
}

static atomic_int asleep;

/* With several cores, one of which waits for something real. */
static int others_wait(int (*real)(void *arg), void *arg)
{
    if (aio_core_index() == 0) {
        int rc = real(arg);
        AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), 0));
        return rc;
    }
    atomic_fetch_add(&asleep, 1);
    return cores_serve(NULL);
}

static int real_timer(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    return 0;
}

static int wait_for_timer(void *unused)
{
    return others_wait(real_timer, unused);
}

static void *write_later(void *fd)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    AIO_CHECK_EQ(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

/* Only a connection is left to wake anybody. */
static int real_io(void *unused)
{
    struct aio_listener *listener;
    struct aio_stream *peer;
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES], byte;
    pthread_t thread;
    (void)unused;
    if (!wire_listen(&listener, text))
        return -1;
    AIO_CHECK_OK(aio_address_parse(&address, text));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(connect(fd, &address.any, address.length), 0);
    AIO_CHECK_OK(aio_listener_accept(listener, &peer));
    if (thread_start(&thread, write_later, &fd)) {
        AIO_CHECK_EQ(aio_stream_read(peer, &byte, 1), 1);
        thread_join(thread);
    }
    close(fd);
    aio_stream_close(peer);
    aio_listener_close(listener);
    return 0;
}

static int wait_for_io(void *unused)
{
    return others_wait(real_io, unused);
}

static void *signal_later(void *unused)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    AIO_CHECK_EQ(kill(getpid(), SIGTERM), 0);
    return unused;
}

static int real_signal(void *unused)
{
    pthread_t thread;
    AIO_CHECK_OK(aio_signal_shutdown());
    if (!thread_start(&thread, signal_later, unused))
        return -1;
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    thread_join(thread);
    return 0;
}

static int wait_for_signal(void *unused)
{
    return others_wait(real_signal, unused);
}

/* Time, I/O and signals are something to wait for. */
BEHAVIOUR_OUTSIDE(real_things_are_waited_for)
{
    for (uint32_t cores = 1; cores <= 3; cores++) {
        AIO_CHECK_OK(cores_run(cores, wait_for_timer, NULL));
        AIO_CHECK_OK(cores_run(cores, wait_for_io, NULL));
        AIO_CHECK_OK(cores_run(cores, wait_for_signal, NULL));
    }
}

/* A ping that goes round the cores by spawns: all but one are always idle. */
static atomic_int hops;

static int hop(void *unused)
{
    if (atomic_fetch_add(&hops, 1) + 1 == 3000)
        return aio_runtime_stop(aio_runtime_current(), 0);
    return aio_core_spawn((aio_core_index() + 1) % aio_core_count(), hop, unused, NULL);
}

static int hop_round(void *unused)
{
    if (aio_core_index() == 0)
        AIO_CHECK_OK(hop(unused));
    return cores_serve(unused);
}

BEHAVIOUR_OUTSIDE(mail_under_way)
{
    for (uint32_t cores = 2; cores <= 4; cores++) {
        hops = 0;
        AIO_CHECK_OK(cores_run(cores, hop_round, NULL));
        AIO_CHECK_EQ(hops, 3000);
    }
}

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
    return sleep_for_ever(unused);
}

static int run_held(void *arg)
{
    int rc = scene_run(arg);
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
        struct scene scene = {cores, held_for_a_while};
        REQUIRE(child_run(&child, run_held, &scene));
        child_exited(&child, FOUND);
        child_said(&child, "task 'sleeper': parked in sleep");
    }
}

static int start_unheld(void *arg)
{
    const struct scene *scene = arg;
    struct aio_runtime_options options = cores_options(scene->cores);
    struct aio_runtime *runtime;
    int result = 0;
    options.flags = AIO_RUNTIME_UNHELD;
    if (aio_runtime_create(&runtime, &options) < 0 ||
        aio_runtime_start(runtime, scene->entry, NULL) < 0 ||
        aio_runtime_wait(runtime, &result) < 0)
        return 2;
    aio_runtime_destroy(runtime);
    return result == -EDEADLK ? FOUND : 3;
}

/* A started runtime whose creator says that he keeps out of it. */
BEHAVIOUR_OUTSIDE(unheld_by_its_creator)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    for (uint32_t cores = 1; cores <= 3; cores++) {
        struct scene scene = {cores, sleep_for_ever};
        REQUIRE(child_run(&child, start_unheld, &scene));
        child_exited(&child, FOUND);
    }
}

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

static int leave_early(void *unused)
{
    if (aio_core_index() == 0)
        return aio_time_sleep(AIO_MS(3));
    return sleep_for_ever(unused);
}

/* A core that ends leaves the others to themselves. */
BEHAVIOUR_OUTSIDE(left_by_the_last_active_core)
{
    struct child child;
    if (check_found(&child, 3, leave_early))
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
    int rc = scene_run(arg);
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
        struct scene scene = {3, round % 2 == 0 ? clean_up : sleep_for_ever};
        REQUIRE(child_run(&child, run_poked, &scene));
        child_exited(&child, FOUND);
        AIO_CHECK(strstr(child.text, "abandoned") == NULL);
    }
}
