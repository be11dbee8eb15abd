/*
 * Tasks: making, joining, cancelling, naming them.
 */
#include "core/task.h"
#include "core/core.h"
#include "core/scope.h"
#include "core/select.h"

#include <string.h>

_Static_assert(sizeof(struct aio_task) <= AIO__STACK_HEADER_BYTES, "the task fits above its stack");
_Static_assert(sizeof(struct aio__stack_node) <= sizeof(struct aio_task),
               "so does a free stack's node");

/* The deadline timer is armed lazily: it may fire too early, and is then armed anew. */
static void task_timer_fired(struct aio__timer *timer)
{
    struct aio_task *task = AIO__CONTAINER(timer, struct aio_task, timer);
    if (task->state != AIO__TASK_PARKED || task->wait->abort == NULL)
        return; /* the next call that can suspend looks at the clock itself */
    if (task->deadline_ns <= task->core->now_ns)
        aio__wait_interrupt(task->wait, -ETIMEDOUT);
    else if (task->deadline_ns != AIO_FOREVER)
        aio__heap_arm(&task->core->timers, timer, task->deadline_ns);
}

static void task_link(struct aio__core *core, struct aio_task *task)
{
    task->all_prev = NULL;
    task->all_next = core->tasks;
    if (core->tasks != NULL)
        core->tasks->all_prev = task;
    core->tasks = task;
}

static void task_unlink(struct aio__core *core, struct aio_task *task)
{
    if (task->all_prev == NULL)
        core->tasks = task->all_next;
    else
        task->all_prev->all_next = task->all_next;
    if (task->all_next != NULL)
        task->all_next->all_prev = task->all_prev;
}

static void task_set_name(struct aio_task *task, const char *name)
{
    size_t length = strnlen(name, sizeof task->name - 1);
    memcpy(task->name, name, length);
    task->name[length] = '\0';
}

int aio__task_check_options(const struct aio_task_options *options, size_t *stack_bytes)
{
    *stack_bytes = 0;
    if (options == NULL)
        return 0;
    if (options->size != sizeof *options)
        return -EINVAL;
    if (options->stack_bytes == 0)
        return 0;
    return aio__stack_round(options->stack_bytes, stack_bytes);
}

static void task_init(struct aio__core *core, struct aio_task *task, const struct aio__stack *stack)
{
    task->core = core;
    task->wait = NULL;
    task->deadline_ns = AIO_FOREVER;
    task->deadlines = NULL;
    task->state = AIO__TASK_RUNNING; /* so that it may be pushed */
    task->canceled = false;
    task->shields = 0;
    task->result = 0;
    task->mutexes_held = 0;
    task->rwlocks_held = 0;
    task->timer = AIO__TIMER_INIT(task_timer_fired);
    task->joiner = NULL;
    task->locals = NULL;
    task->scope = NULL;
    task->scopes = NULL;
    task->stack = *stack;
    task->name[0] = '\0';
    aio__sanitize_begin(&task->sanitize, stack->base, stack->bytes);
    aio__context_make(&task->context, stack->base, task, aio__task_main);
}

/* Makes a task on this stack, at its place there, and ready to run. */
static inline struct aio_task *task_begin(struct aio__core *core, struct aio_task **out,
                                          int (*fn)(void *), void *arg,
                                          const struct aio__stack *stack)
{
    struct aio_task *task = (struct aio_task *)(void *)aio__stack_header(stack);
    task_init(core, task, stack);
    task->fn = fn;
    task->arg = arg;
    task->detached = out == NULL;
    task_link(core, task);
    core->tasks_live++;
    core->tasks_started++;
    aio__ready_push(core, task);
    if (out != NULL)
        *out = task;
    return task;
}

/* A task uses two timers at most: its deadline's and its sleep's; and the core has one to stop. */
static inline uint32_t task_timers(const struct aio__core *core)
{
    return 2 * (core->tasks_live + 1) + 1;
}

int aio__task_start(struct aio__core *core, struct aio_task **out, int (*fn)(void *), void *arg,
                    const struct aio_task_options *options)
{
    size_t stack_bytes;
    int rc = aio__task_check_options(options, &stack_bytes);
    if (rc < 0)
        return rc;
    if (core->ending)
        return -ECANCELED;
    if (core->tasks_live >= core->task_limit)
        return -EAGAIN;
    rc = aio__heap_reserve(&core->timers, task_timers(core));
    if (rc < 0)
        return rc;
    struct aio__stack stack;
    rc = aio__stack_get(&core->stacks, stack_bytes, &stack);
    if (rc < 0)
        return rc;
    struct aio_task *task = task_begin(core, out, fn, arg, &stack);
    if (options != NULL && options->name != NULL)
        task_set_name(task, options->name);
    return 0;
}

void aio__task_free(struct aio__core *core, struct aio_task *task)
{
    task_unlink(core, task);
    aio__stack_put(&core->stacks, &task->stack);
}

void aio__task_die_holding(const struct aio_task *task)
{
    AIO__REQUIRE(false, "task '%s' ended holding %u mutex(es) and %u rwlock(s)",
                 aio_task_name(task), task->mutexes_held, task->rwlocks_held);
    __builtin_unreachable();
}

/* As long as nobody else has its memory, a second join is found out. */
static void task_reap(struct aio__core *core, struct aio_task *task)
{
    task->detached = true;
    aio__sanitize_end(&task->sanitize);
    aio__task_free(core, task);
}

void aio__task_reap_all(struct aio__core *core)
{
    while (core->tasks != NULL)
        task_reap(core, core->tasks);
}

/* The usual case stands apart: no options, and nothing has to be asked for. */
int aio_task_spawn(struct aio_task **out, int (*fn)(void *arg), void *arg,
                   const struct aio_task_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (__builtin_expect(options != NULL || core->stacks.free == NULL || core->ending ||
                             core->tasks_live >= core->task_limit ||
                             task_timers(core) > core->timers.capacity,
                         0))
        return aio__task_start(core, out, fn, arg, options);
    const struct aio__stack stack = aio__stack_take(&core->stacks);
    (void)task_begin(core, out, fn, arg, &stack);
    return 0;
}

static void task_check_core(const struct aio__core *core, const struct aio_task *task,
                            const char *function)
{
    if (__builtin_expect(task->core != core, 0))
        aio__core_die_elsewhere(task->core, "the task", function);
}

static void task_check_handle(struct aio__core *core, struct aio_task *task, const char *function)
{
    task_check_core(core, task, function);
    AIO__REQUIRE(!task->detached, "%s: task '%s' is detached or has been joined", function,
                 aio_task_name(task));
}

static void task_check_joiner(struct aio_task *task, const char *function)
{
    struct aio__wait *joiner = task->joiner;
    if (__builtin_expect(joiner == NULL, 1))
        return;
    AIO__REQUIRE(aio__wait_stale(joiner), "%s: task '%s' is being joined already", function,
                 aio_task_name(task));
    aio__select_put_out(joiner);
    task->joiner = NULL;
}

void aio__task_check_join(struct aio__core *core, struct aio_task *task, const char *function)
{
    task_check_handle(core, task, function);
    AIO__REQUIRE(task != core->current, "%s: task '%s' joins itself", function,
                 aio_task_name(task));
    task_check_joiner(task, function);
}

static void task_join_abort(struct aio__wait *wait)
{
    struct aio__join *join = AIO__CONTAINER(wait, struct aio__join, wait);
    join->task->joiner = NULL;
    aio__wake(wait, -ECANCELED);
}

int aio_task_join(struct aio_task *task, int *result)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    aio__task_check_join(core, task, __func__);
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (task->state != AIO__TASK_FINISHED) {
        struct aio__join join = {.task = task, .wait = {.abort = task_join_abort, .what = "join"}};
        task->joiner = &join.wait;
        if (aio__park(core, &join.wait) < 0)
            return aio__wait_reason(&join.wait);
    }
    if (result != NULL)
        *result = task->result;
    task_reap(core, task);
    return 0;
}

void aio_task_detach(struct aio_task *task)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    task_check_handle(core, task, __func__);
    AIO__REQUIRE(task != core->root, "aio_task_detach: the first task belongs to the runtime");
    task_check_joiner(task, __func__);
    task->detached = true;
    if (task->state == AIO__TASK_FINISHED)
        task_reap(core, task);
}

void aio__task_interrupt(struct aio_task *task)
{
    task->canceled = true;
    if (task->state == AIO__TASK_PARKED && task->shields == 0)
        aio__wait_interrupt(task->wait, -ECANCELED);
}

void aio__task_cancel(struct aio_task *task)
{
    aio__task_interrupt(task);
    aio__scope_cancel_owned(task);
}

void aio_task_cancel(struct aio_task *task)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    task_check_core(core, task, __func__);
    aio__task_cancel(task);
}

/* Children are reached through the owners of their scopes, whose shields may protect them. */
void aio__task_cancel_all(struct aio__core *core)
{
    for (struct aio_task *task = core->tasks; task != NULL; task = task->all_next)
        if (task != core->current && task->scope == NULL)
            aio__task_cancel(task);
}

bool aio_task_canceled(void)
{
    return AIO__CORE_OR_DIE()->current->canceled;
}

int aio_task_yield(void)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    aio__reschedule(core);
    return 0;
}

struct aio_task *aio_task_current(void)
{
    struct aio__core *core = aio__core_current;
    return core != NULL ? core->current : NULL;
}

const char *aio_task_name(const struct aio_task *task)
{
    return task->name[0] != '\0' ? task->name : "task";
}

void aio_task_rename(const char *name)
{
    task_set_name(AIO__CORE_OR_DIE()->current, name);
}
