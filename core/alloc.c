/*
 * Blocks with an owner, see alloc.h: before each stands who that is and how long it is.
 */
#include "core/alloc.h"

#include "core/core.h"
#include "core/memory.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct alloc_header {
    struct aio__memory *owner; /* NULL: malloc(3) and nobody */
    size_t bytes;              /* of the whole, this included */
};

_Static_assert(sizeof(struct alloc_header) % _Alignof(max_align_t) == 0, "blocks stay aligned");

static atomic_int_fast64_t alloc_live; /* of those without an owner or whose core has ended */
static atomic_int_fast64_t alloc_countdown;

static bool alloc_should_fail(void)
{
    if (__builtin_expect(atomic_load_explicit(&alloc_countdown, memory_order_relaxed) == 0, 1))
        return false;
    return atomic_fetch_sub(&alloc_countdown, 1) == 1;
}

static struct aio__memory *alloc_owner(void)
{
    return aio__core_current != NULL ? aio__core_current->memory : NULL;
}

static struct alloc_header *alloc_header(void *block)
{
    return (struct alloc_header *)block - 1;
}

static bool alloc_hooked(const struct aio__memory *owner)
{
    return owner != NULL && owner->allocator.resize != NULL;
}

/* The allocator's one call; no accounting. */
static void *alloc_raw(struct aio__memory *owner, void *block, size_t old_bytes, size_t bytes)
{
    if (alloc_hooked(owner))
        return owner->allocator.resize(owner->allocator.context, block, old_bytes, bytes);
    if (bytes > 0)
        return realloc(block, bytes);
    free(block);
    return NULL;
}

static void *alloc_raw_zero(struct aio__memory *owner, size_t bytes)
{
    if (!alloc_hooked(owner))
        return calloc(1, bytes); /* which need not touch fresh pages */
    void *block = alloc_raw(owner, NULL, 0, bytes);
    return block != NULL ? memset(block, 0, bytes) : NULL;
}

static bool alloc_take(struct aio__memory *owner, size_t bytes)
{
    return !alloc_should_fail() && (owner == NULL || aio__memory_take(owner, bytes));
}

static void alloc_give(struct aio__memory *owner, size_t bytes)
{
    if (owner != NULL)
        aio__memory_give(owner, bytes);
}

static void alloc_count(struct aio__memory *owner, int blocks)
{
    if (owner != NULL)
        owner->blocks += blocks;
    else
        atomic_fetch_add_explicit(&alloc_live, blocks, memory_order_relaxed);
}

static void *alloc_new(struct aio__memory *owner, size_t size, bool zero)
{
    size_t bytes = size + sizeof(struct alloc_header);
    if (bytes < size || !alloc_take(owner, bytes))
        return NULL;
    struct alloc_header *header =
        zero ? alloc_raw_zero(owner, bytes) : alloc_raw(owner, NULL, 0, bytes);
    if (header == NULL) {
        alloc_give(owner, bytes);
        return NULL;
    }
    *header = (struct alloc_header){owner, bytes};
    alloc_count(owner, 1);
    return header + 1;
}

void *aio__alloc(size_t size)
{
    return alloc_new(alloc_owner(), size, false);
}

void *aio__alloc_zero(size_t size)
{
    return alloc_new(alloc_owner(), size, true);
}

void *aio__alloc_shared(size_t size)
{
    return alloc_new(NULL, size, true);
}

static void *alloc_resize_own(struct alloc_header *header, size_t size)
{
    struct aio__memory *owner = header->owner;
    size_t before = header->bytes, bytes = size + sizeof *header;
    /* There may be two of it for a moment; only the growth counts. */
    size_t growth = bytes > before ? bytes - before : 0;
    if (bytes < size || !alloc_take(owner, growth))
        return NULL;
    header = alloc_raw(owner, header, before, bytes);
    if (header == NULL) {
        alloc_give(owner, growth);
        return NULL;
    }
    if (bytes < before)
        alloc_give(owner, before - bytes);
    header->bytes = bytes;
    return header + 1;
}

void *aio__alloc_resize(void *block, size_t size)
{
    if (block == NULL)
        return aio__alloc(size);
    struct alloc_header *header = alloc_header(block);
    if (header->owner == NULL || header->owner == alloc_owner())
        return alloc_resize_own(header, size);
    void *copy = aio__alloc(size);
    if (copy == NULL)
        return NULL;
    size_t old_size = header->bytes - sizeof *header;
    memcpy(copy, block, old_size < size ? old_size : size);
    aio__free(block);
    return copy;
}

void aio__free(void *block)
{
    if (block == NULL)
        return;
    struct alloc_header *header = alloc_header(block);
    struct aio__memory *owner = header->owner;
    size_t bytes = header->bytes;
    (void)alloc_raw(owner, header, bytes, 0);
    if (owner == NULL || owner == alloc_owner()) {
        alloc_give(owner, bytes);
        alloc_count(owner, -1);
    } else if (aio__memory_returned(owner, bytes)) {
        alloc_count(NULL, -1);
    }
}

void aio__spare_free(struct aio__spare **list)
{
    void *block;
    while ((block = aio__spare_take(list)) != NULL)
        aio__free(block);
}

int64_t aio__alloc_live(void)
{
    const struct aio__memory *own = alloc_owner();
    return atomic_load(&alloc_live) + (own != NULL ? own->blocks + atomic_load(&own->balance) : 0);
}

void aio__alloc_adopt(int64_t blocks)
{
    atomic_fetch_add(&alloc_live, blocks);
}

void aio__alloc_fail_at(int64_t n)
{
    atomic_store(&alloc_countdown, n);
}
