/*
 * The timer heap, against a plain array that is searched.
 */
#define SUITE "heap"
#include "tests/harness/harness.h"

#include "core/alloc.h"
#include "core/heap.h"

#include <errno.h>

enum { TIMERS = 200 };

static struct aio__timer timers[TIMERS];
static int64_t model[TIMERS]; /* AIO_FOREVER: not armed */

static void fire_nothing(struct aio__timer *timer)
{
    (void)timer;
}

static int64_t model_first(void)
{
    int64_t first = AIO_FOREVER;
    for (int i = 0; i < TIMERS; i++)
        first = model[i] < first ? model[i] : first;
    return first;
}

static bool open_heap(struct aio__heap *heap)
{
    *heap = (struct aio__heap){NULL, 0, 0};
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = AIO__TIMER_INIT(fire_nothing);
        model[i] = AIO_FOREVER;
    }
    return AIO_CHECK_EQ(aio__heap_reserve(heap, TIMERS), 0);
}

static void arm(struct aio__heap *heap, int i, int64_t at_ns)
{
    aio__heap_arm(heap, &timers[i], at_ns);
    model[i] = at_ns;
}

static void disarm(struct aio__heap *heap, int i)
{
    aio__heap_disarm(heap, &timers[i]);
    model[i] = AIO_FOREVER;
}

static void expire(struct aio__heap *heap, int64_t now_ns)
{
    struct aio__timer *timer;
    int64_t last = 0;
    while ((timer = aio__heap_expire(heap, now_ns)) != NULL) {
        int64_t at_ns = model[timer - timers];
        AIO_CHECK(at_ns <= now_ns);
        AIO_CHECK(at_ns >= last);
        AIO_CHECK(!aio__timer_armed(timer));
        last = at_ns;
        model[timer - timers] = AIO_FOREVER;
    }
    AIO_CHECK(model_first() > now_ns);
}

PLAIN(random_steps_against_an_array)
{
    struct aio__heap heap;
    int64_t now_ns = 1;
    REQUIRE(open_heap(&heap));
    for (int step = 0; step < 20000; step++) {
        int i = (int)(test_random() % TIMERS);
        uint64_t dice = test_random() % 100;
        if (dice < 60)
            arm(&heap, i, now_ns + (int64_t)(test_random() % 1000));
        else if (dice < 85)
            disarm(&heap, i);
        else
            expire(&heap, now_ns += (int64_t)(test_random() % 200));
        AIO_CHECK_EQ(aio__timer_armed(&timers[i]), model[i] != AIO_FOREVER);
        if (!AIO_CHECK_EQ(aio__heap_next(&heap), model_first()))
            break;
    }
    expire(&heap, AIO_FOREVER - 1);
    AIO_CHECK_EQ(heap.count, 0);
    aio__heap_free(&heap);
}

PLAIN(equal_and_ascending_times)
{
    struct aio__heap heap;
    REQUIRE(open_heap(&heap));
    for (int i = 0; i < TIMERS; i++)
        arm(&heap, i, 1000 + i / 10);
    for (int i = TIMERS - 1; i >= TIMERS / 2; i--)
        disarm(&heap, i);
    AIO_CHECK_EQ(heap.count, TIMERS / 2);
    expire(&heap, 1004);
    AIO_CHECK_EQ(heap.count, TIMERS / 2 - 50);
    expire(&heap, 2000);
    AIO_CHECK_EQ(aio__heap_next(&heap), AIO_FOREVER);
    aio__heap_free(&heap);
}

PLAIN(an_armed_timer_moves)
{
    struct aio__heap heap;
    REQUIRE(open_heap(&heap));
    arm(&heap, 0, 100);
    arm(&heap, 1, 200);
    arm(&heap, 0, 300);
    AIO_CHECK_EQ(heap.count, 2);
    AIO_CHECK_EQ(aio__heap_next(&heap), 200);
    arm(&heap, 0, 50);
    AIO_CHECK_EQ(aio__heap_next(&heap), 50);
    disarm(&heap, 0);
    disarm(&heap, 0);
    disarm(&heap, 1);
    AIO_CHECK_EQ(heap.count, 0);
    aio__heap_free(&heap);
}

PLAIN(without_memory_nothing_changes)
{
    struct aio__heap heap = {NULL, 0, 0};
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio__heap_reserve(&heap, 10), -ENOMEM);
    AIO_CHECK_EQ(aio__heap_reserve(&heap, 10), 0);
    timers[0] = AIO__TIMER_INIT(fire_nothing);
    aio__heap_arm(&heap, &timers[0], 5);
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio__heap_reserve(&heap, 100000), -ENOMEM);
    aio__alloc_fail_at(0);
    AIO_CHECK(aio__heap_expire(&heap, 5) == &timers[0]);
    aio__heap_free(&heap);
}
