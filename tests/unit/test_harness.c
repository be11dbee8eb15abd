/*
 * The harness itself: a check or a leak that it fails to see would make every other test worth
 * less. The failures provoked here are printed, and then taken back.
 */
#define SUITE "self"
#include "tests/harness/internal.h"

#include "core/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

static const struct aio_test_case fake = {.suite = SUITE, .name = "provoked", .file = __FILE__};

/* How many failures there are now; none afterwards. */
static unsigned take_back(void)
{
    unsigned failures = aio__test_end().failures;
    aio__test_begin();
    return failures;
}

PLAIN(checks_that_hold)
{
    AIO_CHECK(AIO_CHECK(1 < 2));
    AIO_CHECK(AIO_CHECK_EQ(-1, -1));
    AIO_CHECK(AIO_CHECK_STR("a", "a"));
    AIO_CHECK(AIO_CHECK_STR(NULL, NULL));
    AIO_CHECK(AIO_CHECK_OK(0));
    AIO_CHECK(AIO_CHECK_OK(7));
    AIO_CHECK(AIO_CHECK_ERROR(-EPIPE, -EPIPE));
}

PLAIN(checks_that_do_not_hold)
{
    bool held = AIO_CHECK(1 > 2);
    held |= AIO_CHECK_EQ(1, 2);
    held |= AIO_CHECK_STR("a", "b");
    held |= AIO_CHECK_STR(NULL, "b");
    held |= AIO_CHECK_OK(-EPIPE);
    held |= AIO_CHECK_ERROR(-EPIPE, -ECONNRESET);
    unsigned failures = take_back();
    AIO_CHECK(!held);
    AIO_CHECK_EQ(failures, 6);
}

PLAIN(leaks_are_seen)
{
    struct leaks *before = leaks_before();
    leaks_after(before, &fake);
    AIO_CHECK_EQ(take_back(), 0);

    before = leaks_before();
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    leaks_after(before, &fake);
    unsigned failures = take_back();
    AIO_CHECK_EQ(failures, 1);

    before = leaks_before();
    close(fd);
    leaks_after(before, &fake);
    failures = take_back();
    AIO_CHECK_EQ(failures, 1); /* something that was not the test's is gone */

    before = leaks_before();
    void *block = aio__alloc(1);
    leaks_after(before, &fake);
    failures = take_back();
    AIO_CHECK_EQ(failures, 1);
    aio__free(block);
}

static void *wait_for_post(void *semaphore)
{
    while (sem_wait(semaphore) != 0)
        continue;
    return NULL;
}

PLAIN(threads_are_seen)
{
    pthread_t thread;
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    struct leaks *before = leaks_before();
    REQUIRE(pthread_create(&thread, NULL, wait_for_post, &semaphore) == 0);
    leaks_after(before, &fake);
    unsigned failures = take_back();
    AIO_CHECK_EQ(failures, 1);

    before = leaks_before();
    sem_post(&semaphore);
    pthread_join(thread, NULL);
    leaks_after(before, &fake);
    AIO_CHECK_EQ(take_back(), 0);
    sem_destroy(&semaphore);
}

PLAIN(patterns_tell_places_apart)
{
    char buffer[1000];
    test_pattern_fill(buffer, sizeof buffer, 12345);
    AIO_CHECK(test_pattern_check(buffer, sizeof buffer, 12345));
    bool held = test_pattern_check(buffer, sizeof buffer, 12346);
    held |= test_pattern_check(buffer, sizeof buffer, 12345 + 4096);
    memmove(buffer + 500, buffer + 501, 499);
    held |= test_pattern_check(buffer, sizeof buffer, 12345);
    (void)take_back();
    AIO_CHECK(!held);
}
