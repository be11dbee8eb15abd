/*
 * Many signals, from threads and other processes, heard on several cores and in several runtimes.
 * The large form is in tests/soak.
 */
#define SUITE "signal_storm"
#include "tests/behaviour/signal_tools.h"

#include <sched.h>

enum { SIGNALS = UNDER_TSAN ? 300 : 2000 };

static atomic_int listening;

/* Hears so many deliveries of one number, beside tasks that come and are cancelled. */
static int hear(void *arg)
{
    int number = *(int *)arg;
    struct aio_signal *signal = signal_of(number, 0);
    if (signal == NULL)
        return -1;
    listening++;
    bool heard = signal_collect(signal, number, SIGNALS);
    signal_drained(signal);
    aio_signal_close(signal);
    return heard ? 0 : -1;
}

static int send_one(pid_t target, int number, int nth)
{
    if (UNDER_TSAN)
        return signal_send(number);
    switch (nth % 3) {
    case 0:
        return kill(target, number);
    case 1:
        return sigqueue(target, number, (union sigval){.sival_int = nth});
    default:
        return target == getpid() ? pthread_kill(pthread_self(), number) : kill(target, number);
    }
}

/* Real-time signals, which the kernel does not merge. */
static void send_all(pid_t target, int number)
{
    for (int i = 0; i < SIGNALS; i++)
        while (send_one(target, number, i) != 0)
            (void)sched_yield(); /* RLIMIT_SIGPENDING */
}

/* Each subscription on each core of two runtimes hears all of them. */
BEHAVIOUR_OUTSIDE(every_core_hears_all)
{
    int number = SIGRTMIN + 4;
    listening = 0;
    struct aio_runtime *first = cores_start(2, hear, &number);
    struct aio_runtime *second = cores_start(1, hear, &number);
    REQUIRE(first != NULL && second != NULL);
    REQUIRE(cores_wait_outside(&listening, 3));
    send_all(getpid(), number);
    AIO_CHECK_OK(cores_end(first));
    AIO_CHECK_OK(cores_end(second));
    AIO_CHECK(signal_handled_by(number, SIG_DFL));
}

static void *send_from_thread(void *number)
{
    send_all(getpid(), *(int *)number);
    return NULL;
}

/* Starts a process that sends; a thread under ThreadSanitizer. Returns 0 for the latter. */
static pid_t sender_start(pthread_t *thread, int *number)
{
    pid_t target = getpid();
    pid_t child = UNDER_TSAN ? 0 : fork();
    if (UNDER_TSAN) {
        (void)thread_start(thread, send_from_thread, number);
    } else if (child == 0) {
        send_all(target, *number);
        _exit(0);
    }
    return child;
}

static void sender_end(pid_t child, pthread_t thread)
{
    int status = -1;
    if (child == 0)
        thread_join(thread);
    else
        AIO_CHECK(waitpid(child, &status, 0) == child && AIO_CHECK_EQ(status, 0));
}

static int wait_now_and_then(void *arg)
{
    struct aio_signal_info info;
    int rc = aio_signal_wait(arg, &info);
    return rc < 0 ? 0 : (int)info.count;
}

/* Waits are cancelled and run late all the while: whoever got a report keeps it, and none is lost.
 */
BEHAVIOUR(cancelled_waits_lose_none)
{
    int number = SIGRTMIN + 5, seen = 0;
    pthread_t thread = pthread_self();
    struct aio_signal *signal = signal_of(number, 0);
    REQUIRE(signal != NULL);
    pid_t child = sender_start(&thread, &number);
    for (int round = 0; seen < SIGNALS; round++) {
        int result = 0;
        struct aio_task *task = task_named("waiter", wait_now_and_then, signal);
        REQUIRE(task != NULL);
        for (int turns = round % 4; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (round % 8 < 4)
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        seen += result;
        AIO_TIMEOUT(round % 3 * 10000)
        {
            struct aio_signal_info info;
            seen += aio_signal_wait(signal, &info) == 0 ? (int)info.count : 0;
        }
    }
    AIO_CHECK_EQ(seen, SIGNALS);
    sender_end(child, thread);
    signal_drained(signal);
    aio_signal_close(signal);
}

static int open_and_close(void *arg)
{
    int number = *(int *)arg;
    for (int i = 0; i < SIGNALS / 10; i++) {
        struct aio_signal *signal = signal_of(number, i % 2 == 0 ? SIGURG : 0);
        if (signal == NULL)
            return -1;
        if (i % 3 == 0)
            (void)aio_task_yield();
        aio_signal_close(signal);
    }
    return 0;
}

/* Subscriptions come and go on two cores while signals do; nothing of a closed one is touched. */
BEHAVIOUR_OUTSIDE(opened_and_closed_in_the_storm)
{
    int number = SIGRTMIN + 6;
    struct sigaction before, ignore = {.sa_handler = SIG_IGN};
    REQUIRE(sigaction(number, &ignore, &before) == 0);
    struct aio_runtime *runtime = cores_start(2, open_and_close, &number);
    REQUIRE(runtime != NULL);
    send_all(getpid(), number);
    AIO_CHECK_OK(cores_end(runtime));
    AIO_CHECK(signal_handled_by(number, SIG_IGN));
    sigaction(number, &before, NULL);
}

/* Which of the signals somebody has heard; and how many more were told without saying which. */
static atomic_bool heard[SIGNALS];
static atomic_long unnamed;

static void note_heard(int code, int nth, uint64_t count)
{
    if (code == SI_QUEUE && count == 1)
        heard[nth] = true;
    else
        unnamed += (long)count;
}

static void on_former(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    note_heard(info->si_code, info->si_value.sival_int, 1);
}

static atomic_bool all_sent;

static int come_and_go(void *arg)
{
    for (unsigned round = 0; !all_sent; round++) {
        struct aio_signal_info info;
        struct aio_signal *signal = signal_of(*(int *)arg, 0);
        if (signal == NULL)
            return -1;
        struct aio_select_case of = aio_select_signal(signal, &info);
        for (unsigned turns = round % 4; turns > 0; turns--)
            (void)aio_task_yield();
        while (aio_select_try(&of, 1) == 0)
            note_heard(info.code, info.value.number, info.count);
        unnamed += (long)aio_signal_close(signal);
    }
    return 0;
}

static bool all_accounted(void *sent)
{
    long missing = 0;
    for (int i = 0; i < *(int *)sent; i++)
        missing += !heard[i];
    return missing <= unnamed;
}

/* So few at a time that each is told by itself. */
static void send_named(int number)
{
    for (int i = 0; i < SIGNALS;) {
        while (sigqueue(getpid(), number, (union sigval){.sival_int = i}) != 0)
            (void)sched_yield(); /* RLIMIT_SIGPENDING */
        i++;
        if (i % (AIO_SIGNAL_QUEUE / 4) == 0 && !test_wait_outside(all_accounted, &i))
            break;
    }
}

/* Subscriptions come and go on three cores: each signal is heard by one of them, or by the former
 * handler, or counted by a close. */
BEHAVIOUR_OUTSIDE(each_is_heard_or_counted)
{
    int number = SIGRTMIN + 6;
    struct sigaction before,
        former = {.sa_sigaction = on_former, .sa_flags = SA_RESTART | SA_SIGINFO};
    if (UNDER_TSAN) {
        aio_test_skip("ThreadSanitizer merges queued signals");
        return;
    }
    REQUIRE(sigaction(number, &former, &before) == 0);
    unnamed = 0;
    all_sent = false;
    memset(heard, 0, sizeof heard);
    struct aio_runtime *runtime = cores_start(3, come_and_go, &number);
    REQUIRE(runtime != NULL);
    send_named(number);
    all_sent = true;
    AIO_CHECK_OK(cores_end(runtime));
    int sent = SIGNALS;
    AIO_CHECK(test_wait_outside(all_accounted, &sent));
    sigaction(number, &before, NULL);
}

static int used_elsewhere(void *arg)
{
    aio_signal_close(arg);
    return 0;
}

static int close_on_another_core(void *unused)
{
    if (aio_core_index() != 0)
        return cores_serve(unused);
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    return aio_core_call(1, used_elsewhere, signal, NULL);
}

static int run_close_on_another_core(void *unused)
{
    return cores_run(2, close_on_another_core, unused);
}

/* A subscription used on the wrong core ends the process with a sentence. */
BEHAVIOUR_OUTSIDE(another_core_may_not_use_it)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, run_close_on_another_core, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "this subscription to signals");
}
