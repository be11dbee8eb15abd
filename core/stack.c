/*
 * Mapping, guarding, keeping and giving back of stacks, see stack.h.
 */
#include "core/stack.h"

#include "core/alloc.h"
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

static int stack_slab_add(struct aio__stack_pool *pool)
{
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

int aio__stack_get_slow(struct aio__stack_pool *pool, size_t bytes, struct aio__stack *out)
{
    if (bytes != 0 && bytes != pool->stack_bytes)
        return stack_map_single(pool, bytes, out);
    if (pool->cold_count > 0) {
        char *base = pool->cold[--pool->cold_count];
        unsigned id = aio__sanitize_map(base, pool->stack_bytes);
        *out = (struct aio__stack){base, pool->stack_bytes, id, true};
        return 0;
    }
    return stack_carve(pool, out);
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
}

static bool stack_cold_reserve(struct aio__stack_pool *pool)
{
    if (pool->cold_count < pool->cold_capacity)
        return true;
    uint32_t capacity = pool->cold_capacity > 0 ? pool->cold_capacity * 2 : 256;
    char **cold = aio__alloc_resize(pool->cold, capacity * sizeof *cold);
    if (cold == NULL)
        return false;
    pool->cold = cold;
    pool->cold_capacity = capacity;
    return true;
}

void aio__stack_trim(struct aio__stack_pool *pool)
{
    while (pool->dead != NULL) {
        struct aio__stack stack = pool->dead->stack;
        pool->dead = pool->dead->next;
        stack_unmap(pool, stack);
    }
    for (int i = 0; i < STACK_TRIM_BATCH && pool->free_count > pool->cache; i++) {
        if (!stack_cold_reserve(pool))
            return; /* they stay resident, which is no harm */
        struct aio__stack_node *node = pool->free;
        struct aio__stack stack = node->stack;
        pool->free = node->next;
        pool->free_count--;
        aio__sanitize_unmap(stack.valgrind);
        (void)madvise(stack.base, stack.bytes, MADV_DONTNEED);
        pool->cold[pool->cold_count++] = stack.base;
    }
}

void aio__stack_pool_close(struct aio__stack_pool *pool)
{
    for (struct aio__stack_node *node = pool->free; node != NULL; node = node->next)
        aio__sanitize_unmap(node->stack.valgrind);
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
