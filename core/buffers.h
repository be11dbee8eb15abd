/*
 * The pool of rented buffers of a core: `limit` pieces of `bytes` each, made when first needed and
 * kept, used last in first out so that the ones in use stay few and warm.
 *
 * A struct aio_buffer is a handle onto bytes. Each piece has one of its own, the root, which is
 * also where its references are counted; further handles onto its bytes are allocated beside. A
 * piece is free, or lent to the kernel (a ring of provided buffers, counted in `lent`), or held:
 * by a feed, or by the program.
 *
 * Half of the pool at most is lent or waits in feeds for readers who have not come, and half of it
 * at most is given to the program by aio_buffer_rent: neither can keep the other waiting for ever.
 *
 * The core's memory account is charged for all pieces that may be in use: for some at first, and
 * for more, up to `most`, when these do not suffice. Where it refuses, or the pool has half of what
 * the core may have, the pool stays as large as it is, and its halves with it.
 *
 * Receives that have found the pool empty wait with their backend, which looks at the pool before
 * each poll; tasks that have, wait here.
 */
#ifndef AIO_CORE_BUFFERS_H
#define AIO_CORE_BUFFERS_H

#include "core/wait.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aio__buffers;
struct aio__memory;

/* Pieces that a pool may have at first, unless memory is short. */
#define AIO__BUFFERS_FIRST 128u

struct aio_buffer {
    unsigned char *data;
    uint32_t size;
    uint32_t room; /* bytes that may be used from `data` on */
    struct aio_buffer *root;
    struct aio_buffer *next; /* in the feed or free list it is on */
    struct aio__buffers *pool;
    uint32_t references; /* of a root: handles onto the piece */
    bool open;           /* a handle somebody has */
};

/* A task that waits for a piece, in its frame. */
struct aio__buffer_wait {
    struct aio__wait wait;
    struct aio_buffer *buffer;
};

/* Handles that are no roots are allocated so many at a time. */
struct aio__buffer_handles {
    struct aio__buffer_handles *next;
    struct aio_buffer handles[31];
};

struct aio__buffers {
    uint32_t bytes;
    uint32_t limit;        /* pieces there may be now: those the account was charged for */
    uint32_t most;         /* what limit may grow to */
    uint32_t stream_limit; /* buffers that wait with one stream and direction, at most */
    uint32_t made;         /* pieces that have been used at all */
    uint32_t free;         /* of these, the ones on the list */
    uint32_t lent;
    uint32_t unread; /* of the held ones, those that backends have delivered and nobody has read */
    uint32_t peak;   /* the most that were held at once */
    size_t stride;
    struct aio_buffer *free_list;
    struct aio_buffer *spare_handles;
    struct aio__buffer_handles *handles;
    struct aio_buffer *roots; /* one per piece; NULL before the pool is used */
    unsigned char *memory;
    struct aio__memory *account; /* NULL: nobody counts */
    struct aio__wait_queue waiters;
    uint64_t shortages; /* times somebody found the pool empty */
};

/* What the options say; nothing is allocated before the pool is used. */
void aio__buffers_open(struct aio__buffers *pool, uint32_t bytes, uint32_t limit,
                       uint32_t stream_limit);

/* Frees everything. Returns how many pieces were still held. */
uint32_t aio__buffers_close(struct aio__buffers *pool);

/* Makes the pool's memory; called before anything is taken from it. Returns 0; -ENOMEM. */
int aio__buffers_prepare(struct aio__buffers *pool);

/* Lets the pool have some pieces more. Returns false when it has all, or memory is short. */
bool aio__buffers_grow(struct aio__buffers *pool);

/* A piece that was never used before; NULL when all are in use. */
struct aio_buffer *aio__buffers_make(struct aio__buffers *pool);

static inline uint32_t aio__buffers_held(const struct aio__buffers *pool)
{
    return pool->made - pool->free - pool->lent;
}

/* How many there may be in the end: where memory was short at first, there is no hope for more. */
static inline uint32_t aio__buffers_reach(const struct aio__buffers *pool)
{
    return pool->limit < AIO__BUFFERS_FIRST ? pool->limit : pool->most;
}

/* What may be lent, or wait in feeds, unless somebody waits for it. */
static inline uint32_t aio__buffers_share(const struct aio__buffers *pool)
{
    return pool->limit / 2;
}

/* How many more may be lent, or be brought for readers who have not come; the pool grows where that
 * makes it as many as wanted. */
static inline uint32_t aio__buffers_spare(struct aio__buffers *pool, uint32_t wanted)
{
    while (aio__buffers_share(pool) < wanted + pool->unread && aio__buffers_grow(pool))
        continue;
    uint32_t share = aio__buffers_share(pool);
    return share > pool->unread ? share - pool->unread : 0;
}

/* Whether the program may have one more, empty. */
static inline bool aio__buffers_may_rent(struct aio__buffers *pool)
{
    while (aio__buffers_held(pool) >= pool->limit - aio__buffers_share(pool) + pool->unread)
        if (!aio__buffers_grow(pool))
            return false;
    return true;
}

/* Whether one can be taken. */
static inline bool aio__buffers_any(struct aio__buffers *pool)
{
    return pool->free > 0 || pool->made < pool->limit || aio__buffers_grow(pool);
}

/* Takes a piece, with an open handle onto no bytes yet; NULL when all are in use. */
static inline struct aio_buffer *aio__buffers_take(struct aio__buffers *pool)
{
    struct aio_buffer *buffer = pool->free_list;
    if (__builtin_expect(buffer == NULL, 0))
        return aio__buffers_make(pool);
    pool->free_list = buffer->next;
    pool->free--;
    buffer->references = 1;
    buffer->open = true;
    return buffer;
}

static inline void aio__buffers_note_peak(struct aio__buffers *pool)
{
    uint32_t held = aio__buffers_held(pool);
    if (held > pool->peak)
        pool->peak = held;
}

/* Makes `bytes` received bytes the contents of a piece that was taken. */
static inline void aio__buffer_fill(struct aio_buffer *buffer, uint32_t bytes)
{
    buffer->size = bytes;
    aio__buffers_note_peak(buffer->pool);
}

/* Drops bytes from the beginning. */
static inline void aio__buffer_skip(struct aio_buffer *buffer, uint32_t bytes)
{
    buffer->data += bytes;
    buffer->size -= bytes;
    buffer->room -= bytes;
}

/* Ends a handle. With the last one the piece is free again, for the first task that waits. */
void aio__buffer_release(struct aio_buffer *buffer);

/* A further handle onto bytes of a buffer; NULL when there is no memory. */
struct aio_buffer *aio__buffer_view(struct aio_buffer *buffer, uint32_t offset, uint32_t size);

#endif
