/*
 * Stopping a runtime from outside: every core's first task is cancelled, the others may go on until
 * a time, and are cancelled then.
 */
#include "core/runtime.h"
#include "core/task.h"

static void stop_hard(struct aio__timer *timer)
{
    struct aio__core *core = AIO__CONTAINER(timer, struct aio__core, stop_timer);
    aio__core_cancel(core);
}

/* Sent again when a later call leaves less time. */
static void stop_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)mail;
    atomic_store(&core->stop_posted, false);
    core->stopping = true;
    aio__task_cancel(core->root);
    int64_t at_ns = atomic_load(&core->runtime->stop_at);
    if (at_ns <= core->now_ns)
        aio__core_cancel(core);
    else if (at_ns != AIO_FOREVER)
        aio__heap_arm(&core->timers, &core->stop_timer, at_ns);
}

void aio__stop_open(struct aio__core *core)
{
    core->stop_timer = AIO__TIMER_INIT(stop_hard);
    core->stop_mail = (struct aio__mail){.deliver = stop_deliver};
}

void aio__stop_post(struct aio_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->count; i++) {
        struct aio__core *core = &runtime->seats[i].core;
        if (!atomic_exchange(&core->stop_posted, true))
            (void)aio__mailbox_post(core->mailbox, &core->stop_mail);
    }
}

/* A later call can only shorten the time. */
static void stop_sooner(struct aio_runtime *runtime, int64_t at_ns)
{
    long long before = atomic_load(&runtime->stop_at);
    while (at_ns < before && !atomic_compare_exchange_weak(&runtime->stop_at, &before, at_ns))
        continue;
}

int aio_runtime_stop(struct aio_runtime *runtime, int64_t drain_ns)
{
    if (!aio__runtime_ours(runtime))
        return -ESHUTDOWN;
    int64_t now_ns = aio_time_now();
    int64_t at_ns = drain_ns >= AIO_FOREVER - now_ns ? AIO_FOREVER : now_ns + drain_ns;
    stop_sooner(runtime, at_ns);
    pthread_mutex_lock(&runtime->lock);
    int stage = atomic_load(&runtime->stage);
    runtime->stop_pending = true;
    if (stage == AIO__RUNTIME_OPEN)
        aio__stop_post(runtime);
    pthread_mutex_unlock(&runtime->lock);
    return stage == AIO__RUNTIME_OVER ? -ESHUTDOWN : 0;
}
