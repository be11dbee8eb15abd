/*
 * Waiting for what nothing signals, and bytes that know their place in a stream.
 */
#include "tests/harness/internal.h"

#include <time.h>

/* Long for anything a test waits for, short enough that the watchdog does not come first. */
static int64_t wait_limit(void)
{
    return aio_time_now() + AIO_SEC(5) * test_slowness();
}

bool test_wait(bool (*condition)(void *arg), void *arg)
{
    int64_t limit = wait_limit();
    for (unsigned i = 0; !condition(arg); i++) {
        if (aio_time_now() > limit)
            return AIO_CHECK(!"what the test waits for does not happen");
        int rc = i < 100 ? aio_task_yield() : aio_time_sleep(AIO_US(500));
        if (rc < 0)
            return AIO_CHECK_OK(rc);
    }
    return true;
}

bool test_wait_outside(bool (*condition)(void *arg), void *arg)
{
    const struct timespec pause = {.tv_nsec = 500000};
    int64_t limit = wait_limit();
    while (!condition(arg)) {
        if (aio_time_now() > limit)
            return AIO_CHECK(!"what the test waits for does not happen");
        nanosleep(&pause, NULL);
    }
    return true;
}

/* Neighbours differ, and so do places a power of two apart. */
static unsigned char pattern(uint64_t position)
{
    return (unsigned char)((position * 0x9e3779b97f4a7c15u) >> 56);
}

void test_pattern_fill(void *buffer, size_t size, uint64_t position)
{
    unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(position + i);
}

bool test_pattern_check(const void *buffer, size_t size, uint64_t position)
{
    const unsigned char *bytes = buffer;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != pattern(position + i))
            return AIO_CHECK_EQ(i, size); /* the first byte that is not the one sent */
    return true;
}
