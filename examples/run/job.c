/*
 * A job: a command line that is run by a shell.
 */
#include "examples/run/run.h"

#include <stdlib.h>

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

bool job_good(const struct job *job)
{
    return job->rc == 0 && job->result.status.code == 0;
}

int job_run(void *arg)
{
    struct job *job = arg;
    int64_t begin_ns = aio_time_now();
    job->rc = run_line(&job->result, job->line);
    job->took_ns = aio_time_now() - begin_ns;
    job->run->failing |= !job_good(job);
    printer_add(&job->run->printer, job);
    return 0;
}

void job_free(struct job *job)
{
    aio_result_free(&job->result);
    free(job->line);
    free(job);
}
