/*
 * The 4-ary heap behind all timers, see heap.h.
 */
#include "core/heap.h"

#include "core/alloc.h"
#include "core/log.h"

#include <errno.h>

int aio__heap_reserve(struct aio__heap *heap, uint32_t count)
{
    if (count <= heap->capacity)
        return 0;
    uint32_t capacity = heap->capacity > 0 ? heap->capacity : 64;
    while (capacity < count)
        capacity *= 2;
    void *items = aio__alloc_resize(heap->items, capacity * sizeof(struct aio__heap_item));
    if (items == NULL)
        return -ENOMEM;
    heap->items = items;
    heap->capacity = capacity;
    return 0;
}

void aio__heap_free(struct aio__heap *heap)
{
    aio__free(heap->items);
    *heap = (struct aio__heap){0};
}

static void heap_put(struct aio__heap *heap, uint32_t index, struct aio__heap_item item)
{
    heap->items[index] = item;
    item.timer->slot = index + 1;
}

static void heap_rise(struct aio__heap *heap, uint32_t index, struct aio__heap_item item)
{
    while (index > 0) {
        uint32_t parent = (index - 1) / 4;
        if (heap->items[parent].at_ns <= item.at_ns)
            break;
        heap_put(heap, index, heap->items[parent]);
        index = parent;
    }
    heap_put(heap, index, item);
}

static uint32_t heap_least_child(const struct aio__heap *heap, uint32_t index)
{
    uint32_t first = 4 * index + 1;
    uint32_t end = first + 4 < heap->count ? first + 4 : heap->count;
    uint32_t least = first;
    for (uint32_t child = first + 1; child < end; child++)
        if (heap->items[child].at_ns < heap->items[least].at_ns)
            least = child;
    return least;
}

static void heap_sink(struct aio__heap *heap, uint32_t index, struct aio__heap_item item)
{
    while (4 * index + 1 < heap->count) {
        uint32_t child = heap_least_child(heap, index);
        if (item.at_ns <= heap->items[child].at_ns)
            break;
        heap_put(heap, index, heap->items[child]);
        index = child;
    }
    heap_put(heap, index, item);
}

static void heap_settle(struct aio__heap *heap, uint32_t index, struct aio__heap_item item)
{
    if (index > 0 && item.at_ns < heap->items[(index - 1) / 4].at_ns)
        heap_rise(heap, index, item);
    else
        heap_sink(heap, index, item);
}

void aio__heap_arm(struct aio__heap *heap, struct aio__timer *timer, int64_t at_ns)
{
    struct aio__heap_item item = {at_ns, timer};
    timer->at_ns = at_ns;
    if (aio__timer_armed(timer)) {
        heap_settle(heap, timer->slot - 1, item);
        return;
    }
    AIO__REQUIRE(heap->count < heap->capacity, "timer heap: no room was reserved");
    heap_rise(heap, heap->count++, item);
}

void aio__heap_disarm(struct aio__heap *heap, struct aio__timer *timer)
{
    if (!aio__timer_armed(timer))
        return;
    uint32_t index = timer->slot - 1;
    timer->slot = 0;
    timer->at_ns = INT64_MAX;
    struct aio__heap_item last = heap->items[--heap->count];
    if (index < heap->count)
        heap_settle(heap, index, last);
}

struct aio__timer *aio__heap_expire(struct aio__heap *heap, int64_t now_ns)
{
    if (heap->count == 0 || heap->items[0].at_ns > now_ns)
        return NULL;
    struct aio__timer *timer = heap->items[0].timer;
    aio__heap_disarm(heap, timer);
    return timer;
}
