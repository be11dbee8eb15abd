/*
 * Finding and breaking deadlocks, see quiet.h.
 */
#include "core/quiet.h"

#include "core/runtime.h"
#include "core/sched.h"
#include "core/task.h"

#include <unistd.h>

static pthread_mutex_t quiet_lock = PTHREAD_MUTEX_INITIALIZER;
static struct aio_runtime *quiet_runtimes;
static unsigned quiet_outside; /* of the whole process: counted once in each runtime */

void aio__quiet_enter(struct aio_runtime *runtime)
{
    pthread_mutex_lock(&quiet_lock);
    runtime->prev = NULL;
    runtime->next = quiet_runtimes;
    if (quiet_runtimes != NULL)
        quiet_runtimes->prev = runtime;
    quiet_runtimes = runtime;
    if (quiet_outside > 0)
        atomic_fetch_add(&runtime->busy, 1);
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

void aio__quiet_forked(void)
{
    pthread_mutex_init(&quiet_lock, NULL);
    quiet_runtimes = NULL; /* the parent's */
    quiet_outside = 0;
}

/* Sleeping cores look again before they go back to sleep. */
void aio__quiet_again(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++)
        aio__mailbox_rouse(runtime->seats[i].core.mailbox);
}

/*
 * A deadlock counts once, whoever else finds it in the same moment (a signal may have woken a core
 * for a moment). Until all cores have been told the runtime counts as busy, lest the first ones
 * told go back to sleep and take that for the next deadlock; then it is looked at again.
 */
void aio__quiet_check(struct aio_runtime *runtime)
{
    int found;
    do {
        found = atomic_load(&runtime->deadlocks);
        if (atomic_load(&runtime->busy) > 0)
            return;
        atomic_fetch_add(&runtime->busy, 1);
        if (atomic_compare_exchange_strong(&runtime->deadlocks, &found, found + 1))
            aio__quiet_again(runtime);
    } while (atomic_fetch_sub(&runtime->busy, 1) == 1);
}

void aio__outside_enter(void)
{
    pthread_mutex_lock(&quiet_lock);
    if (quiet_outside++ == 0)
        for (struct aio_runtime *runtime = quiet_runtimes; runtime != NULL; runtime = runtime->next)
            atomic_fetch_add(&runtime->busy, 1);
    pthread_mutex_unlock(&quiet_lock);
}

void aio__outside_leave(void)
{
    pthread_mutex_lock(&quiet_lock);
    bool ours = quiet_outside > 0; /* else it was a parent's, before fork(2) */
    bool last = ours && --quiet_outside == 0;
    struct aio_runtime *runtime = last ? quiet_runtimes : NULL;
    for (; runtime != NULL; runtime = runtime->next)
        if (atomic_fetch_sub(&runtime->busy, 1) == 1)
            aio__quiet_again(runtime);
    pthread_mutex_unlock(&quiet_lock);
}

static void quiet_report(struct aio__core *core, const char *what)
{
    aio__log_error("deadlock on core %u: %s", core->index, what);
    if (aio__log_shows(AIO__LOG_ERROR))
        aio_runtime_dump(STDERR_FILENO);
}

/* Whether the core still has nothing but mail to wait for. */
static bool quiet_core(const struct aio__core *core)
{
    return aio__loop_quiet(core) && core->ops_pending == 0 && core->timers.count == 0 &&
           !aio__mailbox_full(core->mailbox);
}

void aio__quiet_break(struct aio__core *core)
{
    bool first = core->deadlocks == 0;
    core->deadlocks = atomic_load(&core->runtime->deadlocks);
    aio__runtime_note(core->runtime, -EDEADLK);
    if (first) {
        quiet_report(core, "every task waits for another; all are cancelled");
        aio__task_cancel(core->root);
        aio__core_cancel(core);
        return;
    }
    /* Another core, which is over, may have waited in vain for this one. Whoever else is about to
     * rouse this core still uses its backend: closing the mailbox waits for that. */
    if (!quiet_core(core) || !aio__mailbox_close(core->mailbox))
        return;
    quiet_report(core, "these tasks wait inside shields and are abandoned");
    atomic_store(&core->refusing, true);
    core->finished = true;
}
