/*
 * Stopping several cores by one signal.
 */
#define SUITE "signal_cores"
#include "tests/behaviour/cores_tools.h"

#include <signal.h>
#include <unistd.h>

static atomic_int asked;
static atomic_int told;

/* Each core's first task asks; one of them, or a thread, sends the signal when all have. */
static int ask_and_wait(void *arg)
{
    bool sends = arg != NULL && aio_core_index() == *(uint32_t *)arg;
    AIO_CHECK_OK(aio_signal_shutdown());
    AIO_CHECK_OK(aio_signal_shutdown()); /* again changes nothing */
    atomic_fetch_add(&asked, 1);
    if (sends && cores_wait(&asked, (int)aio_core_count()))
        AIO_CHECK_EQ(kill(getpid(), SIGTERM), 0);
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    atomic_fetch_add(&told, 1);
    return 0;
}

/* One signal cancels them all, whichever thread it comes to. */
BEHAVIOUR_OUTSIDE(one_signal_tells_all)
{
    for (uint32_t sender = 0; sender < 4; sender++) {
        asked = told = 0;
        AIO_CHECK_OK(cores_run(4, ask_and_wait, &sender));
        AIO_CHECK_EQ(told, 4);
    }
}

static void *send_from_thread(void *unused)
{
    (void)cores_wait_outside(&asked, 3);
    AIO_CHECK_EQ(kill(getpid(), SIGINT), 0);
    return unused;
}

BEHAVIOUR_OUTSIDE(from_another_thread)
{
    pthread_t thread;
    asked = told = 0;
    REQUIRE(thread_start(&thread, send_from_thread, NULL));
    struct aio_runtime *runtime = cores_start(3, ask_and_wait, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK_OK(cores_end(runtime));
    thread_join(thread);
    AIO_CHECK_EQ(told, 3);
}

static int ask_late(void *unused)
{
    if (aio_core_index() == 0) {
        uint32_t first = 0;
        asked = (int)aio_core_count() - 1;
        return ask_and_wait(&first);
    }
    if (!cores_wait(&told, 1))
        return -1;
    AIO_CHECK_OK(aio_signal_shutdown());
    AIO_CHECK_ERROR(aio_task_yield(), -ECANCELED);
    (void)unused;
    return 0;
}

/* A core that asks after the signal has come is told at once. */
BEHAVIOUR_OUTSIDE(asked_after_the_signal)
{
    told = 0;
    AIO_CHECK_OK(cores_run(3, ask_late, NULL));
}

static int ask_second(void *unused)
{
    (void)unused;
    return aio_signal_shutdown();
}

static int ask_once(void *unused)
{
    int result = 0;
    (void)unused;
    AIO_CHECK_OK(aio_signal_shutdown());
    AIO_CHECK_OK(aio_task_join(task_named("second", ask_second, NULL), &result));
    AIO_CHECK_ERROR(result, -EBUSY);
    atomic_fetch_add(&asked, 1);
    return cores_serve(NULL);
}

/* One task of a core, and the cores of one runtime. */
BEHAVIOUR_OUTSIDE(others_are_refused)
{
    asked = 0;
    struct aio_runtime *runtime = cores_start(2, ask_once, NULL);
    REQUIRE(runtime != NULL);
    REQUIRE(cores_wait_outside(&asked, 2));
    AIO_CHECK_ERROR(cores_run(2, ask_second, NULL), -EBUSY);
    AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
    AIO_CHECK_OK(cores_end(runtime));
    AIO_CHECK_OK(cores_run(2, ask_second, NULL));
}

static atomic_int quit;

static void *send_all_the_time(void *unused)
{
    while (!atomic_load(&quit))
        (void)kill(getpid(), SIGTERM);
    return unused;
}

static void on_former(int number)
{
    (void)number;
}

/* Signals that come all the time, also between runtimes and while they end. */
BEHAVIOUR_OUTSIDE(amid_a_storm_of_signals)
{
    pthread_t thread;
    struct sigaction mine = {.sa_handler = on_former, .sa_flags = SA_RESTART}, before;
    REQUIRE(sigaction(SIGTERM, &mine, &before) == 0);
    quit = 0;
    REQUIRE(thread_start(&thread, send_all_the_time, NULL));
    int rounds = 30 / (int)test_slowness();
    for (int round = 0; round < rounds; round++) {
        told = 0;
        AIO_CHECK_OK(cores_run(3, ask_and_wait, NULL));
        AIO_CHECK_EQ(told, 3);
    }
    atomic_store(&quit, 1);
    thread_join(thread);
    AIO_CHECK_EQ(sigaction(SIGTERM, &before, NULL), 0);
}
