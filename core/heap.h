/*
 * Timers: a 4-ary min-heap of absolute times. Arming a time later than all others, and disarming
 *         the one armed last, touch one slot, which is what deadlines of equal length do. Room is
 *         reserved beforehand, so that arming cannot fail.
 *
 * Invariant: items[i].at_ns <= items[4i + 1 .. 4i + 4].at_ns, and items[i].timer->slot == i + 1.
 *            A timer that is not armed has slot 0 and at_ns AIO_FOREVER.
 */
#ifndef AIO_CORE_HEAP_H
#define AIO_CORE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

struct aio__timer {
    int64_t at_ns;
    uint32_t slot;
    void (*fire)(struct aio__timer *timer); /* disarmed already; called in the loop's context */
};

struct aio__heap_item {
    int64_t at_ns;
    struct aio__timer *timer;
};

struct aio__heap {
    struct aio__heap_item *items;
    uint32_t count;
    uint32_t capacity;
};

#define AIO__TIMER_INIT(fire_function) ((struct aio__timer){INT64_MAX, 0, (fire_function)})

/* Makes room for count timers. Returns 0 or -ENOMEM. */
int aio__heap_reserve(struct aio__heap *heap, uint32_t count);

void aio__heap_free(struct aio__heap *heap);

/* Arms the timer, or moves it when it is armed. */
void aio__heap_arm(struct aio__heap *heap, struct aio__timer *timer, int64_t at_ns);

/* Harmless when the timer is not armed. */
void aio__heap_disarm(struct aio__heap *heap, struct aio__timer *timer);

/* Disarms and returns the first timer whose time is at or before now_ns; NULL when there is none.
 */
struct aio__timer *aio__heap_expire(struct aio__heap *heap, int64_t now_ns);

static inline bool aio__timer_armed(const struct aio__timer *timer)
{
    return timer->slot != 0;
}

/* The earliest time; AIO_FOREVER when nothing is armed. */
static inline int64_t aio__heap_next(const struct aio__heap *heap)
{
    return heap->count > 0 ? heap->items[0].at_ns : INT64_MAX;
}

#endif
