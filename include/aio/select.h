/*
 * <aio/select.h>: waiting for the first of several things.
 *
 *     struct aio_select_case cases[] = {
 *         aio_select_receive(jobs, &job),
 *         aio_select_readable(stream),
 *         aio_select_after(AIO_SEC(5)),
 *     };
 *     switch (aio_select_wait(cases, 3)) {
 *     case 0: ... cases[0].result is 1, or 0 when jobs is closed ...
 *
 * Exactly one case's effect happens: an item is received or sent, a task joined, by the case whose
 * index is returned, and by no other. When several are ready, the search begins at a random case,
 * so that none is passed over for ever. Cases stand in the queues of their objects beside tasks
 * that wait for these alone, first in, first out. Two cases of one select never meet each other.
 *
 * I/O takes part as readiness: nothing is read or written, so nothing can be lost.
 */
#ifndef AIO_SELECT_H
#define AIO_SELECT_H

#include <aio/base.h>
#include <aio/channel.h>
#include <aio/net.h>
#include <aio/stream.h>
#include <aio/task.h>

AIO_BEGIN_DECLS

/* Cases of one select, at most. */
#define AIO_SELECT_CASES 64

/*
 * One thing to wait for. The functions below make them; a list may be used again. A case of zeroes
 * is never chosen, which is how to switch one off.
 */
struct aio_select_case {
    const void *kind; /* private */
    void *object;     /* private */
    void *item;       /* private */
    int64_t time_ns;  /* private */
    int result;       /* of the case that was chosen; what it means stands at each function */
};

/*
 * aio_select_wait waits until one case can happen, and makes it happen.
 *
 * Suspends:  until a case can happen; after one that could at once, now and then to let others run.
 *            A readiness case that was waited for is taken back, which the kernel has to confirm:
 *            that takes a turn of the loop.
 * Context:   a task; all objects belong to its runtime.
 * Lifetime:  cases and what they name until the call returns.
 * Returns:   the index of the case, whose result is set; -EINVAL for a count of 0 or more than
 *            AIO_SELECT_CASES; -ECANCELED; -ETIMEDOUT. After an error no case has had an effect.
 */
AIO_API AIO_NODISCARD int aio_select_wait(struct aio_select_case *cases, size_t count);

/*
 * aio_select_try makes a case happen that can happen at once.
 *
 * Suspends:  never.
 * Context:   as aio_select_wait.
 * Returns:   the index of the case; -EAGAIN when there is none; -EINVAL as above.
 */
AIO_API AIO_NODISCARD int aio_select_try(struct aio_select_case *cases, size_t count);

/*
 * aio_select_send is the case of aio_channel_send. Result: 0; -EPIPE.
 *
 * Suspends:  never; this and the following only describe a case.
 * Context:   a task of the channel's runtime.
 * Lifetime:  channel and item as long as the case is used.
 * Returns:   the case.
 */
AIO_API struct aio_select_case aio_select_send(struct aio_channel *channel, const void *item);

/* aio_select_receive is the case of aio_channel_receive. Result: 1; 0 when closed and drained. */
AIO_API struct aio_select_case aio_select_receive(struct aio_channel *channel, void *item);

/* aio_select_oneshot is the case of aio_oneshot_receive. Result: 1; 0 when dropped; -EALREADY. */
AIO_API struct aio_select_case aio_select_oneshot(struct aio_oneshot *oneshot);

/* aio_select_subscriber is the case of aio_subscriber_receive. Result: 1; 0 when closed;
 * -EOVERFLOW. */
AIO_API struct aio_select_case aio_select_subscriber(struct aio_subscriber *subscriber, void *item);

/*
 * aio_select_join is the case of aio_task_join: when it is chosen the task has been joined,
 * *result (which may be NULL) is set and the handle is gone; when it is not, the handle is as it
 * was. Result: 0.
 */
AIO_API struct aio_select_case aio_select_join(struct aio_task *task, int *result);

/* aio_select_after is chosen when duration_ns have passed since aio_select_wait was called; 0 or
 * less: at once. Result: 0. */
AIO_API struct aio_select_case aio_select_after(int64_t duration_ns);

/* aio_select_until is chosen at the time at_ns of aio_time_now. Result: 0. */
AIO_API struct aio_select_case aio_select_until(int64_t at_ns);

/*
 * aio_select_readable is chosen when a read would not wait: there are bytes, or the end, or an
 * error to report. With other tasks reading from the stream they may be gone again. Result: 0;
 * -EBADF when the stream is closed, also while waiting.
 */
AIO_API struct aio_select_case aio_select_readable(struct aio_stream *stream);

/* aio_select_writable is chosen when a write would not wait. Result: as aio_select_readable. */
AIO_API struct aio_select_case aio_select_writable(struct aio_stream *stream);

/* aio_select_acceptable is chosen when a connection, or an error, is there for aio_listener_accept.
 * Result: as aio_select_readable. */
AIO_API struct aio_select_case aio_select_acceptable(struct aio_listener *listener);

AIO_END_DECLS

#endif
