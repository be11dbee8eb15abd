/*
 * Stopping by signal: the handler posts a message to the core, which cancels the task that asked
 * for it.
 */
#include "core/runtime.h"
#include "core/task.h"
#include "os/disposition.h"

#include <aio/signal.h>
#include <stdatomic.h>
#include <unistd.h>

/* One for the process, as signal dispositions are: it belongs to one runtime, whose cores join.
 * Under the lock of the dispositions; handlers only read. */
static struct {
    _Atomic(struct aio_runtime *) runtime;
    uint32_t cores;    /* that have asked */
    atomic_int fired;  /* the signal that came; 0: none */
    atomic_bool heard; /* it has cancelled somebody */
} shutdown_state;

static uint64_t shutdown_signals(void)
{
    return aio__signal_bit(SIGINT) | aio__signal_bit(SIGTERM);
}

static void shutdown_cancel(struct aio_task *task)
{
    atomic_store(&shutdown_state.heard, true);
    aio__task_cancel(task);
}

/* Of the first task it is too late when the entry has returned. */
static void shutdown_deliver(struct aio__core *core, struct aio__mail *mail)
{
    struct aio_task *task = core->shutdown_task;
    (void)mail;
    if (task != NULL && (task != core->root || !atomic_load(&core->refusing)))
        shutdown_cancel(task);
}

static void shutdown_tell(struct aio_runtime *runtime)
{
    atomic_store(&runtime->signaled, true);
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct aio__core *core = &runtime->seats[i].core;
        if (atomic_load(&core->shutdown_asked))
            (void)aio__mailbox_post(core->mailbox, &core->shutdown_mail);
    }
}

/* The first signal asks; a second one takes its former way, as does one that comes too late. */
static void shutdown_handler(int number, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    int saved = errno;
    unsigned phase = aio__handler_enter();
    struct aio_runtime *runtime = shutdown_state.runtime;
    if (runtime != NULL && atomic_exchange(&shutdown_state.fired, number) == 0) {
        shutdown_tell(runtime);
    } else {
        if (runtime != NULL)
            aio__disposition_restore(shutdown_signals());
        (void)raise(number);
    }
    aio__handler_leave(phase);
    errno = saved;
}

/* With the lock held. A handler at work on another thread still uses the runtime. Returns a signal
 * that nobody has heard of; 0. */
static int shutdown_end(void)
{
    (void)aio__disposition_give(shutdown_signals());
    shutdown_state.runtime = NULL;
    aio__handler_await();
    return atomic_load(&shutdown_state.heard) ? 0 : atomic_load(&shutdown_state.fired);
}

/* When a core ends. The last takes the handlers away; what came when there was nobody to cancel any
 * more comes again. */
static void shutdown_release(struct aio__core *core, struct aio__cleanup *cleanup)
{
    int unheard = 0;
    (void)cleanup;
    aio__disposition_lock();
    if (--shutdown_state.cores == 0)
        unheard = shutdown_end();
    if (unheard != 0)
        atomic_store(&core->runtime->signaled, false);
    aio__disposition_unlock();
    if (unheard != 0)
        (void)kill(getpid(), unheard);
}

/* A child of fork(2) has no core to tell. */
void aio__shutdown_forked(void)
{
    shutdown_state.runtime = NULL;
    shutdown_state.cores = 0;
}

/* With the lock held. */
static int shutdown_join(struct aio__core *core)
{
    if (shutdown_state.runtime != NULL && shutdown_state.runtime != core->runtime)
        return -EBUSY;
    if (shutdown_state.runtime == NULL) {
        bool signaled = atomic_load(&core->runtime->signaled); /* and the caller hears of it */
        atomic_store(&shutdown_state.fired, signaled ? SIGTERM : 0);
        atomic_store(&shutdown_state.heard, signaled);
        shutdown_state.runtime = core->runtime;
        int rc = aio__disposition_take(shutdown_signals(), shutdown_handler);
        if (rc < 0) {
            shutdown_state.runtime = NULL;
            return rc;
        }
    }
    shutdown_state.cores++;
    core->shutdown_cleanup.run = shutdown_release;
    aio__cleanup_add(core, &core->shutdown_cleanup);
    atomic_store(&core->shutdown_asked, true);
    return 0;
}

static int shutdown_begin(struct aio__core *core)
{
    core->shutdown_mail = (struct aio__mail){.deliver = shutdown_deliver};
    aio__disposition_lock();
    int rc = shutdown_join(core);
    aio__disposition_unlock();
    return rc;
}

int aio_signal_shutdown(void)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (core->shutdown_task == core->current)
        return 0;
    if (core->shutdown_task != NULL)
        return -EBUSY;
    int rc = core->shutdown_asked ? 0 : shutdown_begin(core); /* the task that had asked is over */
    if (rc < 0)
        return rc;
    core->shutdown_task = core->current;
    if (core->runtime->signaled)
        shutdown_cancel(core->current); /* the signal was for the whole runtime */
    return 0;
}
