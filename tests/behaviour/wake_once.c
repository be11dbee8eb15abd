/*
 * Waits that could end in two ways at the same moment, while the thread is busy: they end once, and
 * what was pending is not forgotten.
 */
#define SUITE "wake_once"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <sys/resource.h>

enum { SLEEPERS = 300 };

/* Computes for a while between its yields, so that others stay ready for long before they run. */
static int compute(void *stop)
{
    while (!*(bool *)stop) {
        task_burn(AIO_MS(1));
        if (aio_task_yield() < 0)
            break;
    }
    return 0;
}

/* A deadline that comes with the end of a sleep: one of the two is reported, and life goes on. */
BEHAVIOUR(sleep_and_its_deadline_end_together)
{
    bool stop = false;
    struct aio_task *busy = task_named("busy", compute, &stop);
    REQUIRE(busy != NULL);
    for (int i = 0; i < 20; i++) {
        int rc = -1;
        AIO_TIMEOUT(AIO_MS(2))
        {
            rc = aio_time_sleep(AIO_US(2010));
        }
        AIO_CHECK(rc == 0 || rc == -ETIMEDOUT);
    }
    stop = true;
    AIO_CHECK_OK(aio_task_join(busy, NULL));
}

static int sleep_a_little(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_MS(1));
}

/* Sleepers cancelled just before their time, which then passes before they run. */
BEHAVIOUR(cancelled_sleepers_wake_once)
{
    struct aio_task *sleepers[SLEEPERS];
    for (int i = 0; i < SLEEPERS; i++)
        REQUIRE_OK(aio_task_spawn(&sleepers[i], sleep_a_little, NULL, NULL));
    REQUIRE_OK(aio_task_yield());
    for (int i = 0; i < SLEEPERS; i++)
        aio_task_cancel(sleepers[i]);
    task_burn(AIO_MS(3));
    for (int i = 0; i < SLEEPERS; i++) {
        int result = -1;
        REQUIRE_OK(aio_task_join(sleepers[i], &result));
        AIO_CHECK(result == 0 || result == -ECANCELED);
    }
}

struct acceptor {
    struct aio_listener *listener;
    int rc;
};

static int accept_one(void *arg)
{
    struct acceptor *acceptor = arg;
    struct aio_stream *stream = NULL;
    acceptor->rc = aio_listener_accept(acceptor->listener, &stream);
    aio_stream_close(stream);
    return acceptor->rc;
}

/* A task that waits for descriptors to accept is cancelled, at many moments of its waiting. */
BEHAVIOUR(accept_short_of_descriptors_is_cancelled)
{
    struct acceptor acceptor;
    struct rlimit old, none;
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&acceptor.listener, text));
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    none = old;
    none.rlim_cur = 3;
    bool stop = false;
    struct aio_task *busy = task_named("busy", compute, &stop);
    for (int i = 0; i < 30; i++) {
        REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
        struct aio_task *task = task_named("acceptor", accept_one, &acceptor);
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(4) + AIO_US(100) * i));
        AIO_CHECK_EQ(task_stop(task), -ECANCELED);
        REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
    }
    stop = true;
    AIO_CHECK_OK(aio_task_join(busy, NULL));
    aio_listener_close(acceptor.listener);
}

struct steps {
    bool stop;
    int count;
};

static int compute_in_steps(void *arg)
{
    struct steps *steps = arg;
    while (!steps->stop) {
        task_burn(AIO_MS(1));
        steps->count++;
        if (aio_task_yield() < 0)
            break;
    }
    return 0;
}

/* Steps of a millisecond do not add up before a timer's turn: counted in steps, not in time. */
BEHAVIOUR(long_steps_leave_timers_their_turn)
{
    struct steps steps = {.stop = false};
    struct aio_task *busy = task_named("busy", compute_in_steps, &steps);
    REQUIRE(busy != NULL);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1))); /* the slice adapts during this one */
    int before = steps.count;
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    AIO_CHECK(steps.count - before < 10 * 40);
    steps.stop = true;
    AIO_CHECK_OK(aio_task_join(busy, NULL));
}
