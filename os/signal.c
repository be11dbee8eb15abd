/*
 * Stopping by signal: the handler posts a message to the core, which cancels the task that asked
 * for it.
 */
#include "core/runtime.h"
#include "core/task.h"

#include <aio/signal.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

static const int shutdown_signals[] = {SIGINT, SIGTERM};

#define SHUTDOWN_SIGNAL_COUNT (sizeof shutdown_signals / sizeof shutdown_signals[0])

/* One for the process, as signal dispositions are: it belongs to one runtime, whose cores join. */
static struct {
    pthread_mutex_t lock; /* protects runtime and cores; handlers only read */
    _Atomic(struct aio_runtime *) runtime;
    uint32_t cores; /* that have asked */
    atomic_bool fired;
    atomic_int inside; /* handlers at work, on whichever threads */
    struct sigaction before[SHUTDOWN_SIGNAL_COUNT];
} shutdown_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

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
    struct aio_runtime *runtime = shutdown_state.runtime;
    if (runtime != NULL && !atomic_exchange(&shutdown_state.fired, true)) {
        atomic_store(&runtime->signaled, true);
        for (uint32_t i = 0; i < runtime->count; i++) {
            struct aio__core *core = &runtime->seats[i].core;
            if (atomic_load(&core->shutdown_asked))
                (void)aio__mailbox_post(core->mailbox, &core->shutdown_mail);
        }
    } else {
        shutdown_restore();
        (void)raise(number);
    }
    atomic_fetch_sub(&shutdown_state.inside, 1);
    errno = saved;
}

/* When a core ends. The last takes the handlers away; one at work on another thread still uses the
 * runtime. */
static void shutdown_release(struct aio__core *core)
{
    (void)core;
    pthread_mutex_lock(&shutdown_state.lock);
    if (--shutdown_state.cores == 0) {
        shutdown_restore();
        shutdown_state.runtime = NULL;
        while (atomic_load(&shutdown_state.inside) > 0)
            (void)sched_yield();
    }
    pthread_mutex_unlock(&shutdown_state.lock);
}

/* A child of fork(2) has no core to tell: signals take their former way there. */
static void shutdown_forked(void)
{
    pthread_mutex_init(&shutdown_state.lock, NULL);
    if (shutdown_state.runtime != NULL)
        shutdown_restore();
    atomic_store(&shutdown_state.inside, 0);
    shutdown_state.runtime = NULL;
    shutdown_state.cores = 0;
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

/* With the lock held. */
static int shutdown_join(struct aio__core *core)
{
    if (shutdown_state.runtime != NULL && shutdown_state.runtime != core->runtime)
        return -EBUSY;
    if (shutdown_state.runtime == NULL) {
        atomic_store(&shutdown_state.fired, core->runtime->signaled);
        shutdown_state.runtime = core->runtime;
        int rc = shutdown_install();
        if (rc < 0) {
            shutdown_state.runtime = NULL;
            return rc;
        }
    }
    shutdown_state.cores++;
    core->shutdown_task = core->current;
    core->cleanup = shutdown_release;
    atomic_store(&core->shutdown_asked, true);
    if (core->runtime->signaled)
        aio__task_cancel(core->current); /* the signal was for the whole runtime */
    return 0;
}

int aio_signal_shutdown(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (core->shutdown_task == core->current)
        return 0;
    if (core->shutdown_task != NULL)
        return -EBUSY;
    if (core->cleanup != NULL) {
        core->shutdown_task = core->current; /* the task that had asked is over */
        return 0;
    }
    (void)pthread_once(&once, shutdown_watch_forks);
    core->shutdown_mail = (struct aio__mail){.deliver = shutdown_deliver};
    pthread_mutex_lock(&shutdown_state.lock);
    int rc = shutdown_join(core);
    pthread_mutex_unlock(&shutdown_state.lock);
    return rc;
}
