/* What the micro benches share: time per operation, printed as JSON lines.
 *
 * How often a loop runs is found by its time, so that a program ends soon also on a machine where a
 * loop takes a hundred times longer than on another. */
#ifndef BENCH_LIB_MEASURE_H
#define BENCH_LIB_MEASURE_H

#include <stdbool.h>

/* The arguments of every micro bench: --quick makes each loop run once, to prove that it works;
 * words choose the measures whose names begin so. Another option ends the program. */
void measure_begin(int argc, char **argv);

/* Ends the program when rc is an error. */
void measure_check(int rc, const char *what);

/* Whether the arguments choose this measure. */
bool measure_wanted(const char *name);

/* Nanoseconds per operation over some runs. */
struct measure_runs {
    double best, median, worst;
};

/* Up to 41 short runs of run, which does about so many operations as it is told and returns what
 * one of them took. */
struct measure_runs measure_runs(double (*run)(void *argument, long loops), void *argument);

/* The best of such runs, which leaves out what interrupted the others. body returns how many
 * operations it did; everything in it counts. */
double measure_best(long (*body)(long loops));

/* The same of several, which take turns: for figures to be subtracted. */
void measure_together(int count, long (*const bodies[])(long loops), double best[]);

/* Prints a figure that was measured otherwise. */
void measure_report(const char *name, double ns);

/* Measures and prints the best, if wanted. */
void measure_print(const char *name, long (*body)(long loops));

#endif
