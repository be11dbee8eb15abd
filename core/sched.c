/*
 * The scheduler: who runs next, and the turn of the loop.
 *
 * Tasks hand the thread to each other directly while the slice lasts; then, or when nothing is
 * ready, the loop's own context takes one turn: read the clock, fire timers, deliver mail, run
 * ready tasks, poll the backend, make the tasks of completed ops ready. A slice is a bounded
 * number of dispatches and instant completions, so neither busy tasks nor I/O that is always
 * ready keep timers, mail and other I/O waiting.
 */
#include "core/sched.h"

#include "core/post.h"
#include "core/quiet.h"
#include "core/runtime.h"
#include "core/scope.h"
#include "core/select.h"
#include "core/task.h"

/* Until memory is asked for again, for tasks that wait for it. */
#define LOOP_RETRY_NS 5000000

__thread struct aio__core *aio__core_current __attribute__((tls_model("initial-exec")));

void aio__core_die_outside(const char *function)
{
    AIO__REQUIRE(false, "%s was called outside a task%s", function, aio__fork_hint());
    __builtin_unreachable();
}

void aio__core_die_elsewhere(const struct aio__core *owner, const char *what, const char *function)
{
    const struct aio__core *here = aio__core_current;
    const struct aio_runtime *runtime = here->runtime;
    for (uint32_t i = 0; i < runtime->count; i++)
        AIO__REQUIRE(&runtime->seats[i].core != owner,
                     "%s: %s belongs to core %u and was used on core %u", function, what, i,
                     here->index);
    AIO__REQUIRE(false, "%s: %s belongs to another runtime", function, what);
    __builtin_unreachable();
}

static struct aio_task *ready_pop(struct aio__core *core)
{
    struct aio_task *task = core->ready.head;
    if (task != NULL)
        core->ready.head = task->next;
    return task;
}

void aio__ready_push(struct aio__core *core, struct aio_task *task)
{
    AIO__ASSERT(task->state != AIO__TASK_READY);
    AIO__ASSERT(task->state != AIO__TASK_FINISHED);
    task->state = AIO__TASK_READY;
    task->next = NULL;
    if (core->ready.head == NULL)
        core->ready.head = task;
    else
        core->ready.tail->next = task;
    core->ready.tail = task;
}

static void sched_dispatch(struct aio__core *core, struct aio_task *task)
{
    AIO__ASSERT(task->state == AIO__TASK_READY);
    core->slice--;
    core->budget = AIO__BUDGET;
    core->switches++;
    core->current = task;
    task->state = AIO__TASK_RUNNING;
}

/* Runs in the context just resumed. */
static void sched_resumed(struct aio__core *core, struct aio__sanitize *now)
{
    aio__sanitize_enter(now, core->left);
    if (core->dead_pending) {
        core->dead_pending = false;
        aio__sanitize_end(&core->dead_sanitize);
    }
}

static void sched_switch(struct aio__core *core, struct aio_task *from, struct aio_task *to)
{
    core->left = &from->sanitize;
    if (to != NULL) {
        sched_dispatch(core, to);
        aio__sanitize_leave(&from->sanitize, &to->sanitize, 0);
        aio__context_switch(&from->context, &to->context);
    } else {
        core->current = NULL;
        aio__sanitize_leave(&from->sanitize, &core->loop_sanitize, 0);
        aio__context_switch(&from->context, &core->loop_context);
    }
    sched_resumed(core, &from->sanitize);
}

/* A running task that gives way goes to the end of the ready queue; a parked one is left where it
 * waits. */
void aio__reschedule(struct aio__core *core)
{
    struct aio_task *from = core->current;
    if (from->state == AIO__TASK_RUNNING)
        aio__ready_push(core, from);
    struct aio_task *to = core->slice > 0 ? ready_pop(core) : NULL;
    if (to == from)
        sched_dispatch(core, from);
    else
        sched_switch(core, from, to);
}

/* The last switch of a task, whose memory may be another's from now on. */
_Noreturn static inline __attribute__((always_inline)) void sched_end(struct aio__core *core,
                                                                      struct aio__sanitize *dead)
{
    struct aio_task *to = core->slice > 0 ? ready_pop(core) : NULL;
    core->left = NULL;
    if (to != NULL) {
        sched_dispatch(core, to);
        aio__sanitize_leave(dead, &to->sanitize, 1);
        aio__context_switch(&core->scrap_context, &to->context);
    } else {
        core->current = NULL;
        aio__sanitize_leave(dead, &core->loop_sanitize, 1);
        aio__context_switch(&core->scrap_context, &core->loop_context);
    }
    __builtin_unreachable();
}

/* Ends the running task: wakes its joiner and makes its last switch. Inlined, see boot.c. */
_Noreturn static inline __attribute__((always_inline)) void sched_exit(struct aio__core *core,
                                                                       struct aio_task *task)
{
    AIO__REQUIRE(aio__core_current == core, "a child of fork returned from its task: use _exit");
    if (__builtin_expect(task->locals != NULL, 0))
        aio__locals_end(task);
    aio__task_require_released(task);
    if (aio__timer_armed(&task->timer))
        aio__heap_disarm(&core->timers, &task->timer);
    task->state = AIO__TASK_FINISHED;
    core->tasks_live--;
    if (core->shutdown_task == task)
        core->shutdown_task = NULL;
    if (__builtin_expect(((uintptr_t)task->scope | (uintptr_t)task->scopes) != 0, 0))
        aio__scope_exit(task);
    if (task->joiner != NULL && aio__wait_claim(task->joiner))
        aio__wait_finish(task->joiner, 0);
    if (core->last_task != NULL && core->tasks_live == 1)
        aio__wake(core->last_task, 0);
    if (task->detached) {
        core->dead_sanitize = task->sanitize;
        core->dead_pending = true;
        aio__task_free(core, task);
        sched_end(core, &core->dead_sanitize);
    }
    sched_end(core, &task->sanitize);
}

/* Where a new task's context begins. */
void aio__task_main(void)
{
    struct aio__core *core = aio__core_current;
    struct aio_task *task = core->current;
    sched_resumed(core, &task->sanitize);
    task->result = task->fn(task->arg);
    sched_exit(core, task);
}

/*
 * How many dispatches the next slice may have: tasks that compute for long between two calls get
 * fewer, so that the slice as a whole stays near its time and timers and I/O near theirs.
 */
static void loop_adapt_slice(struct aio__core *core)
{
    int64_t took_ns = aio_time_now() - core->now_ns;
    int64_t limit = core->slice_limit;
    if (took_ns > AIO__SLICE_NS)
        limit = (limit - core->slice) * AIO__SLICE_NS / took_ns;
    else if (took_ns < AIO__SLICE_NS / 4)
        limit *= 2;
    limit = limit < 1 ? 1 : limit;
    core->slice_limit = (int32_t)(limit > AIO__SLICE_MAX ? AIO__SLICE_MAX : limit);
}

static void loop_run_slice(struct aio__core *core)
{
    core->slice = core->slice_limit;
    struct aio_task *to = ready_pop(core);
    if (to == NULL)
        return;
    core->left = &core->loop_sanitize;
    sched_dispatch(core, to);
    aio__sanitize_leave(&core->loop_sanitize, &to->sanitize, 0);
    aio__context_switch(&core->loop_context, &to->context);
    sched_resumed(core, &core->loop_sanitize);
    loop_adapt_slice(core);
}

static void loop_fire_timers(struct aio__core *core)
{
    struct aio__timer *timer;
    while ((timer = aio__heap_expire(&core->timers, core->now_ns)) != NULL)
        timer->fire(timer);
}

static void loop_drain_done(struct aio__core *core)
{
    struct aio__op *op;
    while ((op = aio__op_list_pop(&core->backend->done)) != NULL) {
        AIO__ASSERT(op->state == AIO__OP_DONE);
        op->state = AIO__OP_IDLE;
        core->ops_pending--;
        op->complete(op);
    }
}

bool aio__loop_quiet(const struct aio__core *core)
{
    return core->ready.head == NULL && aio__op_list_empty(&core->backend->done) &&
           !aio__stack_trim_needed(&core->stacks);
}

void aio__defer_not(struct aio__core *core, struct aio__deferred *deferred)
{
    struct aio__deferred **at = &core->deferred;
    if (!deferred->listed)
        return;
    while (*at != deferred)
        at = &(*at)->next;
    *at = deferred->next;
    deferred->listed = false;
}

/* Oldest last: nobody cares for the order. */
static void loop_run_deferred(struct aio__core *core)
{
    struct aio__deferred *deferred;
    while ((deferred = core->deferred) != NULL) {
        core->deferred = deferred->next;
        deferred->listed = false;
        deferred->run(deferred);
    }
}

/* With nothing but mail to wait for a core is idle, which core/quiet.h looks at. A task that waits
 * for a signal has something to wait for. After a deadlock every op counts: a core is only
 * abandoned without any. */
static enum aio__mailbox_state loop_sleep_state(const struct aio__core *core, int64_t deadline_ns)
{
    uint32_t unheeded = core->deadlocks == 0 ? core->ops_unheeded : 0;
    bool signals = core->shutdown_task != NULL || core->signals_awaited > 0;
    bool idle = deadline_ns == AIO_FOREVER && core->ops_pending == unheeded && !signals;
    return idle ? AIO__IDLE : AIO__ASLEEP;
}

/* Until when to sleep. Tasks from elsewhere that there is room for, but no memory, are tried again:
 * nothing tells when somebody else gives memory back. */
static int64_t loop_wake_time(const struct aio__core *core)
{
    int64_t next_ns = aio__heap_next(&core->timers);
    if (core->backlog == NULL || core->tasks_live >= core->task_limit)
        return next_ns;
    int64_t retry_ns = core->now_ns + LOOP_RETRY_NS;
    return retry_ns < next_ns ? retry_ns : next_ns;
}

int64_t aio__loop_sleep(struct aio__core *core)
{
    bool last;
    int64_t deadline_ns = loop_wake_time(core);
    if (core->deadlocks > 0 && core->ops_unheeded > 0) {
        core->disarm(core); /* they would keep it from being abandoned */
        return 0;
    }
    if (core->ops_pending == core->sends_pending)
        core->backend->hurry = true; /* they may be over, and the core idle */
    if (!aio__mailbox_sleep(core->mailbox, loop_sleep_state(core, deadline_ns), &last))
        return 0;
    if (last)
        aio__quiet_check(core->runtime);
    return deadline_ns;
}

static void loop_poll(struct aio__core *core)
{
    int64_t deadline_ns = 0;
    if (core->deferred != NULL &&
        (core->ready.head == NULL || core->now_ns - core->polled_ns >= AIO__POLL_INTERVAL_NS))
        loop_run_deferred(core);
    if (aio__loop_quiet(core)) {
        if (!core->resting)
            deadline_ns = aio__loop_sleep(core);
    } else if (core->now_ns - core->polled_ns < AIO__POLL_INTERVAL_NS) {
        return; /* there is work here, and the backend was asked a moment ago */
    }
    core->polls++;
    core->polled_ns = core->now_ns;
    int rc = core->backend->vtable->poll(core->backend, deadline_ns);
    aio__mailbox_awake(core->mailbox);
    AIO__REQUIRE(rc == 0, "backend %s failed: %s", core->backend->vtable->name, aio_error_name(rc));
    if (core->deadlocks != atomic_load(&core->runtime->deadlocks))
        aio__quiet_break(core);
}

static void loop_turn(struct aio__core *core)
{
    core->turns++;
    core->now_ns = aio_time_now();
    loop_fire_timers(core);
    aio__mailbox_drain(core, core->mailbox);
    if (core->backlog != NULL)
        aio__backlog_start(core);
    loop_drain_done(core);
    loop_run_slice(core);
    if (core->backlog != NULL && core->ready.head == NULL)
        aio__backlog_start(core); /* tasks have ended, and the core must not sleep on it */
    if (aio__stack_trim_needed(&core->stacks))
        aio__stack_trim(&core->stacks);
    if (!core->finished)
        loop_poll(core);
    if (!core->resting) /* else before the next poll: what completes may submit more */
        loop_drain_done(core);
}

void aio__loop_run(struct aio__core *core)
{
    aio__sanitize_adopt(&core->loop_sanitize);
    while (!core->finished)
        loop_turn(core);
}

void aio__loop_enter(struct aio__core *core)
{
    aio__mailbox_awake(core->mailbox);
    aio__sanitize_adopt(&core->loop_sanitize);
    loop_turn(core);
}
