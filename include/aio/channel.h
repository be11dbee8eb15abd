/*
 * <aio/channel.h>: channels between tasks of one core: bounded and rendezvous channels, a
 * oneshot, a broadcast.
 *
 * Items are copied as bytes, into the channel and out of it, or straight from the sender to a
 * receiver that waits. They are neither atomic nor shared between threads: every call comes from
 * a task of the core that opened the channel, and another one's aborts. <aio/shared.h> has channels
 * between cores.
 *
 * Success beats cancellation: a receiver that is cancelled, or whose deadline passes, in the
 * moment in which it was handed an item returns that item; its next call that can suspend returns
 * the cancellation. A sender that returns -ECANCELED or -ETIMEDOUT still has its item.
 */
#ifndef AIO_CHANNEL_H
#define AIO_CHANNEL_H

#include <aio/base.h>

AIO_BEGIN_DECLS

struct aio_channel;

/*
 * aio_channel_open makes a channel for items of element_bytes, of which it keeps up to capacity.
 * With capacity 0 it is a rendezvous: a send ends when a receiver has taken the item. Items of 0
 * bytes are signals. The memory for all items is reserved at once, but touched only as they come.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  until aio_channel_free.
 * Returns:   0; -EINVAL when capacity * element_bytes is more than size_t holds; -ENOMEM, also for
 *            more than 64 GiB.
 */
AIO_API AIO_NODISCARD int aio_channel_open(struct aio_channel **out, size_t element_bytes,
                                           size_t capacity);

/*
 * aio_channel_free frees the channel and what is left in it. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core. A task that waits on the channel aborts: close it
 *            first, and let the waiting ones return.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_channel_free(struct aio_channel *channel);

/*
 * aio_channel_send sends a copy of *item. Senders are served first in, first out.
 *
 * Suspends:  while the channel is full, or until a receiver comes when capacity is 0; and after a
 *            number of sends without a wait, to let others run.
 * Context:   a task of the channel's core.
 * Lifetime:  item until the call returns; NULL will do for items of 0 bytes.
 * Returns:   0; -EPIPE when the channel is closed, before or while waiting; -ECANCELED;
 *            -ETIMEDOUT. After an error nobody has got the item.
 */
AIO_API AIO_NODISCARD int aio_channel_send(struct aio_channel *channel, const void *item);

/*
 * aio_channel_receive takes the oldest item. Receivers are served first in, first out.
 *
 * Suspends:  until there is an item or the channel is closed; and after a number of items without
 *            a wait, to let others run.
 * Context:   a task of the channel's core.
 * Lifetime:  item until the call returns; NULL will do for items of 0 bytes.
 * Returns:   1 with *item set; 0 when the channel is closed and drained; -ECANCELED; -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_channel_receive(struct aio_channel *channel, void *item);

/*
 * aio_channel_trysend sends if that needs no wait.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   0; -EAGAIN; -EPIPE when the channel is closed.
 */
AIO_API AIO_NODISCARD int aio_channel_trysend(struct aio_channel *channel, const void *item);

/*
 * aio_channel_tryreceive takes the oldest item if there is one.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   1 with *item set; 0 when the channel is closed and drained; -EAGAIN.
 */
AIO_API AIO_NODISCARD int aio_channel_tryreceive(struct aio_channel *channel, void *item);

/*
 * aio_channel_close ends sending: senders, those that wait included, get -EPIPE and keep their
 * items; receivers get what is buffered, then 0. Closing twice is harmless.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 */
AIO_API void aio_channel_close(struct aio_channel *channel);

/*
 * aio_channel_length tells how many items are buffered.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   0 to the capacity.
 */
AIO_API size_t aio_channel_length(const struct aio_channel *channel);

/*
 * aio_channel_capacity tells how many items it can buffer.
 *
 * Suspends:  never.
 * Context:   a task of the channel's core.
 * Returns:   the capacity as given to aio_channel_open.
 */
AIO_API size_t aio_channel_capacity(const struct aio_channel *channel);

/*
 * A oneshot carries one item from one task to another, once: an answer, or the word that something
 * has happened. It lives in the caller's memory, and so does the item; nothing is allocated.
 *
 *     int answer;
 *     struct aio_oneshot oneshot = AIO_ONESHOT_INIT(answer);
 *     struct aio_oneshot done = AIO_ONESHOT_SIGNAL;         an item of 0 bytes
 *
 * Its fields are private.
 */
struct aio_oneshot {
    void *slot;
    size_t bytes;
    void *runtime;
    void *receiver;
    int state;
};

#define AIO_ONESHOT_INIT(variable)                                                                 \
    {                                                                                              \
        &(variable), sizeof(variable), NULL, NULL, 0                                               \
    }
#define AIO_ONESHOT_SIGNAL                                                                         \
    {                                                                                              \
        NULL, 0, NULL, NULL, 0                                                                     \
    }

/*
 * aio_oneshot_send copies *item into the oneshot's variable and wakes the receiver.
 *
 * Suspends:  never.
 * Context:   a task; all calls on a oneshot come from tasks of one core.
 * Lifetime:  the oneshot and its variable stay in place until the item has been received.
 * Returns:   0; -EALREADY when an item was sent before; -EPIPE when the oneshot was dropped.
 */
AIO_API AIO_NODISCARD int aio_oneshot_send(struct aio_oneshot *oneshot, const void *item);

/*
 * aio_oneshot_receive waits for the item, which then stands in the oneshot's variable. One task
 * receives; a second one that waits at the same time aborts.
 *
 * Suspends:  until the item is sent or the oneshot dropped.
 * Context:   as aio_oneshot_send.
 * Lifetime:  as aio_oneshot_send.
 * Returns:   1; 0 when it was dropped with nothing sent; -EALREADY when the item was received
 *            before; -ECANCELED; -ETIMEDOUT. After an error the item can still be received.
 */
AIO_API AIO_NODISCARD int aio_oneshot_receive(struct aio_oneshot *oneshot);

/*
 * aio_oneshot_drop gives the oneshot up, on either side: with nothing sent yet, the receiver gets 0
 * and a later send -EPIPE. An item that was sent stays. Dropping twice is harmless.
 *
 * Suspends:  never.
 * Context:   as aio_oneshot_send.
 */
AIO_API void aio_oneshot_drop(struct aio_oneshot *oneshot);

/*
 * A broadcast: every subscriber gets every item sent since it subscribed, in order. The last
 * `capacity` items are kept. Sending never waits: a subscriber that is more than that behind loses
 * the oldest ones, is told so, once for each gap, by -EOVERFLOW, and goes on at the oldest that is
 * kept. Who must not lose an item takes a channel of its own.
 */
struct aio_broadcast;
struct aio_subscriber;

/*
 * aio_broadcast_open makes a broadcast for items of element_bytes that keeps the last capacity of
 * them.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  until aio_broadcast_free.
 * Returns:   0; -EINVAL for capacity 0, or when capacity, rounded up to a power of two, or that
 *            times element_bytes is more than size_t holds; -ENOMEM, also for more than 64 GiB.
 */
AIO_API AIO_NODISCARD int aio_broadcast_open(struct aio_broadcast **out, size_t element_bytes,
                                             size_t capacity);

/*
 * aio_broadcast_free frees the broadcast. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core. A subscriber that is left aborts.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_broadcast_free(struct aio_broadcast *broadcast);

/*
 * aio_broadcast_send gives a copy of *item to every subscriber.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 * Returns:   0, also when nobody listens; -EPIPE after aio_broadcast_close.
 */
AIO_API AIO_NODISCARD int aio_broadcast_send(struct aio_broadcast *broadcast, const void *item);

/*
 * aio_broadcast_close ends sending: subscribers get what is kept for them, then 0. Closing twice is
 * harmless.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 */
AIO_API void aio_broadcast_close(struct aio_broadcast *broadcast);

/*
 * aio_broadcast_subscribe makes a subscriber, which gets what is sent from now on.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 * Lifetime:  until aio_subscriber_free.
 * Returns:   0; -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_broadcast_subscribe(struct aio_subscriber **out,
                                                  struct aio_broadcast *broadcast);

/*
 * aio_subscriber_free ends a subscription. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core. A task that waits for this subscriber aborts.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_subscriber_free(struct aio_subscriber *subscriber);

/*
 * aio_subscriber_receive takes the subscriber's next item. Tasks that share a subscriber share its
 * items, first in, first out.
 *
 * Suspends:  until there is an item or the broadcast is closed; and after a number of items without
 *            a wait, to let others run.
 * Context:   a task of the broadcast's core.
 * Lifetime:  item until the call returns; NULL will do for items of 0 bytes.
 * Returns:   1 with *item set; 0 when the broadcast is closed and nothing is left; -EOVERFLOW when
 *            items were lost, see aio_subscriber_missed; -ECANCELED; -ETIMEDOUT.
 */
AIO_API AIO_NODISCARD int aio_subscriber_receive(struct aio_subscriber *subscriber, void *item);

/*
 * aio_subscriber_tryreceive takes the subscriber's next item if there is one.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 * Returns:   as aio_subscriber_receive; -EAGAIN instead of waiting.
 */
AIO_API AIO_NODISCARD int aio_subscriber_tryreceive(struct aio_subscriber *subscriber, void *item);

/*
 * aio_subscriber_missed tells how many items the subscriber lost in all.
 *
 * Suspends:  never.
 * Context:   a task of the broadcast's core.
 * Returns:   the count, which grows by each -EOVERFLOW.
 */
AIO_API uint64_t aio_subscriber_missed(const struct aio_subscriber *subscriber);

AIO_END_DECLS

#endif
