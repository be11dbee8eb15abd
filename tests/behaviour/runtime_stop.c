/*
 * Stopping runtimes: at once, in time, by whom, and waiting for the end.
 */
#define SUITE "runtime_stop"
#include "tests/behaviour/tcp_support.h"

#include "tests/behaviour/cores_tools.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int ready;

static int serve_ready(void *unused)
{
    atomic_fetch_add(&ready, 1);
    return cores_serve(unused);
}

/* A stop from another thread ends every core, asleep or busy. */
BEHAVIOUR_OUTSIDE(from_a_thread)
{
    for (uint32_t cores = 1; cores <= 4; cores++) {
        struct aio_runtime *runtime = cores_start(cores, serve_ready, NULL);
        REQUIRE(runtime != NULL);
        AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
        AIO_CHECK_OK(cores_end(runtime));
    }
}

static int stop_own(void *unused)
{
    if (aio_core_index() == 1)
        AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), 0));
    return cores_serve(unused);
}

/* So does one by a task, wherever it runs. */
BEHAVIOUR_OUTSIDE(from_a_task)
{
    AIO_CHECK_OK(cores_run(3, stop_own, NULL));
}

static int expect_cancel(void *arg)
{
    (void)arg;
    return aio_task_yield() == -ECANCELED ? 0 : 1;
}

static int expect_cancel_soon(void *arg)
{
    return cores_serve(arg);
}

/* A runtime that was stopped before it was open ends when it is; its entries still run. */
BEHAVIOUR_OUTSIDE(before_it_is_open)
{
    for (int way = 0; way < 3; way++) {
        int result = -1;
        struct aio_runtime *runtime = cores_create(way == 2 ? 1 : 3);
        REQUIRE(runtime != NULL);
        AIO_CHECK_OK(aio_runtime_stop(runtime, way == 0 ? 0 : AIO_SEC(60)));
        if (way == 0)
            AIO_CHECK_OK(aio_runtime_start(runtime, expect_cancel_soon, NULL));
        else if (way == 1)
            AIO_CHECK_OK(aio_runtime_serve(runtime, expect_cancel_soon, NULL));
        else
            AIO_CHECK_OK(aio_runtime_attach(runtime, expect_cancel, NULL));
        while (way == 2 && aio_runtime_turn(runtime) > 0)
            continue;
        AIO_CHECK_OK(aio_runtime_wait(runtime, &result));
        AIO_CHECK_OK(result);
        AIO_CHECK_ERROR(aio_runtime_stop(runtime, 0), -ESHUTDOWN);
        aio_runtime_destroy(runtime);
    }
}

/* What a drain should find. */
struct drain {
    atomic_int working;
    atomic_int done;
    atomic_int canceled;
    atomic_int cleaned;
    int64_t work_ns;
    int refused;
};

static int work(void *arg)
{
    struct drain *drain = arg;
    atomic_fetch_add(&drain->working, 1);
    int rc = aio_time_sleep(drain->work_ns);
    if (rc == 0) {
        atomic_fetch_add(&drain->done, 1);
        return 0;
    }
    AIO_CHECK_ERROR(rc, -ECANCELED);
    atomic_fetch_add(&drain->canceled, 1);
    AIO_SHIELD
    {
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    }
    atomic_fetch_add(&drain->cleaned, 1);
    return 0;
}

static int start_work(void *arg)
{
    struct drain *drain = arg;
    for (int i = 0; i < 10; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, work, drain, NULL));
    int rc = aio_time_sleep(AIO_FOREVER);
    AIO_CHECK_ERROR(rc, -ECANCELED);
    return 0;
}

static struct aio_runtime *start_drain(struct drain *drain, int64_t work_ns)
{
    *drain = (struct drain){.work_ns = work_ns};
    struct aio_runtime *runtime = cores_start(2, start_work, drain);
    if (runtime != NULL)
        (void)cores_wait_outside(&drain->working, 20);
    return runtime;
}

/* The others go on after the first task has ended, and the runtime ends with them. */
BEHAVIOUR_OUTSIDE(drain_lets_others_finish)
{
    struct drain drain;
    int64_t start_ns = aio_time_now();
    struct aio_runtime *runtime = start_drain(&drain, AIO_MS(20));
    REQUIRE(runtime != NULL);
    AIO_CHECK_OK(aio_runtime_stop(runtime, AIO_SEC(60)));
    AIO_CHECK_OK(cores_end(runtime));
    AIO_CHECK_EQ(drain.done, 20);
    AIO_CHECK(aio_time_now() - start_ns < AIO_SEC(10) * test_slowness());
}

/* Then they are cancelled, and may clean up in shields. */
BEHAVIOUR_OUTSIDE(drain_has_an_end)
{
    struct drain drain;
    struct aio_runtime *runtime = start_drain(&drain, AIO_FOREVER);
    REQUIRE(runtime != NULL);
    int64_t start_ns = aio_time_now();
    AIO_CHECK_OK(aio_runtime_stop(runtime, AIO_MS(5)));
    AIO_CHECK_OK(cores_end(runtime));
    AIO_CHECK(aio_time_now() - start_ns >= AIO_MS(5));
    AIO_CHECK_EQ(drain.canceled, 20);
    AIO_CHECK_EQ(drain.cleaned, 20);
}

/* A second stop may leave less time, not more. */
BEHAVIOUR_OUTSIDE(stopped_twice)
{
    static const int64_t first[] = {AIO_FOREVER, AIO_SEC(60), AIO_MS(2)};
    static const int64_t second[] = {0, AIO_MS(2), AIO_FOREVER};
    for (int i = 0; i < 3; i++) {
        struct drain drain;
        struct aio_runtime *runtime = start_drain(&drain, AIO_FOREVER);
        REQUIRE(runtime != NULL);
        AIO_CHECK_OK(aio_runtime_stop(runtime, first[i]));
        int rc = aio_runtime_stop(runtime, second[i]);
        AIO_CHECK(rc == 0 || (rc == -ESHUTDOWN && i == 2));
        AIO_CHECK_OK(cores_end(runtime));
        AIO_CHECK_EQ(drain.cleaned, 20);
    }
}

/* Limits of time are no trap. */
BEHAVIOUR_OUTSIDE(any_time)
{
    static const int64_t times[] = {INT64_MIN, -1, 0, 1, INT64_MAX - 1};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct drain drain;
        struct aio_runtime *runtime = start_drain(&drain, AIO_FOREVER);
        REQUIRE(runtime != NULL);
        AIO_CHECK_OK(aio_runtime_stop(runtime, times[i]));
        if (times[i] > 1)
            AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
        AIO_CHECK_OK(cores_end(runtime));
        AIO_CHECK_EQ(drain.cleaned, 20);
    }
}

static int sleep_in_time(void *unused)
{
    (void)unused;
    AIO_TIMEOUT(AIO_SEC(50))
    {
        AIO_CHECK_ERROR(aio_time_sleep(AIO_SEC(40)), -ECANCELED);
    }
    return 0;
}

static int fill_the_heap(void *unused)
{
    (void)unused;
    for (int i = 1; i < 32; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, sleep_in_time, NULL, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), AIO_MS(5)));
    return sleep_in_time(NULL);
}

/* As many timers as there is room for, and the stop's as well. */
BEHAVIOUR_OUTSIDE(beside_many_timers)
{
    AIO_CHECK_OK(test_run(fill_the_heap, NULL));
}

struct front {
    atomic_int port;
    atomic_int accepted;
    atomic_int closed;
    struct aio_stream *peer;
};

static int serve_one(void *arg)
{
    struct front *front = arg;
    char byte;
    AIO_CHECK_EQ(aio_stream_read(front->peer, &byte, 1), 1);
    AIO_CHECK_EQ(aio_stream_write(front->peer, &byte, 1), 1);
    aio_stream_close(front->peer);
    return 0;
}

static int accept_until_stopped(void *arg)
{
    struct front *front = arg;
    struct tcp_server server;
    int rc;
    if (!tcp_server_open(&server, NULL))
        return -1;
    atomic_store(&front->port, server.port);
    while ((rc = aio_listener_accept(server.listener, &front->peer)) == 0) {
        AIO_CHECK_OK(aio_task_spawn(NULL, serve_one, front, NULL));
        atomic_store(&front->accepted, 1);
    }
    AIO_CHECK_ERROR(rc, -ECANCELED);
    aio_listener_close(server.listener);
    atomic_store(&front->closed, 1);
    return 0;
}

/* A blocking socket, connected to a port of the loopback; or -errno. */
static int dial(int port)
{
    struct aio_address address;
    char text[32];
    (void)snprintf(text, sizeof text, "127.0.0.1:%d", port);
    AIO_CHECK_OK(aio_address_parse(&address, text));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &address.any, address.length) == 0)
        return fd;
    int rc = -errno;
    close(fd);
    return rc;
}

/* While it drains, a server serves whom it has accepted and takes nobody else. */
BEHAVIOUR_OUTSIDE(drain_of_a_server)
{
    struct front front = {.port = 0};
    char byte = 'x';
    struct aio_runtime *runtime = cores_start(1, accept_until_stopped, &front);
    REQUIRE(runtime != NULL);
    REQUIRE(cores_wait_outside(&front.port, 1));
    int fd = dial(front.port);
    AIO_CHECK(fd >= 0);
    AIO_CHECK(cores_wait_outside(&front.accepted, 1));
    AIO_CHECK_OK(aio_runtime_stop(runtime, AIO_SEC(60)));
    AIO_CHECK(cores_wait_outside(&front.closed, 1));
    AIO_CHECK_ERROR(dial(front.port), -ECONNREFUSED);
    AIO_CHECK_EQ(write(fd, &byte, 1), 1);
    AIO_CHECK_EQ(read(fd, &byte, 1), 1);
    close(fd);
    AIO_CHECK_OK(cores_end(runtime));
}

struct waiter {
    struct aio_runtime *runtime;
    pthread_t thread;
    int result;
};

static void *wait_for_it(void *arg)
{
    struct waiter *waiter = arg;
    AIO_CHECK_OK(aio_runtime_wait(waiter->runtime, &waiter->result));
    aio_runtime_release(waiter->runtime);
    return NULL;
}

static int return_nine(void *unused)
{
    (void)serve_ready(unused);
    return 9;
}

static void *serve_nine(void *runtime)
{
    AIO_CHECK_EQ(aio_runtime_serve(runtime, return_nine, NULL), 9);
    return NULL;
}

/* Several threads wait for one runtime, started or served; each gets the result. */
BEHAVIOUR_OUTSIDE(several_wait)
{
    for (int served = 0; served < 2; served++) {
        enum { WAITERS = 4 };
        struct waiter waiters[WAITERS];
        pthread_t server;
        ready = 0;
        struct aio_runtime *runtime = cores_create(2);
        REQUIRE(runtime != NULL);
        if (served)
            REQUIRE(thread_start(&server, serve_nine, runtime));
        else
            AIO_CHECK_OK(aio_runtime_start(runtime, return_nine, NULL));
        REQUIRE(cores_wait_outside(&ready, 2));
        for (int i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){.runtime = runtime};
            aio_runtime_hold(runtime);
            REQUIRE(thread_start(&waiters[i].thread, wait_for_it, &waiters[i]));
        }
        AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
        AIO_CHECK_EQ(cores_end(runtime), 9);
        for (int i = 0; i < WAITERS; i++) {
            thread_join(waiters[i].thread);
            AIO_CHECK_EQ(waiters[i].result, 9);
        }
        if (served)
            thread_join(server);
    }
}

/* What was never run cannot be waited for; what runs or ran is not run again. */
BEHAVIOUR_OUTSIDE(run_once)
{
    struct aio_runtime *runtime = cores_create(1);
    REQUIRE(runtime != NULL);
    AIO_CHECK_ERROR(aio_runtime_wait(runtime, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_runtime_turn(runtime), -EINVAL);
    AIO_CHECK_ERROR(aio_runtime_fd(runtime), -EINVAL);
    AIO_CHECK_OK(aio_runtime_start(runtime, cores_serve, NULL));
    for (int over = 0; over < 2; over++) {
        AIO_CHECK_ERROR(aio_runtime_start(runtime, cores_serve, NULL), -EBUSY);
        AIO_CHECK_ERROR(aio_runtime_serve(runtime, cores_serve, NULL), -EBUSY);
        AIO_CHECK_ERROR(aio_runtime_attach(runtime, cores_serve, NULL), -EBUSY);
        AIO_CHECK_ERROR(aio_runtime_turn(runtime), -EINVAL);
        if (!over)
            AIO_CHECK_OK(aio_runtime_stop(runtime, 0));
        AIO_CHECK_OK(aio_runtime_wait(runtime, NULL));
    }
    aio_runtime_destroy(runtime);
}

/* Destroying stops what still runs, however little it wants to. */
BEHAVIOUR_OUTSIDE(destroyed_while_it_runs)
{
    struct drain drain;
    struct aio_runtime *runtime = start_drain(&drain, AIO_FOREVER);
    REQUIRE(runtime != NULL);
    aio_runtime_destroy(runtime);
    AIO_CHECK_EQ(drain.cleaned, 20);
    aio_runtime_destroy(NULL);
    aio_runtime_destroy(cores_create(3));
}

static int from_inside(void *other)
{
    struct aio_runtime *own = aio_runtime_current();
    AIO_CHECK_ERROR(aio_runtime_wait(own, NULL), -EBUSY);
    AIO_CHECK_ERROR(aio_runtime_wait(other, NULL), -EBUSY);
    AIO_CHECK_ERROR(aio_runtime_serve(other, cores_serve, NULL), -EBUSY);
    AIO_CHECK_ERROR(aio_runtime_attach(other, cores_serve, NULL), -EBUSY);
    AIO_CHECK_ERROR(aio_runtime_serve(own, cores_serve, NULL), -EBUSY);
    AIO_CHECK_ERROR(test_run(cores_serve, NULL), -EBUSY);
    return 0;
}

/* A task cannot block its core by another runtime; it may start one on threads of its own. */
BEHAVIOUR_OUTSIDE(refused_inside_tasks)
{
    struct aio_runtime *other = cores_create(1);
    REQUIRE(other != NULL);
    AIO_CHECK_OK(cores_run(2, from_inside, other));
    aio_runtime_destroy(other);
}

static int start_another(void *unused)
{
    (void)unused;
    ready = 0;
    struct aio_runtime *other = cores_start(2, serve_ready, NULL);
    if (other == NULL)
        return -1;
    AIO_CHECK(cores_wait(&ready, 2));
    aio_runtime_destroy(other);
    return 0;
}

BEHAVIOUR_OUTSIDE(started_by_a_task)
{
    AIO_CHECK_OK(test_run(start_another, NULL));
}

static int destroy_own(void *unused)
{
    (void)unused;
    aio_task_rename("suicide");
    aio_runtime_destroy(aio_runtime_current());
    return 0;
}

/* A runtime that is destroyed by its own task says so. */
BEHAVIOUR_OUTSIDE(destroyed_by_its_own_task)
{
    struct child child;
    REQUIRE(child_run_task(&child, destroy_own, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "task 'suicide'");
    child_said(&child, "aio_runtime_destroy was called by a task of that runtime");
}
