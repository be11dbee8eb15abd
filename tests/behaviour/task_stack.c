/*
 * Stacks of tasks: their size, their use to the end, and what stands in them across switches.
 */
#define SUITE "task_stack"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if UNDER_ASAN || UNDER_TSAN
#define FRAME_FACTOR 4 /* a sanitizer's frames and what it does at their entry are larger */
#else
#define FRAME_FACTOR 1
#endif

struct depth {
    size_t bytes;
    uint64_t sum;
};

/* Fills a frame of bytes and goes to sleep over it; the bytes are still there after it. */
static __attribute__((noinline)) int use_stack(void *arg)
{
    struct depth *depth = arg;
    unsigned char *frame = __builtin_alloca(depth->bytes);
    test_pattern_fill(frame, depth->bytes, depth->sum);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_task_yield());
    return test_pattern_check(frame, depth->bytes, depth->sum) ? 0 : -1;
}

static int spawn_deep(struct depth *depth, size_t stack_bytes)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_task *task;
    int result = -1;
    options.stack_bytes = stack_bytes;
    if (AIO_CHECK_OK(aio_task_spawn(&task, use_stack, depth, &options)))
        AIO_CHECK_OK(aio_task_join(task, &result));
    return result;
}

/* A task may use its stack but for the last few kibibytes, whatever its size. */
BEHAVIOUR(use_to_the_end)
{
    const size_t sizes[] = {64 << 10, 128 << 10, 256 << 10, 1 << 20, 8 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t bytes = sizes[i] * FRAME_FACTOR;
        struct depth depth = {bytes - 6 * 1024 * FRAME_FACTOR, i};
        AIO_CHECK_EQ(spawn_deep(&depth, bytes), 0);
    }
}

/* The smallest stack is 16 KiB; sizes between pages are rounded up. */
BEHAVIOUR(smallest_stack)
{
    struct depth depth = {1024, 0};
    size_t smallest = (size_t)16 << 10;
    AIO_CHECK_EQ(spawn_deep(&depth, smallest * FRAME_FACTOR), 0);
    AIO_CHECK_EQ(spawn_deep(&depth, smallest * FRAME_FACTOR + 1), 0);
}

/* The runtime's option is the size of tasks that ask for nothing else. */
BEHAVIOUR_WITH(size_of_the_runtime, .stack_bytes = 2 << 20)
{
    struct depth depth = {(2 << 20) - 6 * 1024 * FRAME_FACTOR, 3};
    AIO_CHECK_EQ(spawn_deep(&depth, 0), 0);
}

/* Sizes that cannot be meant, and an options struct of another version, are refused. */
BEHAVIOUR(bad_options)
{
    const size_t sizes[] = {1, 4096, (16 << 10) - 1, ((size_t)1 << 30) + 1, SIZE_MAX};
    struct aio_task *task = NULL;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct aio_task_options options = AIO_TASK_OPTIONS;
        options.stack_bytes = sizes[i];
        AIO_CHECK_ERROR(aio_task_spawn(&task, task_sleep_forever, NULL, &options), -EINVAL);
    }
    struct aio_task_options none = {.size = 0};
    AIO_CHECK_ERROR(aio_task_spawn(&task, task_sleep_forever, NULL, &none), -EINVAL);
    struct aio_task_options newer = {.size = sizeof newer + 8};
    AIO_CHECK_ERROR(aio_task_spawn(&task, task_sleep_forever, NULL, &newer), -EINVAL);
    AIO_CHECK_EQ(task_stats().tasks_started, 1);
}

/* Many tasks that sleep over full frames do not touch each other's. */
BEHAVIOUR(frames_stay_apart)
{
    enum { COUNT = 200 };
    static struct depth depths[COUNT];
    static struct aio_task *tasks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        depths[i] = (struct depth){40 << 10, test_random()};
        REQUIRE_OK(aio_task_spawn(&tasks[i], use_stack, &depths[i], NULL));
    }
    for (int i = 0; i < COUNT; i++) {
        int result;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_EQ(result, 0);
    }
}

/* Stacks of unusual sizes go back to the kernel when their task has ended. */
BEHAVIOUR(unusual_sizes_are_given_back)
{
    struct depth depth = {100, 0};
    uint32_t before = task_stats().stacks_mapped;
    for (int i = 0; i < 300; i++)
        AIO_CHECK_EQ(spawn_deep(&depth, (size_t)(512 + 4 * (i % 3)) << 10), 0);
    AIO_CHECK_OK(aio_time_sleep(AIO_US(100))); /* a turn of the loop */
    AIO_CHECK(task_stats().stacks_mapped <= before + 1);
}

static size_t resident_bytes(void)
{
    unsigned long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL && fscanf(file, "%lu %lu", &total, &resident) != 2)
        resident = 0;
    if (file != NULL)
        fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* Beyond stack_cache the memory of stacks that were used goes back to the kernel. */
BEHAVIOUR_WITH(cache_bounds_resident_memory, .stack_cache = 16)
{
    enum { COUNT = 1000 };
    static struct depth depths[COUNT];
    static struct aio_task *tasks[COUNT];
    size_t before = resident_bytes();
    for (int i = 0; i < COUNT; i++) {
        depths[i] = (struct depth){48 << 10, (uint64_t)i};
        REQUIRE_OK(aio_task_spawn(&tasks[i], use_stack, &depths[i], NULL));
    }
    REQUIRE_OK(aio_task_yield());
    size_t peak = resident_bytes();
    for (int i = 0; i < COUNT; i++)
        REQUIRE_OK(aio_task_join(tasks[i], NULL));
    for (int i = 0; i < COUNT / 8; i++)
        REQUIRE_OK(aio_time_sleep(AIO_US(10)));
    AIO_CHECK(peak > before + ((size_t)30 << 20));
    AIO_CHECK(resident_bytes() < before + (peak - before) / 2);
}

/* What a compiler keeps in registers over a switch, integer and floating, is still there. */
static int keep_registers(void *arg)
{
    double x = *(int *)arg, y = x * 0.5, z = x + 0.25;
    long a = *(int *)arg, b = a * 3, c = a ^ 0x55, d = a + 7, e = ~a;
    for (int i = 0; i < 1000; i++) {
        if (aio_task_yield() < 0)
            return -1;
        x += 1, y += x * 0.5, z -= 0.25;
        a += 1, b += a, c ^= b, d += c, e ^= d;
    }
    long A = *(int *)arg, B = A * 3, C = A ^ 0x55, D = A + 7, E = ~A;
    double X = (double)A, Y = X * 0.5, Z = X + 0.25;
    for (int i = 0; i < 1000; i++) {
        X += 1, Y += X * 0.5, Z -= 0.25;
        A += 1, B += A, C ^= B, D += C, E ^= D;
    }
    return a == A && b == B && c == C && d == D && e == E && x == X && y == Y && z == Z ? 0 : -1;
}

BEHAVIOUR(registers_survive_switches)
{
    struct aio_task *tasks[8];
    int numbers[8];
    for (int i = 0; i < 8; i++) {
        numbers[i] = i * 1234567;
        REQUIRE_OK(aio_task_spawn(&tasks[i], keep_registers, &numbers[i], NULL));
    }
    for (int i = 0; i < 8; i++) {
        int result;
        REQUIRE_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_EQ(result, 0);
    }
}
