/*
 * No memory where several cores work together: each call that fails is told so, what was accepted
 * runs. On each backend.
 */
#define SUITE "oom_cores"
#include "tests/unit/unit_tools.h"

#include "core/alloc.h"

#include <aio/core.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CORES = 3, ATTEMPTS = 400 };

static const char *const backends[] = {"uring", "epoll"};

static bool open_on(const char *backend)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    bool entered = false;
    options.backend = backend;
    (void)aio_runtime_run(&options, unit_entered, &entered);
    return entered;
}

static atomic_int entries;

static int count_entry(void *unused)
{
    (void)unused;
    atomic_fetch_add(&entries, 1);
    return 0;
}

static int start_with(struct aio_runtime_options *options, bool served)
{
    struct aio_runtime *runtime;
    int result = 0;
    if (served)
        return aio_runtime_run(options, count_entry, NULL);
    int rc = aio_runtime_create(&runtime, options);
    if (rc < 0)
        return rc;
    rc = aio_runtime_start(runtime, count_entry, NULL);
    if (rc == 0)
        rc = aio_runtime_wait(runtime, &result);
    aio_runtime_destroy(runtime);
    return rc < 0 ? rc : result;
}

/* The n-th allocation of all threads together fails. */
static void start_without_memory(const char *backend, bool served)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.backend = backend;
    options.cores = CORES;
    for (int n = 1; n < ATTEMPTS; n++) {
        int64_t live = aio__alloc_live();
        entries = 0;
        aio__alloc_fail_at(n);
        int rc = start_with(&options, served);
        aio__alloc_fail_at(0);
        AIO_CHECK_EQ(aio__alloc_live(), live);
        if (rc == 0) {
            AIO_CHECK_EQ(entries, CORES);
            AIO_CHECK(n > 2 * CORES);
            return;
        }
        AIO_CHECK_ERROR(rc, -ENOMEM);
        AIO_CHECK_EQ(entries, 0);
    }
    AIO_CHECK(!"it never started");
}

/* Whichever core finds no memory, none starts, and nothing is left of the others. */
PLAIN(start)
{
    setenv("AIO_LOG", "off", 1);
    for (int i = test_on_valgrind() ? 1 : 0; i < 2; i++) { /* see unit_tools.h */
        if (!open_on(backends[i]))
            continue;
        start_without_memory(backends[i], true);
        start_without_memory(backends[i], false);
    }
    unsetenv("AIO_LOG");
}

static atomic_int ran;

static int run_there(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 7;
}

static void wait_ran(int count)
{
    int64_t limit_ns = aio_time_now() + AIO_SEC(5) * test_slowness();
    while (ran < count && aio_time_now() < limit_ns)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(ran, count);
}

/* How often a call failed before it got through. */
static int try_until_done(int (*attempt)(void))
{
    int rc = -ENOMEM, n = 0;
    while (rc < 0 && n < ATTEMPTS) {
        aio__alloc_fail_at(++n);
        rc = attempt();
        aio__alloc_fail_at(0);
        AIO_CHECK(rc == 0 || rc == -ENOMEM);
    }
    AIO_CHECK_OK(rc);
    return n - 1;
}

static int spawn_once(void)
{
    return aio_core_spawn(1, run_there, NULL, NULL);
}

static int post_once(void)
{
    return aio_runtime_post(aio_runtime_current(), 1, run_there, NULL);
}

static int call_once(void)
{
    int result = 0;
    int rc = aio_core_call(1, run_there, NULL, &result);
    AIO_CHECK_EQ(result, rc == 0 ? 7 : 0);
    return rc;
}

static int send_without_memory(void *entered)
{
    enum { TIMES = 50 };
    if (aio_core_index() != 0)
        return aio_time_sleep(AIO_FOREVER) == -ECANCELED ? 0 : 1;
    unit_entered(entered);
    ran = 0;
    int spawns = 0, posts = 0; /* that failed: some failures meet the other core's allocations */
    for (int i = 0; i < TIMES; i++) {
        spawns += try_until_done(spawn_once);
        posts += try_until_done(post_once);
        (void)try_until_done(call_once); /* whose task may find everything there */
        wait_ran(3 * (i + 1));
    }
    AIO_CHECK(spawns > 0);
    AIO_CHECK(posts > 0);
    return aio_runtime_stop(aio_runtime_current(), 0);
}

static void on_cores(struct aio_runtime_options *options, int (*entry)(void *arg))
{
    for (int i = test_on_valgrind() ? 1 : 0; i < 2; i++) {
        bool entered = false;
        options->backend = backends[i];
        int rc = aio_runtime_run(options, entry, &entered);
        if (entered)
            AIO_CHECK_OK(rc);
    }
}

/* Sending a task: it was sent or it was not, and what was sent runs once. */
PLAIN(sending)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.cores = 2;
    on_cores(&options, send_without_memory);
}
