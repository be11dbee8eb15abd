/*
 * Memory of stacks beyond the cache: a runtime that has had many tasks and now sleeps holds the
 * stacks of a few.
 */
#define SUITE "stack_trim"
#include "tests/behaviour/task_tools.h"

#include <stdio.h>
#include <unistd.h>

enum { TASKS = UNDER_TSAN ? 2000 : 20000, CACHE = 64 }; /* TSan has room for few */

static int64_t resident_bytes(void)
{
    long pages = -1;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return -1;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = -1;
    (void)fclose(file);
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

static int wait_for_flag(void *flag)
{
    while (!*(bool *)flag)
        if (aio_time_sleep(AIO_MS(1)) < 0)
            return 1;
    return 0;
}

static bool mostly_given_back(void *before)
{
    (void)aio_time_sleep(AIO_MS(1));
    return resident_bytes() - *(int64_t *)before < (int64_t)TASKS * 4096 / 4;
}

/* Many tasks hold a page of stack each; once they have ended and the runtime has slept, it is gone.
 */
BEHAVIOUR_WITH(memory_is_given_back_before_sleeping, .stack_cache = CACHE)
{
    bool over = false;
    int64_t before = resident_bytes();
    for (int i = 0; i < TASKS; i++)
        REQUIRE_OK(aio_task_spawn(NULL, wait_for_flag, &over, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(UNDER_ASAN || UNDER_TSAN || resident_bytes() - before > (int64_t)TASKS * 4096);
    over = true;
    while (task_stats().tasks_live > 1)
        REQUIRE_OK(aio_time_sleep(AIO_MS(2)));
    /* It gives back a little a turn, and then sleeps with what the cache may keep. */
    AIO_CHECK(UNDER_ASAN || UNDER_TSAN || test_wait(mostly_given_back, &before));
}
