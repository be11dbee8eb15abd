/*
 * Storms of signals: a hundred thousand from another process while waits are cancelled and run
 * late, each heard once by every subscription; and subscriptions that come and go meanwhile.
 */
#define SUITE "soak_signals"
#include "tests/soak/soak.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIGNALS = UNDER_TSAN ? 5000 : 100000, SIDES = 2 };

/* ThreadSanitizer merges signals but for those that a thread sends to itself. */
static void send_all(pid_t target, int number)
{
    for (int i = 0; i < SIGNALS; i++)
        while ((UNDER_TSAN ? pthread_kill(pthread_self(), number)
                           : sigqueue(target, number, (union sigval){.sival_int = i})) != 0)
            (void)sched_yield(); /* RLIMIT_SIGPENDING */
}

static atomic_int listening;

static int wait_once(void *arg)
{
    struct aio_signal_info info;
    return aio_signal_wait(arg, &info) == 0 ? (int)info.count : 0;
}

/* One wait, which may be cancelled or too late. Returns how many signals it heard. */
static int hear_some(struct aio_signal *signal)
{
    int heard = 0, result = 0;
    struct aio_task *task;
    struct aio_signal_info info;
    uint64_t plan = test_random();
    if (!AIO_CHECK_OK(aio_task_spawn(&task, wait_once, signal, NULL)))
        return 0;
    for (uint64_t turns = plan % 3; turns > 0; turns--)
        AIO_CHECK_OK(aio_task_yield());
    if (plan % 5 < 3)
        aio_task_cancel(task);
    AIO_TIMEOUT((int64_t)(plan % 7) * 10000)
    {
        heard = aio_signal_wait(signal, &info) == 0 ? (int)info.count : 0;
    }
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, &result));
    return heard + result;
}

static int hear_all(void *arg)
{
    struct aio_signal *signal, *passing;
    int heard = 0, number = *(int *)arg;
    if (!AIO_CHECK_OK(aio_signal_open(&signal, &number, 1)))
        return -1;
    listening++;
    while (heard < SIGNALS) {
        heard += hear_some(signal);
        if (AIO_CHECK_OK(aio_signal_open(&passing, &number, 1)))
            (void)aio_signal_close(passing);
    }
    AIO_CHECK_EQ(heard, SIGNALS);
    AIO_CHECK_EQ(aio_signal_close(signal), 0);
    return 0;
}

static bool all_listen(void *unused)
{
    (void)unused;
    return listening == SIDES * 2;
}

/* Two runtimes of two cores each. */
BEHAVIOUR_OUTSIDE(every_one_is_heard)
{
    struct aio_runtime *runtimes[SIDES];
    struct aio_runtime_options options = test_options();
    int number = SIGRTMIN + 1, status = 0;
    options.cores = 2;
    listening = 0;
    for (int i = 0; i < SIDES; i++) {
        REQUIRE_OK(aio_runtime_create(&runtimes[i], &options));
        REQUIRE_OK(aio_runtime_start(runtimes[i], hear_all, &number));
    }
    REQUIRE(test_wait_outside(all_listen, NULL));
    pid_t target = getpid(), child = UNDER_TSAN ? 0 : fork();
    if (child == 0)
        send_all(target, number);
    if (child == 0 && !UNDER_TSAN)
        _exit(0);
    for (int i = 0; i < SIDES; i++) {
        int result = -1;
        AIO_CHECK_OK(aio_runtime_wait(runtimes[i], &result));
        AIO_CHECK_OK(result);
        aio_runtime_destroy(runtimes[i]);
    }
    if (child > 0)
        AIO_CHECK_EQ(waitpid(child, &status, 0), child);
    AIO_CHECK_EQ(status, 0);
}
