/*
 * Storms over several cores: runtimes that come and go, calls and tasks to and fro, ends amid them,
 * and deadlocks that are none.
 */
#define SUITE "soak_cores"
#include "tests/soak/soak.h"

#include <aio/core.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static struct aio_runtime_options cores_options(uint32_t cores)
{
    struct aio_runtime_options options = test_options();
    options.cores = cores;
    return options;
}

static int cores_run(uint32_t cores, int (*entry)(void *arg), void *arg)
{
    struct aio_runtime_options options = cores_options(cores);
    return aio_runtime_run(&options, entry, arg);
}

static int serve(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_FOREVER) == -ECANCELED ? 0 : 1;
}

/* A line of /proc/self/status, "VmRSS:", "VmSize:" or "Threads:". */
static long process_status(const char *name)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && value < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            (void)sscanf(line + strlen(name), "%ld", &value);
    if (file != NULL)
        (void)fclose(file);
    return value;
}

static atomic_ullong ran;

static int count(void *unused)
{
    (void)unused;
    atomic_fetch_add(&ran, 1);
    return 0;
}

static bool live_once(uint64_t round)
{
    struct aio_runtime_options options = cores_options(1 + (uint32_t)round % 4);
    struct aio_runtime *runtime;
    if (!AIO_CHECK_OK(aio_runtime_create(&runtime, &options)))
        return false;
    bool held = AIO_CHECK_OK(aio_runtime_start(runtime, serve, NULL)) &&
                AIO_CHECK_OK(aio_runtime_post(runtime, options.cores - 1, count, NULL));
    if (held && round % 2 == 0)
        held = AIO_CHECK_OK(aio_runtime_stop(runtime, 0)) &&
               AIO_CHECK_OK(aio_runtime_wait(runtime, NULL));
    aio_runtime_destroy(runtime);
    return held;
}

static bool threads_are(void *count)
{
    return process_status("Threads:") <= *(const long *)count;
}

/* A thousand runtimes: neither threads nor memory add up. The first hundred warm the heap. */
BEHAVIOUR_OUTSIDE(runtimes_come_and_go)
{
    enum { WARM = 100, SLACK_KIB = 8192 };
    long resident = 0, size = 0, threads = 0;
    ran = 0;
    struct storm storm = storm_begin("runtimes of several cores", 1000);
    while (storm_goes_on(&storm)) {
        REQUIRE(live_once(storm.done));
        if (storm.done != WARM)
            continue;
        resident = process_status("VmRSS:");
        size = process_status("VmSize:");
        threads = process_status("Threads:");
    }
    AIO_CHECK_EQ(ran, storm.done);
    if (storm.done <= WARM || UNDER_ASAN || UNDER_TSAN)
        return;
    printf(" (VmRSS %+ld, VmSize %+ld KiB)", process_status("VmRSS:") - resident,
           process_status("VmSize:") - size);
    AIO_CHECK(process_status("VmRSS:") - resident < SLACK_KIB);
    AIO_CHECK(process_status("VmSize:") - size < SLACK_KIB);
    AIO_CHECK(test_wait_outside(threads_are, &threads)); /* some may be on their way out */
}

static atomic_ullong answered;

static int callee(void *arg)
{
    unsigned *plan = arg, mine = *plan;
    int rc = 0;
    atomic_fetch_add(&ran, 1);
    if (mine % 8 == 0)
        rc = aio_time_sleep((int64_t)(mine % 20000));
    else if (mine % 8 == 1)
        rc = aio_task_yield();
    *plan = ~mine;
    return rc;
}

static int call_once(void *unused)
{
    unsigned plan = (unsigned)test_random(), sent = plan;
    int result = 0;
    (void)unused;
    int rc = aio_core_call((aio_core_index() + 1) % aio_core_count(), callee, &plan, &result);
    if (rc == 0 && AIO_CHECK_EQ(plan, ~sent))
        atomic_fetch_add(&answered, 1);
    AIO_CHECK(rc == 0 || rc == -ECANCELED);
    AIO_CHECK(result == 0 || result == -ECANCELED);
    return 0;
}

/* The first core counts; the others follow until it says so. */
static atomic_bool over;
static atomic_uint through;

static bool others_are_through(void *unused)
{
    (void)unused;
    return atomic_load(&through) == aio_core_count() - 1;
}

static bool call_some(void)
{
    enum { AT_ONCE = 8 };
    struct aio_task *tasks[AT_ONCE];
    for (int i = 0; i < AT_ONCE; i++)
        if (!AIO_CHECK_OK(aio_task_spawn(&tasks[i], call_once, NULL, NULL)))
            return false;
    for (int i = 0; i < AT_ONCE; i++) {
        if (test_random() % 4 == 0 && aio_task_yield() < 0)
            return false;
        if (test_random() % 4 == 0)
            aio_task_cancel(tasks[i]);
        if (!AIO_CHECK_OK(aio_task_join(tasks[i], NULL)))
            return false;
    }
    return true;
}

static int call_all_the_time(void *unused)
{
    (void)unused;
    if (aio_core_index() != 0) {
        while (!atomic_load(&over) && call_some())
            continue;
        atomic_fetch_add(&through, 1);
        return serve(NULL);
    }
    struct storm storm = storm_begin("rounds of 8 calls, some cancelled", 200000);
    while (storm_goes_on(&storm))
        if (!call_some())
            break;
    atomic_store(&over, true);
    AIO_CHECK(test_wait(others_are_through, NULL));
    return aio_runtime_stop(aio_runtime_current(), AIO_SEC(1));
}

BEHAVIOUR_OUTSIDE(calls_both_ways)
{
    ran = answered = 0;
    over = false;
    through = 0;
    AIO_CHECK_OK(cores_run(3, call_all_the_time, NULL));
    AIO_CHECK(ran > 0);
    AIO_CHECK(answered == ran);
}

static atomic_ullong accepted;

static int send_until_refused(void *unused)
{
    int rc;
    (void)unused;
    while ((rc = aio_core_spawn(0, count, NULL, NULL)) == 0) {
        atomic_fetch_add(&accepted, 1);
        while (accepted - ran > 1000 || test_random() % 8 == 0)
            if (aio_task_yield() < 0)
                break;
    }
    AIO_CHECK_ERROR(rc, -ESHUTDOWN);
    return 0;
}

static int race_the_end(void *unused)
{
    if (aio_core_index() != 0)
        return send_until_refused(unused);
    return aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_MS(1)));
}

/* Tasks are sent to a core while it ends: what was accepted runs. */
BEHAVIOUR_OUTSIDE(spawns_race_the_end)
{
    struct storm storm = storm_begin("ends amid spawns", 3000);
    while (storm_goes_on(&storm)) {
        ran = accepted = 0;
        REQUIRE(cores_run(2 + (uint32_t)storm.done % 3, race_the_end, NULL) == 0);
        REQUIRE(ran == accepted);
    }
}

/* A thread that is given a hold for each round, wakes the sleeper and lets go. */
struct holder {
    atomic_ullong asked;
    atomic_bool over;
    struct aio_runtime *runtime;
    struct aio_task *sleeper;
};

static int wake_sleeper(void *arg)
{
    struct holder *holder = arg;
    aio_task_cancel(holder->sleeper);
    return 0;
}

static void *hold_and_release(void *arg)
{
    struct holder *holder = arg;
    for (uint64_t round = 1;; round++) {
        while (atomic_load(&holder->asked) < round)
            (void)sched_yield();
        if (atomic_load(&holder->over))
            return NULL;
        AIO_CHECK_OK(aio_runtime_post(holder->runtime, 0, wake_sleeper, holder));
        aio_runtime_release(holder->runtime);
    }
}

static int ask_holder(void *arg)
{
    struct holder *holder = arg;
    if (aio_core_index() != 0)
        return serve(NULL);
    holder->runtime = aio_runtime_current();
    struct storm storm = storm_begin("holds", 300000);
    while (storm_goes_on(&storm)) {
        int result = 0;
        if (!AIO_CHECK_OK(aio_task_spawn(&holder->sleeper, serve, NULL, NULL)))
            break;
        aio_runtime_hold(holder->runtime);
        atomic_fetch_add(&holder->asked, 1);
        if (!AIO_CHECK_OK(aio_task_join(holder->sleeper, &result)) || !AIO_CHECK_OK(result))
            break;
    }
    atomic_store(&holder->over, true);
    atomic_fetch_add(&holder->asked, 1);
    return aio_runtime_stop(aio_runtime_current(), 0);
}

/* All cores sleep again and again, with only the hold between them and a deadlock. */
BEHAVIOUR_OUTSIDE(holds_are_no_deadlock)
{
    for (uint32_t cores = 1; cores <= 2; cores++) {
        struct holder holder = {.runtime = NULL};
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, hold_and_release, &holder) == 0);
        AIO_CHECK_OK(cores_run(cores, ask_holder, &holder));
        pthread_join(thread, NULL);
    }
}
