/*
 * run: runs command lines, several at once, as `make -j` does.
 * Usage: run [-j JOBS] [-k] [FILE]
 *
 * Each line of FILE, or of standard input, is run by `sh -c` with nothing to read; empty lines and
 * those that begin with '#' are passed over. -j says how many run at once (as many as there are
 * processors). After a failure no further ones are started, but with -k all are run.
 *
 * What a job writes is collected and printed in one piece when it has ended, so outputs do not mix;
 * beyond 16 MiB it is dropped, and that is said. What becomes of the jobs goes to standard error:
 * on a terminal a line that counts them, and the failures; elsewhere a line each. SIGINT and
 * SIGTERM end the jobs, by SIGTERM and two seconds later by SIGKILL; a second signal ends run at
 * once.
 *
 * Exit codes: 0 when all have succeeded, 2 otherwise, also for bad usage and after a signal.
 */
#include <aio/aio.h>
#include <aio/buffered.h>
#include <aio/pipe.h>
#include <aio/process.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define JOBS_MAX 1000
#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define OUTPUT_MAX_BYTES ((size_t)16 << 20)
#define EXIT_FAILED 2

struct run {
    struct aio_scope scope;
    struct aio_semaphore room; /* for jobs */
    struct aio_stream *output;
    bool keep_going;
    bool live; /* a terminal shows the progress */
    long running;
    long done;
    long failed;
};

struct job {
    struct run *run;
    char *line;
};

static int usage(void)
{
    fprintf(stderr, "usage: run [-j JOBS] [-k] [FILE] (JOBS: 1 to %d)\n", JOBS_MAX);
    return EXIT_FAILED;
}

static void show_progress(const struct run *run)
{
    if (run->live)
        fprintf(stderr, "\r\033[K%ld running, %ld done, %ld failed", run->running, run->done,
                run->failed);
}

static void hide_progress(const struct run *run)
{
    if (run->live)
        fprintf(stderr, "\r\033[K");
}

/* Also for a job that was cancelled; a reader who does not read any more holds nobody up then. */
static bool print_output(const struct run *run, const struct aio_process_text *text)
{
    ssize_t n = 0;
    if (text->size == 0)
        return true;
    AIO_SHIELD
    {
        AIO_TIMEOUT(aio_task_canceled() ? AIO_SEC(1) : AIO_FOREVER)
        {
            n = aio_stream_write_all(run->output, text->bytes, text->size, NULL);
        }
    }
    if (n < 0)
        fprintf(stderr, "run: the output cannot be written: %s\n", aio_error_name((int)n));
    return n >= 0;
}

static void describe(char *text, size_t size, int rc, const struct aio_process_status *status)
{
    if (rc == -ECANCELED)
        snprintf(text, size, "stopped");
    else if (rc < 0)
        snprintf(text, size, "cannot be run: %s", aio_error_name(rc));
    else if (status->signal != 0)
        snprintf(text, size, "failed by signal %d%s", status->signal,
                 status->dumped ? " (core dumped)" : "");
    else if (status->code != 0)
        snprintf(text, size, "failed with exit code %d", status->code);
    else
        snprintf(text, size, "done");
}

static void report(const struct job *job, int rc, const struct aio_process_result *result,
                   int64_t took_ns, bool good)
{
    char text[64];
    describe(text, sizeof text, rc, &result->status);
    if (!good || !job->run->live)
        fprintf(stderr, "run: %s after %.2f s: %s\n", text, (double)took_ns / 1e9, job->line);
    if (result->output.truncated)
        fprintf(stderr, "run: output beyond %zu MiB was dropped: %s\n", OUTPUT_MAX_BYTES >> 20,
                job->line);
}

/* A job leads a process group, so that all of it can be ended. */
static int run_line(struct aio_process_result *result, const char *line)
{
    struct aio_process_options process = AIO_PROCESS_OPTIONS;
    struct aio_run_options options = AIO_RUN_OPTIONS;
    process.error = AIO_PROCESS_JOIN;
    process.group = 0;
    options.process = &process;
    options.output_limit = OUTPUT_MAX_BYTES;
    return aio_process_run(result, AIO_ARGV("sh", "-c", line), &options);
}

static int run_job(void *arg)
{
    struct job *job = arg;
    struct run *run = job->run;
    struct aio_process_result result;
    int64_t begin_ns = aio_time_now();
    int rc = run_line(&result, job->line);
    int64_t took_ns = aio_time_now() - begin_ns;
    hide_progress(run);
    bool good = print_output(run, &result.output) && rc == 0 && result.status.code == 0;
    report(job, rc, &result, took_ns, good);
    run->running--;
    run->done += good;
    run->failed += !good;
    show_progress(run);
    aio_result_free(&result);
    aio_semaphore_release(&run->room, 1);
    free(job->line);
    free(job);
    return 0;
}

static int start_job(struct run *run, const char *line, size_t length)
{
    struct job *job = calloc(1, sizeof *job);
    char *copy = strndup(line, length);
    int rc = -ENOMEM;
    if (job != NULL && copy != NULL) {
        *job = (struct job){run, copy};
        rc = aio_scope_spawn(&run->scope, run_job, job);
    }
    if (rc < 0) {
        free(copy);
        free(job);
        return rc;
    }
    run->running++;
    show_progress(run);
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
    if (rc == 0 && run->failed > 0 && !run->keep_going)
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

/* Returns 0, also when it was stopped by a failure, or what went wrong. */
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

static int run_input(struct run *run, const char *path)
{
    struct aio_stream *input;
    int rc = open_input(&input, path);
    if (rc < 0)
        return rc;
    rc = aio_stream_stdout(&run->output);
    if (rc == 0)
        rc = run_all(run, input);
    aio_stream_close(run->output);
    aio_stream_close(input);
    hide_progress(run);
    return rc;
}

/* Returns false for bad usage. */
static bool read_options(struct run *run, long *jobs, int argc, char **argv)
{
    int option;
    char *end = NULL;
    while ((option = getopt(argc, argv, "j:k")) != -1) {
        if (option == 'j')
            *jobs = strtol(optarg, &end, 10);
        if (option == '?' || (option == 'j' && (*optarg == '\0' || *end != '\0')))
            return false;
        run->keep_going = run->keep_going || option == 'k';
    }
    return *jobs >= 1 && *jobs <= JOBS_MAX && argc - optind <= 1;
}

AIO_MAIN(argc, argv)
{
    const struct sigaction ordinary = {.sa_handler = SIG_DFL};
    struct run run = {.live = isatty(STDERR_FILENO)};
    long jobs = sysconf(_SC_NPROCESSORS_ONLN);
    if (!read_options(&run, &jobs, argc, argv))
        return usage();
    run.room = (struct aio_semaphore)AIO_SEMAPHORE_INIT((uint32_t)jobs);
    (void)sigaction(SIGCHLD, &ordinary, NULL); /* whoever started us may ignore it */
    int rc = aio_signal_shutdown();
    if (rc == 0)
        rc = run_input(&run, argv[optind]);
    if (rc == -ECANCELED)
        fprintf(stderr, "run: stopped by a signal\n");
    else if (rc == -EMSGSIZE)
        fprintf(stderr, "run: a line is too long (%zu KiB at most)\n", LINE_MAX_BYTES >> 10);
    else if (rc == -EILSEQ)
        fprintf(stderr, "run: a line has a NUL byte in it\n");
    else if (rc < 0)
        fprintf(stderr, "run: the command lines cannot be read: %s\n", aio_error_name(rc));
    if (run.live || run.failed > 0)
        fprintf(stderr, "run: %ld done, %ld failed\n", run.done, run.failed);
    return rc == 0 && run.failed == 0 ? 0 : EXIT_FAILED;
}
