/*
 * Finding and breaking deadlocks, see quiet.h.
 */
#include "core/quiet.h"

#include "core/runtime.h"
#include "core/task.h"

#include <unistd.h>

static pthread_mutex_t quiet_lock = PTHREAD_MUTEX_INITIALIZER;
static struct aio_runtime *quiet_runtimes;
static atomic_int quiet_outside;

void aio__quiet_enter(struct aio_runtime *runtime)
{
    pthread_mutex_lock(&quiet_lock);
    runtime->prev = NULL;
    runtime->next = quiet_runtimes;
    if (quiet_runtimes != NULL)
        quiet_runtimes->prev = runtime;
    quiet_runtimes = runtime;
    pthread_mutex_unlock(&quiet_lock);
}

void aio__quiet_leave(struct aio_runtime *runtime)
{
    pthread_mutex_lock(&quiet_lock);
    if (runtime->prev != NULL)
        runtime->prev->next = runtime->next;
    else
        quiet_runtimes = runtime->next;
    if (runtime->next != NULL)
        runtime->next->prev = runtime->prev;
    pthread_mutex_unlock(&quiet_lock);
}

/* The order matters: whoever is outside posts first, and then lets go. */
static bool quiet_is(struct aio_runtime *runtime)
{
    if (atomic_load(&quiet_outside) > 0 || atomic_load(&runtime->holders) > 0)
        return false;
    return atomic_load(&runtime->active) == 0;
}

static void quiet_rouse(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++)
        aio__mailbox_rouse(runtime->seats[i].core.mailbox);
}

void aio__quiet_check(struct aio_runtime *runtime)
{
    if (!quiet_is(runtime))
        return;
    atomic_fetch_add(&runtime->deadlocks, 1);
    quiet_rouse(runtime);
}

/* Sleeping cores look again before they go back to sleep. */
void aio__quiet_again(struct aio_runtime *runtime)
{
    if (atomic_load(&runtime->active) == 0)
        quiet_rouse(runtime);
}

void aio__outside_enter(void)
{
    atomic_fetch_add(&quiet_outside, 1);
}

void aio__outside_leave(void)
{
    if (atomic_fetch_sub(&quiet_outside, 1) > 1)
        return;
    pthread_mutex_lock(&quiet_lock);
    for (struct aio_runtime *runtime = quiet_runtimes; runtime != NULL; runtime = runtime->next)
        aio__quiet_again(runtime);
    pthread_mutex_unlock(&quiet_lock);
}

static void quiet_report(struct aio__core *core, const char *what)
{
    aio__log_error("deadlock on core %u: %s", core->index, what);
    if (aio__log_shows(AIO__LOG_ERROR))
        aio_runtime_dump(STDERR_FILENO);
}

void aio__quiet_break(struct aio__core *core)
{
    aio__runtime_note(core->runtime, -EDEADLK);
    if (core->deadlocks++ == 0) {
        quiet_report(core, "every task waits for another; all are cancelled");
        core->ending = true;
        aio__task_cancel(core->root);
        aio__core_cancel(core);
        return;
    }
    quiet_report(core, "these tasks wait inside shields and are abandoned");
    core->finished = true;
}
