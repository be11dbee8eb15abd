/*
 * What the files of the channels between cores share: the channel, and those who wait at it, each
 * alone or as a case of a select. Their queues are shared_queue.c, all before them is shared.c.
 */
#ifndef AIO_CORE_SHARED_H
#define AIO_CORE_SHARED_H

#include "core/ring.h"
#include "core/select.h"

#include <aio/shared.h>

enum aio__shared_side { AIO__SHARED_SENDERS, AIO__SHARED_RECEIVERS, AIO__SHARED_SIDES };

struct aio_shared_channel {
    struct aio__ring ring; /* first: ends in an empty line */
    atomic_int waiting[AIO__SHARED_SIDES];
    unsigned fork; /* the process it was opened in */
    char before_lock[AIO__LINE_BYTES];
    pthread_mutex_t lock;
    struct aio__wait_queue queues[AIO__SHARED_SIDES]; /* under the lock */
    atomic_int holders;
    char before_luck[AIO__LINE_BYTES];
    atomic_int luck[AIO__SHARED_SIDES];
};

static inline enum aio__shared_side aio__shared_other(enum aio__shared_side side)
{
    return side == AIO__SHARED_SENDERS ? AIO__SHARED_RECEIVERS : AIO__SHARED_SENDERS;
}

/* Serves those who wait, after the ring has changed. */
void aio__shared_settle(struct aio_shared_channel *channel);

/* Puts the waiter in its queue, and sees what comes of it. Returns whether it stands there still;
 * with `stay` false it leaves again. */
bool aio__shared_join(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter,
                      bool stay);

/* Takes the waiter from its queue. Returns false when it stands there no more: if it was granted
 * something it is told, or will be. */
bool aio__shared_leave(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter);

#endif
