/*
 * Task stacks: mapped in slabs, backed by the kernel page by page as they are touched, kept for
 * reuse, with a guard below each. The guard is a lightweight marker (MADV_GUARD_INSTALL, Linux
 * 6.13) where the kernel has it, so a million stacks do not need a million mappings; else a
 * PROT_NONE range, two mappings a stack.
 *
 * The top of a stack holds the task itself, which is why a free stack can be linked through it
 * without touching another page.
 */
#ifndef AIO_CORE_STACK_H
#define AIO_CORE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aio__stack {
    char *base;        /* lowest usable byte; the guard ends here */
    size_t bytes;      /* usable */
    unsigned valgrind; /* its registration */
    bool pooled;       /* part of a slab, of the pool's size */
};

struct aio__memory;
struct aio__stack_node;
struct aio__stack_slab;

struct aio__stack_pool {
    size_t stack_bytes;
    size_t guard_bytes;
    size_t page_bytes;
    struct aio__memory *memory; /* which counts a page of each resident stack; NULL: nobody does */
    bool guard_markers;         /* MADV_GUARD_INSTALL works */
    uint32_t cache;             /* free stacks that may stay resident */
    uint32_t free_count;
    uint32_t mapped;              /* stacks handed out or free */
    struct aio__stack_node *free; /* LIFO, resident */
    struct aio__stack_node *dead; /* not pooled, to be unmapped by trim */
    char **cold; /* bases of free stacks whose pages were given back; room for all pooled ones */
    uint32_t cold_count;
    uint32_t cold_capacity;
    struct aio__stack_slab *slabs;
    char *carve; /* the part of the newest slab not handed out yet */
    char *carve_end;
};

/* Smallest and largest usable size of a stack. */
#define AIO__STACK_BYTES_MIN ((size_t)16 * 1024)
#define AIO__STACK_BYTES_MAX ((size_t)1 << 30)
/*
 * A page more than 64 KiB: with the default stack that is 33 pages from one stack to the next. An
 * even distance, a power of two above all, would put the pages that tasks use into few sets of the
 * processor's translation cache.
 */
#define AIO__STACK_GUARD_BYTES ((size_t)68 * 1024)

/* Tasks begin at different places of their page, or their hot lines would share few cache sets. */
#define AIO__STACK_COLORS ((uintptr_t)16)
#define AIO__STACK_COLOR_BYTES ((uintptr_t)64)

/* Rounds a wanted size up to whole pages. Returns 0; -EINVAL when it is out of bounds. */
int aio__stack_round(size_t bytes, size_t *rounded);

/* Whether a stack of that size can be mapped now. */
bool aio__stack_fits(size_t bytes);

void aio__stack_pool_open(struct aio__stack_pool *pool, size_t stack_bytes, uint32_t cache);

/* Unmaps everything; no stack may be in use. */
void aio__stack_pool_close(struct aio__stack_pool *pool);

/* Gives a stack of at least `bytes` (0: the pool's size). Returns 0; -ENOMEM, also when the limit
 * of memory is reached; -EAGAIN: no mapping left. */
int aio__stack_get_slow(struct aio__stack_pool *pool, size_t bytes, struct aio__stack *out);

/* Takes a stack back. It may be the one in use now, as long as it is left before the next get or
 * trim. */
void aio__stack_put(struct aio__stack_pool *pool, const struct aio__stack *stack);

/* Gives memory beyond the cache back to the kernel; called from the loop, never on a task's stack.
 */
void aio__stack_trim(struct aio__stack_pool *pool);

static inline bool aio__stack_trim_needed(const struct aio__stack_pool *pool)
{
    return pool->free_count > pool->cache || pool->dead != NULL;
}

/* A free stack: the node stands where its task stood. */
struct aio__stack_node {
    struct aio__stack_node *next;
    struct aio__stack stack;
};

/* Bytes at the top of each stack that belong to its task, whose size task.c checks. */
#if defined(AIO_CONTEXT_UCONTEXT) && AIO_CONTEXT_UCONTEXT
#define AIO__STACK_HEADER_BYTES ((size_t)1280)
#else
#define AIO__STACK_HEADER_BYTES ((size_t)320)
#endif

static inline char *aio__stack_header(const struct aio__stack *stack)
{
    uintptr_t color = ((uintptr_t)stack->base >> 12) % AIO__STACK_COLORS;
    return stack->base + stack->bytes - AIO__STACK_HEADER_BYTES - color * AIO__STACK_COLOR_BYTES;
}

/* Takes a stack of the pool's size that is free, of which there is one. */
static inline struct aio__stack aio__stack_take(struct aio__stack_pool *pool)
{
    struct aio__stack_node *node = pool->free;
    pool->free = node->next;
    pool->free_count--;
    return node->stack;
}

static inline int aio__stack_get(struct aio__stack_pool *pool, size_t bytes, struct aio__stack *out)
{
    if (__builtin_expect(pool->free == NULL || (bytes != 0 && bytes != pool->stack_bytes), 0))
        return aio__stack_get_slow(pool, bytes, out);
    *out = aio__stack_take(pool);
    return 0;
}

#endif
