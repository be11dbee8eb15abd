/*
 * Counted allocation over malloc(3), with a fail point for tests.
 */
#include "core/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_int_fast64_t alloc_live;
static atomic_int_fast64_t alloc_countdown;

static int alloc_should_fail(void)
{
    if (__builtin_expect(atomic_load_explicit(&alloc_countdown, memory_order_relaxed) == 0, 1))
        return 0;
    return atomic_fetch_sub(&alloc_countdown, 1) == 1;
}

static void *alloc_counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add_explicit(&alloc_live, 1, memory_order_relaxed);
    return block;
}

void *aio__alloc(size_t size)
{
    return alloc_should_fail() ? NULL : alloc_counted(malloc(size));
}

void *aio__alloc_zero(size_t size)
{
    return alloc_should_fail() ? NULL : alloc_counted(calloc(1, size));
}

void *aio__alloc_resize(void *block, size_t size)
{
    if (block == NULL)
        return aio__alloc(size);
    return alloc_should_fail() ? NULL : realloc(block, size);
}

void aio__free(void *block)
{
    if (block != NULL)
        atomic_fetch_sub_explicit(&alloc_live, 1, memory_order_relaxed);
    free(block);
}

void aio__spare_free(struct aio__spare **list)
{
    void *block;
    while ((block = aio__spare_take(list)) != NULL)
        aio__free(block);
}

int64_t aio__alloc_live(void)
{
    return atomic_load(&alloc_live);
}

void aio__alloc_fail_at(int64_t n)
{
    atomic_store(&alloc_countdown, n);
}
