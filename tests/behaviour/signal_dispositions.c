/*
 * Subscriptions and the process's dispositions: replaced and restored, with nothing lost between;
 * beside aio_signal_shutdown; in children of fork(2).
 */
#define SUITE "signal_dispositions"
#include "tests/behaviour/signal_tools.h"

#include <pthread.h>
#include <sched.h>

static atomic_int caught;

static void catch_it(int number)
{
    (void)number;
    atomic_fetch_add(&caught, 1);
}

static bool catch_signal(int number, struct sigaction *before)
{
    struct sigaction mine = {.sa_handler = catch_it, .sa_flags = SA_RESTART};
    sigemptyset(&mine.sa_mask);
    caught = 0;
    return AIO_CHECK_EQ(sigaction(number, &mine, before), 0);
}

/* The program's handler is not called meanwhile, and is back after the last close. */
BEHAVIOUR(handlers_come_back_with_the_last_close)
{
    struct sigaction before;
    REQUIRE(catch_signal(SIGUSR1, &before));
    struct aio_signal *first = signal_of(SIGUSR1, SIGALRM), *second = signal_of(SIGUSR1, 0);
    REQUIRE(first != NULL && second != NULL);
    raise(SIGUSR1);
    aio_signal_close(first);
    AIO_CHECK(signal_handled_by(SIGALRM, SIG_DFL) && !signal_handled_by(SIGUSR1, catch_it));
    raise(SIGUSR1);
    AIO_CHECK_EQ(caught, 0);
    AIO_CHECK(signal_collect(second, SIGUSR1, 2));
    aio_signal_close(second);
    AIO_CHECK(signal_handled_by(SIGUSR1, catch_it));
    raise(SIGUSR1);
    AIO_CHECK_EQ(caught, 1);
    sigaction(SIGUSR1, &before, NULL);
}

static int leave_open(void *unused)
{
    (void)unused;
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    raise(SIGUSR1);
    return signal == NULL;
}

/* A runtime that ends closes what it left open. */
BEHAVIOUR_OUTSIDE(end_of_a_runtime_closes)
{
    AIO_CHECK_OK(test_run(leave_open, NULL));
    AIO_CHECK(signal_handled_by(SIGUSR1, SIG_DFL));
}

/* A thread that sends real-time signals, which the kernel never merges, and counts them. */
struct sender {
    pthread_t thread;
    int number;
    atomic_int sent;
    atomic_bool stop;
};

static void *send_many(void *arg)
{
    struct sender *sender = arg;
    while (!sender->stop) {
        while (signal_send(sender->number) != 0)
            (void)sched_yield(); /* RLIMIT_SIGPENDING */
        sender->sent++;
    }
    return NULL;
}

static bool has_sent(void *arg)
{
    const struct sender *sender = arg;
    return sender->sent > 10;
}

static bool sender_start(struct sender *sender, int number)
{
    *sender = (struct sender){.number = number};
    return thread_start(&sender->thread, send_many, sender) && test_wait(has_sent, sender);
}

static void sender_stop(struct sender *sender)
{
    sender->stop = true;
    thread_join(sender->thread);
}

/* Fetches a few, or all that are there. */
static uint64_t fetch(struct aio_signal *signal, int reports)
{
    struct aio_signal_info info;
    struct aio_select_case of = aio_select_signal(signal, &info);
    uint64_t seen = 0;
    while (reports-- > 0 && aio_select_try(&of, 1) == 0)
        seen += info.count;
    return seen;
}

enum { ROUNDS = UNDER_TSAN ? 10 : 40 };

/* Opened while signals come: each is heard either by the program's handler or by the subscription.
 */
BEHAVIOUR(none_lost_at_the_open)
{
    struct sigaction before;
    struct sender sender;
    REQUIRE(catch_signal(SIGRTMIN + 1, &before));
    for (int round = 0; round < ROUNDS; round++) {
        caught = 0;
        REQUIRE(sender_start(&sender, SIGRTMIN + 1));
        struct aio_signal *signal = signal_of(SIGRTMIN + 1, 0);
        REQUIRE(signal != NULL);
        uint64_t seen = fetch(signal, 3);
        sender_stop(&sender);
        seen += fetch(signal, 1000000);
        AIO_CHECK_EQ(seen + (uint64_t)caught, sender.sent);
        aio_signal_close(signal);
    }
    sigaction(SIGRTMIN + 1, &before, NULL);
}

struct account {
    int sent;
    int heard;
};

static bool account_balanced(void *arg)
{
    const struct account *account = arg;
    return account->heard + caught >= account->sent;
}

/* Closed while signals come: each was for the subscription, which says of how many, or is the
 * program's handler's. */
BEHAVIOUR(none_swallowed_by_the_close)
{
    struct sigaction before;
    struct sender sender;
    REQUIRE(catch_signal(SIGRTMIN + 2, &before));
    for (int round = 0; round < ROUNDS; round++) {
        caught = 0;
        struct aio_signal *signal = signal_of(SIGRTMIN + 2, 0);
        REQUIRE(signal != NULL && sender_start(&sender, SIGRTMIN + 2));
        struct account account = {.heard = (int)fetch(signal, 5)};
        account.heard += (int)aio_signal_close(signal);
        sender_stop(&sender);
        account.sent = sender.sent;
        AIO_CHECK(test_wait(account_balanced, &account));
        AIO_CHECK_EQ(account.heard + caught, account.sent);
    }
    sigaction(SIGRTMIN + 2, &before, NULL);
}

/* Both want SIGINT and SIGTERM: whoever comes second is refused, and nothing changes for the first.
 */
BEHAVIOUR(shutdown_and_subscriptions_exclude_each_other)
{
    struct aio_signal *refused = NULL;
    struct aio_signal *signal = signal_of(SIGTERM, SIGUSR1);
    REQUIRE(signal != NULL);
    AIO_CHECK_ERROR(aio_signal_shutdown(), -EBUSY);
    AIO_CHECK(signal_handled_by(SIGINT, SIG_DFL));
    raise(SIGTERM);
    AIO_CHECK(signal_collect(signal, SIGTERM, 1));
    aio_signal_close(signal);
    AIO_CHECK_OK(aio_signal_shutdown());
    const int numbers[] = {SIGUSR1, SIGINT};
    AIO_CHECK_ERROR(aio_signal_open(&refused, numbers, 2), -EBUSY);
    AIO_CHECK(signal_handled_by(SIGUSR1, SIG_DFL));
    signal = signal_of(SIGUSR1, 0);
    REQUIRE(signal != NULL);
    raise(SIGUSR1);
    AIO_CHECK(signal_collect(signal, SIGUSR1, 1));
    raise(SIGTERM);
    AIO_SHIELD
    {
        raise(SIGUSR1);
        AIO_CHECK(signal_collect(signal, SIGUSR1, 1));
    }
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    aio_signal_close(signal);
}

/* A child of fork(2) has the former dispositions, and may subscribe in a runtime of its own. */
static int hear_in_child(void *unused)
{
    (void)unused;
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    raise(SIGUSR1);
    bool heard = signal != NULL && signal_collect(signal, SIGUSR1, 1);
    aio_signal_close(signal);
    return heard && signal_handled_by(SIGUSR1, catch_it) ? 9 : 1;
}

BEHAVIOUR(forked_child_has_the_former_ones)
{
    struct sigaction before;
    int status = -1;
    REQUIRE(catch_signal(SIGUSR1, &before));
    struct aio_signal *signal = signal_of(SIGUSR1, SIGALRM);
    REQUIRE(signal != NULL);
    pid_t pid = fork();
    if (pid == 0) {
        raise(SIGUSR1);
        if (caught != 1 || !signal_handled_by(SIGALRM, SIG_DFL))
            _exit(2);
        _exit(test_run(hear_in_child, NULL));
    }
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK(WIFEXITED(status) && AIO_CHECK_EQ(WEXITSTATUS(status), 9));
    signal_drained(signal);
    raise(SIGALRM);
    AIO_CHECK(signal_collect(signal, SIGALRM, 1));
    aio_signal_close(signal);
    AIO_CHECK(signal_handled_by(SIGUSR1, catch_it));
    sigaction(SIGUSR1, &before, NULL);
}

/* What a child does before anything else, since nobody has asked for it sooner. */
static atomic_int raised_at_once;

static void raise_at_once(void)
{
    if (raised_at_once != 0)
        raise(raised_at_once);
}

__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, raise_at_once);
}

/* A signal to the child, from the terminal for instance, may come before it has come to itself. */
BEHAVIOUR(signal_as_the_child_begins)
{
    struct sigaction before;
    int status = -1;
    REQUIRE(catch_signal(SIGUSR1, &before));
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    REQUIRE(signal != NULL);
    raised_at_once = SIGUSR1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(caught);
    raised_at_once = 0;
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK(WIFEXITED(status) && AIO_CHECK_EQ(WEXITSTATUS(status), 1));
    signal_drained(signal);
    raise(SIGUSR1);
    AIO_CHECK(signal_collect(signal, SIGUSR1, 1));
    aio_signal_close(signal);
    sigaction(SIGUSR1, &before, NULL);
}
