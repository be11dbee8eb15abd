/*
 * <aio/task.h>: tasks: spawn, join, detach, yield, cancel, shield.
 *
 * A task is a function with a stack of its own. It runs until it calls something that has to
 * wait, or yields; no other task of its thread runs meanwhile. Floating-point control modes and
 * errno belong to the thread, not to the task: do not keep them across a call that may suspend.
 */
#ifndef AIO_TASK_H
#define AIO_TASK_H

#include <aio/base.h>

AIO_BEGIN_DECLS

struct aio_task;

/* Options of a task. Start from AIO_TASK_OPTIONS; a field that is zero has its default. */
struct aio_task_options {
    size_t size;
    /* For messages and dumps; copied, the first 23 bytes count. Default: "task". */
    const char *name;
    /* Usable stack bytes of this task. Default: the runtime's. */
    size_t stack_bytes;
};

#define AIO_TASK_OPTIONS ((struct aio_task_options){.size = sizeof(struct aio_task_options)})

/*
 * aio_task_spawn makes a task that will run fn(arg). It starts after the caller's next
 * suspension. With out it must be joined or detached, once; with out NULL it is detached and its
 * result is dropped. It inherits neither the caller's deadlines nor its cancellation.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  arg as long as fn uses it; options only during the call.
 * Returns:   0; -ENOMEM; -EAGAIN when task_limit tasks are alive or the kernel has no mapping
 *            left; -EINVAL for bad options; -ECANCELED when the runtime is ending. Nothing was
 *            started then.
 */
AIO_API AIO_NODISCARD int aio_task_spawn(struct aio_task **out, int (*fn)(void *arg), void *arg,
                                         const struct aio_task_options *options);

/*
 * aio_task_join waits until the task has returned, gives its result and frees it.
 *
 * Suspends:  until the task has returned.
 * Context:   a task of the same core, not the task itself. One task joins; a second aborts.
 * Lifetime:  after 0 the handle is gone; joining it again aborts, unless its memory is another
 *            task's by then. After an error it is still valid and must be joined or detached.
 * Returns:   0 with *result (which may be NULL) set; -ECANCELED; -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_task_join(struct aio_task *task, int *result);

/*
 * aio_task_detach gives up the handle: the task frees itself when it returns, its result is
 * dropped.
 *
 * Suspends:  never.
 * Context:   a task of the same core; aborts while another task joins it.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_task_detach(struct aio_task *task);

/*
 * aio_task_cancel asks a task to end: whatever it waits for ends with -ECANCELED (unless it has
 * succeeded in the same moment), and so does every later call of it that can suspend, outside
 * shields. With it are cancelled the children of its scopes, see <aio/scope.h>. It is a request:
 * the task runs on until it returns. Cancelling twice, or a finished task that is not joined yet,
 * is harmless.
 *
 * Suspends:  never.
 * Context:   a task of the same core; a task may cancel itself.
 */
AIO_API void aio_task_cancel(struct aio_task *task);

/*
 * aio_task_canceled tells whether the calling task has been cancelled, also inside a shield.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   true after the first aio_task_cancel.
 */
AIO_API bool aio_task_canceled(void);

/*
 * aio_task_yield lets the other ready tasks run once before the caller goes on.
 *
 * Suspends:  behind the tasks that are ready.
 * Context:   a task.
 * Returns:   0; -ECANCELED or -ETIMEDOUT at once when either is pending.
 */
AIO_API int aio_task_yield(void);

/*
 * aio_task_current gives the calling task.
 *
 * Suspends:  never.
 * Context:   anywhere on a runtime's thread.
 * Returns:   the handle, valid while the task runs; NULL outside tasks.
 */
AIO_API struct aio_task *aio_task_current(void);

/*
 * aio_task_name gives a task's name.
 *
 * Suspends:  never.
 * Context:   a task of the same core.
 * Lifetime:  the text lives as long as the handle.
 * Returns:   the name; "task" when it has none.
 */
AIO_API const char *aio_task_name(const struct aio_task *task);

/*
 * aio_task_rename names the calling task; the first 23 bytes count.
 *
 * Suspends:  never.
 * Context:   a task.
 */
AIO_API void aio_task_rename(const char *name);

/* A shield that is open, in the caller's frame. Its fields are private. */
struct aio_shield {
    void *task;
    void *deadlines;
    unsigned depth;
};

/*
 * aio_shield_enter holds back the cancellation of the calling task and the deadlines set so far,
 * so that clean-up can wait; deadlines set inside work as usual. aio_shield_leave ends it, in the
 * reverse order of entering. AIO_SHIELD { ... } does both; it may be left by return, break (which
 * leaves only the block) or goto.
 *
 * Suspends:  never.
 * Context:   a task; enter and leave in the same task.
 * Lifetime:  shield stays in place from enter to leave.
 */
AIO_API void aio_shield_enter(struct aio_shield *shield);

/* aio_shield_leave ends the shield that aio_shield_enter began. */
AIO_API void aio_shield_leave(struct aio_shield *shield);

#define AIO_SHIELD                                                                                 \
    for (struct aio_shield AIO_LOCAL(aio_shield_) __attribute__((cleanup(aio_shield_leave))),      \
         *AIO_LOCAL(aio_shield_once_) =                                                            \
             (aio_shield_enter(&AIO_LOCAL(aio_shield_)), &AIO_LOCAL(aio_shield_));                 \
         AIO_LOCAL(aio_shield_once_) != NULL; AIO_LOCAL(aio_shield_once_) = NULL)

AIO_END_DECLS

#endif
