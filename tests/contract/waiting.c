/*
 * Clauses 5, 6 and 9: poll, its deadline, wake-ups, signals.
 */
#define SUITE "waiting"
#include "tests/contract/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

/* How many polls a wait may take: one or two, some more where the shim makes them return early. */
static unsigned polls_allowed(unsigned waits)
{
    return test_row()->faults ? waits * 60 : waits * 3;
}

CONTRACT(contract_05_a_past_deadline_does_not_wait)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    op_submit(&op);
    int64_t start = aio_time_now();
    for (int i = 0; i < 100; i++)
        turn(i % 2 == 0 ? 0 : start - AIO_SEC(1));
    AIO_CHECK(aio_time_now() - start < AIO_SEC(4) * test_slowness());
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close_pair(fds);
}

/* The best of some rounds: other processes may make any single one late, never early. */
static int64_t best_lateness(int64_t length_ns, int rounds)
{
    int64_t best = AIO_FOREVER;
    for (int i = 0; i < rounds; i++) {
        int64_t deadline = aio_time_now() + length_ns;
        while (aio_time_now() < deadline)
            turn(deadline);
        int64_t late = aio_time_now() - deadline;
        best = late < best ? late : best;
    }
    return best;
}

CONTRACT(contract_05_deadlines_are_precise)
{
    AIO_CHECK(best_lateness(AIO_US(200), 100) < AIO_MS(5) * test_slowness());
    AIO_CHECK(fixture.polls <= polls_allowed(100));
}

CONTRACT(contract_05_waiting_does_not_spin)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    op_submit(&op);
    best_lateness(AIO_MS(20), 3);
    AIO_CHECK(fixture.polls <= polls_allowed(3));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close_pair(fds);
}

CONTRACT(contract_05_a_nearer_deadline_after_a_farther_one)
{
    for (int i = 0; i < 10; i++) {
        turn(0);
        fixture.backend->vtable->wakeup(fixture.backend);
        turn(aio_time_now() + AIO_SEC(3600));
        int64_t deadline = aio_time_now() + AIO_MS(1);
        while (aio_time_now() < deadline)
            turn(deadline);
        AIO_CHECK(aio_time_now() - deadline < AIO_SEC(4) * test_slowness());
    }
}

CONTRACT(contract_05_poll_does_not_wait_when_done_is_not_empty)
{
    struct aio__op op = op_make(AIO__OP_NOP, -1);
    op_submit(&op);
    while (aio__op_list_empty(&fixture.backend->done))
        fixture.backend->vtable->poll(fixture.backend, aio_time_now() + AIO_MS(1));
    int64_t start = aio_time_now();
    fixture.backend->vtable->poll(fixture.backend, AIO_FOREVER);
    AIO_CHECK(aio_time_now() - start < AIO_SEC(4) * test_slowness());
    AIO_CHECK_EQ(op_await(&op), 0);
}

CONTRACT(contract_05_poll_collects_everything_ready)
{
    enum { COUNT = 50 };
    int fds[COUNT][2];
    char bytes[COUNT];
    struct aio__op ops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(fd_socketpair(fds[i]));
        ops[i] = op_recv(fds[i][0], &bytes[i], 1);
        op_submit(&ops[i]);
    }
    turn(0);
    for (int i = 0; i < COUNT; i++)
        fd_writes(fds[i][1], "x", 1);
    unsigned before = fixture.polls;
    await_all();
    AIO_CHECK(fixture.polls - before <= polls_allowed(1));
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_EQ(ops[i].result, 1);
        fd_close_pair(fds[i]);
    }
}

CONTRACT(contract_06_a_wakeup_before_the_poll_is_kept)
{
    for (int i = 0; i < 100; i++) {
        int64_t start = aio_time_now();
        fixture.backend->vtable->wakeup(fixture.backend);
        turn(start + AIO_SEC(5) * test_slowness());
        AIO_CHECK(aio_time_now() - start < AIO_SEC(4) * test_slowness());
    }
}

/* Valgrind (3.19) does not know that io_uring_enter waits, and lets no other thread run then. */
static bool threads_run_meanwhile(void)
{
    if (!test_on_valgrind() || strcmp(test_row()->backend, "uring") != 0)
        return true;
    aio_test_skip("Valgrind stops all threads while a ring waits");
    return false;
}

struct waker {
    pthread_t thread;
    _Atomic int posted;
    _Atomic int seen;
    int rounds;
};

static void *wake_again_and_again(void *arg)
{
    struct waker *waker = arg;
    for (int i = 1; i <= waker->rounds; i++) {
        for (uint64_t spin = test_random() % 200; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        atomic_store(&waker->posted, i);
        fixture.backend->vtable->wakeup(fixture.backend);
        while (atomic_load(&waker->seen) < i)
            sched_yield();
    }
    return NULL;
}

/* As core does it: look, sleep. A wake-up that falls between the two must end the sleep. */
CONTRACT(contract_06_wakeups_of_another_thread_are_never_lost)
{
    struct waker waker = {.rounds = storm(5000)};
    if (!threads_run_meanwhile())
        return;
    REQUIRE(pthread_create(&waker.thread, NULL, wake_again_and_again, &waker) == 0);
    for (int seen = 0; seen < waker.rounds;) {
        int posted = atomic_load(&waker.posted);
        if (posted > seen) {
            seen = posted;
            atomic_store(&waker.seen, seen);
            continue;
        }
        int64_t start = aio_time_now();
        turn(start + AIO_SEC(15) * test_slowness());
        if (!AIO_CHECK(aio_time_now() - start < AIO_SEC(14) * test_slowness()))
            seen = atomic_load(&waker.posted);
    }
    pthread_join(waker.thread, NULL);
}

static volatile sig_atomic_t handled;

static void on_wake_signal(int number)
{
    (void)number;
    handled = 1;
    fixture.backend->vtable->wakeup(fixture.backend);
}

static void *signal_once(void *arg)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
    return NULL;
}

CONTRACT(contract_06_wakeup_works_in_a_signal_handler)
{
    struct sigaction action = {.sa_handler = on_wake_signal, .sa_flags = SA_RESTART}, before;
    pthread_t self = pthread_self(), thread;
    if (!threads_run_meanwhile())
        return;
    handled = 0;
    sigaction(SIGUSR1, &action, &before);
    REQUIRE(pthread_create(&thread, NULL, signal_once, &self) == 0);
    int64_t start = aio_time_now();
    while (!handled)
        turn(start + AIO_SEC(15) * test_slowness());
    AIO_CHECK(aio_time_now() - start < AIO_SEC(14) * test_slowness());
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
}

static void on_plain_signal(int number)
{
    (void)number;
}

struct storm_of_signals {
    pthread_t target;
    _Atomic bool stop;
};

static void *send_signals(void *arg)
{
    struct storm_of_signals *signals = arg;
    const struct timespec pause = {.tv_nsec = 20000};
    while (!atomic_load(&signals->stop)) {
        pthread_kill(signals->target, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

/* Without SA_RESTART: every system call may answer EINTR, and no result may. */
CONTRACT(contract_09_signals_are_no_errors)
{
    struct sigaction action = {.sa_handler = on_plain_signal}, before;
    struct storm_of_signals signals = {.target = pthread_self()};
    pthread_t thread;
    int fds[2];
    char byte;
    if (!threads_run_meanwhile())
        return;
    REQUIRE(fd_socketpair(fds));
    sigaction(SIGUSR1, &action, &before);
    REQUIRE(pthread_create(&thread, NULL, send_signals, &signals) == 0);
    for (int i = 0; i < storm(1000); i++) {
        struct aio__op op = op_recv(fds[0], &byte, 1);
        op_submit(&op);
        turn(aio_time_now() + AIO_US(100));
        struct aio__op send = op_send(fds[1], "x", 1);
        AIO_CHECK_EQ(op_run(&send), 1);
        if (!AIO_CHECK_EQ(op_await(&op), 1))
            break;
    }
    atomic_store(&signals.stop, true);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    fd_close_pair(fds);
}

CONTRACT(contract_09_non_blocking_descriptors_wait_too)
{
    int pipe_fds[2], socket_fds[2];
    char byte;
    REQUIRE(fd_pipe(pipe_fds) && fd_socketpair(socket_fds));
    struct aio__op read = op_read(pipe_fds[0], &byte, 1, -1);
    struct aio__op recv = op_recv(socket_fds[0], &byte, 1);
    AIO_CHECK(op_waits(&read));
    AIO_CHECK(op_waits(&recv));
    fd_writes(pipe_fds[1], "x", 1);
    fd_writes(socket_fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&read), 1);
    AIO_CHECK_EQ(op_await(&recv), 1);
    fd_close_pair(pipe_fds);
    fd_close_pair(socket_fds);
}
