/* How long do many short processes take? Some tasks spawn /bin/true and wait for its end, again and
 * again, until so many have run: what `xargs -P16 -n1 /bin/true` does with as many lines.
 *
 * Usage: spawn [COUNT [TASKS]]    (default 500, 16)
 *
 * Prints a JSON line: nanoseconds per process. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/process.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct load {
    long left;
};

static int run_some(void *arg)
{
    struct load *load = arg;
    while (load->left-- > 0) {
        struct aio_process *process;
        struct aio_process_status status;

        measure_check(aio_process_spawn(&process, AIO_ARGV("/bin/true"), NULL), "spawn");
        measure_check(aio_process_wait(process, &status), "wait");
        aio_process_close(process);
        measure_check(status.code == 0 ? 0 : -ECHILD, "/bin/true");
    }
    return 0;
}

AIO_MAIN(argc, argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 500;
    long tasks = argc > 2 ? strtol(argv[2], NULL, 10) : 16;
    struct load load = {.left = count};
    struct aio_scope scope;
    int64_t begin = aio_time_now();

    if (count < 1 || tasks < 1 || tasks > 10000) {
        (void)fprintf(stderr, "usage: spawn [COUNT [TASKS]]\n");
        return 2;
    }
    measure_check(aio_scope_open(&scope, NULL), "scope");
    for (long i = 0; i < tasks; i++)
        measure_check(aio_scope_spawn(&scope, run_some, &load), "task");
    measure_check(aio_scope_join(&scope), "join");
    measure_report("spawn", (double)(aio_time_now() - begin) / (double)count);
    return 0;
}
