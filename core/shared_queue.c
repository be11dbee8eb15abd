/*
 * The queues of a channel between cores.
 *
 * Whoever waits stands in a queue with a pointer to its item, and is served there: `settle` pushes
 * the items of waiting senders and pops for waiting receivers, oldest first, until nothing fits
 * any more. So a waiter that wakes has what it came for, and one that is cancelled has not.
 *
 * A case of a select is served only if its select is undecided, and that is held still, by the
 * select's lock, until it is known whether the ring has an item or a place. Cases of selects that
 * are decided are dropped where they are met. A rendezvous of two selects holds both, the lower
 * address first, so that two that meet at two channels at once do not wait for each other; one
 * never meets itself. tests/model/select.pml has this checked.
 */
#include "core/shared.h"

static void shared_enqueue(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter)
{
    waiter->queued = true;
    aio__wait_enqueue(&channel->queues[waiter->side], &waiter->link);
    (void)atomic_fetch_add(&channel->waiting[waiter->side], 1);
}

static void shared_dequeue(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter)
{
    waiter->queued = false;
    aio__wait_unlink(&channel->queues[waiter->side], &waiter->link);
    (void)atomic_fetch_sub(&channel->waiting[waiter->side], 1);
}

static struct aio__shared_waiter *shared_waiter_of(struct aio__wait *link)
{
    return link == NULL ? NULL : AIO__CONTAINER(link, struct aio__shared_waiter, link);
}

static struct aio__shared_waiter *shared_first(struct aio_shared_channel *channel,
                                               enum aio__shared_side side)
{
    return shared_waiter_of(channel->queues[side].head);
}

/* Holds still what has been decided for a waiter. Returns whether it can be served. */
static bool shared_hold(struct aio__shared_waiter *waiter)
{
    return waiter->select == NULL || aio__select_hold(waiter->select);
}

static void shared_let(struct aio__shared_waiter *waiter)
{
    if (waiter->select != NULL)
        aio__select_let(waiter->select);
}

/* The first of a side that can be served, held; NULL when there is none. */
static struct aio__shared_waiter *shared_hold_first(struct aio_shared_channel *channel,
                                                    enum aio__shared_side side)
{
    struct aio__shared_waiter *waiter;
    while ((waiter = shared_first(channel, side)) != NULL && !shared_hold(waiter)) {
        shared_dequeue(channel, waiter);
        shared_let(waiter);
    }
    return waiter;
}

/* Moves a waiter that is held to those who are to be told. */
static void shared_grant(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter,
                         int result, struct aio__wait_queue *granted)
{
    shared_dequeue(channel, waiter);
    if (waiter->select != NULL)
        waiter->select->winner = AIO__CONTAINER(waiter, struct aio__select_entry, shared);
    *waiter->result = result;
    aio__wait_enqueue(granted, &waiter->link);
}

/* The first of a side that the waiter, of the other side, may meet. */
static struct aio__shared_waiter *shared_partner(struct aio_shared_channel *channel,
                                                 enum aio__shared_side side,
                                                 const struct aio__shared_waiter *waiter)
{
    struct aio__shared_waiter *partner = shared_first(channel, side);
    while (partner != NULL && partner->select != NULL && partner->select == waiter->select)
        partner = shared_waiter_of(partner->link.next);
    return partner;
}

/* The first sender and the first receiver who may meet. If the first sender finds nobody, all
 * receivers are of its own select, and each of them will do for a sender of another. */
static bool shared_pair(struct aio_shared_channel *channel, struct aio__shared_waiter **sender,
                        struct aio__shared_waiter **receiver)
{
    *sender = shared_first(channel, AIO__SHARED_SENDERS);
    *receiver = shared_first(channel, AIO__SHARED_RECEIVERS);
    if (*sender == NULL || *receiver == NULL)
        return false;
    struct aio__shared_waiter *partner = shared_partner(channel, AIO__SHARED_RECEIVERS, *sender);
    if (partner != NULL)
        *receiver = partner;
    else
        *sender = shared_partner(channel, AIO__SHARED_SENDERS, *receiver);
    return *sender != NULL;
}

/* Rendezvous: from hand to hand. Returns whether anything has changed. */
static bool shared_meet(struct aio_shared_channel *channel, struct aio__wait_queue *granted)
{
    struct aio__shared_waiter *sender, *receiver;
    if (!shared_pair(channel, &sender, &receiver))
        return false;
    bool swap = (uintptr_t)receiver->select < (uintptr_t)sender->select;
    struct aio__shared_waiter *low = swap ? receiver : sender;
    struct aio__shared_waiter *high = swap ? sender : receiver;
    bool low_open = shared_hold(low);
    bool high_open = shared_hold(high);
    if (low_open && high_open) {
        aio__ring_copy(receiver->item, sender->item, channel->ring.item_bytes);
        shared_grant(channel, sender, 0, granted);
        shared_grant(channel, receiver, 1, granted);
    } else {
        if (!low_open)
            shared_dequeue(channel, low);
        if (!high_open)
            shared_dequeue(channel, high);
    }
    shared_let(high);
    shared_let(low);
    return true;
}

/* Serves the first of a side if the ring has a place (an item) for it. */
static bool shared_serve_side(struct aio_shared_channel *channel, enum aio__shared_side side,
                              struct aio__wait_queue *granted)
{
    struct aio__shared_waiter *waiter = shared_hold_first(channel, side);
    if (waiter == NULL)
        return false;
    int rc = side == AIO__SHARED_SENDERS ? aio__ring_push(&channel->ring, waiter->item)
                                         : aio__ring_pop(&channel->ring, waiter->item);
    if (rc >= 0)
        shared_grant(channel, waiter, rc, granted);
    shared_let(waiter);
    return rc >= 0;
}

/* Serves the first of each side if that is possible. */
static bool shared_serve(struct aio_shared_channel *channel, struct aio__wait_queue *granted)
{
    if (channel->ring.capacity == 0)
        return shared_meet(channel, granted);
    bool sent = shared_serve_side(channel, AIO__SHARED_SENDERS, granted);
    bool received = shared_serve_side(channel, AIO__SHARED_RECEIVERS, granted);
    return sent || received;
}

static void shared_dismiss(struct aio_shared_channel *channel, enum aio__shared_side side,
                           int result, struct aio__wait_queue *granted)
{
    struct aio__shared_waiter *waiter;
    while ((waiter = shared_hold_first(channel, side)) != NULL) {
        shared_grant(channel, waiter, result, granted);
        shared_let(waiter);
    }
}

/* With the lock held: serves all who can be served; if the channel is closed, also those who
 * cannot be any more. */
static void shared_settle_locked(struct aio_shared_channel *channel,
                                 struct aio__wait_queue *granted)
{
    while (shared_serve(channel, granted))
        ;
    if (aio__ring_closed(&channel->ring))
        shared_dismiss(channel, AIO__SHARED_SENDERS, -EPIPE, granted);
    if (aio__ring_drained(&channel->ring))
        shared_dismiss(channel, AIO__SHARED_RECEIVERS, 0, granted);
}

/* Outside the lock, which others need while these make their system calls. One that has been told
 * may be gone. */
static void shared_tell_all(struct aio__wait *link)
{
    while (link != NULL) {
        struct aio__wait *next = link->next;
        aio__sleeper_tell(shared_waiter_of(link)->sleeper);
        link = next;
    }
}

void aio__shared_settle(struct aio_shared_channel *channel)
{
    struct aio__wait_queue granted = {NULL, NULL};
    pthread_mutex_lock(&channel->lock);
    shared_settle_locked(channel, &granted);
    pthread_mutex_unlock(&channel->lock);
    shared_tell_all(granted.head);
}

bool aio__shared_join(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter,
                      bool stay)
{
    struct aio__wait_queue granted = {NULL, NULL};
    pthread_mutex_lock(&channel->lock);
    shared_enqueue(channel, waiter);
    shared_settle_locked(channel, &granted);
    bool queued = waiter->queued;
    if (queued && !stay)
        shared_dequeue(channel, waiter);
    pthread_mutex_unlock(&channel->lock);
    shared_tell_all(granted.head);
    return queued;
}

bool aio__shared_leave(struct aio_shared_channel *channel, struct aio__shared_waiter *waiter)
{
    pthread_mutex_lock(&channel->lock);
    bool queued = waiter->queued;
    if (queued)
        shared_dequeue(channel, waiter);
    pthread_mutex_unlock(&channel->lock);
    return queued;
}
