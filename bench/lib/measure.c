/* Of the baselines too, so it stands on libc alone. */
#include "bench/lib/measure.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REPEATS = 41, LOOPS_FIRST = 1000, GROWTH_MAX = 10 };

#define RUN_NS 2000000       /* a run should last so long */
#define LIMIT_NS 2000000000L /* no run of a measure begins later */

static int64_t run_ns = RUN_NS;
static int repeats = REPEATS;
static int wanted_count;
static char **wanted;

void measure_begin(int argc, char **argv)
{
    wanted = argv;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            run_ns = 0;
            repeats = 1;
        } else if (argv[i][0] == '-') {
            (void)fprintf(stderr, "%s: unknown option %s\nusage: %s [--quick] [NAME...]\n", argv[0],
                          argv[i], argv[0]);
            exit(2);
        } else {
            wanted[wanted_count++] = argv[i]; /* never ahead of i */
        }
    }
}

void measure_check(int rc, const char *what)
{
    if (rc >= 0)
        return;
    (void)fprintf(stderr, "%s: %s\n", what, strerror(-rc));
    exit(1);
}

bool measure_wanted(const char *name)
{
    for (int i = 0; i < wanted_count; i++)
        if (strncmp(name, wanted[i], strlen(wanted[i])) == 0)
            return true;
    return wanted_count == 0;
}

static int64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* How much longer the loop must be, with some to spare. */
static long growth(double took)
{
    double factor = 1 + 1.2 * (double)run_ns / (took + 1);

    return factor < GROWTH_MAX ? (long)factor : GROWTH_MAX;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct measure_runs measure_runs(double (*run)(void *argument, long loops), void *argument)
{
    int64_t begin = now_ns();
    long loops = LOOPS_FIRST;
    double ns[REPEATS] = {run(argument, loops)};
    int count = 1;

    while (ns[0] * (double)loops < (double)run_ns) {
        loops *= growth(ns[0] * (double)loops);
        ns[0] = run(argument, loops);
    }
    while (count < repeats && now_ns() - begin < LIMIT_NS)
        ns[count++] = run(argument, loops);
    qsort(ns, (size_t)count, sizeof ns[0], by_value);
    return (struct measure_runs){.best = ns[0], .median = ns[count / 2], .worst = ns[count - 1]};
}

struct loop {
    long (*body)(long loops);
};

static double run_loop(void *loop, long loops)
{
    int64_t begin = now_ns();
    long count = ((struct loop *)loop)->body(loops);

    return (double)(now_ns() - begin) / (double)count;
}

double measure_best(long (*body)(long loops))
{
    struct loop loop = {body};

    return measure_runs(run_loop, &loop).best;
}

void measure_together(int count, long (*const bodies[])(long loops), double best[])
{
    int64_t begin = now_ns();
    struct loop loop = {bodies[0]};
    long loops = LOOPS_FIRST + (long)((double)run_ns / (1 + run_loop(&loop, LOOPS_FIRST)));

    for (int turn = 0; turn < repeats && (turn == 0 || now_ns() - begin < LIMIT_NS); turn++)
        for (int i = 0; i < count; i++) {
            loop.body = bodies[i];
            double ns = run_loop(&loop, loops);

            if (turn == 0 || ns < best[i])
                best[i] = ns;
        }
}

void measure_report(const char *name, double ns)
{
    printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, ns);
    (void)fflush(stdout);
}

void measure_print(const char *name, long (*body)(long loops))
{
    if (measure_wanted(name))
        measure_report(name, measure_best(body));
}
