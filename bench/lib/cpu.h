/* CPU time of a process from outside, to the nanosecond: the sum over its threads of the first
 * figure of /proc/PID/task/TID/schedstat. The kernel's own worker threads of a ring are threads of
 * the process and so are counted. */
#ifndef BENCH_LIB_CPU_H
#define BENCH_LIB_CPU_H

#include <stdint.h>
#include <sys/types.h>

/* Negative errno when the process or its figures cannot be read. */
int64_t cpu_of_process(pid_t pid);

#endif
