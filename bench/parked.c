/* What does a task that waits cost? Spawns COUNT tasks that all wait for the same word, tells what
 * the process has resident for each, then wakes and joins them all.
 *
 * Usage: parked [COUNT]    (default 100000)
 *
 * Prints a JSON line: bytes_per_task (resident, the handle that the caller keeps included),
 * page_table_bytes_per_task (the kernel's, of the process but not resident in it), peak_bytes,
 * mappings (lines of /proc/self/maps while all wait), woken, failed, seconds. Ends with code 3 and
 * a sentence when there is not enough memory to try. */
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/sync.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOT_ENOUGH_MEMORY = 3 };

#define NEEDED_BYTES 6000 /* for each task: what we expect and some to spare */

static struct aio_notify word = AIO_NOTIFY_INIT;
static long woken;

/* A line "NAME:   123 kB" of a file in /proc, in bytes; 0 when there is none. */
static long read_bytes(const char *path, const char *name)
{
    char line[256];
    long found = 0;
    FILE *file = fopen(path, "re");

    while (file && found == 0 && fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            found = 1024 * strtol(line + strlen(name), NULL, 10);
    if (file)
        (void)fclose(file);
    return found;
}

static long count_mappings(void)
{
    long lines = 0;
    FILE *file = fopen("/proc/self/maps", "re");

    for (int c; file && (c = getc(file)) != EOF;)
        lines += c == '\n';
    if (file)
        (void)fclose(file);
    return lines;
}

static int park(void *argument)
{
    (void)argument;
    int rc = aio_notify_wait(&word);
    if (rc == 0)
        woken++;
    return rc;
}

static void spawn_all(struct aio_task **tasks, long count)
{
    for (long i = 0; i < count; i++)
        measure_check(aio_task_spawn(&tasks[i], park, NULL, NULL), "spawn");
    measure_check(aio_task_yield(), "yield"); /* behind them all: now they wait */
}

/* How many did not end as they should. */
static long join_all(struct aio_task **tasks, long count)
{
    long failed = 0;

    for (long i = 0; i < count; i++) {
        int result;

        measure_check(aio_task_join(tasks[i], &result), "join");
        failed += result != 0;
    }
    return failed;
}

static int run(struct aio_task **tasks, long count)
{
    const char *status = "/proc/self/status";
    int64_t begin = aio_time_now();
    long resident = read_bytes(status, "VmRSS:");
    long tables = read_bytes(status, "VmPTE:");

    spawn_all(tasks, count);
    resident = read_bytes(status, "VmRSS:") - resident;
    tables = read_bytes(status, "VmPTE:") - tables;
    long mappings = count_mappings();
    aio_notify_all(&word);
    long failed = join_all(tasks, count);
    printf("{\"name\": \"parked_%ld\", \"tasks\": %ld, \"bytes_per_task\": %.1f, "
           "\"page_table_bytes_per_task\": %.1f, \"peak_bytes\": %ld, \"mappings\": %ld, "
           "\"woken\": %ld, \"failed\": %ld, \"seconds\": %.2f}\n",
           count, count, (double)resident / (double)count, (double)tables / (double)count,
           read_bytes(status, "VmHWM:"), mappings, woken, failed,
           (double)(aio_time_now() - begin) / 1e9);
    return failed == 0 && woken == count ? 0 : 1;
}

AIO_MAIN(argc, argv)
{
    long count = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
    long available = read_bytes("/proc/meminfo", "MemAvailable:");

    if (count < 1 || count > 100000000) {
        (void)fprintf(stderr, "usage: parked [COUNT]\n");
        return 2;
    }
    if (available < count * NEEDED_BYTES) {
        (void)fprintf(stderr, "parked: %ld MiB of memory are wanted, %ld MiB are available\n",
                      count * NEEDED_BYTES >> 20, available >> 20);
        return NOT_ENOUGH_MEMORY;
    }
    struct aio_task **tasks = calloc((size_t)count, sizeof(struct aio_task *));
    measure_check(tasks ? 0 : -ENOMEM, "handles");
    int rc = run(tasks, count);
    free(tasks);
    return rc;
}
