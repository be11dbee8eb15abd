/*
 * A job: a command line that is run by a shell. It leads a process group, so that all of it can be
 * ended. (aio_process_run would do, but for the second signal: nobody else could kill the process
 * then that it is ending.)
 */
#include "examples/run/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#define GRACE_NS AIO_SEC(2)

static int start(struct job *job)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.input = AIO_PROCESS_NULL;
    options.output = AIO_PROCESS_PIPE;
    options.error = AIO_PROCESS_JOIN;
    options.group = 0;
    return aio_process_spawn(&job->process, AIO_ARGV("sh", "-c", job->line), &options);
}

static void list_add(struct job *job)
{
    job->next = job->run->jobs;
    job->run->jobs = job;
}

static void list_remove(struct job *job)
{
    struct job **link = &job->run->jobs;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
}

static int stop(struct job *job, int why)
{
    int rc = aio_process_stop(job->process, job->run->hurried ? 0 : GRACE_NS, &job->status);
    return rc == -EPERM ? rc : why;
}

/* Returns 0 when it has ended by itself. What it has left behind lives on, unless the run is being
 * stopped. */
static int await(struct job *job)
{
    int rc = collector_open(&job->collector, aio_process_take(job->process, 1));
    if (rc == 0)
        rc = aio_process_wait(job->process, &job->status);
    if (rc < 0)
        rc = stop(job, rc);
    collector_close(&job->collector);
    if (rc < 0 || aio_task_canceled())
        job_kill(job);
    return rc;
}

static int run_line(struct job *job)
{
    int rc = start(job);
    if (rc < 0)
        return rc;
    list_add(job);
    rc = await(job);
    struct aio_process *process = job->process;
    job->process = NULL;
    aio_process_close(process);
    list_remove(job);
    return rc;
}

void job_kill(const struct job *job)
{
    if (job->process == NULL)
        return;
    (void)aio_process_kill(job->process, SIGKILL); /* it may have left its group */
    (void)aio_process_killpg(job->process, SIGKILL);
}

bool job_good(const struct job *job)
{
    return job->rc == 0 && job->status.code == 0;
}

int job_run(void *arg)
{
    struct job *job = arg;
    int64_t begin_ns = aio_time_now();
    job->rc = run_line(job);
    job->took_ns = aio_time_now() - begin_ns;
    job->run->failing |= !job_good(job);
    printer_add(&job->run->printer, job);
    return 0;
}

void job_free(struct job *job)
{
    free(job->collector.bytes);
    free(job->line);
    free(job);
}
