/*
 * How cancellation spreads: from a task to the children of its scopes, and on to theirs.
 *
 * Two rules keep it cheap. What is cancelled stays so, and a scope that is cancelled cancels its
 * later children; hence below a task that is cancelled already there is nothing left to do. And the
 * walk needs no memory, for it climbs by the links of the tree: no depth is too deep for the stack.
 */
#include "core/scope.h"

/* A scope opened inside a shield is protected by it. */
static struct aio_scope *cancel_next_scope(struct aio_scope *scope)
{
    while (scope != NULL && scope->shields > 0)
        scope = scope->outer;
    return scope;
}

/* The scope's owner is cancelled. Gives the first child. A join whose last child has left only has
 * not run yet: it has succeeded. */
static struct aio_task *cancel_enter(struct aio_scope *scope)
{
    scope->canceled = true;
    if (scope->children != NULL || !scope->joining)
        aio__scope_note(scope, -ECANCELED);
    return scope->children;
}

void aio__scope_cancel_children(struct aio_scope *top)
{
    struct aio_scope *scope = top;
    struct aio_task *task = top->children;
    top->canceled = true;
    while (task != NULL || scope != top) {
        struct aio_scope *inner = NULL;
        struct aio_task *owner = task;
        if (task == NULL) { /* all of this scope: the owner's next one */
            owner = scope->owner;
            inner = cancel_next_scope(scope->outer);
        } else if (!task->canceled) {
            aio__task_interrupt(task);
            inner = cancel_next_scope(task->scopes);
        }
        if (inner != NULL) {
            scope = inner;
            task = cancel_enter(scope);
        } else {
            scope = owner->scope;
            task = owner->scope_next;
        }
    }
}

void aio__scope_cancel_owned(const struct aio_task *owner)
{
    struct aio_scope *scope = cancel_next_scope(owner->scopes);
    for (; scope != NULL; scope = cancel_next_scope(scope->outer)) {
        (void)cancel_enter(scope);
        aio__scope_cancel_children(scope);
    }
}
