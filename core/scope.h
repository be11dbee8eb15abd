/*
 * What core's files know of scopes beyond the public header.
 *
 * A scope stands in its owner's frame. Its children are linked through their tasks; the open scopes
 * of a task through `outer`, the newest first. So the tree of a runtime's tasks can be walked both
 * ways without a stack, and to any depth.
 */
#ifndef AIO_CORE_SCOPE_H
#define AIO_CORE_SCOPE_H

#include "core/task.h"

#include <aio/scope.h>

/* Notes what went wrong, unless something has before. */
static inline void aio__scope_note(struct aio_scope *scope, int error)
{
    if (scope->error == 0)
        scope->error = error;
}

/* Cancels the children of all scopes of a task that is being cancelled, except those it has opened
 * inside a shield. */
void aio__scope_cancel_owned(const struct aio_task *owner);

/* Cancels the scope's children and all that is below them. */
void aio__scope_cancel_children(struct aio_scope *scope);

/* A task with a scope to leave, or with scopes of its own left open, is about to end. */
void aio__scope_exit(struct aio_task *task);

/* A function of a task has returned: dies when a scope is still open, whose frame is now gone. */
void aio__scope_check_joined(const struct aio_task *task);

#endif
