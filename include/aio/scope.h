/*
 * <aio/scope.h>: structured concurrency: tasks that belong to a scope, which ends only when all of
 * them have.
 *
 *     struct aio_scope scope;
 *     struct request requests[2] = {...};
 *     aio_scope_open(&scope, NULL);
 *     for (int i = 0; i < 2 && rc >= 0; i++)
 *         rc = aio_scope_spawn(&scope, fetch, &requests[i]);
 *     if (rc < 0)
 *         aio_scope_cancel(&scope);
 *     int joined = aio_scope_join(&scope);
 *
 * The tasks spawned into a scope are its children; the task that opened it is its owner.
 *
 * Failure:       a child that returns a negative value has failed. The first failure cancels the
 *                other children, and aio_scope_join returns it. A child that returns -ECANCELED
 *                after its scope has been cancelled has not failed: it did as it was told.
 * Cancellation:  cancelling the owner cancels the children of its open scopes at once, whatever
 *                the owner is doing, and so on down through the scopes that they own. Only a
 *                shield holds it back: one that the owner had entered before it opened the scope
 *                protects all that is in the scope; one that a child has entered protects that
 *                child, and what it opens inside.
 * Deadlines:     children are bound by the deadlines that were in force for the owner when it
 *                opened the scope, as if they had set them themselves: aio_deadline_expired of
 *                the owner's deadline tells that it was this one. A deadline that the owner sets
 *                afterwards binds only the owner; when it passes during the join, the children are
 *                cancelled.
 *
 * Tasks spawned otherwise inherit nothing.
 */
#ifndef AIO_SCOPE_H
#define AIO_SCOPE_H

#include <aio/base.h>

AIO_BEGIN_DECLS

struct aio_deadline;
struct aio_task;
struct aio_task_options;
struct aio__wait;

enum aio_scope_flags {
    AIO_SCOPE_COLLECT = 1, /* a failure does not cancel the other children */
};

/* Options of a scope. Start from AIO_SCOPE_OPTIONS. */
struct aio_scope_options {
    size_t size;
    unsigned flags; /* of enum aio_scope_flags */
};

#define AIO_SCOPE_OPTIONS ((struct aio_scope_options){.size = sizeof(struct aio_scope_options)})

/* A scope, in its owner's frame. Its fields are private. */
struct aio_scope {
    struct aio_task *owner;
    struct aio_scope *outer; /* opened before by the same owner, and still open */
    struct aio_task *children;
    struct aio__wait *joiner;
    struct aio_deadline *deadlines; /* that the children inherit */
    int64_t deadline_ns;            /* the nearest of them */
    uint32_t state;
    int error;
    uint32_t spawned;
    uint32_t failures;
    uint32_t culprit;
    uint32_t shields; /* of the owner when it opened the scope */
    bool collect;
    bool canceled;
    bool joining;
    char culprit_name[24];
};

/*
 * aio_scope_open opens a scope. Scopes of one task are joined in the reverse order of opening;
 * deadlines and shields that were there before the opening end after the join.
 *
 * Suspends:  never.
 * Context:   a task, which becomes the owner. It must join the scope before it returns.
 * Lifetime:  scope stays in place until it is joined; options only during the call.
 * Returns:   0; -EINVAL for bad options: the scope is not open then.
 */
AIO_API int aio_scope_open(struct aio_scope *scope, const struct aio_scope_options *options);

/*
 * aio_scope_spawn makes a task that will run fn(arg) as a child of the scope. It starts after the
 * caller's next suspension; in a scope that is cancelled it starts cancelled. A child may spawn
 * into the scope it belongs to, also while the owner joins.
 *
 * Suspends:  never.
 * Context:   a task of the owner's core, while the scope is open.
 * Lifetime:  arg as long as fn uses it, at most until the join has returned.
 * Returns:   0; otherwise as aio_task_spawn: -ENOMEM, -EAGAIN, -EINVAL, -ECANCELED. Nothing was
 *            started then, and nothing has changed for the other children.
 */
AIO_API AIO_NODISCARD int aio_scope_spawn(struct aio_scope *scope, int (*fn)(void *arg), void *arg);

/*
 * aio_scope_launch is aio_scope_spawn with options for the task, such as its name.
 *
 * Suspends:  never.
 * Context:   as aio_scope_spawn.
 * Lifetime:  as aio_scope_spawn; options only during the call.
 * Returns:   as aio_scope_spawn.
 */
AIO_API AIO_NODISCARD int aio_scope_launch(struct aio_scope *scope, int (*fn)(void *arg), void *arg,
                                           const struct aio_task_options *options);

/*
 * aio_scope_cancel cancels all children, and those to come: see aio_task_cancel. The owner is not
 * cancelled. That alone does not make the join fail.
 *
 * Suspends:  never.
 * Context:   a task of the owner's core, while the scope is open.
 */
AIO_API void aio_scope_cancel(struct aio_scope *scope);

/*
 * aio_scope_join waits until all children have returned, and ends the scope. A cancellation of the
 * owner, or a deadline of it, cancels the children (those that have inherited the deadline run into
 * it themselves) but does not end the wait: the children are always awaited.
 *
 * Suspends:  until the last child has returned.
 * Context:   the owner.
 * Lifetime:  afterwards no child exists any more; the scope may be asked for its outcome, opened
 *            anew, or forgotten.
 * Returns:   0 when nothing went wrong; otherwise what did so first: the result of the first child
 *            that failed, or the owner's own -ECANCELED or -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_scope_join(struct aio_scope *scope);

/*
 * aio_scope_error tells what went wrong first, as the join returns it.
 *
 * Suspends:  never.
 * Context:   a task of the owner's core while the scope is open; anybody after the join.
 * Returns:   0 while nothing has; a negative errno value.
 */
AIO_API int aio_scope_error(const struct aio_scope *scope);

/*
 * aio_scope_failures counts the children that have failed so far.
 *
 * Suspends:  never.
 * Context:   as aio_scope_error.
 * Returns:   their number.
 */
AIO_API uint32_t aio_scope_failures(const struct aio_scope *scope);

/*
 * aio_scope_culprit tells which child failed first.
 *
 * Suspends:  never.
 * Context:   as aio_scope_error.
 * Lifetime:  the text is the scope's.
 * Returns:   its name, with *index (which may be NULL) set to its place in the order of spawning,
 *            from 0; NULL when none has failed.
 */
AIO_API const char *aio_scope_culprit(const struct aio_scope *scope, uint32_t *index);

/*
 * aio_scope_abandon is the last resort for a scope that is left without a join: it cancels the
 * children and awaits them. In builds with AIO_DEBUG it complains on standard error. A scope that
 * has been joined is left alone.
 *
 * Suspends:  until the last child has returned.
 * Context:   the owner.
 */
AIO_API void aio_scope_abandon(struct aio_scope *scope);

/*
 * AIO_SCOPE(name); declares and opens a scope that aio_scope_abandon ends where its block is left
 * without a join, by return for instance. What children use and what has a cleanup of its own, or
 * lives in an inner block, must be declared before it: cleanups run in the reverse order.
 */
#define AIO_SCOPE(name)                                                                            \
    struct aio_scope name __attribute__((cleanup(aio_scope_abandon)));                             \
    (void)aio_scope_open(&name, NULL)

/* A function that runs beside others, in an array for aio_scope_race and aio_scope_gather. */
struct aio_branch {
    int (*fn)(void *arg);
    void *arg;
    /* For races, may be NULL: takes back a success that did not win; called with fn's result. */
    void (*undo)(void *arg, int result);
    const char *name; /* of its task; NULL: "task" */
    /* Set by the call. */
    int result;  /* of fn; the error if it could not be started, -ECANCELED if it was not */
    bool undone; /* undo has been called */
};

enum aio_race_flags {
    AIO_RACE_FIRST_END = 1, /* whoever returns first wins, also with an error */
};

/*
 * aio_scope_race runs the branches beside each other. The first to succeed (to return >= 0) wins;
 * the others are cancelled and awaited. What they had done all the same is not lost: every success
 * stands in its branch's result, and losers with an undo had it called, in the calling task and
 * shielded. A branch that cannot be started (-ENOMEM, -EAGAIN) counts as one that failed, but does
 * not win as the first to end.
 *
 * Suspends:  until every branch has returned.
 * Context:   a task. The branches inherit its cancellation and deadlines.
 * Lifetime:  branches and what they name stay in place during the call.
 * Returns:   the winner's index, also when the caller has been cancelled meanwhile; without a
 *            winner the first error of a branch, or -ECANCELED or -ETIMEDOUT of the caller. -EINVAL
 *            for no branches, more than INT_MAX or unknown flags.
 */
AIO_API AIO_NODISCARD int aio_scope_race(struct aio_branch *branches, size_t count, unsigned flags);

/*
 * aio_scope_gather runs the branches beside each other and waits for all of them; a failure does
 * not cancel the others. undo is not used.
 *
 * Suspends:  until every branch has returned.
 * Context:   a task. The branches inherit its cancellation and deadlines.
 * Lifetime:  branches and what they name stay in place during the call.
 * Returns:   0 when all have succeeded; else what went wrong first: a branch's error, or
 *            -ECANCELED or -ETIMEDOUT of the caller. Every result stands in its branch.
 */
AIO_API AIO_NODISCARD int aio_scope_gather(struct aio_branch *branches, size_t count);

AIO_END_DECLS

#endif
