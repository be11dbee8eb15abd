/*
 * The memory account of a core: what it counts, where it stops, and blocks freed elsewhere.
 */
#define SUITE "memory"
#include "tests/harness/harness.h"

#include "core/alloc.h"
#include "core/core.h"
#include "core/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 16 };

static struct aio__core core;

/* Makes this thread one with a core that has nothing but an account. */
static bool core_begin(const struct aio_allocator *allocator, size_t limit)
{
    const struct aio_allocator none = {NULL, NULL};
    core = (struct aio__core){.memory = NULL};
    if (!AIO_CHECK_OK(aio__memory_open(&core.memory, allocator != NULL ? allocator : &none, limit)))
        return false;
    aio__core_current = &core;
    return true;
}

static void core_end(void)
{
    aio__memory_close(core.memory);
    aio__core_current = NULL;
}

/* Bytes are counted with the header; what would exceed the limit is refused and changes nothing. */
PLAIN(limit)
{
    REQUIRE(core_begin(NULL, 1000));
    char *block = aio__alloc(500 - HEADER);
    REQUIRE(block != NULL);
    AIO_CHECK_EQ(aio__memory_used(core.memory), 500);
    AIO_CHECK(aio__alloc_zero(501 - HEADER) == NULL);
    AIO_CHECK(aio__alloc_resize(block, 1001 - HEADER) == NULL);
    AIO_CHECK(aio__alloc(SIZE_MAX) == NULL && aio__alloc_resize(block, SIZE_MAX - 8) == NULL);
    AIO_CHECK_EQ(aio__memory_used(core.memory), 500);
    block = aio__alloc_resize(block, 1000 - HEADER);
    REQUIRE(block != NULL);
    AIO_CHECK(!aio__memory_take(core.memory, 1));
    block = aio__alloc_resize(block, 300 - HEADER);
    AIO_CHECK(aio__memory_take(core.memory, 700));
    AIO_CHECK(aio__alloc(0) == NULL);
    aio__memory_give(core.memory, 700);
    AIO_CHECK_EQ(aio__memory_used(core.memory), 300);
    AIO_CHECK_EQ(core.memory->peak, 1000);
    void *shared = aio__alloc_shared(5000); /* which is nobody's */
    AIO_CHECK(shared != NULL);
    aio__free(shared);
    aio__free(block);
    AIO_CHECK_EQ(aio__memory_used(core.memory), 0);
    core_end();
}

static void *free_it(void *block)
{
    aio__free(block);
    return NULL;
}

static void free_elsewhere(void *block)
{
    pthread_t thread;
    if (AIO_CHECK(pthread_create(&thread, NULL, free_it, block) == 0))
        pthread_join(thread, NULL);
}

/* What another thread frees is there again when it is needed. */
PLAIN(freed_elsewhere)
{
    int64_t live = aio__alloc_live();
    REQUIRE(core_begin(NULL, 1000));
    for (int i = 0; i < 3; i++) {
        void *block = aio__alloc(900 - HEADER);
        REQUIRE(block != NULL);
        AIO_CHECK_EQ(aio__alloc_live() - live, 2); /* the account is one */
        free_elsewhere(block);
        AIO_CHECK_EQ(aio__alloc_live() - live, 1);
    }
    AIO_CHECK_EQ(aio__memory_used(core.memory), 0);
    core_end();
    AIO_CHECK_EQ(aio__alloc_live(), live);
}

/* A block may outlive its core; the last one takes the account with it. */
PLAIN(freed_after_the_core)
{
    int64_t live = aio__alloc_live();
    REQUIRE(core_begin(NULL, 0));
    void *first = aio__alloc(10), *second = aio__alloc(10), *third = aio__alloc(10);
    free_elsewhere(second);
    core_end();
    AIO_CHECK_EQ(aio__alloc_live() - live, 3);
    aio__free(first);
    AIO_CHECK_EQ(aio__alloc_live() - live, 2);
    free_elsewhere(third);
    AIO_CHECK_EQ(aio__alloc_live(), live);
}

/* A block without an owner stays one; a block of another core becomes one of the caller's. */
PLAIN(resized_elsewhere)
{
    char *loose = aio__alloc(8);
    REQUIRE(loose != NULL && core_begin(NULL, 100));
    memcpy(loose, "loose", 6);
    loose = aio__alloc_resize(loose, 1000);
    AIO_CHECK_STR(loose, "loose");
    AIO_CHECK_EQ(aio__memory_used(core.memory), 0);
    char *own = aio__alloc(8);
    REQUIRE(own != NULL);
    memcpy(own, "own", 4);
    struct aio__core other = {.memory = NULL}, *first = aio__core_current;
    REQUIRE_OK(aio__memory_open(&other.memory, &core.memory->allocator, 0));
    aio__core_current = &other;
    own = aio__alloc_resize(own, 2000);
    AIO_CHECK_STR(own, "own");
    AIO_CHECK_EQ(aio__memory_used(other.memory), 2000 + HEADER);
    aio__free(own);
    aio__memory_close(other.memory);
    aio__core_current = first;
    AIO_CHECK_EQ(aio__memory_used(core.memory), 0);
    aio__free(loose);
    core_end();
}

/* An allocator that counts, and may be out of memory. */
struct stock {
    size_t bytes;
    bool empty;
};

static void *stock_resize(void *context, void *block, size_t old_bytes, size_t new_bytes)
{
    struct stock *stock = context;
    if (stock->empty && new_bytes > old_bytes)
        return NULL;
    stock->bytes += new_bytes - old_bytes;
    if (new_bytes > 0)
        return realloc(block, new_bytes);
    free(block);
    return NULL;
}

/* The hook is told the size of each block, and its refusals are counted back. */
PLAIN(hook)
{
    struct stock stock = {.bytes = 0};
    const struct aio_allocator allocator = {stock_resize, &stock};
    REQUIRE(core_begin(&allocator, 10000));
    unsigned char *zero = aio__alloc_zero(100), *block = aio__alloc(50);
    REQUIRE(zero != NULL && block != NULL);
    for (int i = 0; i < 100; i++)
        AIO_CHECK_EQ(zero[i], 0);
    AIO_CHECK_EQ(stock.bytes, 150 + 2 * HEADER);
    stock.empty = true;
    AIO_CHECK(aio__alloc(1) == NULL && aio__alloc_zero(1) == NULL);
    AIO_CHECK(aio__alloc_resize(block, 51) == NULL);
    block = aio__alloc_resize(block, 20);
    AIO_CHECK_EQ(stock.bytes, 120 + 2 * HEADER);
    AIO_CHECK_EQ(aio__memory_used(core.memory), stock.bytes);
    aio__free(zero);
    aio__free(block);
    AIO_CHECK_EQ(stock.bytes, 0);
    core_end();
}
