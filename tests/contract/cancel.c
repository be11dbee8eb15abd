/*
 * Clause 4: cancel is a request; success beats it; addresses may recur at once.
 */
#define SUITE "cancel"
#include "tests/contract/fixture.h"

CONTRACT(contract_04_cancel_ends_a_waiting_op)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close_pair(fds);
}

CONTRACT(contract_04_cancel_in_the_batch_of_the_submit)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    for (int i = 0; i < 100; i++) {
        struct aio__op op = op_recv(fds[0], &byte, 1);
        op_submit(&op);
        AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    }
    fd_close_pair(fds);
}

CONTRACT(contract_04_cancel_twice_is_one_cancel)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    op_cancel(&op);
    op_cancel(&op);
    turn(0);
    op_cancel(&op);
    AIO_CHECK_ERROR(op_await(&op), -ECANCELED);
    op_cancel(&op);
    for (int i = 0; i < 5; i++)
        turn(aio_time_now() + AIO_US(200));
    fd_close_pair(fds);
}

CONTRACT(contract_04_cancel_of_what_is_not_submitted_does_nothing)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    op_cancel(&op);
    AIO_CHECK_EQ(op.state, AIO__OP_IDLE);
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    fd_close_pair(fds);
}

/* Polls without taking anything off `done`, until something stands there. */
static void poll_until_done(void)
{
    for (int i = 0; i < 1000 && aio__op_list_empty(&fixture.backend->done); i++)
        fixture.backend->vtable->poll(fixture.backend, aio_time_now() + AIO_MS(1));
}

CONTRACT(contract_04_cancel_of_a_completed_op_keeps_its_result)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    fd_writes(fds[1], "x", 1);
    op_submit(&op);
    poll_until_done();
    AIO_CHECK_EQ(op.state, AIO__OP_DONE);
    op_cancel(&op);
    AIO_CHECK_EQ(op_await(&op), 1);
    for (int i = 0; i < 5; i++)
        turn(aio_time_now() + AIO_US(200));
    fd_close_pair(fds);
}

/* Bytes 0, 1, 2... are written, each just before or after its receive is cancelled: whatever
 * wins, the next byte seen is the next one. */
CONTRACT(contract_04_success_beats_cancel_and_no_byte_is_lost)
{
    int fds[2];
    int rounds = storm(10000), canceled = 0;
    REQUIRE(fd_socketpair(fds));
    for (int i = 0; i < rounds; i++) {
        unsigned char byte = (unsigned char)i, got = 0;
        uint64_t dice = test_random();
        struct aio__op op = op_recv(fds[0], &got, 1);
        op_submit(&op);
        if ((dice & 1) != 0)
            turn(0);
        if ((dice & 2) != 0)
            op_cancel(&op);
        if ((dice & 12) == 12)
            turn(0);
        fd_writes(fds[1], &byte, 1);
        if ((dice & 16) != 0)
            turn(0);
        op_cancel(&op);
        if (op_await(&op) == -ECANCELED) {
            canceled++;
            if (!AIO_CHECK_EQ(read(fds[0], &got, 1), 1))
                break;
        } else if (!AIO_CHECK_EQ(op.result, 1)) {
            break;
        }
        if (!AIO_CHECK_EQ(got, byte))
            break;
    }
    AIO_CHECK(canceled > 0 && canceled < rounds);
    fd_close_pair(fds);
}

/* One address for all: a cancel that arrives late would hit the op that stands there next. */
CONTRACT(contract_04_addresses_recur_after_cancels)
{
    int silent[2], talking[2];
    int rounds = storm(10000);
    struct aio__op op;
    char byte;
    REQUIRE(fd_socketpair(silent) && fd_socketpair(talking));
    for (int i = 0; i < rounds; i++) {
        op = op_recv(silent[0], &byte, 1);
        op_submit(&op);
        if (i % 2 == 0)
            turn(0);
        if (!AIO_CHECK_ERROR(op_stop(&op), -ECANCELED))
            break;
        op = op_recv(talking[0], &byte, 1);
        op_submit(&op);
        if (i % 3 == 0)
            turn(0);
        fd_writes(talking[1], "x", 1);
        if (!AIO_CHECK_EQ(op_await(&op), 1))
            break;
    }
    fd_close_pair(silent);
    fd_close_pair(talking);
}

CONTRACT(contract_04_cancel_leaves_the_other_direction_alone)
{
    int fds[2];
    static char block[65536];
    char byte;
    REQUIRE(fd_socketpair(fds));
    while (write(fds[0], block, sizeof block) > 0)
        continue;
    struct aio__op send = op_send(fds[0], block, sizeof block);
    struct aio__op recv = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&send));
    AIO_CHECK(op_waits(&recv));
    AIO_CHECK_ERROR(op_stop(&send), -ECANCELED);
    AIO_CHECK(!op_done(&recv));
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&recv), 1);
    fd_close_pair(fds);
}

CONTRACT(contract_04_many_are_cancelled_in_one_batch)
{
    enum { COUNT = 100 };
    int fds[COUNT][2];
    char bytes[COUNT];
    struct aio__op ops[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(fd_socketpair(fds[i]));
        ops[i] = op_recv(fds[i][0], &bytes[i], 1);
        op_submit(&ops[i]);
    }
    turn(0);
    for (int i = COUNT; i-- > 0;)
        op_cancel(&ops[i]);
    await_all();
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_ERROR(ops[i].result, -ECANCELED);
        fd_close_pair(fds[i]);
    }
}
