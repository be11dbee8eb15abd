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

void aio__quiet_forked(void)
{
    pthread_mutex_init(&quiet_lock, NULL);
    quiet_runtimes = NULL; /* the parent's */
    atomic_store(&quiet_outside, 0);
}

static void quiet_rouse(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++)
        aio__mailbox_rouse(runtime->seats[i].core.mailbox);
}

/*
 * A deadlock counts once, whoever else finds it in the same moment (a signal may have woken a core
 * for a moment). Until all cores have been told the runtime counts as active, lest the first ones
 * told go back to sleep and take that for the next deadlock; then it is looked at again.
 */
void aio__quiet_check(struct aio_runtime *runtime)
{
    int found;
    do {
        found = atomic_load(&runtime->deadlocks);
        if (!quiet_is(runtime))
            return;
        atomic_fetch_add(&runtime->active, 1);
        if (atomic_compare_exchange_strong(&runtime->deadlocks, &found, found + 1))
            quiet_rouse(runtime);
    } while (atomic_fetch_sub(&runtime->active, 1) == 1);
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
        core->ending = true;
        aio__task_cancel(core->root);
        aio__core_cancel(core);
        return;
    }
    if (!quiet_core(core))
        return; /* another core, which is over, had waited in vain for this one */
    quiet_report(core, "these tasks wait inside shields and are abandoned");
    atomic_store(&core->refusing, true);
    core->finished = true;
}
