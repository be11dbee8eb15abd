/* What does it cost to reach another core? Nanoseconds of a call and its answer between two cores
 * that sleep meanwhile, and of the barest thing that could do it: two threads that wake each other
 * through eventfds. Also the same while the other core is busy, and a spawn there.
 *
 * Both sides are pinned, to the same two processors. Each measure is a JSON line;
 * bench/lib/measure.h has the arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int nothing(void *argument)
{
    (void)argument;
    return 0;
}

/* The other core has nothing else to do: it sleeps until the call, we until the answer. */
static long call_other(long loops)
{
    for (long i = 0; i < loops; i++)
        measure_check(aio_core_call(1, nothing, NULL, NULL), "call");
    return loops;
}

static atomic_bool busy;

static int keep_busy(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&busy, memory_order_relaxed))
        measure_check(aio_task_yield(), "yield");
    return 0;
}

static long spawn_other(long loops)
{
    for (long i = 0; i < loops; i++)
        measure_check(aio_core_spawn(1, nothing, NULL, NULL), "spawn");
    measure_check(aio_core_call(1, nothing, NULL, NULL), "call"); /* behind them all */
    return loops;
}

static int ping_fd, pong_fd;

static void pin_to(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* The number of a processor that this process may use, the index-th. */
static int allowed_cpu(int index)
{
    cpu_set_t set;
    int cpu = 0;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return index;
    for (; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set) && index-- == 0)
            return cpu;
    return 0;
}

static int answering_cpu;
static long answers;

static void *answer(void *argument)
{
    uint64_t value = 1;

    (void)argument;
    pin_to(answering_cpu);
    for (long i = 0; i < answers; i++)
        if (read(ping_fd, &value, sizeof value) < 0 || write(pong_fd, &value, sizeof value) < 0)
            break;
    return NULL;
}

static long eventfd_ping_pong(long loops)
{
    uint64_t value = 1;
    pthread_t thread;

    ping_fd = eventfd(0, EFD_CLOEXEC);
    pong_fd = eventfd(0, EFD_CLOEXEC);
    answers = loops;
    measure_check(-pthread_create(&thread, NULL, answer, NULL), "thread");
    for (long i = 0; i < loops; i++)
        if (write(ping_fd, &value, sizeof value) < 0 || read(pong_fd, &value, sizeof value) < 0)
            break;
    pthread_join(thread, NULL);
    close(ping_fd);
    close(pong_fd);
    return loops;
}

static void measure_eventfd(void)
{
    cpu_set_t before;
    int here = allowed_cpu(0);

    answering_cpu = allowed_cpu(1);
    (void)sched_getaffinity(0, sizeof before, &before);
    pin_to(here);
    measure_print("eventfd_ping_pong", eventfd_ping_pong);
    (void)sched_setaffinity(0, sizeof before, &before);
}

static int core_main(void *unused)
{
    (void)unused;
    if (aio_core_index() == 1)
        return aio_time_sleep(AIO_SEC(3600)) == -ECANCELED ? 0 : 1;
    measure_print("core_call_sleeping", call_other);
    atomic_store(&busy, true);
    measure_check(aio_core_spawn(1, keep_busy, NULL, NULL), "spawn");
    measure_print("core_call_busy", call_other);
    measure_print("core_spawn_busy", spawn_other);
    atomic_store(&busy, false);
    return aio_runtime_stop(aio_runtime_current(), 0);
}

int main(int argc, char **argv)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;

    measure_begin(argc, argv);
    if (aio_runtime_cpus() < 2) {
        (void)fprintf(stderr, "micro_core: needs two processors\n");
        return 1;
    }
    options.cores = 2;
    measure_eventfd();
    return aio_error_exit(aio_runtime_run(&options, core_main, NULL), "micro_core");
}
