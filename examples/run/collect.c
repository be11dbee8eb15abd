/*
 * Collecting what a job writes, by a task of its own: it goes on while the job is being ended. What
 * is too much is read and dropped, so that the job does not wait for ever.
 */
#include "examples/run/run.h"

#include <aio/select.h>
#include <errno.h>
#include <stdlib.h>

#define BLOCK_BYTES 4096             /* the first allocation, and what is dropped at a time */
#define DRAIN_MAX ((ssize_t)1 << 20) /* more than a pipe holds */
#define LINGER_NS AIO_SEC(1)

/* Returns false when no more is to be kept. */
static bool make_room(struct collector *collector)
{
    size_t capacity = collector->capacity > 0 ? 2 * collector->capacity : BLOCK_BYTES;
    if (collector->truncated || collector->lost < 0)
        return false;
    if (collector->size < collector->capacity)
        return true;
    if (capacity > OUTPUT_MAX_BYTES)
        return false;
    char *bytes = realloc(collector->bytes, capacity);
    if (bytes == NULL) {
        collector->lost = -ENOMEM;
        return false;
    }
    collector->bytes = bytes;
    collector->capacity = capacity;
    return true;
}

static ssize_t collect_some(struct collector *collector)
{
    char dropped[BLOCK_BYTES];
    if (!make_room(collector)) {
        ssize_t n = aio_stream_read(collector->stream, dropped, sizeof dropped);
        collector->truncated |= n > 0 && collector->lost == 0;
        return n;
    }
    ssize_t n = aio_stream_read(collector->stream, collector->bytes + collector->size,
                                collector->capacity - collector->size);
    collector->size += n > 0 ? (size_t)n : 0;
    return n;
}

/* What the job itself has written stands in the pipe when it has ended; others who hold the pipe
 * are not followed. */
static void drain(struct collector *collector)
{
    struct aio_select_case readable = aio_select_readable(collector->stream);
    ssize_t n = 1;
    for (ssize_t sum = 0; n > 0 && sum < DRAIN_MAX; sum += n)
        n = aio_select_try(&readable, 1) == 0 ? collect_some(collector) : 0;
}

static int collect(void *arg)
{
    struct collector *collector = arg;
    ssize_t n;
    do {
        n = collect_some(collector);
    } while (n > 0);
    if (n == -ECANCELED)
        AIO_SHIELD
        {
            drain(collector);
        }
    else if (n < 0 && collector->lost == 0)
        collector->lost = (int)n;
    aio_stream_close(collector->stream);
    return 0;
}

int collector_open(struct collector *collector, struct aio_stream *stream)
{
    const struct aio_task_options options = {.size = sizeof options, .name = "output"};
    collector->stream = stream;
    int rc = aio_task_spawn(&collector->task, collect, collector, &options);
    if (rc < 0)
        aio_stream_close(stream);
    return rc;
}

void collector_close(struct collector *collector)
{
    int rc = 0;
    if (collector->task == NULL)
        return;
    AIO_SHIELD
    {
        AIO_TIMEOUT(LINGER_NS)
        {
            rc = aio_task_join(collector->task, NULL);
        }
        if (rc < 0) {
            aio_task_cancel(collector->task);
            rc = aio_task_join(collector->task, NULL);
        }
    }
}
