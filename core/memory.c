/*
 * The memory account of a core, see memory.h.
 */
#include "core/memory.h"

#include "core/alloc.h"
#include "core/log.h"

#include <errno.h>

int aio__memory_open(struct aio__memory **out, const struct aio_allocator *allocator, size_t limit)
{
    struct aio__memory *memory = aio__alloc_shared(sizeof *memory);
    if (memory == NULL)
        return -ENOMEM;
    memory->allocator = *allocator;
    memory->limit = limit > 0 ? limit : SIZE_MAX;
    *out = memory;
    return 0;
}

/* Adds what is left to the balance; whoever brings it to zero frees the account. */
void aio__memory_close(struct aio__memory *memory)
{
    int64_t left = atomic_fetch_add(&memory->balance, memory->blocks) + memory->blocks;
    AIO__ASSERT(left > 0 || aio__memory_used(memory) == 0);
    aio__alloc_adopt(left);
    if (left == 0)
        aio__free(memory);
}

bool aio__memory_returned(struct aio__memory *memory, size_t bytes)
{
    atomic_fetch_add(&memory->returned, bytes);
    int64_t left = atomic_fetch_sub(&memory->balance, 1) - 1;
    if (left == 0)
        aio__free(memory);
    return left >= 0;
}

size_t aio__memory_used(struct aio__memory *memory)
{
    if (atomic_load_explicit(&memory->returned, memory_order_relaxed) > 0)
        memory->used -= atomic_exchange(&memory->returned, 0);
    return memory->used;
}

bool aio__memory_take(struct aio__memory *memory, size_t bytes)
{
    if (memory->limit - memory->used < bytes && memory->limit - aio__memory_used(memory) < bytes)
        return false;
    memory->used += bytes;
    if (memory->used > memory->peak)
        memory->peak = memory->used;
    return true;
}

void aio__memory_give(struct aio__memory *memory, size_t bytes)
{
    memory->used -= bytes;
}
