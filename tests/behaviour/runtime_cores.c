/*
 * The cores of a runtime: how many, which, on which processors, with which result.
 */
#define SUITE "runtime_cores"
#include "tests/behaviour/cores_tools.h"

#include <string.h>
#include <unistd.h>

enum { MOST = 16 };

struct seen {
    atomic_int entered;
    atomic_int runs[MOST];
    cpu_set_t masks[MOST];
    uint32_t counts[MOST];
    uint32_t cpus[MOST];
    pthread_t threads[MOST];
};

static int look_around(void *arg)
{
    struct seen *seen = arg;
    uint32_t index = aio_core_index();
    if (!AIO_CHECK(index < MOST))
        return -1;
    atomic_fetch_add(&seen->runs[index], 1);
    seen->counts[index] = aio_core_count();
    seen->cpus[index] = aio_runtime_cpus();
    seen->threads[index] = pthread_self();
    AIO_CHECK_EQ(sched_getaffinity(0, sizeof(cpu_set_t), &seen->masks[index]), 0);
    atomic_fetch_add(&seen->entered, 1);
    return aio_time_sleep(AIO_US(10));
}

/* Runs look_around with these options. */
static void look(struct seen *seen, const struct aio_runtime_options *options)
{
    memset(seen, 0, sizeof *seen);
    AIO_CHECK_OK(aio_runtime_run(options, look_around, seen));
}

/* The entry runs once on each core, on a thread of its own; also with more cores than processors.
 */
BEHAVIOUR_OUTSIDE(entry_runs_once_per_core)
{
    static const uint32_t counts[] = {0, 1, 2, 3, 5, MOST};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct seen seen;
        struct aio_runtime_options options = cores_options(counts[i]);
        uint32_t count = counts[i] == 0 ? 1 : counts[i];
        look(&seen, &options);
        AIO_CHECK_EQ(seen.entered, count);
        for (uint32_t core = 0; core < count; core++) {
            AIO_CHECK_EQ(seen.runs[core], 1);
            AIO_CHECK_EQ(seen.counts[core], count);
            for (uint32_t other = 0; other < core; other++)
                AIO_CHECK(!pthread_equal(seen.threads[core], seen.threads[other]));
        }
        AIO_CHECK(pthread_equal(seen.threads[0], pthread_self()));
    }
}

/* Where a runtime is started, no core is on the caller's thread. */
BEHAVIOUR_OUTSIDE(started_cores_have_threads)
{
    struct seen seen;
    memset(&seen, 0, sizeof seen);
    struct aio_runtime *runtime = cores_start(3, look_around, &seen);
    REQUIRE(runtime != NULL);
    AIO_CHECK_OK(cores_end(runtime));
    AIO_CHECK_EQ(seen.entered, 3);
    for (uint32_t core = 0; core < 3; core++)
        AIO_CHECK(!pthread_equal(seen.threads[core], pthread_self()));
}

static cpu_set_t own_mask(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    AIO_CHECK_EQ(sched_getaffinity(0, sizeof mask, &mask), 0);
    return mask;
}

/* Each core has one processor, and none has another's. Afterwards the caller has its own again. */
BEHAVIOUR_OUTSIDE(cores_are_pinned)
{
    struct seen seen;
    cpu_set_t before = own_mask(), all, after;
    uint32_t count = (uint32_t)CPU_COUNT(&before);
    count = count > MOST ? MOST : count;
    if (count < 2) {
        aio_test_skip("there is one processor");
        return;
    }
    struct aio_runtime_options options = cores_options(count);
    look(&seen, &options);
    CPU_ZERO(&all);
    for (uint32_t core = 0; core < count; core++) {
        AIO_CHECK_EQ(CPU_COUNT(&seen.masks[core]), 1);
        CPU_OR(&all, &all, &seen.masks[core]);
    }
    AIO_CHECK_EQ(CPU_COUNT(&all), count);
    after = own_mask();
    AIO_CHECK(CPU_EQUAL(&before, &after));
}

static void check_unpinned(const struct aio_runtime_options *options)
{
    struct seen seen;
    cpu_set_t before = own_mask();
    look(&seen, options);
    for (uint32_t core = 0; core < options->cores; core++)
        AIO_CHECK(CPU_EQUAL(&before, &seen.masks[core]));
}

BEHAVIOUR_OUTSIDE(pinning_can_be_left_out)
{
    struct aio_runtime_options options = cores_options(2);
    options.flags = AIO_RUNTIME_NO_PINNING;
    check_unpinned(&options);
}

/* One core runs where it is called; more cores than processors run where there is room. */
BEHAVIOUR_OUTSIDE(pinning_only_helps)
{
    cpu_set_t mask = own_mask();
    struct aio_runtime_options options = cores_options(1);
    check_unpinned(&options);
    options.cores = (uint32_t)CPU_COUNT(&mask) + 1;
    if (options.cores <= MOST)
        check_unpinned(&options);
}

/* A thread that may use the lowest processor only. */
static void narrow(void)
{
    cpu_set_t mask = own_mask();
    int cpu = 0;
    while (!CPU_ISSET(cpu, &mask))
        cpu++;
    CPU_ZERO(&mask);
    CPU_SET(cpu, &mask);
    AIO_CHECK_EQ(sched_setaffinity(0, sizeof mask, &mask), 0);
}

static void *run_narrowed(void *unused)
{
    struct seen seen;
    narrow();
    AIO_CHECK_EQ(aio_runtime_cpus(), 1);
    struct aio_runtime_options options = cores_options(AIO_CORES_ALL);
    look(&seen, &options);
    AIO_CHECK_EQ(seen.entered, 1);
    AIO_CHECK_EQ(seen.cpus[0], 1);
    options.cores = 3;
    check_unpinned(&options);
    return unused;
}

/* The affinity mask counts, not the machine's processors. */
BEHAVIOUR_OUTSIDE(mask_of_one_processor)
{
    pthread_t thread;
    REQUIRE(thread_start(&thread, run_narrowed, NULL));
    thread_join(thread);
}

static void *serve_narrowed(void *runtime)
{
    static struct seen seen;
    narrow();
    cpu_set_t before = own_mask(), after;
    memset(&seen, 0, sizeof seen);
    AIO_CHECK_OK(aio_runtime_serve(runtime, look_around, &seen));
    after = own_mask();
    AIO_CHECK(CPU_EQUAL(&before, &after));
    return NULL;
}

/* A thread that serves gets back what it had itself, whatever the one that created had. */
BEHAVIOUR_OUTSIDE(serving_thread_gets_its_mask_back)
{
    pthread_t thread;
    struct aio_runtime *runtime = cores_create(2);
    REQUIRE(runtime != NULL);
    REQUIRE(thread_start(&thread, serve_narrowed, runtime));
    thread_join(thread);
    aio_runtime_destroy(runtime);
}

/* A pinned core still says what the process may use. */
BEHAVIOUR_OUTSIDE(cpus_inside_and_outside)
{
    struct seen seen;
    uint32_t cpus = aio_runtime_cpus();
    AIO_CHECK(cpus >= 1 && cpus <= AIO_CORES_MAX);
    struct aio_runtime_options options = cores_options(2);
    look(&seen, &options);
    AIO_CHECK_EQ(seen.cpus[0], cpus);
    AIO_CHECK_EQ(seen.cpus[1], cpus);
    options.cores = AIO_CORES_ALL;
    if (cpus > MOST)
        return;
    look(&seen, &options);
    AIO_CHECK_EQ(seen.counts[0], cpus);
}

/* Too many are refused, and nothing was started. */
BEHAVIOUR_OUTSIDE(too_many_cores)
{
    static const uint32_t counts[] = {AIO_CORES_MAX + 1, 100000, AIO_CORES_ALL - 1};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct aio_runtime_options options = cores_options(counts[i]);
        struct aio_runtime *runtime = NULL;
        AIO_CHECK_ERROR(aio_runtime_create(&runtime, &options), -EINVAL);
        AIO_CHECK(runtime == NULL);
        AIO_CHECK_ERROR(aio_runtime_run(&options, look_around, NULL), -EINVAL);
    }
}

static int return_one(void *unused)
{
    (void)unused;
    return 1;
}

/* Asks that core until it is over; both ways in are refused then. */
static bool wait_ended(uint32_t index)
{
    int rc;
    int64_t limit_ns = aio_time_now() + AIO_SEC(5) * test_slowness();
    while ((rc = aio_core_call(index, return_one, NULL, NULL)) == 0 && aio_time_now() < limit_ns)
        AIO_CHECK_OK(aio_task_yield());
    return AIO_CHECK_ERROR(rc, -ESHUTDOWN) &&
           AIO_CHECK_ERROR(aio_core_spawn(index, return_one, NULL, NULL), -ESHUTDOWN) &&
           AIO_CHECK_ERROR(aio_runtime_post(aio_runtime_current(), index, return_one, NULL),
                           -ESHUTDOWN);
}

static int end_in_turn(void *unused)
{
    (void)unused;
    uint32_t index = aio_core_index();
    if (index + 1 < aio_core_count())
        (void)wait_ended(index + 1);
    return index == aio_core_count() - 1 ? 0 : (int)index + 10;
}

/* The last core ends first, the others after it. The first result that is not 0 counts; the
 * runtime goes on without the cores that have ended, which take nothing any more. */
BEHAVIOUR_OUTSIDE(first_result_counts)
{
    AIO_CHECK_EQ(cores_run(4, end_in_turn, NULL), 12);
    struct aio_runtime *runtime = cores_start(3, end_in_turn, NULL);
    REQUIRE(runtime != NULL);
    AIO_CHECK_EQ(cores_end(runtime), 11);
}

static int leave_tasks(void *arg)
{
    atomic_int *ended = arg;
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_task_spawn(NULL, cores_serve, NULL, NULL));
    AIO_CHECK_OK(aio_task_yield());
    atomic_fetch_add(ended, 1);
    return 0;
}

/* What is left on a core is cancelled and awaited there. */
BEHAVIOUR_OUTSIDE(each_core_ends_its_own)
{
    atomic_int ended = 0;
    AIO_CHECK_OK(cores_run(5, leave_tasks, &ended));
    AIO_CHECK_EQ(ended, 5);
}
