/*
 * Standard output and standard error: what jobs have written, messages, and on a terminal a line
 * that counts. All of it waits for whoever reads, and holds up no other task; a task that has been
 * cancelled waits for a short time only, in all.
 *
 * What a job has written is never changed. But where messages are seen in the same place, a line
 * that it has left unfinished is ended before one, and the line that counts erases only itself.
 */
#include "examples/run/run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Messages still come when the time for the output is over. */
#define OUT_PATIENCE_NS AIO_SEC(1)
#define ERR_PATIENCE_NS AIO_SEC(2)

#define ERASE "\r\033[K" /* the line of a terminal that the cursor is in */

static bool seen_together(void)
{
    struct stat out, err;
    if (isatty(STDOUT_FILENO) && isatty(STDERR_FILENO))
        return true;
    return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
           out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

int output_open(struct output *output)
{
    output->live = isatty(STDERR_FILENO);
    output->together = seen_together();
    output->out.patience_ns = OUT_PATIENCE_NS;
    output->err.patience_ns = ERR_PATIENCE_NS;
    if (aio_stream_stderr(&output->err.stream) < 0)
        output->err.stream = NULL; /* and there is no way to say so */
    return aio_stream_stdout(&output->out.stream);
}

static int64_t patience_left(struct output *output, const struct sink *sink)
{
    if (output->hurry_ns == 0)
        output->hurry_ns = aio_time_now();
    return output->hurry_ns + sink->patience_ns - aio_time_now();
}

static int put(struct output *output, const struct sink *sink, const char *bytes, size_t size)
{
    size_t done = 0;
    if (sink->stream == NULL)
        return 0;
    ssize_t n = aio_stream_write_all(sink->stream, bytes, size, &done);
    if (n == -ECANCELED)
        AIO_SHIELD
        {
            AIO_TIMEOUT(patience_left(output, sink))
            {
                n = aio_stream_write_all(sink->stream, bytes + done, size - done, NULL);
            }
        }
    return n < 0 ? (int)n : 0;
}

/* What has to come before something else on standard error. */
static const char *make_way(struct output *output)
{
    const char *before = output->drawn ? ERASE : output->unfinished ? "\n" : "";
    output->drawn = output->unfinished = false;
    return before;
}

int output_write(struct output *output, const char *bytes, size_t size)
{
    if (size == 0)
        return 0;
    if (output->drawn && output->together) {
        const char *before = make_way(output);
        (void)put(output, &output->err, before, strlen(before));
    }
    output->unfinished = output->together && bytes[size - 1] != '\n';
    return put(output, &output->out, bytes, size);
}

void output_say(struct output *output, const char *format, ...)
{
    char *text, *whole;
    va_list arguments;
    va_start(arguments, format);
    int rc = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (rc < 0)
        return;
    rc = asprintf(&whole, "%s%s", make_way(output), text);
    if (rc >= 0) {
        (void)put(output, &output->err, whole, (size_t)rc);
        free(whole);
    }
    free(text);
}

void output_show(struct output *output, const struct run *run)
{
    if (!output->live)
        return;
    output_say(output, "%ld running, %ld done, %ld failed", run->running, run->done, run->failed);
    output->drawn = true;
}

void output_close(struct output *output)
{
    if (output->drawn)
        output_say(output, "%s", "");
    aio_stream_close(output->out.stream);
    aio_stream_close(output->err.stream);
}
