/*
 * The memory account of a core: which allocator its blocks come from, how many bytes it holds, and
 * how many it may.
 *
 * The core's thread counts without atomics. A block may be freed on another thread (a handle that
 * was moved to another core); that thread leaves a note, which the core takes off its count when
 * it is about to refuse something or is asked. The account lives until its core has closed it and
 * the last block is free.
 */
#ifndef AIO_CORE_MEMORY_H
#define AIO_CORE_MEMORY_H

#include <aio/runtime.h>
#include <stdatomic.h>

struct aio__memory {
    struct aio_allocator allocator;
    size_t limit;            /* SIZE_MAX: none */
    size_t used;             /* `returned` not yet taken off */
    size_t peak;             /* of `used` */
    int64_t blocks;          /* allocated less freed by the core's own thread */
    _Atomic size_t returned; /* bytes that other threads have freed */
    /* Until the close: minus the blocks that other threads have freed. After it: the blocks that
     * are left. */
    _Atomic int64_t balance;
};

/* limit 0: none. Returns 0; -ENOMEM. */
int aio__memory_open(struct aio__memory **out, const struct aio_allocator *allocator, size_t limit);

/* The core is about to end; its blocks may outlive it. On the core's thread. */
void aio__memory_close(struct aio__memory *memory);

/* Counts bytes as used. Returns false, and counts nothing, when they would exceed the limit. */
bool aio__memory_take(struct aio__memory *memory, size_t bytes);

/* Takes bytes off again. */
void aio__memory_give(struct aio__memory *memory, size_t bytes);

/* What is used at this moment. */
size_t aio__memory_used(struct aio__memory *memory);

/* A block of that many bytes was freed on a thread that is not the core's. Returns whether the core
 * had closed the account before. */
bool aio__memory_returned(struct aio__memory *memory, size_t bytes);

#endif
