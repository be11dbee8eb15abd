/*
 * Channels between cores and threads: a ring that needs no lock (ring.h), and around it, under a
 * lock, the queues of those who wait.
 *
 * Whoever waits stands in a queue with a pointer to its item, and is served there: `settle` pushes
 * the items of waiting senders and pops for waiting receivers, oldest first, until nothing fits
 * any more. So a waiter that wakes has what it came for, and one that is cancelled has not. The
 * lock-free path is for those who find nobody waiting on their own side, and who settle when
 * somebody waits on the other.
 *
 * No wake-up is lost: a waiter counts itself in `waiting`, then looks at the ring (it settles); the
 * others change the ring, then look at `waiting`. tests/model/shared_channel.pml has it checked.
 *
 * A waiter is granted under the lock and told after it: `state` decides between that and its going
 * to sleep. A plain thread sleeps on that word; a task is woken by a mail to its core, and stays
 * where it is until the mail has come.
 */
#include "core/alloc.h"
#include "core/quiet.h"
#include "core/ring.h"
#include "core/task.h"

#include <aio/shared.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How often one that would have to wait looks again first: about as long as going to sleep and
 * being woken takes. When that was of no use SHARED_SPIN_LUCK times in a row, it is tried once in
 * SHARED_SPIN_PAUSE waits until it is again. */
#define SHARED_SPINS 400
#define SHARED_SPIN_LUCK 4
#define SHARED_SPIN_PAUSE 16
/* Having found one item (one place), one hopes for so many, for so long, if a second comes soon:
 * each by itself would cost more than the wait, as two threads would write to the same memory in
 * turns. */
#define SHARED_BATCH 16
#define SHARED_BATCH_SPINS 32
#define SHARED_SECOND_SPINS 4

enum shared_side { SHARED_SENDERS, SHARED_RECEIVERS, SHARED_SIDES };

enum shared_state {
    SHARED_AWAKE,   /* in the queue, and looking */
    SHARED_ASLEEP,  /* has to be woken */
    SHARED_GRANTED, /* result says what came of it; the waiter may be gone */
};

struct shared_waiter {
    struct aio__wait wait; /* also of a thread: what links the queue */
    struct aio__mail mail;
    struct aio_shared_channel *channel;
    struct aio__core *core; /* NULL: a plain thread */
    void *item;
    enum shared_side side;
    bool queued; /* under the lock */
    int result;
    atomic_int state;
};

struct aio_shared_channel {
    struct aio__ring ring; /* first: ends in an empty line */
    atomic_int waiting[SHARED_SIDES];
    unsigned fork; /* the process it was opened in */
    char before_lock[AIO__LINE_BYTES];
    pthread_mutex_t lock;
    struct aio__wait_queue queues[SHARED_SIDES]; /* under the lock */
    atomic_int holders;
    char before_luck[AIO__LINE_BYTES];
    atomic_int luck[SHARED_SIDES];
};

static enum shared_side shared_other(enum shared_side side)
{
    return side == SHARED_SENDERS ? SHARED_RECEIVERS : SHARED_SENDERS;
}

static unsigned shared_forks; /* fork(2)s between the first process and this one */

static void shared_forked(void)
{
    shared_forks++;
}

static void shared_watch_forks(void)
{
    (void)pthread_atfork(NULL, NULL, shared_forked);
}

int aio_shared_open(struct aio_shared_channel **out, size_t item_bytes, size_t capacity)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (item_bytes == 0)
        return -EINVAL;
    size_t bytes;
    if (capacity > AIO__RING_CAPACITY_MAX || item_bytes > SIZE_MAX / 2 ||
        __builtin_mul_overflow(capacity, aio__ring_slot_bytes(item_bytes), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct aio_shared_channel), &bytes))
        return -ENOMEM;
    struct aio_shared_channel *channel = aio__alloc_shared(bytes);
    if (channel == NULL)
        return -ENOMEM;
    (void)pthread_once(&once, shared_watch_forks);
    aio__ring_open(&channel->ring, (char *)(channel + 1), capacity, item_bytes);
    channel->fork = shared_forks;
    channel->holders = 1;
    channel->luck[SHARED_SENDERS] = channel->luck[SHARED_RECEIVERS] = SHARED_SPIN_LUCK;
    pthread_mutex_init(&channel->lock, NULL);
    aio__outside_enter(); /* any thread may wake a task by it */
    *out = channel;
    return 0;
}

struct aio_shared_channel *aio_shared_hold(struct aio_shared_channel *channel)
{
    (void)atomic_fetch_add_explicit(&channel->holders, 1, memory_order_relaxed);
    return channel;
}

void aio_shared_release(struct aio_shared_channel *channel)
{
    if (channel == NULL || atomic_fetch_sub(&channel->holders, 1) > 1)
        return;
    AIO__REQUIRE(channel->waiting[SHARED_SENDERS] == 0 && channel->waiting[SHARED_RECEIVERS] == 0,
                 "aio_shared_release: the last hold is gone while somebody waits");
    pthread_mutex_destroy(&channel->lock);
    if (channel->fork == shared_forks)
        aio__outside_leave();
    aio__free(channel);
}

static void shared_enqueue(struct aio_shared_channel *channel, struct shared_waiter *waiter)
{
    waiter->queued = true;
    aio__wait_enqueue(&channel->queues[waiter->side], &waiter->wait);
    (void)atomic_fetch_add(&channel->waiting[waiter->side], 1);
}

static void shared_dequeue(struct aio_shared_channel *channel, struct shared_waiter *waiter)
{
    waiter->queued = false;
    aio__wait_unlink(&channel->queues[waiter->side], &waiter->wait);
    (void)atomic_fetch_sub(&channel->waiting[waiter->side], 1);
}

static struct shared_waiter *shared_first(struct aio_shared_channel *channel, enum shared_side side)
{
    struct aio__wait *wait = channel->queues[side].head;
    return wait == NULL ? NULL : AIO__CONTAINER(wait, struct shared_waiter, wait);
}

/* Moves the first waiter of a side to those that are to be told. */
static void shared_grant(struct aio_shared_channel *channel, enum shared_side side, int result,
                         struct aio__wait_queue *granted)
{
    struct shared_waiter *waiter = shared_first(channel, side);
    shared_dequeue(channel, waiter);
    waiter->result = result;
    aio__wait_enqueue(granted, &waiter->wait);
}

/* Rendezvous: from hand to hand. */
static bool shared_meet(struct aio_shared_channel *channel, struct aio__wait_queue *granted)
{
    struct shared_waiter *sender = shared_first(channel, SHARED_SENDERS);
    struct shared_waiter *receiver = shared_first(channel, SHARED_RECEIVERS);
    if (sender == NULL || receiver == NULL)
        return false;
    aio__ring_copy(receiver->item, sender->item, channel->ring.item_bytes);
    shared_grant(channel, SHARED_SENDERS, 0, granted);
    shared_grant(channel, SHARED_RECEIVERS, 1, granted);
    return true;
}

/* Serves the first of each side if that is possible. */
static bool shared_serve(struct aio_shared_channel *channel, struct aio__wait_queue *granted)
{
    if (channel->ring.capacity == 0)
        return shared_meet(channel, granted);
    struct shared_waiter *sender = shared_first(channel, SHARED_SENDERS);
    bool sent = sender != NULL && aio__ring_push(&channel->ring, sender->item) == 0;
    if (sent)
        shared_grant(channel, SHARED_SENDERS, 0, granted);
    struct shared_waiter *receiver = shared_first(channel, SHARED_RECEIVERS);
    bool received = receiver != NULL && aio__ring_pop(&channel->ring, receiver->item) == 1;
    if (received)
        shared_grant(channel, SHARED_RECEIVERS, 1, granted);
    return sent || received;
}

/* With the lock held: serves all who can be served; if the channel is closed, also those who
 * cannot be any more. */
static void shared_settle_locked(struct aio_shared_channel *channel,
                                 struct aio__wait_queue *granted)
{
    while (shared_serve(channel, granted))
        ;
    if (aio__ring_closed(&channel->ring))
        while (shared_first(channel, SHARED_SENDERS) != NULL)
            shared_grant(channel, SHARED_SENDERS, -EPIPE, granted);
    if (aio__ring_drained(&channel->ring))
        while (shared_first(channel, SHARED_RECEIVERS) != NULL)
            shared_grant(channel, SHARED_RECEIVERS, 0, granted);
}

static void shared_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    aio__wake(&AIO__CONTAINER(mail, struct shared_waiter, mail)->wait, 0);
}

/* From the exchange on a waiter that is awake may be gone, and a thread that sleeps, too: its
 * address is then only a number, for which at worst somebody else wakes for nothing. */
static void shared_tell(struct shared_waiter *waiter)
{
    struct aio__core *core = waiter->core;
    if (atomic_exchange(&waiter->state, SHARED_GRANTED) != SHARED_ASLEEP)
        return;
    if (core == NULL)
        (void)syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (core == aio__core_current)
        aio__wake(&waiter->wait, 0);
    else
        (void)aio__mailbox_post(core->mailbox, &waiter->mail); /* open: a task waits there */
}

/* Outside the lock, which others need while these make their system calls. */
static void shared_tell_all(struct aio__wait *wait)
{
    while (wait != NULL) {
        struct aio__wait *next = wait->next;
        shared_tell(AIO__CONTAINER(wait, struct shared_waiter, wait));
        wait = next;
    }
}

static void shared_settle(struct aio_shared_channel *channel)
{
    struct aio__wait_queue granted = {NULL, NULL};
    pthread_mutex_lock(&channel->lock);
    shared_settle_locked(channel, &granted);
    pthread_mutex_unlock(&channel->lock);
    shared_tell_all(granted.head);
}

/* Puts the waiter in its queue, and sees what comes of it. Returns whether it stands there still;
 * with `stay` false it leaves again. */
static bool shared_join(struct aio_shared_channel *channel, struct shared_waiter *waiter, bool stay)
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

/* Succeeds unless the waiter has been granted what it wants: then the mail is on its way. */
static void shared_abort(struct aio__wait *wait)
{
    struct shared_waiter *waiter = AIO__CONTAINER(wait, struct shared_waiter, wait);
    struct aio_shared_channel *channel = waiter->channel;
    pthread_mutex_lock(&channel->lock);
    bool queued = waiter->queued;
    if (queued)
        shared_dequeue(channel, waiter);
    pthread_mutex_unlock(&channel->lock);
    if (queued)
        aio__wake(wait, -ECANCELED);
}

static void shared_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static struct shared_waiter shared_waiter(struct aio_shared_channel *channel, enum shared_side side,
                                          void *item, struct aio__core *core)
{
    return (struct shared_waiter){
        .wait = {.abort = shared_abort,
                 .what = side == SHARED_SENDERS ? "shared send" : "shared receive"},
        .mail = {.deliver = shared_deliver},
        .channel = channel,
        .core = core,
        .item = item,
        .side = side,
    };
}

/* Whether to look again for a while before waiting: not while other tasks could run. */
static bool shared_may_spin(struct aio_shared_channel *channel, const struct aio__core *core,
                            enum shared_side side)
{
    if (core != NULL && core->ready.head != NULL)
        return false;
    int luck = atomic_load_explicit(&channel->luck[side], memory_order_relaxed);
    if (luck <= 0)
        atomic_store_explicit(&channel->luck[side], luck > -SHARED_SPIN_PAUSE ? luck - 1 : 1,
                              memory_order_relaxed);
    return luck > 0;
}

static bool shared_spun(struct aio_shared_channel *channel, enum shared_side side, bool of_use)
{
    int luck = atomic_load_explicit(&channel->luck[side], memory_order_relaxed);
    int then = of_use ? SHARED_SPIN_LUCK : luck - 1;
    if (then != luck)
        atomic_store_explicit(&channel->luck[side], then, memory_order_relaxed);
    return of_use;
}

static void shared_spin_batch(struct aio__ring *ring, bool to_send)
{
    size_t ahead = ring->capacity / 2 < SHARED_BATCH ? ring->capacity / 2 : SHARED_BATCH;
    for (int i = 0; i < SHARED_BATCH_SPINS && !aio__ring_ready(ring, to_send, ahead); i++) {
        if (i == SHARED_SECOND_SPINS && !aio__ring_ready(ring, to_send, 1))
            return;
        shared_pause();
    }
}

/* Waits a little for an item (a place). Returns whether there is one. */
static bool shared_spin(struct aio_shared_channel *channel, const struct aio__core *core,
                        enum shared_side side)
{
    struct aio__ring *ring = &channel->ring;
    bool to_send = side == SHARED_SENDERS;
    if (ring->capacity == 0 || !shared_may_spin(channel, core, side))
        return false;
    for (int i = 0; i < SHARED_SPINS && !aio__ring_ready(ring, to_send, 0); i++)
        shared_pause();
    if (!shared_spun(channel, side, aio__ring_ready(ring, to_send, 0)))
        return false;
    shared_spin_batch(ring, to_send);
    return true;
}

/* A rendezvous comes soon if the other side is at it. Returns whether it came. */
static bool shared_spin_queued(struct shared_waiter *waiter)
{
    struct aio_shared_channel *channel = waiter->channel;
    if (channel->ring.capacity > 0 || !shared_may_spin(channel, waiter->core, waiter->side))
        return false;
    int i = 0;
    while (i < SHARED_SPINS && atomic_load(&waiter->state) != SHARED_GRANTED) {
        shared_pause();
        i++;
    }
    return shared_spun(channel, waiter->side, i < SHARED_SPINS);
}

static void shared_charge(struct aio__core *core)
{
    if (core != NULL)
        aio__charge(core);
}

static void shared_block(struct shared_waiter *waiter)
{
    while (atomic_load(&waiter->state) == SHARED_ASLEEP)
        (void)syscall(SYS_futex, &waiter->state, FUTEX_WAIT_PRIVATE, SHARED_ASLEEP, NULL, NULL, 0);
}

static int shared_wait(struct aio_shared_channel *channel, enum shared_side side, void *item,
                       struct aio__core *core)
{
    struct shared_waiter waiter = shared_waiter(channel, side, item, core);
    int awake = SHARED_AWAKE;
    if (!shared_join(channel, &waiter, true) || shared_spin_queued(&waiter) ||
        !atomic_compare_exchange_strong(&waiter.state, &awake, SHARED_ASLEEP))
        shared_charge(core);
    else if (core == NULL)
        shared_block(&waiter);
    else if (aio__park(core, &waiter.wait) < 0)
        return aio__wait_reason(&waiter.wait);
    return waiter.result;
}

/* Without waiting, for a rendezvous: with who stands there. */
static int shared_try_meet(struct aio_shared_channel *channel, enum shared_side side, void *item)
{
    struct shared_waiter waiter = shared_waiter(channel, side, item, NULL);
    if (atomic_load(&channel->waiting[shared_other(side)]) == 0 &&
        !aio__ring_closed(&channel->ring))
        return -EAGAIN;
    return shared_join(channel, &waiter, false) ? -EAGAIN : waiter.result;
}

/* One side's lock-free path. Inlined, so that the side is known. */
static inline __attribute__((always_inline)) int shared_try(struct aio_shared_channel *channel,
                                                            enum shared_side side, void *item)
{
    struct aio__ring *ring = &channel->ring;
    enum shared_side other = shared_other(side);
    if (ring->capacity == 0)
        return shared_try_meet(channel, side, item);
    if (atomic_load(&channel->waiting[side]) > 0)
        return -EAGAIN;
    int rc = side == SHARED_SENDERS ? aio__ring_push(ring, item) : aio__ring_pop(ring, item);
    if (rc >= 0 && atomic_load(&channel->waiting[other]) > 0)
        shared_settle(channel);
    if (rc < 0 && side == SHARED_RECEIVERS && aio__ring_drained(ring))
        return 0;
    return rc;
}

/* The core whose task calls; NULL on a plain thread. */
static struct aio__core *shared_caller(void)
{
    struct aio__core *core = aio__core_current;
    return core != NULL && core->current != NULL ? core : NULL;
}

int aio_shared_trysend(struct aio_shared_channel *channel, const void *item)
{
    return channel->fork == shared_forks
               ? shared_try(channel, SHARED_SENDERS, (void *)(uintptr_t)item)
               : -ESHUTDOWN;
}

int aio_shared_tryreceive(struct aio_shared_channel *channel, void *item)
{
    return channel->fork == shared_forks ? shared_try(channel, SHARED_RECEIVERS, item) : -ESHUTDOWN;
}

/* Both calls that wait: try, look again for a while, wait. */
static inline __attribute__((always_inline)) int shared_transfer(struct aio_shared_channel *channel,
                                                                 enum shared_side side, void *item)
{
    struct aio__core *core = shared_caller();
    int rc = core != NULL ? aio__interrupted(core) : 0;
    if (rc < 0)
        return rc;
    if (channel->fork != shared_forks)
        return -ESHUTDOWN;
    rc = shared_try(channel, side, item);
    if (rc == -EAGAIN && shared_spin(channel, core, side))
        rc = shared_try(channel, side, item);
    if (rc == -EAGAIN)
        return shared_wait(channel, side, item, core);
    shared_charge(core);
    return rc;
}

int aio_shared_send(struct aio_shared_channel *channel, const void *item)
{
    return shared_transfer(channel, SHARED_SENDERS, (void *)(uintptr_t)item);
}

int aio_shared_receive(struct aio_shared_channel *channel, void *item)
{
    return shared_transfer(channel, SHARED_RECEIVERS, item);
}

void aio_shared_close(struct aio_shared_channel *channel)
{
    if (channel->fork != shared_forks)
        return;
    aio__ring_close(&channel->ring);
    shared_settle(channel);
}
