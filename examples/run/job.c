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

/* From now on it may hold what others are short of. */
static void hold(struct run *run)
{
    run->holders++;
}

static void leave(struct run *run)
{
    run->holders--;
    run->lefts++;
    aio_notify_one(&run->left);
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

static int spawn(struct job *job)
{
    const struct aio_process_limit files = {RLIMIT_NOFILE, job->run->files};
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.input = AIO_PROCESS_NULL;
    options.output = AIO_PROCESS_PIPE;
    options.error = AIO_PROCESS_JOIN;
    options.group = 0;
    options.limits = &files;
    options.limit_count = 1;
    job->begin_ns = aio_time_now();
    return aio_process_spawn(&job->process, AIO_ARGV("sh", "-c", job->line), &options);
}

/* Of descriptors, processes or threads: there are more when another job has ended. */
static bool is_shortage(int rc)
{
    return rc == -EMFILE || rc == -ENFILE || rc == -EAGAIN;
}

/* As one of many. Returns 0; an error: it holds nothing. */
static int start_at_once(struct job *job)
{
    hold(job->run);
    int rc = spawn(job);
    if (rc < 0)
        leave(job->run);
    return rc;
}

/* With the shortage held: as soon as it is possible. Somebody may have left during the attempt. */
static int start_in_turn(struct job *job)
{
    struct run *run = job->run;
    for (;;) {
        unsigned long lefts = run->lefts;
        job->dropped = run->failing && !run->keep_going;
        int rc = job->dropped ? -ECANCELED : spawn(job);
        if (rc == 0)
            hold(run);
        if (!is_shortage(rc) || (run->lefts == lefts && run->holders == 0))
            return rc;
        rc = run->lefts == lefts ? aio_notify_wait(&run->left) : 0;
        if (rc < 0)
            return rc;
    }
}

/* Once there is a shortage jobs start one by one: of two that tried at the same time each could
 * hold what the other lacks, and both would fail. */
static int start(struct job *job)
{
    struct run *run = job->run;
    int rc = aio_mutex_try(&run->shortage);
    if (rc == 0) {
        aio_mutex_unlock(&run->shortage);
        rc = start_at_once(job);
    }
    if (!is_shortage(rc)) /* -EAGAIN: of the mutex, too */
        return rc;
    rc = aio_mutex_lock(&run->shortage);
    if (rc < 0)
        return rc;
    rc = start_in_turn(job);
    aio_mutex_unlock(&run->shortage);
    return rc;
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

static void end(struct job *job)
{
    struct run *run = job->run;
    struct aio_process *process = job->process;
    job->process = NULL;
    aio_process_close(process);
    list_remove(job);
    leave(run);
}

static int run_line(struct job *job)
{
    int rc = start(job);
    if (rc < 0)
        return rc;
    list_add(job);
    rc = await(job);
    end(job);
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
    job->begin_ns = aio_time_now();
    job->rc = run_line(job);
    job->took_ns = aio_time_now() - job->begin_ns;
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
