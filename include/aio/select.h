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
 * Channels between cores and threads take part as well: their cases may happen from any thread.
 *
 * I/O takes part as readiness: nothing is read or written, so nothing can be lost.
 */
#ifndef AIO_SELECT_H
#define AIO_SELECT_H

#include <aio/base.h>
#include <aio/channel.h>
#include <aio/net.h>
#include <aio/shared.h>
#include <aio/signal.h>
#include <aio/socket.h>
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
 * Context:   a task; all objects belong to its core, but for channels between cores.
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

/* The following make cases; none of them waits. The objects and the memory they name must last as
 * long as the case is used. */

/*
 * aio_select_send is the case of aio_channel_send.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   the case. Its result: 0; -EPIPE.
 */
AIO_API struct aio_select_case aio_select_send(struct aio_channel *channel, const void *item);

/*
 * aio_select_receive is the case of aio_channel_receive.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   the case. Its result: 1; 0 when the channel is closed and drained.
 */
AIO_API struct aio_select_case aio_select_receive(struct aio_channel *channel, void *item);

/*
 * aio_select_oneshot is the case of aio_oneshot_receive.
 *
 * Suspends:  never.
 * Context:   a task of the oneshot's core.
 * Returns:   the case. Its result: 1; 0 when the oneshot was dropped; -EALREADY.
 */
AIO_API struct aio_select_case aio_select_oneshot(struct aio_oneshot *oneshot);

/*
 * aio_select_subscriber is the case of aio_subscriber_receive.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 * Returns:   the case. Its result: 1; 0 when the broadcast is closed and nothing left; -EOVERFLOW.
 */
AIO_API struct aio_select_case aio_select_subscriber(struct aio_subscriber *subscriber, void *item);

/*
 * aio_select_put is the case of aio_shared_send: puts an item into a channel between cores.
 *
 * Suspends:  never.
 * Context:   a task of any runtime; a hold on the channel lasts until the select has returned.
 * Returns:   the case. Its result: 0; -EPIPE; -ESHUTDOWN in a child of fork(2).
 */
AIO_API struct aio_select_case aio_select_put(struct aio_shared_channel *channel, const void *item);

/*
 * aio_select_take is the case of aio_shared_receive: takes an item from a channel between cores.
 *
 * Suspends:  never.
 * Context:   as aio_select_put.
 * Returns:   the case. Its result: 1; 0 when the channel is closed and drained; -ESHUTDOWN in a
 *            child of fork(2).
 */
AIO_API struct aio_select_case aio_select_take(struct aio_shared_channel *channel, void *item);

/*
 * aio_select_join is the case of aio_task_join: when it is chosen the task has been joined,
 * *result (which may be NULL) is set and the handle is gone; when it is not, the handle is as it
 * was.
 *
 * Suspends:  never.
 * Context:   a task of the same core, not the task itself.
 * Returns:   the case. Its result: 0.
 */
AIO_API struct aio_select_case aio_select_join(struct aio_task *task, int *result);

/*
 * aio_select_signal is the case of aio_signal_wait.
 *
 * Suspends:  never.
 * Context:   a task of the subscription's core.
 * Returns:   the case. Its result: 0, with *info written; -EBADF when the subscription is closed
 *            while the select waits.
 */
AIO_API struct aio_select_case aio_select_signal(struct aio_signal *signal,
                                                 struct aio_signal_info *info);

/*
 * aio_select_after is chosen when duration_ns have passed since aio_select_wait was called; 0 or
 * less: at once.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   the case. Its result: 0.
 */
AIO_API struct aio_select_case aio_select_after(int64_t duration_ns);

/*
 * aio_select_until is chosen at the time at_ns of aio_time_now; AIO_FOREVER: never.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   the case. Its result: 0.
 */
AIO_API struct aio_select_case aio_select_until(int64_t at_ns);

/*
 * aio_select_readable is chosen when a read would not wait: there are bytes, or the end, or an
 * error to report. Where other tasks read from the stream too they may have been quicker.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   the case. Its result: 0; -EBADF when the stream is being closed, also while the select
 *            waits; or another -errno of poll(2).
 */
AIO_API struct aio_select_case aio_select_readable(struct aio_stream *stream);

/*
 * aio_select_writable is chosen when a write would not wait.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   as aio_select_readable.
 */
AIO_API struct aio_select_case aio_select_writable(struct aio_stream *stream);

/*
 * aio_select_receivable is chosen when receiving from a socket would not wait: there is a packet,
 * or an error to report, or an end. Where other tasks receive too they may have been quicker.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   as aio_select_readable.
 */
AIO_API struct aio_select_case aio_select_receivable(struct aio_socket *socket);

/*
 * aio_select_sendable is chosen when the socket has room for a packet. A Unix receiver may be full
 * even then.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   as aio_select_readable.
 */
AIO_API struct aio_select_case aio_select_sendable(struct aio_socket *socket);

/*
 * aio_select_acceptable is chosen when a connection, or an error, is there for
 * aio_listener_accept.
 *
 * Suspends:  never.
 * Context:   a task of the listener's core.
 * Returns:   as aio_select_readable.
 */
AIO_API struct aio_select_case aio_select_acceptable(struct aio_listener *listener);

AIO_END_DECLS

#endif
