/*
 * <aio/shared.h>: channels between cores and threads.
 *
 * A shared channel carries items of one size from any number of senders to any number of
 * receivers, each of which is a task of any runtime, or code on a plain thread. Where a task would
 * have to wait it is suspended, where a plain thread would have to wait it blocks. Between tasks
 * of one core the channels of <aio/channel.h> are cheaper.
 *
 * Items of one sender are received in the order in which they were sent. Waiting senders are
 * served in the order in which they came, and so are waiting receivers.
 */
#ifndef AIO_SHARED_H
#define AIO_SHARED_H

#include <aio/base.h>

AIO_BEGIN_DECLS

struct aio_shared_channel;

/*
 * aio_shared_open makes a channel for items of item_bytes bytes, which holds up to capacity items
 * that are sent and not received. With capacity 0 a send waits until its item is received
 * (rendezvous).
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  the caller holds it until aio_shared_release. It belongs to the process: the runtime
 *            of the task that opened it may end before.
 * Returns:   0; -EINVAL when item_bytes is 0; -ENOMEM, also for a capacity beyond all memory.
 */
AIO_API AIO_NODISCARD int aio_shared_open(struct aio_shared_channel **out, size_t item_bytes,
                                          size_t capacity);

/*
 * aio_shared_hold adds a holder, for another task or thread that will use the channel.
 *
 * Suspends:  never.
 * Context:   anywhere, by or for somebody who holds it already.
 * Returns:   the channel.
 */
AIO_API struct aio_shared_channel *aio_shared_hold(struct aio_shared_channel *channel);

/*
 * aio_shared_release gives up a hold; the last one frees the channel, with the items in it. It
 * does not close it for the other holders. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  the caller must not use the channel afterwards.
 */
AIO_API void aio_shared_release(struct aio_shared_channel *channel);

/*
 * aio_shared_send copies an item into the channel, or hands it to a receiver that waits.
 *
 * Suspends:  while the channel is full, or others wait to send; with capacity 0, until the item is
 *            received.
 * Context:   a task of any runtime; or a thread outside a task, which then blocks.
 * Lifetime:  item until the call returns.
 * Returns:   0; -EPIPE when the channel is closed, also while waiting; -ECANCELED; -ETIMEDOUT;
 *            -ESHUTDOWN in a child of fork(2), for a channel opened before the fork. After an error
 *            the item was not sent.
 */
AIO_API AIO_NODISCARD int aio_shared_send(struct aio_shared_channel *channel, const void *item);

/*
 * aio_shared_trysend sends without waiting.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EAGAIN when aio_shared_send would wait; -EPIPE; -ESHUTDOWN.
 */
AIO_API AIO_NODISCARD int aio_shared_trysend(struct aio_shared_channel *channel, const void *item);

/*
 * aio_shared_receive takes the oldest item.
 *
 * Suspends:  while there is none, or others wait to receive.
 * Context:   a task of any runtime; or a thread outside a task, which then blocks.
 * Lifetime:  item, of item_bytes bytes, until the call returns; it is written with 1 only.
 * Returns:   1 with an item; 0 when the channel is closed and nothing is left in it; -ECANCELED;
 *            -ETIMEDOUT; -ESHUTDOWN in a child of fork(2). After an error no item was taken.
 */
AIO_API AIO_NODISCARD int aio_shared_receive(struct aio_shared_channel *channel, void *item);

/*
 * aio_shared_tryreceive receives without waiting.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   1 with an item; 0 when the channel is closed and nothing is left in it; -EAGAIN when
 *            aio_shared_receive would wait; -ESHUTDOWN.
 */
AIO_API AIO_NODISCARD int aio_shared_tryreceive(struct aio_shared_channel *channel, void *item);

/*
 * aio_shared_close ends the sending: senders that wait and all later ones get -EPIPE; what was
 * sent before is received, then receivers get 0. Closing twice is harmless; in a child of fork(2)
 * a channel opened before the fork is left alone.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_shared_close(struct aio_shared_channel *channel);

AIO_END_DECLS

#endif
