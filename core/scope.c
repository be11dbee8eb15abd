/*
 * Scopes: opening, spawning, joining, and the end of a child; see <aio/scope.h>.
 *
 * Children are detached tasks. Their deadlines are the owner's frames themselves: they hang on the
 * owner's chain as it was when the scope was opened, which therefore must outlive the scope.
 */
#include "core/scope.h"

#include <string.h>

_Static_assert(sizeof(((struct aio_scope *)NULL)->culprit_name) ==
                   sizeof(((struct aio_task *)NULL)->name),
               "a task's name fits");

/* Told apart from memory that never was a scope. */
enum scope_state {
    SCOPE_OPEN = 0x5c09e0be,
    SCOPE_JOINED = 0x5c09ed0e,
};

static bool scope_is_open(const struct aio_task *task, const struct aio_scope *scope)
{
    const struct aio_scope *at = task->scopes;
    while (at != NULL && at != scope)
        at = at->outer;
    return at != NULL;
}

int aio_scope_open(struct aio_scope *scope, const struct aio_scope_options *options)
{
    struct aio_task *task = AIO__CORE_OR_DIE()->current;
    unsigned flags = options != NULL ? options->flags : 0;
    if (options != NULL && options->size != sizeof *options)
        return -EINVAL;
    if ((flags & ~(unsigned)AIO_SCOPE_COLLECT) != 0)
        return -EINVAL;
    AIO__REQUIRE(!scope_is_open(task, scope), "aio_scope_open: the scope is open");
    scope->owner = task;
    scope->outer = task->scopes;
    scope->children = NULL;
    scope->joiner = NULL;
    scope->deadlines = task->deadlines;
    scope->deadline_ns = task->deadline_ns;
    scope->state = SCOPE_OPEN;
    scope->error = task->canceled && task->shields == 0 ? -ECANCELED : 0;
    scope->spawned = 0;
    scope->failures = 0;
    scope->culprit = 0;
    scope->shields = task->shields;
    scope->collect = (flags & AIO_SCOPE_COLLECT) != 0;
    scope->canceled = scope->error != 0;
    scope->joining = false;
    task->scopes = scope;
    return 0;
}

_Noreturn static void scope_die(const struct aio_scope *scope, const char *function)
{
    AIO__REQUIRE(scope->state != SCOPE_JOINED, "%s: the scope has been joined", function);
    AIO__REQUIRE(scope->state == SCOPE_OPEN, "%s: the scope has not been opened", function);
    aio__core_die_elsewhere(scope->owner->core, "the scope", function);
}

/* The core of an open scope used by the calling task. */
static inline struct aio__core *scope_core(const struct aio_scope *scope, const char *function)
{
    struct aio__core *core = aio__core_or_die(function);
    if (__builtin_expect(scope->state != SCOPE_OPEN || scope->owner->core != core, 0))
        scope_die(scope, function);
    return core;
}

static void scope_link(struct aio_scope *scope, struct aio_task *task)
{
    task->scope = scope;
    task->scope_index = scope->spawned++;
    task->scope_prev = NULL;
    task->scope_next = scope->children;
    if (scope->children != NULL)
        scope->children->scope_prev = task;
    scope->children = task;
}

static void scope_unlink(struct aio_scope *scope, struct aio_task *task)
{
    if (task->scope_prev == NULL)
        scope->children = task->scope_next;
    else
        task->scope_prev->scope_next = task->scope_next;
    if (task->scope_next != NULL)
        task->scope_next->scope_prev = task->scope_prev;
}

int aio_scope_launch(struct aio_scope *scope, int (*fn)(void *arg), void *arg,
                     const struct aio_task_options *options)
{
    struct aio__core *core = scope_core(scope, __func__);
    struct aio_task *task;
    int rc = aio__task_start(core, &task, fn, arg, options);
    if (__builtin_expect(rc < 0, 0))
        return rc;
    task->detached = true;
    task->canceled = scope->canceled;
    task->deadlines = scope->deadlines;
    task->deadline_ns = scope->deadline_ns;
    scope_link(scope, task);
    return 0;
}

int aio_scope_spawn(struct aio_scope *scope, int (*fn)(void *arg), void *arg)
{
    return aio_scope_launch(scope, fn, arg, NULL);
}

void aio_scope_cancel(struct aio_scope *scope)
{
    (void)scope_core(scope, __func__);
    aio__scope_cancel_children(scope);
}

static void scope_blame(struct aio_scope *scope, const struct aio_task *task)
{
    if (scope->failures++ == 0) {
        scope->culprit = task->scope_index;
        const char *name = aio_task_name(task);
        memcpy(scope->culprit_name, name, strlen(name) + 1);
    }
    aio__scope_note(scope, task->result);
    if (!scope->collect)
        aio__scope_cancel_children(scope);
}

static void scope_leave(struct aio_scope *scope, struct aio_task *task)
{
    scope_unlink(scope, task);
    if (task->result < 0 && !(task->result == -ECANCELED && scope->canceled))
        scope_blame(scope, task);
    if (scope->children == NULL && scope->joiner != NULL) {
        struct aio__wait *joiner = scope->joiner;
        scope->joiner = NULL;
        aio__wake(joiner, 0);
    }
}

void aio__scope_check_joined(const struct aio_task *task)
{
    AIO__REQUIRE(task->scopes == NULL, "task '%s' has returned with a scope still open",
                 aio_task_name(task));
}

void aio__scope_exit(struct aio_task *task)
{
    aio__scope_check_joined(task);
    scope_leave(task->scope, task);
}

/* A join in progress, in the joiner's frame. */
struct scope_join {
    struct aio_scope *scope;
    struct aio__wait wait;
};

/* A deadline of the owner has passed. Children that have inherited it meet it themselves. */
static void scope_expire(struct aio_scope *scope, struct aio__core *core)
{
    aio__scope_note(scope, -ETIMEDOUT);
    if (scope->deadline_ns > core->now_ns)
        aio__scope_cancel_children(scope);
}

/* The join is not cut short. A cancellation has reached the children already. */
static void scope_join_abort(struct aio__wait *wait)
{
    if (wait->interrupted == -ETIMEDOUT) {
        (void)aio__deadline_hit(wait->task);
        scope_expire(AIO__CONTAINER(wait, struct scope_join, wait)->scope, wait->task->core);
    }
}

/* The last child may leave, and somebody spawn another before the owner runs. If the owner has been
 * cancelled by then, so is that child, and the join fails after all. */
static void scope_await(struct aio_scope *scope, struct aio__core *core)
{
    while (scope->children != NULL) {
        if (__builtin_expect(scope->owner->canceled && scope->shields == 0, 0))
            aio__scope_note(scope, -ECANCELED);
        struct scope_join join = {.scope = scope,
                                  .wait = {.abort = scope_join_abort, .what = "scope join"}};
        scope->joiner = &join.wait;
        (void)aio__park(core, &join.wait);
    }
}

int aio_scope_join(struct aio_scope *scope)
{
    struct aio__core *core = scope_core(scope, __func__);
    AIO__REQUIRE(scope->owner == core->current, "aio_scope_join: task '%s' opened the scope",
                 aio_task_name(scope->owner));
    AIO__REQUIRE(core->current->scopes == scope,
                 "aio_scope_join: a scope opened after this one is still open");
    if (__builtin_expect(aio__interrupted(core) == -ETIMEDOUT, 0))
        scope_expire(scope, core);
    scope->joining = true;
    scope_await(scope, core);
    core->current->scopes = scope->outer;
    scope->state = SCOPE_JOINED;
    return scope->error;
}

void aio_scope_abandon(struct aio_scope *scope)
{
    if (scope->state == SCOPE_JOINED)
        return;
#if defined(AIO_DEBUG) && AIO_DEBUG
    aio__log_error("task '%s' leaves a scope without joining it",
                   aio_task_name(aio_task_current()));
#endif
    aio_scope_cancel(scope);
    (void)!aio_scope_join(scope);
}

int aio_scope_error(const struct aio_scope *scope)
{
    return scope->error;
}

uint32_t aio_scope_failures(const struct aio_scope *scope)
{
    return scope->failures;
}

const char *aio_scope_culprit(const struct aio_scope *scope, uint32_t *index)
{
    if (scope->failures == 0)
        return NULL;
    if (index != NULL)
        *index = scope->culprit;
    return scope->culprit_name;
}
