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

/* The nanoseconds per operation: the best of up to 7 runs of body, which leaves out what
 * interrupted the others. body does about so many operations as it is told, and returns how many
 * it did. */
double measure_best(long (*body)(long loops));

/* Prints a figure that was measured otherwise. */
void measure_report(const char *name, double ns);

/* Measures and prints, if wanted. */
void measure_print(const char *name, long (*body)(long loops));

#endif
