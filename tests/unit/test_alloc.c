/*
 * Counted memory and its fail point.
 */
#define SUITE "alloc"
#include "tests/harness/harness.h"

#include "core/alloc.h"

#include <string.h>

PLAIN(blocks_are_counted)
{
    int64_t before = aio__alloc_live();
    char *block = aio__alloc(10), *zero = aio__alloc_zero(10);
    REQUIRE(block != NULL && zero != NULL);
    AIO_CHECK_EQ(aio__alloc_live() - before, 2);
    for (int i = 0; i < 10; i++)
        AIO_CHECK_EQ(zero[i], 0);
    memcpy(block, "123456789", 10);
    block = aio__alloc_resize(block, 100000);
    REQUIRE(block != NULL);
    AIO_CHECK_STR(block, "123456789");
    AIO_CHECK_EQ(aio__alloc_live() - before, 2);
    aio__free(block);
    aio__free(zero);
    aio__free(NULL);
    AIO_CHECK_EQ(aio__alloc_live(), before);
    block = aio__alloc_resize(NULL, 10);
    AIO_CHECK_EQ(aio__alloc_live() - before, 1);
    aio__free(block);
}

PLAIN(one_allocation_fails_by_order)
{
    int64_t before = aio__alloc_live();
    aio__alloc_fail_at(2);
    void *first = aio__alloc(1), *second = aio__alloc_zero(1), *third = aio__alloc(1);
    AIO_CHECK(first != NULL && second == NULL && third != NULL);
    aio__alloc_fail_at(1);
    AIO_CHECK(aio__alloc_resize(first, 1000) == NULL); /* the old block is still there */
    aio__alloc_fail_at(3);
    aio__alloc_fail_at(0);
    for (int i = 0; i < 5; i++) {
        void *block = aio__alloc(1);
        AIO_CHECK(block != NULL);
        aio__free(block);
    }
    aio__free(first);
    aio__free(third);
    AIO_CHECK_EQ(aio__alloc_live(), before);
}
