/*
 * <aio/core.h>: the cores of a runtime: their number, and work for another one.
 *
 * A core is a thread with a scheduler, a ring or epoll, and tasks of its own; nothing is shared. A
 * handle (task, listener, stream, channel of one core) belongs to the core that made it, and aborts
 * the program when it is used from another one.
 */
#ifndef AIO_CORE_H
#define AIO_CORE_H

#include <aio/base.h>
#include <aio/task.h>

AIO_BEGIN_DECLS

/*
 * aio_core_count tells how many cores the runtime has.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   1 to AIO_CORES_MAX.
 */
AIO_API uint32_t aio_core_count(void);

/*
 * aio_core_index tells which of them runs the calling task.
 *
 * Suspends:  never.
 * Context:   a task.
 * Returns:   0 to aio_core_count() - 1.
 */
AIO_API uint32_t aio_core_index(void);

/*
 * aio_core_spawn makes a detached task on the core of that index. What was accepted runs: while
 * that core has no room for another task it waits for it, and when the core is ending the task
 * starts cancelled, so that it can give back what arg stands for. Tasks that one task sends to one
 * core start in that order, but for those with a stack size of their own for which there is no
 * memory: they keep the others waiting no longer.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  arg as long as fn uses it; options only during the call.
 * Returns:   0; -EINVAL for a bad index or option; -ESHUTDOWN when that core is ending or has
 *            ended; -ENOMEM. On the caller's own core as aio_task_spawn.
 */
AIO_API AIO_NODISCARD int aio_core_spawn(uint32_t index, int (*fn)(void *arg), void *arg,
                                         const struct aio_task_options *options);

/*
 * aio_core_call runs fn(arg) as a task on the core of that index and waits for its result. On the
 * caller's own core it is a plain call.
 *
 * A cancellation or deadline of the caller cancels that task, and the call returns when it has
 * ended: 0, with the result of fn (often -ECANCELED); the next call that can suspend returns the
 * caller's own cancellation.
 *
 * Suspends:  until fn has returned.
 * Context:   a task.
 * Lifetime:  arg, also when it is in the caller's frame: fn does not outlive the call.
 * Returns:   0 with *result (which may be NULL) set; else fn did not run: -EINVAL for a bad index;
 *            -ESHUTDOWN when that core is ending or has ended; -EAGAIN or -ENOMEM when it has no
 *            room for the task; -ECANCELED, -ETIMEDOUT when either was pending before.
 */
AIO_API AIO_NODISCARD int aio_core_call(uint32_t index, int (*fn)(void *arg), void *arg,
                                        int *result);

AIO_END_DECLS

#endif
