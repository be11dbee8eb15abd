#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <stdio.h>
#include <stdlib.h>

enum { REPEATS = 7 };

void measure_check(int rc, const char *what)
{
    if (rc < 0)
        exit(aio_error_exit(rc, what));
}

void measure_print(const char *name, long (*body)(void))
{
    double best = 0;

    for (int i = 0; i < REPEATS; i++) {
        int64_t begin = aio_time_now();
        long count = body();
        double ns = (double)(aio_time_now() - begin) / (double)count;

        if (i == 0 || ns < best)
            best = ns;
    }
    printf("{\"name\": \"%s\", \"ns\": %.2f}\n", name, best);
    fflush(stdout);
}
