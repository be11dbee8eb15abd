/*
 * The command lines: reads them, and starts a job for each when there is room for it.
 */
#include "examples/run/run.h"

#include <aio/buffered.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int start_job(struct run *run, const char *line, size_t length)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return -ENOMEM;
    job->run = run;
    job->line = strndup(line, length);
    int rc = job->line != NULL ? aio_scope_spawn(&run->scope, job_run, job) : -ENOMEM;
    if (rc < 0) {
        job_free(job);
        return rc;
    }
    run->running++;
    aio_notify_one(&run->printer.wake);
    return 0;
}

/* Waits for room, and starts it unless there is a reason to stop. Returns 1 to go on, else 0 or an
 * error. */
static int take_line(struct run *run, const char *line, size_t length)
{
    size_t blank = strspn(line, " \t");
    if (memchr(line, '\0', length) != NULL)
        return -EILSEQ;
    if (blank == length || line[blank] == '#')
        return 1;
    int rc = aio_semaphore_acquire(&run->room, 1);
    if (rc == 0 && run->failing && !run->keep_going)
        return 0;
    if (rc == 0)
        rc = start_job(run, line, length);
    return rc < 0 ? rc : 1;
}

/* The last line may lack its end. */
static int take_rest(struct run *run, struct aio_reader *reader)
{
    const char *bytes;
    size_t length = aio_reader_buffered(reader, &bytes);
    char *line = calloc(1, length + 1);
    if (line == NULL)
        return -ENOMEM;
    int rc = take_line(run, memcpy(line, bytes, length), length);
    free(line);
    return rc;
}

static int read_lines(struct run *run, struct aio_reader *reader)
{
    const char *line;
    size_t length;
    int rc;
    do {
        rc = aio_reader_read_line(reader, &line, &length);
        if (rc == 1)
            rc = take_line(run, line, length);
    } while (rc == 1);
    return rc == -ENODATA ? take_rest(run, reader) : rc;
}

static int run_all(struct run *run, struct aio_stream *input)
{
    const struct aio_scope_options options = {.size = sizeof options, .flags = AIO_SCOPE_COLLECT};
    struct aio_reader reader;
    int rc = aio_reader_open(&reader, input, NULL, LINE_MAX_BYTES);
    if (rc < 0)
        return rc;
    (void)aio_scope_open(&run->scope, &options);
    rc = read_lines(run, &reader);
    int joined = aio_scope_join(&run->scope);
    aio_reader_close(&reader);
    return rc < 0 ? rc : joined;
}

static int open_input(struct aio_stream **out, const char *path)
{
    if (path == NULL)
        return aio_stream_stdin(out);
    int rc = aio_pipe_connect(out, path, AIO_PIPE_READER); /* a FIFO: who writes may come later */
    if (rc != -EINVAL)
        return rc;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    rc = aio_pipe_adopt(out, fd);
    if (rc < 0)
        close(fd);
    return rc;
}

int lines_run(struct run *run)
{
    struct aio_stream *input;
    int rc = open_input(&input, run->path);
    if (rc < 0)
        return rc;
    rc = run_all(run, input);
    aio_stream_close(input);
    return rc;
}
