/* What the micro benches share: time per operation, printed as JSON lines. */
#ifndef BENCH_LIB_MEASURE_H
#define BENCH_LIB_MEASURE_H

/* Ends the program when rc is an error. */
void measure_check(int rc, const char *what);

/* Prints the nanoseconds per operation: the best of 7 runs of body, which leaves out what
 * interrupted the others. body returns how many operations it did. */
void measure_print(const char *name, long (*body)(void));

#endif
