/*
 * Op lists, deliveries and names of opcodes.
 */
#define SUITE "list_and_op"
#include "tests/harness/harness.h"

#include "core/alloc.h"
#include "core/op.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

PLAIN(list_is_a_fifo)
{
    struct aio__op_list list = {NULL, NULL};
    struct aio__op ops[5];
    AIO_CHECK(aio__op_list_empty(&list));
    AIO_CHECK(aio__op_list_pop(&list) == NULL);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++)
            aio__op_list_append(&list, &ops[i]);
        AIO_CHECK(!aio__op_list_empty(&list));
        for (int i = 0; i < 5; i++)
            AIO_CHECK(aio__op_list_pop(&list) == &ops[i]);
        AIO_CHECK(aio__op_list_empty(&list));
    }
}

/* Takes out op number `gone` of three, appends a fourth, and looks at the order. */
static void check_remove(int gone)
{
    struct aio__op_list list = {NULL, NULL};
    struct aio__op ops[4];
    for (int i = 0; i < 3; i++)
        aio__op_list_append(&list, &ops[i]);
    AIO_CHECK(aio__op_list_remove(&list, &ops[gone]));
    AIO_CHECK(!aio__op_list_remove(&list, &ops[gone]));
    AIO_CHECK(!aio__op_list_remove(&list, &ops[3]));
    aio__op_list_append(&list, &ops[3]);
    for (int i = 0; i < 4; i++)
        if (i != gone)
            AIO_CHECK(aio__op_list_pop(&list) == &ops[i]);
    AIO_CHECK(aio__op_list_empty(&list));
}

PLAIN(list_remove_wherever_it_stands)
{
    struct aio__op_list list = {NULL, NULL};
    struct aio__op op;
    for (int gone = 0; gone < 3; gone++)
        check_remove(gone);
    aio__op_list_append(&list, &op);
    AIO_CHECK(aio__op_list_remove(&list, &op));
    AIO_CHECK(aio__op_list_empty(&list));
    aio__op_list_append(&list, &op);
    AIO_CHECK(aio__op_list_pop(&list) == &op);
}

/* Pushes and pops at random, against a count of what must come next. */
PLAIN(deliveries_keep_their_order_while_they_grow)
{
    struct aio__deliveries deliveries = {.limit = 8};
    int pushed = 0, popped = 0;
    AIO_CHECK_EQ(aio__deliveries_pop(&deliveries), -1);
    for (int i = 0; i < 5000; i++) {
        if (test_random() % 100 < (i < 3000 ? 60u : 40u)) {
            AIO_CHECK_EQ(aio__deliveries_push(&deliveries, 1000000 + pushed), 0);
            pushed++;
        } else {
            int fd = aio__deliveries_pop(&deliveries);
            AIO_CHECK_EQ(fd, popped < pushed ? 1000000 + popped : -1);
            popped += popped < pushed;
        }
        AIO_CHECK_EQ(deliveries.count, pushed - popped);
        AIO_CHECK_EQ(aio__deliveries_full(&deliveries), pushed - popped >= 8);
    }
    AIO_CHECK(deliveries.capacity >= 16);
    while (popped < pushed)
        AIO_CHECK_EQ(aio__deliveries_pop(&deliveries), 1000000 + popped++);
    aio__deliveries_free(&deliveries);
}

PLAIN(deliveries_free_closes_what_is_left)
{
    struct aio__deliveries deliveries = {.limit = 2};
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        AIO_CHECK_EQ(aio__deliveries_push(&deliveries, fds[i]), 0);
    }
    AIO_CHECK_EQ(aio__deliveries_pop(&deliveries), fds[0]);
    aio__deliveries_free(&deliveries);
    AIO_CHECK_EQ(fcntl(fds[1], F_GETFD), -1);
    AIO_CHECK_EQ(fcntl(fds[2], F_GETFD), -1);
    AIO_CHECK_EQ(close(fds[0]), 0);
}

PLAIN(deliveries_without_memory_leave_the_descriptor_to_the_caller)
{
    struct aio__deliveries deliveries = {.limit = 2};
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio__deliveries_push(&deliveries, 1000000), -ENOMEM);
    AIO_CHECK_EQ(deliveries.count, 0);
    for (int i = 0; i < 16; i++)
        AIO_CHECK_EQ(aio__deliveries_push(&deliveries, 1000000 + i), 0);
    aio__alloc_fail_at(1);
    AIO_CHECK_ERROR(aio__deliveries_push(&deliveries, 1000016), -ENOMEM);
    aio__alloc_fail_at(0);
    for (int i = 0; i < 16; i++)
        AIO_CHECK_EQ(aio__deliveries_pop(&deliveries), 1000000 + i);
    aio__deliveries_free(&deliveries);
}

PLAIN(opcodes_have_names)
{
    AIO_CHECK_STR(aio__opcode_name(AIO__OP_NOP), "nop");
    AIO_CHECK_STR(aio__opcode_name(AIO__OP_FORGET), "forget");
    AIO_CHECK_STR(aio__opcode_name(AIO__OP_COUNT), "unknown");
    for (unsigned i = 0; i < AIO__OP_COUNT; i++)
        for (unsigned other = 0; other < i; other++)
            AIO_CHECK(strcmp(aio__opcode_name(i), aio__opcode_name(other)) != 0);
}
