/*
 * Memory of the library: every allocation goes through here, so that it can be counted, limited and
 * made to fail.
 *
 * A block allocated on a core's thread belongs to that core: it comes from its allocator and counts
 * against its limit, see core/memory.h. It remembers its owner, so it may be freed anywhere. On a
 * thread without a core, and for what is not to be any core's, there are blocks without an owner.
 */
#ifndef AIO_CORE_ALLOC_H
#define AIO_CORE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* Returns size bytes, or NULL. */
void *aio__alloc(size_t size) __attribute__((malloc));

/* Returns size zero bytes, or NULL. */
void *aio__alloc_zero(size_t size) __attribute__((malloc));

/* Returns size zero bytes that belong to no core, or NULL: for what several threads share, and what
 * outlives a core. */
void *aio__alloc_shared(size_t size) __attribute__((malloc));

/* As realloc(3); the old block stays valid when NULL is returned. A block of another core becomes
 * one of this. */
void *aio__alloc_resize(void *block, size_t size);

/* NULL is ignored. On any thread. */
void aio__free(void *block);

/* Blocks of one size that are kept for the next user, linked through themselves. */
struct aio__spare {
    struct aio__spare *next;
};

static inline void aio__spare_put(struct aio__spare **list, void *block)
{
    struct aio__spare *spare = block;
    spare->next = *list;
    *list = spare;
}

/* NULL when there is none. */
static inline void *aio__spare_take(struct aio__spare **list)
{
    struct aio__spare *spare = *list;
    if (spare != NULL)
        *list = spare->next;
    return spare;
}

/* Frees all of them. */
void aio__spare_free(struct aio__spare **list);

/* Blocks allocated and not freed: those of the calling thread's core, those without an owner and
 * those whose core has ended. */
int64_t aio__alloc_live(void);

/* A core ends and leaves that many blocks behind. */
void aio__alloc_adopt(int64_t blocks);

/* Tests: the n-th allocation from now fails once (1: the next one); 0 switches it off. */
void aio__alloc_fail_at(int64_t n);

#endif
