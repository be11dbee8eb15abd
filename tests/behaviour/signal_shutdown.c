/*
 * Stopping by signal.
 */
#define SUITE "signal"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static int send_it(void *arg)
{
    return kill(getpid(), *(int *)arg);
}

/* The server's way: accept ends with -ECANCELED, clean-up waits inside a shield. */
static int serve_until_signal(void *arg)
{
    struct aio_listener *listener;
    struct aio_stream *stream;
    char text[AIO_ADDRESS_TEXT_BYTES];
    if (!AIO_CHECK_OK(aio_signal_shutdown()) || !wire_listen(&listener, text))
        return -1;
    AIO_CHECK_OK(aio_task_spawn(NULL, send_it, arg, NULL));
    int rc = aio_listener_accept(listener, &stream);
    AIO_CHECK(aio_task_canceled());
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    }
    aio_listener_close(listener);
    return rc;
}

/* SIGINT and SIGTERM cancel the task that asked for it. */
BEHAVIOUR_OUTSIDE(signals_cancel_the_caller)
{
    int numbers[] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++)
        AIO_CHECK_ERROR(test_run(serve_until_signal, &numbers[i]), -ECANCELED);
}

static atomic_int caught;

static void catch_it(int number)
{
    caught = number;
}

static int ask(void *unused)
{
    (void)unused;
    AIO_CHECK_OK(aio_signal_shutdown());
    return 0;
}

/* The former dispositions come back when the runtime ends, flags and all. */
BEHAVIOUR_OUTSIDE(dispositions_come_back)
{
    int numbers[] = {SIGINT, SIGTERM};
    struct sigaction mine = {.sa_handler = catch_it, .sa_flags = SA_RESTART}, before[2], after;
    sigemptyset(&mine.sa_mask);
    sigaddset(&mine.sa_mask, SIGUSR1);
    for (int i = 0; i < 2; i++)
        REQUIRE(sigaction(numbers[i], &mine, &before[i]) == 0);
    AIO_CHECK_OK(test_run(ask, NULL));
    AIO_CHECK_ERROR(test_run(serve_until_signal, &numbers[1]), -ECANCELED);
    AIO_CHECK_EQ(caught, 0);
    for (int i = 0; i < 2; i++) {
        REQUIRE(sigaction(numbers[i], NULL, &after) == 0);
        AIO_CHECK(after.sa_handler == catch_it && (after.sa_flags & SA_RESTART) != 0);
        AIO_CHECK_EQ(sigismember(&after.sa_mask, SIGUSR1), 1);
        raise(numbers[i]);
        AIO_CHECK_EQ(caught, numbers[i]);
        sigaction(numbers[i], &before[i], NULL);
    }
    caught = 0;
}

static int ask_again(void *arg)
{
    *(int *)arg = aio_signal_shutdown();
    return 0;
}

static int ask_twice(void *unused)
{
    int other = 0;
    (void)unused;
    AIO_CHECK_OK(aio_signal_shutdown());
    struct aio_task *task = task_named("second", ask_again, &other);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(other, -EBUSY);
    return aio_task_yield();
}

/* One task of the process at a time; the first stays the one. */
BEHAVIOUR_OUTSIDE(second_task_is_refused)
{
    AIO_CHECK_OK(test_run(ask_twice, NULL));
    AIO_CHECK_OK(test_run(ask_twice, NULL)); /* a later runtime may ask again */
}

struct other_runtime {
    sem_t asked;
    sem_t seen;
    int rc;
};

static int ask_and_wait(void *arg)
{
    struct other_runtime *other = arg;
    AIO_CHECK_OK(aio_signal_shutdown());
    sem_post(&other->asked);
    sem_wait(&other->seen);
    return 0;
}

static void *run_ask_and_wait(void *arg)
{
    (void)test_run(ask_and_wait, arg);
    return NULL;
}

/* Also when the other task belongs to another runtime. */
BEHAVIOUR_OUTSIDE(second_runtime_is_refused)
{
    struct other_runtime other = {.rc = 0};
    pthread_t thread;
    sem_init(&other.asked, 0, 0);
    sem_init(&other.seen, 0, 0);
    REQUIRE(pthread_create(&thread, NULL, run_ask_and_wait, &other) == 0);
    sem_wait(&other.asked);
    AIO_CHECK_OK(test_run(ask_again, &other.rc));
    AIO_CHECK_ERROR(other.rc, -EBUSY);
    sem_post(&other.seen);
    pthread_join(thread, NULL);
}

static int signal_before_waiting(void *unused)
{
    (void)unused;
    AIO_CHECK_OK(aio_signal_shutdown());
    raise(SIGTERM);
    return aio_time_sleep(AIO_FOREVER);
}

/* A signal that comes before the task waits ends the wait it comes to. */
BEHAVIOUR_OUTSIDE(signal_before_the_wait)
{
    AIO_CHECK_ERROR(test_run(signal_before_waiting, NULL), -ECANCELED);
}

static int ask_and_sleep(void *unused)
{
    (void)unused;
    AIO_CHECK_OK(aio_signal_shutdown());
    return aio_time_sleep(AIO_SEC(1));
}

/* The signal comes when the task that had asked is over. */
static int signal_between_two(void *unused)
{
    int rc = 0;
    (void)unused;
    AIO_CHECK_OK(aio_task_join(task_named("first", ask, NULL), NULL));
    raise(SIGTERM);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    AIO_CHECK_OK(aio_task_join(task_named("second", ask_and_sleep, NULL), &rc));
    return rc;
}

/* A task that asks after the signal has come is cancelled at once, whoever asked before it. */
BEHAVIOUR_OUTSIDE(signal_before_the_next_asks)
{
    AIO_CHECK_ERROR(test_run(signal_between_two, NULL), -ECANCELED);
}

static int raise_when_canceled(void *unused)
{
    AIO_CHECK_ERROR(task_sleep_forever(unused), -ECANCELED);
    return raise(SIGTERM);
}

static int end_before_the_signal(void *unused)
{
    AIO_CHECK_OK(aio_signal_shutdown());
    AIO_CHECK_OK(aio_task_spawn(NULL, raise_when_canceled, unused, NULL));
    return 5;
}

/* A signal that comes while the runtime ends, when there is nobody to cancel any more, takes its
 * former way after it, once. */
BEHAVIOUR_OUTSIDE(signal_in_the_last_moment)
{
    struct sigaction mine = {.sa_handler = catch_it}, before;
    struct child child;
    REQUIRE(sigaction(SIGTERM, &mine, &before) == 0);
    for (int i = 0; i < 2; i++) {
        caught = 0;
        AIO_CHECK_EQ(test_run(end_before_the_signal, NULL), 5);
        AIO_CHECK_EQ(caught, SIGTERM);
        caught = 0;
        AIO_CHECK_OK(test_run(ask, NULL));
        AIO_CHECK_ERROR(test_run(signal_before_waiting, NULL), -ECANCELED);
        AIO_CHECK_EQ(caught, 0);
    }
    sigaction(SIGTERM, &before, NULL);
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, end_before_the_signal, NULL));
    child_killed(&child, SIGTERM);
}

/* A thread that sends the signal from outside, once the runtime says it is about to sleep. */
struct sender {
    sem_t ready;
    pthread_t target;
    bool to_itself;
    bool to_process;
};

static void *send_from_thread(void *arg)
{
    struct sender *sender = arg;
    const struct timespec pause = {.tv_nsec = 3000000};
    sem_wait(&sender->ready);
    /* Most likely all tasks are parked after it; the test holds if not. */
    nanosleep(&pause, NULL); /* tidy: allow nanosleep */
    if (sender->to_process)
        kill(getpid(), SIGINT);
    else
        pthread_kill(sender->to_itself ? pthread_self() : sender->target, SIGINT);
    return NULL;
}

static int park_all(void *arg)
{
    struct sender *sender = arg;
    AIO_CHECK_OK(aio_signal_shutdown());
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, task_sleep_forever, NULL, NULL));
    AIO_CHECK_OK(aio_task_yield());
    sem_post(&sender->ready);
    return aio_time_sleep(AIO_FOREVER);
}

static void check_signal_from_thread(bool to_itself, bool to_process)
{
    struct sender sender = {
        .target = pthread_self(), .to_itself = to_itself, .to_process = to_process};
    pthread_t thread;
    sem_init(&sender.ready, 0, 0);
    REQUIRE(pthread_create(&thread, NULL, send_from_thread, &sender) == 0);
    AIO_CHECK_ERROR(test_run(park_all, &sender), -ECANCELED);
    pthread_join(thread, NULL);
}

/* A signal wakes a runtime whose tasks are all parked. */
BEHAVIOUR_OUTSIDE(signal_while_all_are_parked)
{
    for (int i = 0; i < 5; i++)
        check_signal_from_thread(false, i % 2 == 0);
}

/* The kernel may deliver it to another thread: the runtime hears of it all the same. */
BEHAVIOUR_OUTSIDE(signal_on_another_thread)
{
    for (int i = 0; i < 5; i++)
        check_signal_from_thread(true, false);
}

static int two_signals(void *arg)
{
    AIO_CHECK_OK(aio_signal_shutdown());
    raise(*(int *)arg);
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    raise(SIGTERM);
    return 0;
}

/* A second signal ends the process as if this had never been called. */
BEHAVIOUR_OUTSIDE(second_signal_kills)
{
    int numbers[] = {SIGINT, SIGTERM};
    if (!child_may_have_threads())
        return;
    for (int i = 0; i < 2; i++) {
        struct child child;
        REQUIRE(child_run_task(&child, two_signals, &numbers[i]));
        child_killed(&child, SIGTERM);
    }
}

static void say_mine(int number)
{
    static const char text[] = "my own handler\n";
    (void)number;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
}

static int two_signals_with_handler(void *arg)
{
    signal(SIGTERM, say_mine); /* tidy: allow signal: a program as they are */
    return test_run(two_signals, arg);
}

/* If the program had a handler, the second signal is the handler's. */
BEHAVIOUR_OUTSIDE(second_signal_takes_its_former_way)
{
    int number = SIGTERM;
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, two_signals_with_handler, &number));
    child_exited(&child, 0);
    child_said(&child, "my own handler\n");
}
