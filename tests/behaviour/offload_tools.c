/*
 * Blocking work, see offload_tools.h.
 */
#define SUITE "offload"
#include "tests/behaviour/offload_tools.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static atomic_int works_begun;

int work_run(void *arg)
{
    struct work *work = arg;
    work->place = atomic_fetch_add(&works_begun, 1) + 1;
    work->begun = true;
    while (sem_wait(&work->gate) < 0)
        continue;
    work->ended = true;
    return work->number;
}

static int work_call(void *arg)
{
    struct work *work = arg;
    AIO_TIMEOUT(work->timeout_ns > 0 ? work->timeout_ns : AIO_FOREVER)
    {
        work->rc = aio_offload_call(work_run, work, &work->result);
    }
    work->returned = true;
    return 0;
}

bool work_start(struct work *work, int number)
{
    work->number = number;
    work->result = -1;
    work->begun = work->ended = work->returned = false;
    sem_init(&work->gate, 0, 0);
    return AIO_CHECK_OK(aio_task_spawn(&work->task, work_call, work, NULL));
}

void work_open(struct work *work)
{
    sem_post(&work->gate);
}

int work_join(struct work *work)
{
    AIO_CHECK_OK(aio_task_join(work->task, NULL));
    sem_destroy(&work->gate);
    return work->rc;
}

void work_cancel(struct work *work)
{
    aio_task_cancel(work->task);
}

static bool work_has_begun(void *work)
{
    return ((struct work *)work)->begun;
}

bool work_wait_begun(struct work *work)
{
    return test_wait(work_has_begun, work);
}

static bool queued_are(void *count)
{
    return task_stats().offload_queued == *(unsigned *)count;
}

bool pool_wait_queued(unsigned count)
{
    return test_wait(queued_are, &count);
}

static bool threads_are(void *count)
{
    return task_stats().offload_threads == *(unsigned *)count;
}

bool pool_wait_threads(unsigned count)
{
    return test_wait(threads_are, &count);
}

unsigned pool_threads_of_process(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    unsigned count = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[300], name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL && strcmp(name, "aio-offload\n") == 0)
            count++;
        fclose(file);
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}
