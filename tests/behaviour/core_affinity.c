/*
 * A core is pinned to one processor; what it starts elsewhere is not: work in the pool, child
 * processes, other runtimes.
 */
#define SUITE "core_affinity"
#include "tests/behaviour/cores_tools.h"

#include <aio/offload.h>
#include <aio/process.h>
#include <stdlib.h>
#include <string.h>

static cpu_set_t outside; /* of the thread that runs the test */

static int read_mask(void *mask)
{
    return sched_getaffinity(0, sizeof(cpu_set_t), mask);
}

/* Two cores, each of which has a processor of its own, if there are two. */
static void on_pinned_cores(int (*entry)(void *arg))
{
    CPU_ZERO(&outside);
    AIO_CHECK_EQ(read_mask(&outside), 0);
    if (CPU_COUNT(&outside) < 2) {
        aio_test_skip("there is one processor");
        return;
    }
    AIO_CHECK_OK(cores_run(2, entry, NULL));
}

static bool is_pinned(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    return AIO_CHECK_EQ(read_mask(&mask), 0) && AIO_CHECK_EQ(CPU_COUNT(&mask), 1);
}

static int work_elsewhere(void *unused)
{
    cpu_set_t mask;
    int result = -1;
    (void)unused;
    CPU_ZERO(&mask);
    AIO_CHECK_OK(aio_offload_call(read_mask, &mask, &result));
    AIO_CHECK_EQ(result, 0);
    AIO_CHECK(CPU_EQUAL(&mask, &outside));
    return is_pinned() ? 0 : -1;
}

/* Else it would compute on the very processor that its core needs. */
BEHAVIOUR_OUTSIDE(pool_threads_may_use_all)
{
    on_pinned_cores(work_elsewhere);
}

static int count_in_child(void *unused)
{
    struct aio_process_result result;
    (void)unused;
    AIO_CHECK_OK(aio_process_run(
        &result, AIO_ARGV("sh", "-c", "unset OMP_NUM_THREADS OMP_THREAD_LIMIT; exec nproc"), NULL));
    AIO_CHECK_EQ(result.status.code, 0);
    AIO_CHECK_EQ(strtol(result.output.bytes, NULL, 10), CPU_COUNT(&outside));
    aio_result_free(&result);
    return is_pinned() ? 0 : -1;
}

/* A compiler that is started with as many jobs as there are processors finds them all. */
BEHAVIOUR_OUTSIDE(children_may_use_all)
{
    on_pinned_cores(count_in_child);
}

static cpu_set_t inner[2];
static atomic_int inner_entered;

static int look_inside(void *unused)
{
    (void)unused;
    AIO_CHECK_EQ(read_mask(&inner[aio_core_index()]), 0);
    atomic_fetch_add(&inner_entered, 1);
    return 0;
}

/* Runs another runtime on threads of its own, pinned or not. */
static void start_inner(uint32_t flags)
{
    struct aio_runtime_options options = cores_options(2);
    struct aio_runtime *runtime;
    options.flags = flags;
    inner_entered = 0;
    memset(inner, 0, sizeof inner);
    if (AIO_CHECK_OK(aio_runtime_create(&runtime, &options)) &&
        AIO_CHECK_OK(aio_runtime_start(runtime, look_inside, NULL)))
        AIO_CHECK(cores_wait(&inner_entered, 2));
    aio_runtime_destroy(runtime);
}

static int run_inner(void *unused)
{
    (void)unused;
    if (aio_core_index() != 0)
        return 0;
    start_inner(0);
    AIO_CHECK_EQ(CPU_COUNT(&inner[0]), 1);
    AIO_CHECK_EQ(CPU_COUNT(&inner[1]), 1);
    AIO_CHECK(!CPU_EQUAL(&inner[0], &inner[1]));
    start_inner(AIO_RUNTIME_NO_PINNING);
    AIO_CHECK(CPU_EQUAL(&inner[0], &outside));
    AIO_CHECK(CPU_EQUAL(&inner[1], &outside));
    return is_pinned() ? 0 : -1;
}

/* A runtime that a task makes has the processors of the process, not the one of that task. */
BEHAVIOUR_OUTSIDE(runtimes_of_tasks_may_use_all)
{
    on_pinned_cores(run_inner);
}
