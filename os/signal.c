/*
 * Stopping by signal: the handler posts a message to the core, which cancels the task that asked
 * for it.
 */
#include "core/task.h"

#include <aio/signal.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

static const int shutdown_signals[] = {SIGINT, SIGTERM};

#define SHUTDOWN_SIGNAL_COUNT (sizeof shutdown_signals / sizeof shutdown_signals[0])

/* One for the process, as signal dispositions are. */
static struct {
    atomic_bool taken;
    atomic_bool fired;
    atomic_int inside; /* handlers at work, on whichever threads */
    struct aio__core *core;
    struct sigaction before[SHUTDOWN_SIGNAL_COUNT];
    struct aio__mail mail;
} shutdown_state;

static void shutdown_restore(void)
{
    for (size_t i = 0; i < SHUTDOWN_SIGNAL_COUNT; i++)
        (void)sigaction(shutdown_signals[i], &shutdown_state.before[i], NULL);
}

static void shutdown_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)mail;
    if (core->shutdown_task != NULL)
        aio__task_cancel(core->shutdown_task);
}

/* The first signal asks; a second one takes its former way. */
static void shutdown_handler(int number)
{
    int saved = errno;
    atomic_fetch_add(&shutdown_state.inside, 1);
    if (!atomic_exchange(&shutdown_state.fired, true)) {
        aio__mailbox_post(&shutdown_state.core->mailbox, &shutdown_state.mail);
    } else {
        shutdown_restore();
        (void)raise(number);
    }
    atomic_fetch_sub(&shutdown_state.inside, 1);
    errno = saved;
}

/* When the runtime ends. A handler that runs on another thread still uses the core. */
static void shutdown_release(struct aio__core *core)
{
    (void)core;
    shutdown_restore();
    while (atomic_load(&shutdown_state.inside) > 0)
        (void)sched_yield();
    atomic_store(&shutdown_state.taken, false);
}

/* A child of fork(2) has no core to tell: signals take their former way there. */
static void shutdown_forked(void)
{
    if (atomic_load(&shutdown_state.taken))
        shutdown_restore();
    atomic_store(&shutdown_state.inside, 0);
    atomic_store(&shutdown_state.taken, false);
}

static void shutdown_watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, shutdown_forked);
}

static int shutdown_install(void)
{
    struct sigaction action = {.sa_handler = shutdown_handler, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SHUTDOWN_SIGNAL_COUNT; i++) {
        if (sigaction(shutdown_signals[i], &action, &shutdown_state.before[i]) == 0)
            continue;
        int rc = -errno;
        while (i-- > 0)
            (void)sigaction(shutdown_signals[i], &shutdown_state.before[i], NULL);
        return rc;
    }
    return 0;
}

int aio_signal_shutdown(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (core->cleanup != NULL && core->shutdown_task == NULL)
        core->shutdown_task = core->current; /* the task that had asked is over */
    if (core->shutdown_task == core->current)
        return 0;
    if (atomic_exchange(&shutdown_state.taken, true))
        return -EBUSY;
    (void)pthread_once(&once, shutdown_watch_forks);
    atomic_store(&shutdown_state.fired, false);
    shutdown_state.core = core;
    shutdown_state.mail = (struct aio__mail){.deliver = shutdown_deliver};
    core->shutdown_task = core->current;
    core->cleanup = shutdown_release;
    int rc = shutdown_install();
    if (rc == 0)
        return 0;
    core->shutdown_task = NULL;
    core->cleanup = NULL;
    atomic_store(&shutdown_state.taken, false);
    return rc;
}
