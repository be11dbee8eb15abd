/* Do timers come in time beside a task that never waits? One task only yields; another wants to be
 * woken at every whole millisecond since the start, for some seconds.
 *
 * Usage: ticks [SECONDS]    (default 2)
 *
 * A tick is in time when the task runs before the next tick is due, so less than 1 ms late. One
 * that has passed when the task gets to it is not waited for any more: it counts as missed.
 * Prints a JSON line: share (ticks in time of all, in per cent), lateness of those that were waited
 * for in microseconds, yields (how often the other task ran). */
#include "bench/lib/histogram.h"
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_NS AIO_MS(1)

static bool done;
static struct histogram lateness;

static int yield_only(void *yields)
{
    for (; !done; ++*(long *)yields)
        measure_check(aio_task_yield(), "yield");
    return 0;
}

/* How many of the ticks came in time. */
static long tick(long ticks)
{
    int64_t begin = aio_time_now();
    long in_time = 0;

    for (long i = 1; i <= ticks; i++) {
        int64_t due = begin + i * TICK_NS;
        int64_t now = aio_time_now();

        if (now >= due)
            continue; /* passed, nobody can be in time for it any more */
        measure_check(aio_time_sleep(due - now), "sleep");
        int64_t late = aio_time_now() - due;
        histogram_add(&lateness, late);
        in_time += late < TICK_NS;
    }
    return in_time;
}

static double quantile_us(double part)
{
    return (double)histogram_quantile(&lateness, part) / 1e3;
}

AIO_MAIN(argc, argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    long ticks = (long)(seconds * 1000), yields = 0;
    struct aio_task *task;

    if (ticks < 1 || seconds > 3600) {
        (void)fprintf(stderr, "usage: ticks [SECONDS]\n");
        return 2;
    }
    measure_check(aio_task_spawn(&task, yield_only, &yields, NULL), "spawn");
    long in_time = tick(ticks);
    done = true;
    measure_check(aio_task_join(task, NULL), "join");
    printf("{\"name\": \"ticks\", \"ticks\": %ld, \"share\": %.2f, \"late_p50_us\": %.1f, "
           "\"late_p99_us\": %.1f, \"late_max_us\": %.1f, \"yields\": %ld}\n",
           ticks, 100.0 * (double)in_time / (double)ticks, quantile_us(0.5), quantile_us(0.99),
           (double)lateness.max / 1e3, yields);
    return 0;
}
