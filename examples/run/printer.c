/*
 * The printer: a task that takes the jobs as they end, and prints what each has written and what
 * has become of it. A job's room is free when it is printed, so that no more outputs than jobs are
 * kept when nobody reads them.
 */
#include "examples/run/run.h"

#include <errno.h>
#include <stdio.h>

static void describe(char *text, size_t size, const struct job *job)
{
    const struct aio_process_status *status = &job->status;
    if (job->rc == -ECANCELED)
        snprintf(text, size, "stopped");
    else if (job->rc == -EPERM)
        snprintf(text, size, "could not be stopped"); /* it has changed its user */
    else if (job->rc < 0)
        snprintf(text, size, "cannot be run: %s", aio_error_name(job->rc));
    else if (status->signal != 0)
        snprintf(text, size, "failed by signal %d%s", status->signal,
                 status->dumped ? " (core dumped)" : "");
    else if (status->code != 0)
        snprintf(text, size, "failed with exit code %d", status->code);
    else
        snprintf(text, size, "done");
}

/* lost: why not all of its output could be read or printed; 0. */
static void report(struct output *output, const struct job *job, int lost)
{
    char text[64], loss[64] = "";
    bool good = job_good(job);
    describe(text, sizeof text, job);
    if (lost < 0)
        snprintf(loss, sizeof loss, "%soutput lost (%s)", good ? "" : ", ", aio_error_name(lost));
    if (!good || lost < 0 || !output->live)
        output_say(output, "run: %s%s after %.2f s: %s\n", good && lost < 0 ? "" : text, loss,
                   (double)job->took_ns / 1e9, job->line);
    if (job->collector.truncated)
        output_say(output, "run: output beyond %zu MiB was dropped: %s\n", OUTPUT_MAX_BYTES >> 20,
                   job->line);
}

static void print(struct job *job)
{
    struct run *run = job->run;
    const struct collector *text = &job->collector;
    if (job->dropped) {
        run->running--;
        aio_semaphore_release(&run->room, 1);
        job_free(job);
        return;
    }
    int printed = output_write(&run->output, text->bytes, text->size);
    int lost = text->lost < 0 ? text->lost : printed;
    bool good = job_good(job) && lost == 0;
    report(&run->output, job, lost);
    run->running--;
    run->done += good;
    run->failed += !good;
    run->failing |= !good;
    aio_semaphore_release(&run->room, 1);
    job_free(job);
}

static struct job *take(struct printer *printer)
{
    struct job *job = printer->first;
    if (job == NULL)
        return NULL;
    printer->first = job->next;
    if (printer->first == NULL)
        printer->last = &printer->first;
    return job;
}

/* It is not cancelled before it has been closed. */
static int printer_run(void *arg)
{
    struct run *run = arg;
    struct printer *printer = &run->printer;
    struct job *job;
    int rc = 0;
    for (;;) {
        while ((job = take(printer)) != NULL)
            print(job);
        if (printer->closed || rc < 0)
            return rc;
        output_show(&run->output, run); /* meanwhile jobs may come, and the close */
        rc = aio_notify_wait(&printer->wake);
    }
}

int printer_open(struct run *run)
{
    const struct aio_task_options options = {.size = sizeof options, .name = "printer"};
    run->printer.last = &run->printer.first;
    return aio_task_spawn(&run->printer.task, printer_run, run, &options);
}

void printer_add(struct printer *printer, struct job *job)
{
    job->next = NULL;
    *printer->last = job;
    printer->last = &job->next;
    aio_notify_one(&printer->wake);
}

int printer_close(struct printer *printer)
{
    if (printer->task == NULL)
        return 0;
    printer->closed = true;
    aio_notify_one(&printer->wake);
    int rc = aio_task_join(printer->task, NULL);
    if (rc == 0)
        return 0;
    aio_task_cancel(printer->task);
    AIO_SHIELD
    {
        if (aio_task_join(printer->task, NULL) == 0)
            printer->task = NULL;
    }
    return rc;
}
