/*
 * The pool of stacks: reuse, guards, giving memory back.
 */
#define SUITE "stack"
#include "tests/unit/unit_tools.h"

#include "core/alloc.h"
#include "core/stack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BYTES = 64 << 10, MANY = 200 };

static int compare_bases(const void *left, const void *right)
{
    const struct aio__stack *a = left, *b = right;
    return (a->base > b->base) - (a->base < b->base);
}

/* Sizes are rounded up to pages; what is too small or too large is refused. */
PLAIN(rounding)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), rounded = 0;
    AIO_CHECK_OK(aio__stack_round(AIO__STACK_BYTES_MIN, &rounded));
    AIO_CHECK_EQ(rounded, AIO__STACK_BYTES_MIN);
    AIO_CHECK_OK(aio__stack_round(AIO__STACK_BYTES_MIN + 1, &rounded));
    AIO_CHECK_EQ(rounded, AIO__STACK_BYTES_MIN + page);
    AIO_CHECK_OK(aio__stack_round(AIO__STACK_BYTES_MAX, &rounded));
    AIO_CHECK_EQ(rounded, AIO__STACK_BYTES_MAX);
    AIO_CHECK_ERROR(aio__stack_round(AIO__STACK_BYTES_MIN - 1, &rounded), -EINVAL);
    AIO_CHECK_ERROR(aio__stack_round(AIO__STACK_BYTES_MAX + 1, &rounded), -EINVAL);
    AIO_CHECK_ERROR(aio__stack_round(0, &rounded), -EINVAL);
    AIO_CHECK_ERROR(aio__stack_round(SIZE_MAX, &rounded), -EINVAL);
}

/* Stacks of several slabs do not overlap, nor do they touch each other's guards. */
PLAIN(stacks_are_apart)
{
    static struct aio__stack stacks[MANY];
    struct aio__stack_pool pool;
    aio__stack_pool_open(&pool, BYTES, 16);
    for (int i = 0; i < MANY; i++) {
        REQUIRE_OK(aio__stack_get(&pool, i % 3 == 0 ? BYTES : 0, &stacks[i]));
        AIO_CHECK_EQ(stacks[i].bytes, BYTES);
        AIO_CHECK(stacks[i].pooled);
        AIO_CHECK_EQ((uintptr_t)stacks[i].base % (uintptr_t)sysconf(_SC_PAGESIZE), 0);
        memset(aio__stack_header(&stacks[i]), i, AIO__STACK_HEADER_BYTES);
        stacks[i].base[0] = (char)i;
    }
    AIO_CHECK_EQ(pool.mapped, MANY);
    qsort(stacks, MANY, sizeof stacks[0], compare_bases);
    for (int i = 1; i < MANY; i++)
        AIO_CHECK(stacks[i].base - (stacks[i - 1].base + BYTES) >= (ptrdiff_t)pool.guard_bytes);
    for (int i = 0; i < MANY; i++)
        aio__stack_put(&pool, &stacks[i]);
    aio__stack_pool_close(&pool);
}

/* The stack put back last is handed out first, for it is warm. */
PLAIN(reuse_is_lifo)
{
    struct aio__stack_pool pool;
    struct aio__stack stacks[3], again;
    aio__stack_pool_open(&pool, BYTES, 16);
    for (int i = 0; i < 3; i++)
        REQUIRE_OK(aio__stack_get(&pool, 0, &stacks[i]));
    for (int i = 0; i < 3; i++)
        aio__stack_put(&pool, &stacks[i]);
    AIO_CHECK_EQ(pool.free_count, 3);
    for (int i = 2; i >= 0; i--) {
        REQUIRE_OK(aio__stack_get(&pool, 0, &again));
        AIO_CHECK(again.base == stacks[i].base);
    }
    AIO_CHECK_EQ(pool.mapped, 3);
    for (int i = 0; i < 3; i++)
        aio__stack_put(&pool, &stacks[i]);
    aio__stack_pool_close(&pool);
}

static void touch(void *address)
{
    *(volatile char *)address = 1;
}

/* Just below a stack, and at the far end of its guard, a touch faults, whichever kind of guard the
 * kernel has; the stack itself may be touched from end to end. */
static void check_guard(bool markers, size_t bytes)
{
    struct aio__stack_pool pool;
    struct aio__stack stack;
    aio__stack_pool_open(&pool, BYTES, 16);
    pool.guard_markers = pool.guard_markers && markers;
    REQUIRE_OK(aio__stack_get(&pool, bytes, &stack));
    AIO_CHECK_EQ(unit_end_of(touch, stack.base), 0);
    AIO_CHECK_EQ(unit_end_of(touch, stack.base + stack.bytes - 1), 0);
    AIO_CHECK(unit_faulted(unit_end_of(touch, stack.base - 1)));
    AIO_CHECK(unit_faulted(unit_end_of(touch, stack.base - pool.guard_bytes)));
    aio__stack_put(&pool, &stack);
    aio__stack_pool_close(&pool);
}

PLAIN(guards)
{
    check_guard(true, 0);
    check_guard(false, 0);
    check_guard(true, 4 * BYTES);
    check_guard(false, 4 * BYTES);
}

/* Beyond the cache free stacks lose their pages, and are handed out again afterwards, empty. */
PLAIN(trim)
{
    static struct aio__stack stacks[MANY];
    struct aio__stack_pool pool;
    aio__stack_pool_open(&pool, BYTES, 8);
    for (int i = 0; i < MANY; i++) {
        REQUIRE_OK(aio__stack_get(&pool, 0, &stacks[i]));
        memset(stacks[i].base, 0x5a, BYTES);
    }
    for (int i = 0; i < MANY; i++)
        aio__stack_put(&pool, &stacks[i]);
    AIO_CHECK(aio__stack_trim_needed(&pool));
    for (int i = 0; i < MANY && aio__stack_trim_needed(&pool); i++)
        aio__stack_trim(&pool);
    AIO_CHECK_EQ(pool.free_count, 8);
    AIO_CHECK_EQ(pool.cold_count, MANY - 8);
    AIO_CHECK_EQ(pool.mapped, MANY);
    int empty = 0;
    for (int i = 0; i < MANY; i++) {
        REQUIRE_OK(aio__stack_get(&pool, 0, &stacks[i]));
        empty += stacks[i].base[BYTES / 2] == 0;
    }
    AIO_CHECK_EQ(empty, MANY - 8);
    AIO_CHECK_EQ(pool.mapped, MANY);
    for (int i = 0; i < MANY; i++)
        aio__stack_put(&pool, &stacks[i]);
    aio__stack_pool_close(&pool);
}

/* Giving memory back takes none. */
PLAIN(trim_without_memory)
{
    static struct aio__stack stacks[MANY];
    struct aio__stack_pool pool;
    aio__stack_pool_open(&pool, BYTES, 8);
    for (int i = 0; i < MANY; i++)
        REQUIRE_OK(aio__stack_get(&pool, 0, &stacks[i]));
    for (int i = 0; i < MANY; i++)
        aio__stack_put(&pool, &stacks[i]);
    aio__alloc_fail_at(1);
    aio__stack_trim(&pool);
    aio__alloc_fail_at(0);
    AIO_CHECK_EQ(pool.free_count, MANY - 64);
    for (int i = 0; i < MANY; i++)
        REQUIRE_OK(aio__stack_get(&pool, 0, &stacks[i]));
    AIO_CHECK_EQ(pool.mapped, MANY);
    for (int i = 0; i < MANY; i++)
        aio__stack_put(&pool, &stacks[i]);
    aio__stack_pool_close(&pool);
}

/* Stacks of other sizes are mapped one by one, and unmapped by the next trim. */
PLAIN(other_sizes)
{
    struct aio__stack_pool pool;
    struct aio__stack stacks[4];
    aio__stack_pool_open(&pool, BYTES, 8);
    for (int i = 0; i < 4; i++) {
        REQUIRE_OK(aio__stack_get(&pool, BYTES * (size_t)(i + 2), &stacks[i]));
        AIO_CHECK_EQ(stacks[i].bytes, BYTES * (size_t)(i + 2));
        AIO_CHECK(!stacks[i].pooled);
    }
    AIO_CHECK_EQ(pool.mapped, 4);
    for (int i = 0; i < 4; i++)
        aio__stack_put(&pool, &stacks[i]);
    AIO_CHECK(aio__stack_trim_needed(&pool));
    char *gone = stacks[0].base;
    aio__stack_trim(&pool);
    AIO_CHECK_EQ(pool.mapped, 0);
    AIO_CHECK(unit_faulted(unit_end_of(touch, gone)));
    aio__stack_pool_close(&pool);
}

/* Without memory for a slab a get fails and changes nothing; the next one works. */
PLAIN(no_memory)
{
    struct aio__stack_pool pool;
    struct aio__stack stack;
    aio__stack_pool_open(&pool, BYTES, 8);
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio__stack_get(&pool, 0, &stack), -ENOMEM);
    aio__alloc_fail_at(0);
    AIO_CHECK_EQ(pool.mapped, 0);
    REQUIRE_OK(aio__stack_get(&pool, 0, &stack));
    aio__stack_put(&pool, &stack);
    aio__stack_pool_close(&pool);
}

/* A size the address space has no room for is an error like another. */
PLAIN(no_address_space)
{
    struct aio__stack_pool pool;
    struct aio__stack stack;
    aio__stack_pool_open(&pool, BYTES, 8);
    AIO_CHECK_ERROR(aio__stack_get(&pool, (size_t)1 << 60, &stack), -ENOMEM);
    AIO_CHECK_EQ(pool.mapped, 0);
    aio__stack_pool_close(&pool);
}
