/*
 * A bounded queue for any number of threads at both ends, without locks: the fast path of the
 * channels between cores (shared.c), which puts waiting around it.
 *
 * A position is lap | index; the index has the bits below `closed`, the lap those from `lap` up,
 * so that going on needs no division whatever the capacity is. The bit `closed` itself stands in
 * tail only. A slot's turn says who may have it next: the lap's sender (turn == lap), the lap's
 * receiver (lap + 1), the next lap's sender (lap + ring->lap). Memory of zeros is an empty ring,
 * so a large one costs nothing before it is used.
 *
 * Whoever changes a turn does so with sequential consistency and then looks whether somebody
 * waits; whoever waits has said so before looking at the turn. One of the two sees the other.
 */
#ifndef AIO_CORE_RING_H
#define AIO_CORE_RING_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* So far apart are things that different threads write. */
#define AIO__LINE_BYTES 64

/* Positions must not come round in the life of a process: 2^62 items, and so many slots at most. */
#define AIO__RING_CAPACITY_MAX ((size_t)1 << 40)

struct aio__ring_slot {
    _Atomic(uint64_t) turn;
    char item[];
};

struct aio__ring {
    char *slots;
    size_t capacity;
    size_t item_bytes;
    size_t slot_bytes;
    uint64_t closed;
    uint64_t lap;
    char before_head[AIO__LINE_BYTES];
    _Atomic(uint64_t) head; /* the next to be received */
    char before_tail[AIO__LINE_BYTES];
    _Atomic(uint64_t) tail; /* the next to be sent */
    char after_tail[AIO__LINE_BYTES];
};

static inline size_t aio__ring_slot_bytes(size_t item_bytes)
{
    return (sizeof(struct aio__ring_slot) + item_bytes + 7) & ~(size_t)7;
}

/* The ring lies in zeroed memory, slots in more of it. */
static inline void aio__ring_open(struct aio__ring *ring, char *slots, size_t capacity,
                                  size_t item_bytes)
{
    ring->slots = slots;
    ring->capacity = capacity;
    ring->item_bytes = item_bytes;
    ring->slot_bytes = aio__ring_slot_bytes(item_bytes);
    ring->closed = 2;
    while (ring->closed <= capacity)
        ring->closed *= 2;
    ring->lap = 2 * ring->closed;
}

static inline struct aio__ring_slot *aio__ring_slot(const struct aio__ring *ring, uint64_t position)
{
    size_t index = position & (ring->closed - 1);
    return (struct aio__ring_slot *)(void *)(ring->slots + index * ring->slot_bytes);
}

static inline uint64_t aio__ring_lap(const struct aio__ring *ring, uint64_t position)
{
    return position & ~(ring->lap - 1);
}

static inline uint64_t aio__ring_after(const struct aio__ring *ring, uint64_t position)
{
    if ((position & (ring->closed - 1)) + 1 < ring->capacity)
        return position + 1;
    return aio__ring_lap(ring, position) + ring->lap;
}

/* A copy that is one move for the commonest size. */
static inline void aio__ring_copy(void *to, const void *from, size_t bytes)
{
    if (bytes == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t));
    else
        memcpy(to, from, bytes);
}

/* Returns 0, -EPIPE when closed, or -EAGAIN: the slot is taken, if only by a slow receiver. */
static inline int aio__ring_push(struct aio__ring *ring, const void *item)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    for (;;) {
        if ((tail & ring->closed) != 0)
            return -EPIPE;
        struct aio__ring_slot *slot = aio__ring_slot(ring, tail);
        uint64_t lap = aio__ring_lap(ring, tail);
        if (atomic_load(&slot->turn) == lap) {
            if (!atomic_compare_exchange_weak(&ring->tail, &tail, aio__ring_after(ring, tail)))
                continue;
            aio__ring_copy(slot->item, item, ring->item_bytes);
            (void)atomic_exchange(&slot->turn, lap + 1);
            return 0;
        }
        uint64_t now = atomic_load(&ring->tail);
        if (now == tail)
            return -EAGAIN;
        tail = now;
    }
}

/* Returns 1, or -EAGAIN: there is no item, or its sender is not through with it. */
static inline int aio__ring_pop(struct aio__ring *ring, void *item)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    for (;;) {
        struct aio__ring_slot *slot = aio__ring_slot(ring, head);
        uint64_t lap = aio__ring_lap(ring, head);
        if (atomic_load(&slot->turn) == lap + 1) {
            if (!atomic_compare_exchange_weak(&ring->head, &head, aio__ring_after(ring, head)))
                continue;
            aio__ring_copy(item, slot->item, ring->item_bytes);
            (void)atomic_exchange(&slot->turn, lap + ring->lap);
            return 1;
        }
        uint64_t now = atomic_load(&ring->head);
        if (now == head)
            return -EAGAIN;
        head = now;
    }
}

/* Nothing is sent any more; what is in it can be received. */
static inline void aio__ring_close(struct aio__ring *ring)
{
    (void)atomic_fetch_or(&ring->tail, ring->closed);
}

static inline bool aio__ring_closed(struct aio__ring *ring)
{
    return (atomic_load(&ring->tail) & ring->closed) != 0;
}

/* Closed, and the last item has its receiver. */
static inline bool aio__ring_drained(struct aio__ring *ring)
{
    uint64_t tail = atomic_load(&ring->tail);
    return (tail & ring->closed) != 0 && atomic_load(&ring->head) == (tail ^ ring->closed);
}

/*
 * Whether the slot so many places on is at its sender's (receiver's) disposal: a guess, for those
 * who would rather begin when there is more than one item to do. ahead < capacity.
 */
static inline bool aio__ring_ready(struct aio__ring *ring, bool to_send, size_t ahead)
{
    uint64_t at = atomic_load_explicit(to_send ? &ring->tail : &ring->head, memory_order_relaxed);
    uint64_t index = (at & (ring->closed - 1)) + ahead;
    uint64_t lap = aio__ring_lap(ring, at);
    if (index >= ring->capacity) {
        index -= ring->capacity;
        lap += ring->lap;
    }
    uint64_t turn = atomic_load_explicit(&aio__ring_slot(ring, index)->turn, memory_order_relaxed);
    return turn == (to_send ? lap : lap + 1) || (at & ring->closed) != 0;
}

#endif
