/*
 * Channels between cores and threads: a ring that needs no lock (ring.h), and around it, under a
 * lock, the queues of those who wait (shared_queue.c).
 *
 * The lock-free path is for those who find nobody waiting on their own side, and who settle when
 * somebody waits on the other.
 *
 * No wake-up is lost: a waiter counts itself in `waiting`, then looks at the ring (it settles); the
 * others change the ring, then look at `waiting`. tests/model/shared_channel.pml has it checked.
 */
#include "core/shared.h"
#include "core/alloc.h"
#include "core/quiet.h"

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

/* Who waits for this alone, in its own frame. */
struct shared_wait {
    struct aio__shared_waiter waiter;
    struct aio__sleeper sleeper;
    struct aio_shared_channel *channel;
    int result;
};

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
    channel->luck[AIO__SHARED_SENDERS] = channel->luck[AIO__SHARED_RECEIVERS] = SHARED_SPIN_LUCK;
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
    AIO__REQUIRE(channel->waiting[AIO__SHARED_SENDERS] == 0 &&
                     channel->waiting[AIO__SHARED_RECEIVERS] == 0,
                 "aio_shared_release: the last hold is gone while somebody waits");
    pthread_mutex_destroy(&channel->lock);
    if (channel->fork == shared_forks)
        aio__outside_leave();
    aio__free(channel);
}

/* Succeeds unless the waiter has been granted what it wants: then the mail is on its way. */
static void shared_abort(struct aio__wait *wait)
{
    struct shared_wait *frame = AIO__CONTAINER(wait, struct shared_wait, sleeper.wait);
    if (aio__shared_leave(frame->channel, &frame->waiter))
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

/* Fills in the frame, which is to stay where it is. */
static void shared_prepare(struct shared_wait *frame, struct aio_shared_channel *channel,
                           enum aio__shared_side side, void *item, struct aio__core *core)
{
    *frame = (struct shared_wait){
        .waiter = {.item = item,
                   .result = &frame->result,
                   .sleeper = &frame->sleeper,
                   .side = (uint8_t)side},
        .sleeper = {.wait = {.abort = shared_abort,
                             .what =
                                 side == AIO__SHARED_SENDERS ? "shared send" : "shared receive"},
                    .mail = {.deliver = aio__sleeper_deliver},
                    .core = core},
        .channel = channel,
    };
}

/* Whether to look again for a while before waiting: not while other tasks could run. */
static bool shared_may_spin(struct aio_shared_channel *channel, const struct aio__core *core,
                            enum aio__shared_side side)
{
    if (core != NULL && core->ready.head != NULL)
        return false;
    int luck = atomic_load_explicit(&channel->luck[side], memory_order_relaxed);
    if (luck <= 0)
        atomic_store_explicit(&channel->luck[side], luck > -SHARED_SPIN_PAUSE ? luck - 1 : 1,
                              memory_order_relaxed);
    return luck > 0;
}

static bool shared_spun(struct aio_shared_channel *channel, enum aio__shared_side side, bool of_use)
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
                        enum aio__shared_side side)
{
    struct aio__ring *ring = &channel->ring;
    bool to_send = side == AIO__SHARED_SENDERS;
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
static bool shared_spin_queued(struct shared_wait *frame)
{
    struct aio_shared_channel *channel = frame->channel;
    enum aio__shared_side side = (enum aio__shared_side)frame->waiter.side;
    if (channel->ring.capacity > 0 || !shared_may_spin(channel, frame->sleeper.core, side))
        return false;
    int i = 0;
    while (i < SHARED_SPINS && !aio__sleeper_told(&frame->sleeper)) {
        shared_pause();
        i++;
    }
    return shared_spun(channel, side, i < SHARED_SPINS);
}

static void shared_charge(struct aio__core *core)
{
    if (core != NULL)
        aio__charge(core);
}

static int shared_wait(struct aio_shared_channel *channel, enum aio__shared_side side, void *item,
                       struct aio__core *core)
{
    struct shared_wait frame;
    shared_prepare(&frame, channel, side, item, core);
    if (!aio__shared_join(channel, &frame.waiter, true) || shared_spin_queued(&frame) ||
        !aio__sleeper_doze(&frame.sleeper))
        shared_charge(core);
    else if (core == NULL)
        aio__sleeper_block(&frame.sleeper);
    else if (aio__park(core, &frame.sleeper.wait) < 0)
        return aio__wait_reason(&frame.sleeper.wait);
    return frame.result;
}

/* Without waiting, for a rendezvous: with who stands there. */
static int shared_try_meet(struct aio_shared_channel *channel, enum aio__shared_side side,
                           void *item)
{
    struct shared_wait frame;
    if (atomic_load(&channel->waiting[aio__shared_other(side)]) == 0 &&
        !aio__ring_closed(&channel->ring))
        return -EAGAIN;
    shared_prepare(&frame, channel, side, item, NULL);
    return aio__shared_join(channel, &frame.waiter, false) ? -EAGAIN : frame.result;
}

/* One side's lock-free path. Inlined, so that the side is known. */
static inline __attribute__((always_inline)) int shared_try(struct aio_shared_channel *channel,
                                                            enum aio__shared_side side, void *item)
{
    struct aio__ring *ring = &channel->ring;
    enum aio__shared_side other = aio__shared_other(side);
    if (ring->capacity == 0)
        return shared_try_meet(channel, side, item);
    if (atomic_load(&channel->waiting[side]) > 0)
        return -EAGAIN;
    int rc = side == AIO__SHARED_SENDERS ? aio__ring_push(ring, item) : aio__ring_pop(ring, item);
    if (rc >= 0 && atomic_load(&channel->waiting[other]) > 0)
        aio__shared_settle(channel);
    if (rc < 0 && side == AIO__SHARED_RECEIVERS && aio__ring_drained(ring))
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
               ? shared_try(channel, AIO__SHARED_SENDERS, (void *)(uintptr_t)item)
               : -ESHUTDOWN;
}

int aio_shared_tryreceive(struct aio_shared_channel *channel, void *item)
{
    return channel->fork == shared_forks ? shared_try(channel, AIO__SHARED_RECEIVERS, item)
                                         : -ESHUTDOWN;
}

/* Both calls that wait: try, look again for a while, wait. */
static inline __attribute__((always_inline)) int
shared_transfer(struct aio_shared_channel *channel, enum aio__shared_side side, void *item)
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
    return shared_transfer(channel, AIO__SHARED_SENDERS, (void *)(uintptr_t)item);
}

int aio_shared_receive(struct aio_shared_channel *channel, void *item)
{
    return shared_transfer(channel, AIO__SHARED_RECEIVERS, item);
}

void aio_shared_close(struct aio_shared_channel *channel)
{
    if (channel->fork != shared_forks)
        return;
    aio__ring_close(&channel->ring);
    aio__shared_settle(channel);
}

/* A case has no more to wait for than the call would have. */
static inline __attribute__((always_inline)) bool shared_case_try(struct aio_select_case *of,
                                                                  enum aio__shared_side side)
{
    struct aio_shared_channel *channel = of->object;
    of->result = channel->fork == shared_forks ? shared_try(channel, side, of->item) : -ESHUTDOWN;
    return of->result != -EAGAIN;
}

static void shared_case_enlist(struct aio__core *core, struct aio__select_entry *entry,
                               enum aio__shared_side side)
{
    struct aio__select *select = entry->select;
    aio__select_share(core, select);
    entry->shared = (struct aio__shared_waiter){
        .item = entry->of->item,
        .result = &entry->of->result,
        .sleeper = &select->sleeper,
        .select = select,
        .side = (uint8_t)side,
    };
    (void)aio__shared_join(entry->of->object, &entry->shared, true);
}

static void shared_case_delist(struct aio__core *core, struct aio__select_entry *entry)
{
    (void)core;
    (void)aio__shared_leave(entry->of->object, &entry->shared);
}

static bool put_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    return shared_case_try(of, AIO__SHARED_SENDERS);
}

static void put_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    shared_case_enlist(core, entry, AIO__SHARED_SENDERS);
}

static bool take_try(struct aio__core *core, struct aio_select_case *of)
{
    (void)core;
    return shared_case_try(of, AIO__SHARED_RECEIVERS);
}

static void take_enlist(struct aio__core *core, struct aio__select_entry *entry)
{
    shared_case_enlist(core, entry, AIO__SHARED_RECEIVERS);
}

struct aio_select_case aio_select_put(struct aio_shared_channel *channel, const void *item)
{
    static const struct aio__select_kind kind = {put_try, put_enlist, shared_case_delist, NULL};
    return (struct aio_select_case){
        .kind = &kind, .object = channel, .item = (void *)(uintptr_t)item};
}

struct aio_select_case aio_select_take(struct aio_shared_channel *channel, void *item)
{
    static const struct aio__select_kind kind = {take_try, take_enlist, shared_case_delist, NULL};
    return (struct aio_select_case){.kind = &kind, .object = channel, .item = item};
}
