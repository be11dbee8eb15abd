/*
 * aio_process_run: a task feeds the input, one each collects the output and the error, and the
 * caller waits for the process. They are plain tasks, not children of a scope, for they have to go
 * on when the caller has been cancelled and the process is being ended.
 */
#include "os/process.h"

#include <aio/select.h>
#include <aio/task.h>
#include <signal.h>
#include <string.h>

#define RUN_BLOCK 4096         /* the first allocation, and what is dropped at a time */
#define RUN_PIPE_MAX (1 << 20) /* more than a pipe holds */

struct collector {
    struct run *run;
    struct aio_task *task;
    struct aio_stream *stream;
    struct aio_process_text *text;
    size_t limit;
    size_t capacity;
    bool cut; /* before the end of the stream */
};

struct run {
    struct aio_process *process;
    const struct aio_run_options *options;
    struct aio_stream *input;
    struct aio_task *feeder;
    struct collector output;
    struct collector error;
    int failure; /* of a stream: the process was ended for it */
};

/* failure 0: the process is ended, and that is no error. */
static void run_fail(struct run *run, int failure)
{
    if (run->failure == 0)
        run->failure = failure;
    (void)aio__process_signal_all(run->process, SIGKILL);
}

/* That nobody reads it, and a cancellation, are fine. What is cut short otherwise must not look to
 * the process like all of it: that one is ended before its input is. */
static int run_feed(void *arg)
{
    struct run *run = arg;
    const struct aio_run_options *options = run->options;
    ssize_t n = aio_stream_write_all(run->input, options->input, options->input_bytes, NULL);
    if (n < 0 && n != -EPIPE && n != -ECANCELED)
        run_fail(run, (int)n);
    aio_stream_close(run->input);
    return 0;
}

/* Makes room for more bytes and the NUL. Returns false when no more are to be kept. */
static bool collector_grow(struct collector *collector)
{
    struct aio_process_text *text = collector->text;
    if (text->truncated || text->size >= collector->limit)
        return false;
    if (text->size < collector->capacity)
        return true;
    size_t more = collector->capacity > 0 ? collector->capacity : RUN_BLOCK - 1;
    if (more > collector->limit - collector->capacity)
        more = collector->limit - collector->capacity;
    char *bytes = aio__alloc_resize(text->bytes, collector->capacity + more + 1);
    if (bytes == NULL) {
        text->truncated = true;
        run_fail(collector->run, -ENOMEM);
        return false;
    }
    text->bytes = bytes;
    collector->capacity += more;
    return true;
}

static ssize_t collector_drop(struct collector *collector)
{
    char block[RUN_BLOCK];
    ssize_t n = aio_stream_read(collector->stream, block, sizeof block);
    if (n > 0 && !collector->text->truncated) {
        collector->text->truncated = true;
        if (collector->run->options->stop_beyond)
            run_fail(collector->run, 0);
    }
    return n;
}

static ssize_t collector_read(struct collector *collector)
{
    struct aio_process_text *text = collector->text;
    if (!collector_grow(collector))
        return collector_drop(collector);
    ssize_t n = aio_stream_read(collector->stream, text->bytes + text->size,
                                collector->capacity - text->size);
    if (n > 0)
        text->size += (size_t)n;
    text->bytes[text->size] = '\0';
    return n;
}

/* What the process itself has written stands in the pipe when it has ended; those who go on
 * writing into it are not followed. Returns the last read's result; -EAGAIN: the pipe is empty. */
static ssize_t collector_drain(struct collector *collector)
{
    struct aio_select_case readable = aio_select_readable(collector->stream);
    ssize_t n = 1;
    for (ssize_t sum = 0; n > 0 && sum < RUN_PIPE_MAX; sum += n)
        n = aio_select_try(&readable, 1) == 0 ? collector_read(collector) : -EAGAIN;
    return n;
}

static int run_collect(void *arg)
{
    struct collector *collector = arg;
    ssize_t n;
    do {
        n = collector_read(collector);
    } while (n > 0);
    if (n == -ECANCELED)
        AIO_SHIELD
        {
            n = collector_drain(collector);
        }
    collector->cut = n > 0 || n == -EAGAIN;
    if (n < 0 && !collector->cut)
        run_fail(collector->run, (int)n);
    aio_stream_close(collector->stream);
    return 0;
}

/* Starts the task that is to use and close *stream; nothing without a stream. */
static int run_start(struct aio_task **task, int (*fn)(void *arg), void *arg,
                     struct aio_stream **stream)
{
    const struct aio_task_options options = {.size = sizeof options, .name = "process-pipe"};
    if (*stream == NULL)
        return 0;
    int rc = aio_task_spawn(task, fn, arg, &options);
    if (rc < 0) {
        aio_stream_close(*stream);
        *stream = NULL;
    }
    return rc;
}

static int run_start_all(struct run *run)
{
    run->input = aio_process_take(run->process, 0);
    run->output.stream = aio_process_take(run->process, 1);
    run->error.stream = aio_process_take(run->process, 2);
    int fed = run_start(&run->feeder, run_feed, run, &run->input);
    int out = run_start(&run->output.task, run_collect, &run->output, &run->output.stream);
    int err = run_start(&run->error.task, run_collect, &run->error, &run->error.stream);
    return fed < 0 ? fed : out < 0 ? out : err;
}

/* Waits for a task of ours in what is left of the time, then cancels it. */
static void run_join(struct aio_task *task, int64_t until_ns)
{
    int rc = 0;
    if (task == NULL)
        return;
    AIO_TIMEOUT(until_ns == AIO_FOREVER ? AIO_FOREVER : until_ns - aio_time_now())
    {
        rc = aio_task_join(task, NULL);
    }
    if (rc == 0)
        return;
    aio_task_cancel(task);
    rc = aio_task_join(task, NULL);
    AIO__REQUIRE(rc == 0, "process: a task that was cancelled could not be joined");
}

/* After the process's end: nobody reads what is fed any more, and others may hold the pipes. */
static void run_join_all(struct run *run, struct aio_process_result *result)
{
    int64_t until_ns = aio__time_after(run->options->linger_ns);
    run_join(run->output.task, until_ns);
    run_join(run->error.task, until_ns);
    result->lingered = run->output.cut || run->error.cut;
    run_join(run->feeder, 0);
}

static int run_to_the_end(struct run *run, struct aio_process_result *result)
{
    int rc = run_start_all(run);
    if (rc == 0)
        rc = aio_process_wait(run->process, &result->status);
    AIO_SHIELD
    {
        if (rc < 0) {
            int stopped = aio_process_stop(run->process, run->options->grace_ns, &result->status);
            rc = stopped == -EPERM ? stopped : rc;
        }
        run_join_all(run, result);
        if (rc < 0)
            (void)aio_process_killpg(run->process, SIGKILL); /* what is left of it, if it leads */
        aio_process_close(run->process);
    }
    return rc == 0 ? run->failure : rc;
}

/* See struct aio_run_options. */
static struct aio_process_options run_process_options(const struct aio_run_options *options)
{
    struct aio_process_options process = AIO_PROCESS_OPTIONS;
    if (options->process != NULL)
        process = *options->process;
    if (process.input == AIO_PROCESS_INHERIT)
        process.input = options->input != NULL ? AIO_PROCESS_PIPE : AIO_PROCESS_NULL;
    if (process.output == AIO_PROCESS_INHERIT)
        process.output = AIO_PROCESS_PIPE;
    if (process.error == AIO_PROCESS_INHERIT)
        process.error = AIO_PROCESS_PIPE;
    process.detached = false;
    return process;
}

int aio_process_run(struct aio_process_result *result, const char *const *argv,
                    const struct aio_run_options *options)
{
    const struct aio_run_options defaults = AIO_RUN_OPTIONS;
    *result = (struct aio_process_result){.status = {.code = -1}};
    if (options == NULL)
        options = &defaults;
    if (options->size != sizeof *options)
        return -EINVAL;
    struct aio_process_options process = run_process_options(options);
    struct run run = {
        .options = options,
        .output = {.run = &run, .text = &result->output, .limit = options->output_limit},
        .error = {.run = &run, .text = &result->error, .limit = options->error_limit},
    };
    int rc = aio_process_spawn(&run.process, argv, &process);
    return rc < 0 ? rc : run_to_the_end(&run, result);
}

void aio_result_free(struct aio_process_result *result)
{
    aio__free(result->output.bytes);
    aio__free(result->error.bytes);
    *result = (struct aio_process_result){.status = {.code = -1}};
}
