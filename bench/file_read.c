/* What does a random read of a file cost? TASKS tasks read 4 KiB each at places of their own
 * choice.
 *
 * Usage: file_read FILE [TASKS [SECONDS [direct]]]    (default 32 and 1)
 *
 * The file must be there and have at least 4 KiB. direct: past the page cache (O_DIRECT). Prints a
 * JSON line: reads_per_s, cpu_ns_per_read (of all threads of the process, the kernel's workers of a
 * ring included), reads, tasks, backend. Ends with code 3 and a sentence when the file cannot be
 * opened so. */
#include "bench/lib/cpu.h"
#include "bench/lib/measure.h"

#include <aio/aio.h>
#include <aio/file.h>
#include <aio/pinned.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 4096, CANNOT_OPEN = 3, TASKS_MAX = 65536 };

static struct aio_file *file;
static char *buffers; /* one after the other */
static uint64_t blocks;
static int64_t end_ns;
static long reads;

static uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    return x ^ (x >> 31);
}

/* The clock is looked at now and then: it costs as much as a part of a read. */
static int read_on(void *argument)
{
    char *buffer = argument;
    uint64_t state = (uint64_t)(buffer - buffers);
    ssize_t n = READ_BYTES;
    for (long i = 0; n == READ_BYTES && (i % 16 != 0 || aio_time_now() < end_ns); i++) {
        n = aio_file_read_at(file, buffer, READ_BYTES,
                             (int64_t)(next_random(&state) % blocks) * READ_BYTES);
        reads++;
    }
    return n == READ_BYTES ? 0 : n < 0 ? (int)n : -ENODATA;
}

static int run(long tasks, double seconds)
{
    struct aio_scope scope;
    int64_t begin_ns = aio_time_now(), cpu_ns = cpu_of_process(getpid());
    end_ns = begin_ns + (int64_t)(seconds * 1e9);
    measure_check(aio_scope_open(&scope, NULL), "scope");
    for (long i = 0; i < tasks; i++)
        measure_check(aio_scope_spawn(&scope, read_on, buffers + i * READ_BYTES), "spawn");
    int rc = aio_scope_join(&scope);
    cpu_ns = cpu_of_process(getpid()) - cpu_ns;
    double took = (double)(aio_time_now() - begin_ns) / 1e9;
    printf("{\"name\": \"file_read\", \"backend\": \"%s\", \"tasks\": %ld, \"reads\": %ld, "
           "\"reads_per_s\": %.0f, \"cpu_ns_per_read\": %.1f}\n",
           aio_runtime_backend(), tasks, reads, (double)reads / took,
           (double)cpu_ns / (double)reads);
    return rc;
}

AIO_MAIN(argc, argv)
{
    long tasks = argc > 2 ? strtol(argv[2], NULL, 10) : 32;
    double seconds = argc > 3 ? strtod(argv[3], NULL) : 1;
    bool direct = argc > 4 && strcmp(argv[4], "direct") == 0;

    if (argc < 2 || argc > 5 || (argc == 5 && !direct) || tasks < 1 || tasks > TASKS_MAX ||
        !(seconds > 0)) {
        (void)fprintf(stderr, "usage: file_read FILE [TASKS [SECONDS [direct]]]\n");
        return 2;
    }
    int rc = aio_file_open(&file, argv[1], O_RDONLY | (direct ? O_DIRECT : 0), 0);
    if (rc < 0) {
        (void)fprintf(stderr, "file_read: %s: %s\n", argv[1], aio_error_text(rc));
        return CANNOT_OPEN;
    }
    int64_t size = aio_file_size(file);
    blocks = size > 0 ? (uint64_t)size / READ_BYTES : 0;
    measure_check(blocks > 0 ? 0 : -ENODATA, "the file's size");
    void *memory;
    measure_check(aio_pinned_alloc(&memory, (size_t)tasks * READ_BYTES), "buffers");
    buffers = memory;
    rc = run(tasks, seconds);
    aio_pinned_free(memory);
    (void)aio_file_close(file);
    return rc == 0 ? 0 : 1;
}
