/*
 * Runtimes that cannot start: all that was begun is undone.
 */
#define SUITE "runtime_refused"
#include "tests/behaviour/cores_tools.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CORES = 16, NOBODY = 65534 };

static atomic_int entered;

static int enter(void *unused)
{
    (void)unused;
    atomic_fetch_add(&entered, 1);
    return 0;
}

static int serve_it(struct aio_runtime *runtime)
{
    return aio_runtime_serve(runtime, enter, NULL);
}

static int start_it(struct aio_runtime *runtime)
{
    return aio_runtime_start(runtime, enter, NULL);
}

/* A thread that was joined may stand in /proc for a moment. */
static bool threads_are(void *arg)
{
    return process_threads() == *(int *)arg;
}

/* Tries what must be refused, and then whether anything is left. */
static int check_refused(int (*attempt)(struct aio_runtime *runtime), int wanted)
{
    int fds = process_fds(), threads = process_threads(), result = 0;
    struct aio_runtime *runtime = cores_create(CORES);
    if (runtime == NULL)
        return 10;
    int rc = attempt(runtime);
    if (rc != wanted) {
        fprintf(stderr, "%s instead of %s\n", aio_error_name(rc), aio_error_name(wanted));
        return 11;
    }
    if (entered != 0 || attempt(runtime) != -EBUSY)
        return 12;
    if (aio_runtime_wait(runtime, &result) != 0 || result != wanted)
        return 13;
    if (aio_runtime_post(runtime, 0, enter, NULL) != -ESHUTDOWN)
        return 14;
    if (aio_runtime_stop(runtime, 0) != -ESHUTDOWN)
        return 15;
    aio_runtime_destroy(runtime);
    if (process_fds() != fds)
        return 16;
    return test_wait_outside(threads_are, &threads) ? 0 : 17;
}

static int check_both(int wanted)
{
    int rc = check_refused(serve_it, wanted);
    return rc != 0 ? rc : check_refused(start_it, wanted);
}

/* The kernel takes the memory of rings that were closed off its user's account when it comes to it,
 * and others may run as the same user. */
static bool runs(void *unused)
{
    entered = 0;
    return cores_run(4, enter, unused) == 0;
}

/* The same works once there is room. */
static int check_recovers(void)
{
    if (!test_wait_outside(runs, NULL))
        return 20;
    return entered == 4 ? 0 : 21;
}

static int limit(int resource, rlim_t value)
{
    struct rlimit limits;
    if (getrlimit(resource, &limits) < 0)
        return -1;
    limits.rlim_cur = value > limits.rlim_max ? limits.rlim_max : value;
    return setrlimit(resource, &limits);
}

/* Root has as many threads as it likes. */
static int without_threads(void *unused)
{
    struct rlimit limits;
    (void)unused;
    if (getrlimit(RLIMIT_NPROC, &limits) < 0 || (getuid() == 0 && setuid(NOBODY) < 0))
        return 2;
    for (rlim_t threads = 0; threads < 6; threads++) {
        if (limit(RLIMIT_NPROC, threads) < 0)
            return 3;
        int rc = check_both(-EAGAIN);
        if (rc != 0)
            return rc;
    }
    return limit(RLIMIT_NPROC, limits.rlim_max) < 0 ? 4 : check_recovers();
}

/* A thread cannot be made, at first, half-way: -EAGAIN, and those that were made are gone. */
BEHAVIOUR_OUTSIDE(no_thread_for_a_core)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, without_threads, NULL));
    child_exited(&child, 0);
    child_said(&child, "has no thread");
}

static int without_descriptors(void *unused)
{
    struct rlimit limits;
    (void)unused;
    if (getrlimit(RLIMIT_NOFILE, &limits) < 0)
        return 2;
    int used = dup(STDERR_FILENO);
    (void)close(used);
    for (int room = 0; room < 24; room += 3) {
        if (limit(RLIMIT_NOFILE, (rlim_t)(used + 1 + room)) < 0)
            return 3;
        int rc = check_both(-EMFILE);
        if (rc != 0)
            return rc;
    }
    return setrlimit(RLIMIT_NOFILE, &limits) < 0 ? 4 : check_recovers();
}

/* One core cannot open its backend: those that could are closed, no entry has run. */
BEHAVIOUR_OUTSIDE(no_descriptor_for_a_core)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, without_descriptors, NULL));
    child_exited(&child, 0);
}

static int attach_without_descriptors(void *unused)
{
    struct rlimit limits;
    int result = 0;
    (void)unused;
    if (getrlimit(RLIMIT_NOFILE, &limits) < 0)
        return 2;
    int fds = process_fds(), used = dup(STDERR_FILENO);
    (void)close(used);
    for (int room = 0; room < 20; room++) {
        struct aio_runtime *runtime = cores_create(1);
        if (runtime == NULL || limit(RLIMIT_NOFILE, (rlim_t)(used + room)) < 0)
            return 3;
        int rc = aio_runtime_attach(runtime, enter, NULL);
        if (setrlimit(RLIMIT_NOFILE, &limits) < 0)
            return 4;
        if (rc < 0 && (rc != -EMFILE || aio_runtime_turn(runtime) > 0 || entered != 0))
            return 5;
        if (rc < 0 && (aio_runtime_wait(runtime, &result) != 0 || result != -EMFILE))
            return 8;
        aio_runtime_destroy(runtime);
        if (process_fds() != fds)
            return 6;
        if (rc == 0)
            return entered == 1 ? 0 : 7;
    }
    return 9;
}

/* The same inside another loop, whose own descriptors may be what fails. */
BEHAVIOUR_OUTSIDE(no_descriptor_for_a_loop)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, attach_without_descriptors, NULL));
    child_exited(&child, 0);
}
