/* What does a message between two cores cost? Nanoseconds of one, by shared channel.
 *
 * Two runtimes (for "threads": two plain threads) on two processors: one way, with both of them
 * busy; there and back; two tasks on each side. Each measure is the median of some runs, with the
 * best and the worst beside it, and is printed as a JSON line; bench/lib/measure.h has the
 * arguments. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/shared.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

enum { PAIRS_MAX = 2 };

struct run {
    struct aio_shared_channel *there;
    struct aio_shared_channel *back; /* NULL: one way */
    size_t capacity;
    pthread_barrier_t start;
    long each;
    int pairs;
    bool answered, plain;
};

/* One of the two threads. */
struct side {
    struct run *run;
    int cpu;
    int (*body)(void *run);
};

static int send_all(void *argument)
{
    struct run *run = argument;

    for (int64_t i = 0; i < run->each; i++) {
        measure_check(aio_shared_send(run->there, &i), "send");
        if (run->back)
            measure_check(aio_shared_receive(run->back, &i), "receive");
    }
    return 0;
}

static int receive_all(void *argument)
{
    struct run *run = argument;

    for (int64_t i = 0, item; i < run->each; i++) {
        measure_check(aio_shared_receive(run->there, &item), "receive");
        if (run->back)
            measure_check(aio_shared_send(run->back, &item), "send");
    }
    return 0;
}

static int run_pairs(void *argument)
{
    struct side *side = argument;
    struct aio_task *tasks[PAIRS_MAX];

    pthread_barrier_wait(&side->run->start);
    for (int i = 0; i < side->run->pairs; i++)
        measure_check(aio_task_spawn(&tasks[i], side->body, side->run, NULL), "spawn");
    for (int i = 0; i < side->run->pairs; i++)
        measure_check(aio_task_join(tasks[i], NULL), "join");
    pthread_barrier_wait(&side->run->start);
    return 0;
}

static void *run_side(void *argument)
{
    struct side *side = argument;
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(side->cpu, &cpus);
    (void)pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);
    if (!side->run->plain) {
        measure_check(aio_runtime_run(NULL, run_pairs, side), "runtime");
        return NULL;
    }
    pthread_barrier_wait(&side->run->start);
    side->body(side->run);
    pthread_barrier_wait(&side->run->start);
    return NULL;
}

static void open_channels(struct run *run)
{
    measure_check(aio_shared_open(&run->there, sizeof(int64_t), run->capacity), "open");
    if (run->answered)
        measure_check(aio_shared_open(&run->back, sizeof(int64_t), run->capacity), "open");
}

static void release_channels(struct run *run)
{
    aio_shared_release(run->there);
    if (run->answered)
        aio_shared_release(run->back);
}

/* Nanoseconds of a message (when it is answered: of a round trip). */
static double run_once(void *argument, long loops)
{
    struct run *run = argument;
    struct side sides[2] = {{run, 0, send_all}, {run, 1, receive_all}};
    pthread_t threads[2];

    run->each = loops / run->pairs;
    open_channels(run);
    pthread_barrier_init(&run->start, NULL, 3);
    for (int i = 0; i < 2; i++)
        measure_check(-pthread_create(&threads[i], NULL, run_side, &sides[i]), "thread");
    pthread_barrier_wait(&run->start);
    int64_t begin = aio_time_now();
    pthread_barrier_wait(&run->start);
    int64_t took = aio_time_now() - begin;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&run->start);
    release_channels(run);
    return (double)took / (double)(run->each * run->pairs);
}

static void measure(const char *kind, struct run run)
{
    char name[64];

    (void)snprintf(name, sizeof name, "shared_%s_%zu", kind, run.capacity);
    if (!measure_wanted(name))
        return;
    struct measure_runs ns = measure_runs(run_once, &run);
    printf("{\"name\": \"%s\", \"ns\": %.1f, \"best\": %.1f, \"worst\": %.1f}\n", name, ns.median,
           ns.best, ns.worst);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    static const size_t capacities[] = {1024, 64, 16};

    measure_begin(argc, argv);
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        measure("one_way", (struct run){.capacity = capacities[i], .pairs = 1});
        measure("2_to_2", (struct run){.capacity = capacities[i], .pairs = 2});
        measure("threads", (struct run){.capacity = capacities[i], .pairs = 1, .plain = true});
    }
    measure("one_way", (struct run){.capacity = 0, .pairs = 1});
    measure("round_trip", (struct run){.capacity = 1, .pairs = 1, .answered = true});
    measure("round_trip", (struct run){.capacity = 16, .pairs = 1, .answered = true});
    return 0;
}
