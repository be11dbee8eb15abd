/* What does a message between two cores cost? Nanoseconds of one, by shared channel.
 *
 * Two runtimes (for "threads": two plain threads) on two processors: one way, with both of them
 * busy; there and back; two tasks on each side. Each measure is the median of REPEATS, with the
 * best and the worst beside it, and is printed as a JSON line. --quick makes the runs short, to
 * prove that everything runs. */
#include <aio/aio.h>
#include <aio/shared.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 7, PAIRS_MAX = 2 };

static long messages = 2000000;
static long rounds = 20000;

struct run {
    struct aio_shared_channel *there;
    struct aio_shared_channel *back;
    pthread_barrier_t start;
    int64_t begin_ns; /* the sender's */
    int64_t end_ns;   /* the receiver's */
    long each;
    int pairs;
    bool plain;
    bool answered; /* there and back */
};

/* One of the two threads. */
struct side {
    struct run *run;
    int cpu;
    int (*body)(void *run);
};

static void check(int rc, const char *what)
{
    if (rc < 0)
        exit(aio_error_exit(rc, what));
}

static int send_all(void *argument)
{
    struct run *run = argument;

    if (run->begin_ns == 0)
        run->begin_ns = aio_time_now();
    for (int64_t i = 0; i < run->each; i++) {
        check(aio_shared_send(run->there, &i), "send");
        if (run->answered)
            check(aio_shared_receive(run->back, &i), "receive");
    }
    return 0;
}

static int receive_all(void *argument)
{
    struct run *run = argument;

    for (int64_t i = 0, item; i < run->each; i++) {
        check(aio_shared_receive(run->there, &item), "receive");
        if (run->answered)
            check(aio_shared_send(run->back, &item), "send");
    }
    run->end_ns = aio_time_now();
    return 0;
}

static int run_pairs(void *argument)
{
    struct side *side = argument;
    struct aio_task *tasks[PAIRS_MAX];

    pthread_barrier_wait(&side->run->start);
    for (int i = 0; i < side->run->pairs; i++)
        check(aio_task_spawn(&tasks[i], side->body, side->run, NULL), "spawn");
    for (int i = 0; i < side->run->pairs; i++)
        check(aio_task_join(tasks[i], NULL), "join");
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
        check(aio_runtime_run(NULL, run_pairs, side), "runtime");
        return NULL;
    }
    pthread_barrier_wait(&side->run->start);
    side->body(side->run);
    pthread_barrier_wait(&side->run->start);
    return NULL;
}

/* Nanoseconds of a message (with `back`: of a round trip). */
static double once(struct run *run)
{
    struct side sides[2] = {{run, 0, send_all}, {run, 1, receive_all}};
    pthread_t threads[2];

    run->begin_ns = 0;
    pthread_barrier_init(&run->start, NULL, 2);
    for (int i = 0; i < 2; i++)
        check(-pthread_create(&threads[i], NULL, run_side, &sides[i]), "thread");
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&run->start);
    return (double)(run->end_ns - run->begin_ns) / (double)(run->each * run->pairs);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const char *name, size_t capacity, struct run run)
{
    double ns[REPEATS];

    for (int i = 0; i < REPEATS; i++) {
        check(aio_shared_open(&run.there, sizeof(int64_t), capacity), "open");
        if (run.answered)
            check(aio_shared_open(&run.back, sizeof(int64_t), capacity), "open");
        ns[i] = once(&run);
        aio_shared_release(run.there);
        if (run.answered)
            aio_shared_release(run.back);
    }
    qsort(ns, REPEATS, sizeof ns[0], by_value);
    printf("{\"name\": \"shared_%s_%zu\", \"ns\": %.1f, \"best\": %.1f, \"worst\": %.1f}\n", name,
           capacity, ns[REPEATS / 2], ns[0], ns[REPEATS - 1]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const size_t capacities[] = {1024, 64, 16};

    if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
        messages = 20000;
        rounds = 200;
    }
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        measure("one_way", capacities[i], (struct run){.each = messages, .pairs = 1});
        measure("2_to_2", capacities[i], (struct run){.each = messages / 2, .pairs = 2});
        measure("threads", capacities[i],
                (struct run){.each = messages, .pairs = 1, .plain = true});
    }
    measure("one_way", 0, (struct run){.each = rounds, .pairs = 1});
    measure("round_trip", 1, (struct run){.each = rounds, .pairs = 1, .answered = true});
    measure("round_trip", 64, (struct run){.each = rounds, .pairs = 1, .answered = true});
    return 0;
}
