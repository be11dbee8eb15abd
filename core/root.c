/*
 * The first task of a core: the entry, and after it the end of everything that is left.
 */
#include "core/runtime.h"

#include "core/handle.h"
#include "core/post.h"
#include "core/scope.h"
#include "core/task.h"

/* Until memory is asked for again. */
#define ROOT_RETRY_NS 1000000

void aio__core_cancel(struct aio__core *core)
{
    core->ending = true;
    aio__task_cancel_all(core);
}

/* There is room now for what found none. Where memory is short, it is asked for again and again. */
static void root_start_late(struct aio__core *core)
{
    aio__backlog_start(core);
    if (core->tasks_live == 1)
        (void)aio_time_sleep(ROOT_RETRY_NS);
}

/* Until the caller, the first task, is alone, and no handle is left. */
static void root_await_others(struct aio__core *core)
{
    while (core->tasks_live > 1 || core->backlog != NULL) {
        if (core->tasks_live == 1) {
            root_start_late(core);
            continue;
        }
        struct aio__wait wait = {.abort = NULL, .what = "runtime end"};
        core->last_task = &wait;
        (void)aio__park(core, &wait);
        core->last_task = NULL;
    }
    aio__handle_close_all(core);
}

/* Lets the loop deliver what other threads had sent before they were refused. */
static void root_turn(struct aio__core *core)
{
    core->slice = 0;
    aio__reschedule(core);
}

static void root_end(struct aio__core *core)
{
    struct aio_shield shield;
    aio_shield_enter(&shield);
    atomic_store(&core->refusing, true);
    if (!core->stopping)
        aio__core_cancel(core);
    root_await_others(core);
    core->ending = true;
    while (!aio__mailbox_close(core->mailbox)) {
        root_turn(core);
        root_await_others(core);
    }
    aio_shield_leave(&shield);
    aio__heap_disarm(&core->timers, &core->stop_timer);
    core->finished = true;
}

static int root_run(void *arg)
{
    struct aio__core *core = arg;
    int result = core->runtime->entry(core->runtime->arg);
    aio__scope_check_joined(core->current);
    if (core->current->locals != NULL) /* while the others, and the loop, still run */
        aio__locals_end(core->current);
    aio__task_require_released(core->root); /* before the others are awaited, who may want it */
    aio__runtime_note(core->runtime, result);
    root_end(core);
    return result;
}

int aio__root_start(struct aio__core *core)
{
    static const struct aio_task_options options = {.size = sizeof options, .name = "main"};
    return aio__task_start(core, &core->root, root_run, core, &options);
}
