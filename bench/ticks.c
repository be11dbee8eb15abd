/* Do timers come in time beside a task that keeps the thread busy? One task wants to be woken at
 * every whole millisecond since the start, for some seconds. The other only yields; or, with a
 * FILE, writes 1 GiB to that through the page cache, syncs it and reads it, over and over.
 *
 * Usage: ticks [SECONDS [FILE]]    (default 2)
 *
 * A tick is in time when the task runs before the next tick is due, so less than 1 ms late. One
 * that has passed when the task gets to it is not waited for any more: it counts as missed.
 * Prints a JSON line: share (ticks in time of all, in per cent), share_5ms_late (of all, missed
 * ones too), lateness of those that were waited for in microseconds, yields (how often the other
 * task ran) or MiB that it moved. */
#include "bench/lib/histogram.h"
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/file.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_NS AIO_MS(1)
#define LATE_NS AIO_MS(5)

enum { BLOCK_BYTES = 8 << 20, BLOCKS = 128 };

static bool done;
static long late_ticks;
static struct histogram lateness;

static int yield_only(void *yields)
{
    for (; !done; ++*(long *)yields)
        measure_check(aio_task_yield(), "yield");
    return 0;
}

struct churn {
    const char *path;
    char *block;
    long moved; /* MiB */
};

/* Writes all blocks of the file and syncs it, or reads them. Returns 0 or -errno. */
static int churn_round(struct aio_file *file, struct churn *churn, bool reads)
{
    for (int64_t i = 0; i < BLOCKS && !done; i++) {
        ssize_t n = reads ? aio_file_read_at(file, churn->block, BLOCK_BYTES, i * BLOCK_BYTES)
                          : aio_file_write_at(file, churn->block, BLOCK_BYTES, i * BLOCK_BYTES);
        if (n != BLOCK_BYTES)
            return n < 0 ? (int)n : -ENODATA;
        churn->moved += BLOCK_BYTES >> 20;
    }
    return reads ? 0 : aio_file_sync(file, 0);
}

static int churn_on(void *argument)
{
    struct churn *churn = argument;
    struct aio_file *file;
    measure_check(aio_file_open(&file, churn->path, O_RDWR | O_CREAT, 0600), churn->path);
    while (!done) {
        measure_check(churn_round(file, churn, false), "write");
        measure_check(churn_round(file, churn, true), "read");
    }
    return aio_file_close(file);
}

/* How many of the ticks came in time. */
static long tick(long ticks)
{
    int64_t begin = aio_time_now();
    long in_time = 0;

    for (long i = 1; i <= ticks; i++) {
        int64_t due = begin + i * TICK_NS;
        int64_t now = aio_time_now();

        late_ticks += now - due > LATE_NS;
        if (now >= due)
            continue; /* passed, nobody can be in time for it any more */
        measure_check(aio_time_sleep(due - now), "sleep");
        int64_t late = aio_time_now() - due;
        histogram_add(&lateness, late);
        in_time += late < TICK_NS;
        late_ticks += late > LATE_NS;
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
    struct churn churn = {.path = argc > 2 ? argv[2] : NULL};
    struct aio_task *task;

    if (ticks < 1 || seconds > 3600 || argc > 3) {
        (void)fprintf(stderr, "usage: ticks [SECONDS [FILE]]\n");
        return 2;
    }
    if (churn.path != NULL) {
        churn.block = calloc(1, BLOCK_BYTES);
        measure_check(churn.block != NULL ? 0 : -ENOMEM, "block");
        measure_check(aio_task_spawn(&task, churn_on, &churn, NULL), "spawn");
    } else {
        measure_check(aio_task_spawn(&task, yield_only, &yields, NULL), "spawn");
    }
    long in_time = tick(ticks);
    done = true;
    measure_check(aio_task_join(task, NULL), "join");
    free(churn.block);
    printf("{\"name\": \"ticks\", \"ticks\": %ld, \"share\": %.2f, \"share_5ms_late\": %.3f, "
           "\"late_p50_us\": %.1f, \"late_p99_us\": %.1f, \"late_max_us\": %.1f, "
           "\"yields\": %ld, \"moved_mib\": %ld}\n",
           ticks, 100.0 * (double)in_time / (double)ticks,
           100.0 * (double)late_ticks / (double)ticks, quantile_us(0.5), quantile_us(0.99),
           (double)lateness.max / 1e3, yields, churn.moved);
    return 0;
}
