/*
 * Memory of the library: every allocation goes through here, so that it can be counted and made
 * to fail.
 */
#ifndef AIO_CORE_ALLOC_H
#define AIO_CORE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* Returns size bytes, or NULL. */
void *aio__alloc(size_t size) __attribute__((malloc));

/* Returns size zero bytes, or NULL. */
void *aio__alloc_zero(size_t size) __attribute__((malloc));

/* As realloc(3); the old block stays valid when NULL is returned. */
void *aio__alloc_resize(void *block, size_t size);

/* NULL is ignored. */
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

/* Blocks allocated and not freed, in the whole process. */
int64_t aio__alloc_live(void);

/* Tests: the n-th allocation from now fails once (1: the next one); 0 switches it off. */
void aio__alloc_fail_at(int64_t n);

#endif
