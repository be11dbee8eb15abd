/*
 * Signals that stop the run. They are subscribed to up to its end, so that no signal ends run
 * before its jobs: aio_signal_shutdown would let a second one do that.
 */
#include "examples/run/run.h"

#include <errno.h>
#include <signal.h>

/* Signals nearer to the first one count as the same: timeout(1) sends one to its child and another
 * to the child's group. */
#define SECOND_NS AIO_MS(500)

static void hurry(struct run *run)
{
    run->hurried = true;
    for (const struct job *job = run->jobs; job != NULL; job = job->next)
        job_kill(job);
}

static int watch(void *arg)
{
    struct run *run = arg;
    struct aio_signal_info info;
    int rc;
    while ((rc = aio_signal_wait(run->signals, &info)) == 0) {
        int64_t now_ns = aio_time_now();
        if (run->stopped_ns == 0) {
            run->stopped_ns = now_ns;
            aio_task_cancel(run->task);
        } else if (now_ns - run->stopped_ns >= SECOND_NS) {
            hurry(run);
        }
    }
    return rc;
}

/* Those that nohup(1), or a shell for what it runs in the background, has ignored stay so. */
static size_t list_signals(int *numbers)
{
    static const int all[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct sigaction action;
        if (sigaction(all[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            numbers[count++] = all[i];
    }
    return count;
}

int signals_open(struct run *run)
{
    const struct aio_task_options options = {.size = sizeof options, .name = "signals"};
    int numbers[4];
    size_t count = list_signals(numbers);
    if (count == 0)
        return 0;
    int rc = aio_signal_open(&run->signals, numbers, count);
    return rc < 0 ? rc : aio_task_spawn(&run->watcher, watch, run, &options);
}

void signals_close(struct run *run)
{
    (void)aio_signal_close(run->signals);
    if (run->watcher == NULL)
        return;
    AIO_SHIELD
    {
        if (aio_task_join(run->watcher, NULL) == 0)
            run->watcher = NULL;
    }
}
