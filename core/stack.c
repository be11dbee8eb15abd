/*
 * Mapping, guarding, keeping and giving back of stacks, see stack.h.
 */
#include "core/stack.h"

#include "core/alloc.h"
#include "core/memory.h"
#include "core/sanitize.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#define STACK_ADVICE_UNKNOWN 0x7fff
#define STACK_SLAB_COUNT 64
#define STACK_TRIM_BATCH 64

struct aio__stack_slab {
    struct aio__stack_slab *next;
    char *map;
    size_t bytes;
};

int aio__stack_round(size_t bytes, size_t *rounded)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes < AIO__STACK_BYTES_MIN || bytes > AIO__STACK_BYTES_MAX)
        return -EINVAL;
    *rounded = (bytes + page - 1) / page * page;
    return 0;
}

static char *stack_map(size_t bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (map == MAP_FAILED)
        return NULL;
    /* A huge page under a stack would back all of it at the first touch. */
    (void)madvise(map, bytes, MADV_NOHUGEPAGE);
    return map;
}

bool aio__stack_fits(size_t bytes)
{
    const size_t whole = AIO__STACK_GUARD_BYTES + bytes;
    char *map = stack_map(whole);
    if (map != NULL)
        (void)munmap(map, whole);
    return map != NULL;
}

static bool stack_markers_work(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = stack_map(page);
    if (map == NULL)
        return false;
    /* An emulator may accept any advice and do nothing; then nothing is to be learnt this way. */
    bool trusted = madvise(map, page, STACK_ADVICE_UNKNOWN) != 0;
    bool works = trusted && madvise(map, page, MADV_GUARD_INSTALL) == 0;
    (void)munmap(map, page);
    return works;
}

void aio__stack_pool_open(struct aio__stack_pool *pool, size_t stack_bytes, uint32_t cache)
{
    *pool = (struct aio__stack_pool){
        .stack_bytes = stack_bytes,
        .guard_bytes = AIO__STACK_GUARD_BYTES,
        .page_bytes = (size_t)sysconf(_SC_PAGESIZE),
        .guard_markers = stack_markers_work(),
        .cache = cache,
    };
}

/* Each mapping the guard needs may be the one too many: vm.max_map_count shows as ENOMEM. */
static int stack_guard(const struct aio__stack_pool *pool, char *guard)
{
    if (pool->guard_markers && madvise(guard, pool->guard_bytes, MADV_GUARD_INSTALL) == 0)
        return 0;
    if (mprotect(guard, pool->guard_bytes, PROT_NONE) == 0)
        return 0;
    return errno == ENOMEM ? -EAGAIN : -errno;
}

/* The page at its top is all that a stack uses for sure. */
static bool stack_take_page(const struct aio__stack_pool *pool)
{
    return pool->memory == NULL || aio__memory_take(pool->memory, pool->page_bytes);
}

static void stack_give_page(const struct aio__stack_pool *pool)
{
    if (pool->memory != NULL)
        aio__memory_give(pool->memory, pool->page_bytes);
}

/* Makes room for all pooled stacks to be cold: giving memory back must not need any. */
static int stack_cold_reserve(struct aio__stack_pool *pool)
{
    uint32_t wanted = pool->mapped + STACK_SLAB_COUNT;
    uint32_t capacity = pool->cold_capacity > 0 ? pool->cold_capacity : 256;
    while (capacity < wanted)
        capacity *= 2;
    if (capacity == pool->cold_capacity)
        return 0;
    char **cold = aio__alloc_resize(pool->cold, capacity * sizeof *cold);
    if (cold == NULL)
        return -ENOMEM;
    pool->cold = cold;
    pool->cold_capacity = capacity;
    return 0;
}

static int stack_slab_add(struct aio__stack_pool *pool)
{
    int rc = stack_cold_reserve(pool);
    if (rc < 0)
        return rc;
    struct aio__stack_slab *slab = aio__alloc(sizeof *slab);
    if (slab == NULL)
        return -ENOMEM;
    slab->bytes = (pool->guard_bytes + pool->stack_bytes) * STACK_SLAB_COUNT;
    slab->map = stack_map(slab->bytes);
    if (slab->map == NULL) {
        aio__free(slab);
        return -ENOMEM;
    }
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->carve = slab->map;
    pool->carve_end = slab->map + slab->bytes;
    return 0;
}

static int stack_carve(struct aio__stack_pool *pool, struct aio__stack *out)
{
    if (pool->carve == pool->carve_end) {
        int rc = stack_slab_add(pool);
        if (rc < 0)
            return rc;
    }
    int rc = stack_guard(pool, pool->carve);
    if (rc < 0)
        return rc;
    char *base = pool->carve + pool->guard_bytes;
    pool->carve = base + pool->stack_bytes;
    pool->mapped++;
    unsigned id = aio__sanitize_map(base, pool->stack_bytes);
    *out = (struct aio__stack){base, pool->stack_bytes, id, true};
    return 0;
}

static int stack_map_single(struct aio__stack_pool *pool, size_t bytes, struct aio__stack *out)
{
    char *map = stack_map(pool->guard_bytes + bytes);
    if (map == NULL)
        return -ENOMEM;
    int rc = stack_guard(pool, map);
    if (rc < 0) {
        (void)munmap(map, pool->guard_bytes + bytes);
        return rc;
    }
    pool->mapped++;
    char *base = map + pool->guard_bytes;
    *out = (struct aio__stack){base, bytes, aio__sanitize_map(base, bytes), false};
    return 0;
}

static void stack_warm(struct aio__stack_pool *pool, struct aio__stack *out)
{
    char *base = pool->cold[--pool->cold_count];
    unsigned id = aio__sanitize_map(base, pool->stack_bytes);
    *out = (struct aio__stack){base, pool->stack_bytes, id, true};
}

int aio__stack_get_slow(struct aio__stack_pool *pool, size_t bytes, struct aio__stack *out)
{
    int rc = 0;
    if (!stack_take_page(pool))
        return -ENOMEM;
    if (bytes != 0 && bytes != pool->stack_bytes)
        rc = stack_map_single(pool, bytes, out);
    else if (pool->cold_count > 0)
        stack_warm(pool, out);
    else
        rc = stack_carve(pool, out);
    if (rc < 0)
        stack_give_page(pool);
    return rc;
}

void aio__stack_put(struct aio__stack_pool *pool, const struct aio__stack *stack)
{
    struct aio__stack copy = *stack; /* stack may stand where the node goes */
    struct aio__stack_node *node = (struct aio__stack_node *)(void *)aio__stack_header(&copy);
    node->stack = copy;
    if (copy.pooled) {
        node->next = pool->free;
        pool->free = node;
        pool->free_count++;
    } else {
        node->next = pool->dead;
        pool->dead = node;
    }
}

static void stack_unmap(struct aio__stack_pool *pool, struct aio__stack stack)
{
    aio__sanitize_unmap(stack.valgrind);
    (void)munmap(stack.base - pool->guard_bytes, pool->guard_bytes + stack.bytes);
    pool->mapped--;
    stack_give_page(pool);
}

void aio__stack_trim(struct aio__stack_pool *pool)
{
    while (pool->dead != NULL) {
        struct aio__stack stack = pool->dead->stack;
        pool->dead = pool->dead->next;
        stack_unmap(pool, stack);
    }
    for (int i = 0; i < STACK_TRIM_BATCH && pool->free_count > pool->cache; i++) {
        struct aio__stack_node *node = pool->free;
        struct aio__stack stack = node->stack;
        pool->free = node->next;
        pool->free_count--;
        aio__sanitize_unmap(stack.valgrind);
        (void)madvise(stack.base, stack.bytes, MADV_DONTNEED);
        pool->cold[pool->cold_count++] = stack.base;
        stack_give_page(pool);
    }
}

void aio__stack_pool_close(struct aio__stack_pool *pool)
{
    for (struct aio__stack_node *node = pool->free; node != NULL; node = node->next) {
        aio__sanitize_unmap(node->stack.valgrind);
        stack_give_page(pool);
    }
    pool->free = NULL;
    pool->free_count = 0;
    aio__stack_trim(pool);
    while (pool->slabs != NULL) {
        struct aio__stack_slab *slab = pool->slabs;
        pool->slabs = slab->next;
        (void)munmap(slab->map, slab->bytes);
        aio__free(slab);
    }
    aio__free(pool->cold);
}
