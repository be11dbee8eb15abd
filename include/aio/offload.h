/*
 * <aio/offload.h>: running code that blocks, on a thread of the core's own pool.
 *
 * A task that calls something that blocks (a DNS resolver, a compression, a database client) holds
 * up every task of its thread. aio_offload_call runs it elsewhere and lets the others go on.
 *
 * The pool belongs to a core and is elastic: threads start when there is work for them, up to
 * options.offload_threads, and end after options.offload_idle_ns without any, but for those that
 * have made child processes. Where the backend cannot read or write files asynchronously, the same
 * threads do it.
 */
#ifndef AIO_OFFLOAD_H
#define AIO_OFFLOAD_H

#include <aio/base.h>

AIO_BEGIN_DECLS

/*
 * aio_offload_call runs fn(arg) on a thread of the pool and waits for its end. When as many calls
 * are in the pool as it has threads and places in its queue (options.offload_threads plus
 * options.offload_queue), the call waits for its turn first, FIFO.
 *
 * fn is not a task: aio calls that need one abort in it. Its thread has all signals blocked, the
 * name "aio-offload" and the process's default stack size. While it runs it counts as one of the
 * runtime's pending operations.
 *
 * A call that is cancelled, or whose deadline passes, before a thread has begun it, never runs.
 * One that runs is not abandoned: the call returns when fn has, with its result; the next call
 * that can suspend returns the cancellation. So does the end of a runtime wait for it.
 *
 * Suspends:  until fn has returned.
 * Context:   a task.
 * Lifetime:  arg as long as fn uses it, which is at most until the call returns; so it may stand in
 *            the caller's frame.
 * Returns:   0 with *result (which may be NULL) set to what fn returned. Otherwise fn did not run:
 *            -ECANCELED; -ETIMEDOUT; -EAGAIN when the pool has no thread and none could be
 *            started.
 */
AIO_API AIO_NODISCARD int aio_offload_call(int (*fn)(void *arg), void *arg, int *result);

AIO_END_DECLS

#endif
