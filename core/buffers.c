/*
 * The pool of rented buffers, see buffers.h.
 */
#include "core/buffers.h"

#include "core/alloc.h"
#include "core/memory.h"
#include "core/task.h"

#include <sys/mman.h>

/* A piece is not as long as a power of two: the beginnings of the pieces, all that small messages
 * touch, would otherwise fall on the same few cache sets. */
#define BUFFERS_SKEW_BYTES 1088u

void aio__buffers_open(struct aio__buffers *pool, uint32_t bytes, uint32_t limit,
                       uint32_t stream_limit)
{
    *pool = (struct aio__buffers){.bytes = bytes, .most = limit, .stream_limit = stream_limit};
    pool->stride = (((size_t)bytes + 63) & ~(size_t)63) + BUFFERS_SKEW_BYTES;
}

/* Half of what a core may have is for others. */
static bool buffers_charge(struct aio__buffers *pool, uint32_t count)
{
    struct aio__memory *account = pool->account;
    return account == NULL || (pool->limit + count <= account->limit / 2 / pool->stride &&
                               aio__memory_take(account, count * pool->stride));
}

/* So many pieces more, or as many as there is memory for. */
static bool buffers_add(struct aio__buffers *pool, uint32_t count)
{
    while (count > 0 && !buffers_charge(pool, count))
        count /= 2;
    pool->limit += count;
    return count > 0;
}

bool aio__buffers_grow(struct aio__buffers *pool)
{
    uint32_t left = pool->most - pool->limit;
    uint32_t count = pool->limit / 4 + 1;
    return buffers_add(pool, count < left ? count : left);
}

static int buffers_map(struct aio__buffers *pool)
{
    struct aio_buffer *roots = aio__alloc_zero(pool->most * sizeof *roots);
    if (roots == NULL)
        return -ENOMEM;
    size_t length = pool->most * pool->stride;
    void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        aio__free(roots);
        return -ENOMEM;
    }
    /* The kernel writes into it for the parent; and it is backed page by page, as it is used. */
    (void)madvise(memory, length, MADV_DONTFORK);
    (void)madvise(memory, length, MADV_NOHUGEPAGE);
    pool->roots = roots;
    pool->memory = memory;
    return 0;
}

static void buffers_unmap(struct aio__buffers *pool)
{
    (void)munmap(pool->memory, pool->most * pool->stride);
    aio__free(pool->roots);
    pool->roots = NULL;
}

int aio__buffers_prepare(struct aio__buffers *pool)
{
    if (pool->roots != NULL)
        return 0;
    int rc = buffers_map(pool);
    if (rc < 0)
        return rc;
    if (buffers_add(pool, pool->most < AIO__BUFFERS_FIRST ? pool->most : AIO__BUFFERS_FIRST))
        return 0;
    buffers_unmap(pool);
    return -ENOMEM;
}

static void buffers_free_handles(struct aio__buffers *pool)
{
    struct aio__buffer_handles *block;
    while ((block = pool->handles) != NULL) {
        pool->handles = block->next;
        aio__free(block);
    }
}

uint32_t aio__buffers_close(struct aio__buffers *pool)
{
    if (pool->roots == NULL)
        return 0;
    uint32_t held = aio__buffers_held(pool);
    buffers_free_handles(pool);
    buffers_unmap(pool);
    if (pool->account != NULL)
        aio__memory_give(pool->account, pool->limit * pool->stride);
    return held;
}

struct aio_buffer *aio__buffers_make(struct aio__buffers *pool)
{
    if (pool->made == pool->limit && !aio__buffers_grow(pool))
        return NULL;
    struct aio_buffer *buffer = &pool->roots[pool->made];
    *buffer = (struct aio_buffer){
        .data = pool->memory + pool->made * pool->stride,
        .room = pool->bytes,
        .root = buffer,
        .pool = pool,
        .references = 1,
        .open = true,
    };
    pool->made++;
    return buffer;
}

/* What a task waits for in aio_buffer_rent is given to it here, so nobody can take it first. */
static void buffers_hand_over(struct aio__buffers *pool)
{
    struct aio__wait *wait = aio__wait_dequeue(&pool->waiters);
    AIO__CONTAINER(wait, struct aio__buffer_wait, wait)->buffer = aio__buffers_take(pool);
    aio__wake(wait, 0);
}

static void buffers_put(struct aio__buffers *pool, struct aio_buffer *root)
{
    root->open = false;
    root->size = 0;
    root->room = pool->bytes;
    root->data = pool->memory + (size_t)(root - pool->roots) * pool->stride;
    root->next = pool->free_list;
    pool->free_list = root;
    pool->free++;
    if (__builtin_expect(pool->waiters.head != NULL, 0) && aio__buffers_may_rent(pool))
        buffers_hand_over(pool);
}

void aio__buffer_release(struct aio_buffer *buffer)
{
    struct aio_buffer *root = buffer->root;
    AIO__REQUIRE(buffer->open, "this rented buffer was released or given away already");
    buffer->open = false;
    if (buffer != root) {
        buffer->next = root->pool->spare_handles;
        root->pool->spare_handles = buffer;
    }
    if (--root->references == 0)
        buffers_put(root->pool, root);
}

static bool buffers_make_handles(struct aio__buffers *pool)
{
    struct aio__buffer_handles *block = aio__alloc(sizeof *block);
    if (block == NULL)
        return false;
    block->next = pool->handles;
    pool->handles = block;
    for (size_t i = 0; i < sizeof block->handles / sizeof block->handles[0]; i++) {
        block->handles[i].next = pool->spare_handles;
        pool->spare_handles = &block->handles[i];
    }
    return true;
}

struct aio_buffer *aio__buffer_view(struct aio_buffer *buffer, uint32_t offset, uint32_t size)
{
    struct aio__buffers *pool = buffer->pool;
    if (pool->spare_handles == NULL && !buffers_make_handles(pool))
        return NULL;
    struct aio_buffer *view = pool->spare_handles;
    pool->spare_handles = view->next;
    *view = (struct aio_buffer){
        .data = buffer->data + offset,
        .size = size,
        .room = size,
        .root = buffer->root,
        .pool = pool,
        .open = true,
    };
    buffer->root->references++;
    return view;
}
