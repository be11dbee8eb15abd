/*
 * Subscriptions to signals: what is reported, to whom, and until when.
 */
#define SUITE "signal_wait"
#include "tests/behaviour/signal_tools.h"

#include <aio/select.h>

/* Who sent it is told; what has not been fetched is one report per number. */
BEHAVIOUR(reports_number_sender_and_count)
{
    struct aio_signal_info info;
    struct aio_signal *signal = signal_of(SIGUSR1, SIGALRM);
    REQUIRE(signal != NULL);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_EQ(raise(SIGUSR1), 0);
    AIO_CHECK_EQ(kill(getpid(), SIGALRM), 0);
    uint64_t counts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(aio_signal_wait(signal, &info));
        AIO_CHECK_EQ(info.pid, getpid());
        AIO_CHECK_EQ(info.uid, getuid());
        AIO_CHECK_EQ(info.code, info.number == SIGUSR1 ? SI_TKILL : SI_USER);
        counts[info.number == SIGALRM] += info.count;
    }
    AIO_CHECK_EQ(counts[0], 3);
    AIO_CHECK_EQ(counts[1], 1);
    signal_drained(signal);
    aio_signal_close(signal);
}

struct waiter {
    struct aio_signal *signal;
    struct aio_signal_info info;
    int rc;
};

static int wait_once(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rc = aio_signal_wait(waiter->signal, &waiter->info);
    return waiter->rc;
}

/* A signal from another process wakes a runtime that waits for nothing else, which is no deadlock.
 */
BEHAVIOUR(wakes_from_another_process)
{
    struct aio_signal_info info;
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    REQUIRE(signal != NULL);
    struct aio_select_case of = aio_select_signal(signal, &info);
    for (int round = 0; round < 2; round++) {
        pid_t parent = getpid(), child = fork();
        if (child == 0) {
            usleep(2000); /* tidy: allow usleep: the parent falls asleep meanwhile */
            _exit(kill(parent, SIGUSR1));
        }
        AIO_CHECK_OK(round == 0 ? aio_signal_wait(signal, &info) : aio_select_wait(&of, 1));
        AIO_CHECK_EQ(info.pid, child);
        AIO_CHECK_EQ(info.count, 1);
        int status = -1;
        AIO_CHECK_EQ(waitpid(child, &status, 0), child);
        AIO_CHECK_EQ(status, 0);
    }
    aio_signal_close(signal);
}

/* Subscriptions do not take signals from one another; tasks of one subscription share them. */
BEHAVIOUR(all_subscriptions_hear)
{
    struct waiter waiters[4] = {{.rc = 1}, {.rc = 1}, {.rc = 1}, {.rc = 1}};
    struct aio_task *tasks[4];
    struct aio_signal *first = signal_of(SIGUSR1, 0), *second = signal_of(SIGALRM, SIGUSR1);
    REQUIRE(first != NULL && second != NULL);
    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        waiters[i].signal = i < 2 ? first : second;
        tasks[i] = task_named(names[i], wait_once, &waiters[i]);
        REQUIRE(task_wait_parked(names[i]));
    }
    raise(SIGUSR1);
    AIO_CHECK_OK(aio_task_join(tasks[0], NULL)); /* the first that came */
    AIO_CHECK_OK(aio_task_join(tasks[2], NULL));
    AIO_CHECK(task_parked("b") && task_parked("d"));
    raise(SIGALRM);
    AIO_CHECK_OK(aio_task_join(tasks[3], NULL));
    AIO_CHECK_EQ(waiters[3].info.number, SIGALRM);
    raise(SIGUSR1);
    AIO_CHECK_OK(aio_task_join(tasks[1], NULL));
    for (int i = 0; i < 4; i++)
        AIO_CHECK_OK(waiters[i].rc);
    AIO_CHECK(signal_collect(second, SIGUSR1, 1));
    signal_drained(first);
    aio_signal_close(first);
    aio_signal_close(second);
}

/* Numbers take turns, so that a busy one does not hide another. */
BEHAVIOUR(numbers_take_turns)
{
    struct aio_signal_info info;
    struct aio_signal *signal = signal_of(SIGUSR1, SIGALRM);
    int previous = 0;
    REQUIRE(signal != NULL);
    for (int i = 0; i < 10; i++) {
        raise(SIGUSR1);
        raise(SIGALRM);
        AIO_CHECK_OK(aio_signal_wait(signal, &info));
        AIO_CHECK(info.number != previous);
        previous = info.number;
    }
    aio_signal_close(signal);
}

/* RLIMIT_SIGPENDING counts what is pending for the user: other processes may have used it up. */
static bool send_value(int number, int value)
{
    int rc;
    while ((rc = sigqueue(getpid(), number, (union sigval){.sival_int = value})) != 0 &&
           errno == EAGAIN)
        (void)sched_yield();
    return rc == 0;
}

/* Real-time signals keep their order and what was sent along, up to a bound; then their count. */
BEHAVIOUR(real_time_signals_are_queued)
{
    enum { MORE = 70 };
    struct aio_signal_info info;
    if (UNDER_TSAN) {
        aio_test_skip("ThreadSanitizer merges queued signals");
        return;
    }
    int number = SIGRTMIN + 3;
    struct aio_signal *signal = signal_of(number, SIGUSR1);
    REQUIRE(signal != NULL);
    raise(SIGUSR1);
    for (int i = 0; i < AIO_SIGNAL_QUEUE + MORE; i++)
        REQUIRE(send_value(number, i));
    for (int i = 0; i < AIO_SIGNAL_QUEUE; i++) {
        REQUIRE_OK(aio_signal_wait(signal, &info));
        REQUIRE(AIO_CHECK_EQ(info.value.number, i) && AIO_CHECK_EQ(info.number, number));
        AIO_CHECK(info.code == SI_QUEUE && info.count == 1 && info.pid == getpid());
    }
    uint64_t counts[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(aio_signal_wait(signal, &info));
        counts[info.number == number] += info.count;
    }
    AIO_CHECK_EQ(counts[0], 1);
    AIO_CHECK_EQ(counts[1], MORE);
    AIO_CHECK(send_value(number, 7));
    AIO_CHECK_OK(aio_signal_wait(signal, &info));
    AIO_CHECK_EQ(info.value.number, 7);
    aio_signal_close(signal);
}

/* What cannot be waited for. */
BEHAVIOUR(bad_lists_are_refused)
{
    struct aio_signal *signal = NULL;
    const int bad[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTTIN,
                       SIGTTOU, 0,       -1,      32,     33,     65,     1 << 30};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const int numbers[] = {SIGUSR1, bad[i]};
        AIO_CHECK_ERROR(aio_signal_open(&signal, numbers, 2), -EINVAL);
    }
    AIO_CHECK_ERROR(aio_signal_open(&signal, bad, 0), -EINVAL);
    AIO_CHECK(signal == NULL && signal_handled_by(SIGUSR1, SIG_DFL));
    aio_signal_close(NULL);
}

/* A cancelled or late wait takes nothing; what is pending when it begins is not taken either. */
BEHAVIOUR(cancel_and_deadline)
{
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    struct waiter waiter = {.signal = signal};
    REQUIRE(signal != NULL);
    struct aio_task *task = task_named("waiter", wait_once, &waiter);
    REQUIRE(task_wait_parked("waiter"));
    AIO_CHECK_ERROR(task_stop(task), -ECANCELED);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_signal_wait(signal, &waiter.info), -ETIMEDOUT);
        raise(SIGUSR1);
        AIO_CHECK_ERROR(aio_signal_wait(signal, &waiter.info), -ETIMEDOUT);
    }
    AIO_CHECK(signal_collect(signal, SIGUSR1, 1));
    aio_signal_close(signal);
}

/* A report that a task was given stays its own when a cancellation follows. */
BEHAVIOUR(success_beats_cancel)
{
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    struct waiter waiter = {.signal = signal};
    REQUIRE(signal != NULL);
    for (int i = 0; i < 50; i++) {
        struct aio_task *task = task_named("waiter", wait_once, &waiter);
        if (i % 2 == 0)
            REQUIRE(task_wait_parked("waiter"));
        raise(SIGUSR1);
        for (int turns = i % 4; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        int rc = task_stop(task);
        if (rc < 0)
            AIO_CHECK(AIO_CHECK_ERROR(rc, -ECANCELED) && signal_collect(signal, SIGUSR1, 1));
        else
            AIO_CHECK_EQ(waiter.info.count, 1);
        signal_drained(signal);
    }
    aio_signal_close(signal);
}

/* A close tells those who wait, alone or in a select; mail that is on its way finds it gone. */
BEHAVIOUR(close_tells_waiters)
{
    struct waiter waiters[2];
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    REQUIRE(signal != NULL);
    waiters[0].signal = waiters[1].signal = signal;
    struct aio_task *first = task_named("first", wait_once, &waiters[0]);
    struct aio_task *second = task_named("second", wait_once, &waiters[1]);
    REQUIRE(task_wait_parked("first") && task_wait_parked("second"));
    raise(SIGUSR1);
    aio_signal_close(signal);
    AIO_CHECK_OK(aio_task_join(first, NULL));
    AIO_CHECK_OK(aio_task_join(second, NULL));
    AIO_CHECK_ERROR(waiters[0].rc, -EBADF);
    AIO_CHECK_ERROR(waiters[1].rc, -EBADF);
}

static int select_once(void *arg)
{
    struct waiter *waiter = arg;
    struct aio_select_case cases[] = {
        aio_select_after(AIO_FOREVER),
        aio_select_signal(waiter->signal, &waiter->info),
    };
    int chosen = aio_select_wait(cases, 2);
    waiter->rc = cases[1].result;
    return chosen;
}

/* As a case of a select, which leaves a signal alone when another case is chosen. */
BEHAVIOUR(takes_part_in_select)
{
    int result;
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    struct waiter waiter = {.signal = signal, .rc = 1};
    REQUIRE(signal != NULL);
    for (int i = 0; i < 2; i++) {
        struct aio_task *task = task_named("select", select_once, &waiter);
        REQUIRE(task_wait_parked("select"));
        if (i == 0)
            raise(SIGUSR1);
        else
            aio_signal_close(signal);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_EQ(result, 1);
        AIO_CHECK_EQ(waiter.rc, i == 0 ? 0 : -EBADF);
    }
    signal = signal_of(SIGUSR1, 0);
    REQUIRE(signal != NULL);
    struct aio_select_case cases[] = {
        aio_select_signal(signal, &waiter.info),
        aio_select_after(AIO_MS(1)),
    };
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 1);
    raise(SIGUSR1);
    AIO_CHECK_EQ(aio_select_wait(cases, 1), 0);
    AIO_CHECK_EQ(waiter.info.count, 1);
    aio_signal_close(signal);
}
