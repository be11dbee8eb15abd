/*
 * Clause 10: descriptors come and go. FORGET before close, and the number may be another file at
 * once; duplicates that live on must not produce events.
 */
#define SUITE "descriptors"
#include "tests/contract/fixture.h"

CONTRACT(contract_10_forget_is_instant_and_harmless)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    for (int i = 0; i < 3; i++) {
        struct aio__op forget = op_make(AIO__OP_FORGET, fds[0]);
        op_submit(&forget);
        AIO_CHECK_EQ(forget.state, AIO__OP_DONE);
        AIO_CHECK_EQ(op_await(&forget), 0);
    }
    struct aio__op op = op_recv(fds[0], &byte, 1); /* still open: known again from now on */
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&op), 1);
    fd_close_pair(fds);
}

/* The same two numbers over and over, as another kind of file each time. */
CONTRACT(contract_10_descriptor_numbers_recur)
{
    int first = -1;
    for (int i = 0; i < storm(2000); i++) {
        int fds[2];
        char byte = 0;
        if (!(i % 3 == 0 ? fd_pipe(fds) : i % 3 == 1 ? fd_socketpair(fds) : fd_tcp_pair(fds)))
            return;
        first = first < 0 ? fds[0] : first;
        int reader = i % 3 == 0 ? 0 : i % 2, writer = 1 - reader;
        struct aio__op op =
            i % 3 == 0 ? op_read(fds[reader], &byte, 1, -1) : op_recv(fds[reader], &byte, 1);
        op_submit(&op);
        if (i % 5 != 0)
            turn(0);
        AIO_CHECK(!op_done(&op));
        if (i % 7 == 0) {
            AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
        } else {
            fd_writes(fds[writer], "x", 1);
            AIO_CHECK_EQ(op_await(&op), 1);
            AIO_CHECK_EQ(byte, 'x');
        }
        fd_close_pair(fds);
    }
}

/* Makes the backend know fds[0], closes it while a duplicate lives, and gives that its number's
 * events. Returns the duplicate. */
static int close_behind_a_duplicate(int fds[2])
{
    char byte;
    struct aio__op op = op_recv(fds[0], &byte, 1);
    int duplicate = fcntl(fds[0], F_DUPFD_CLOEXEC, 100);
    AIO_CHECK(duplicate >= 0);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close(fds[0]);
    fd_writes(fds[1], "phantom", 7);
    return duplicate;
}

CONTRACT(contract_10_a_duplicate_makes_no_phantom_events)
{
    int old[2], fresh[2];
    char byte;
    REQUIRE(fd_socketpair(old));
    int number = old[0];
    int duplicate = close_behind_a_duplicate(old);
    unsigned before = fixture.polls;
    int64_t deadline = aio_time_now() + AIO_MS(50);
    while (aio_time_now() < deadline)
        turn(deadline);
    AIO_CHECK(fixture.polls - before < (test_row()->faults ? 60 : 6)); /* it does not spin */

    REQUIRE(fd_socketpair(fresh));
    AIO_CHECK_EQ(fresh[0], number);
    struct aio__op op = op_recv(fresh[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    fd_writes(fresh[1], "x", 1);
    AIO_CHECK_EQ(op_await(&op), 1);
    AIO_CHECK_EQ(byte, 'x');
    close(duplicate);
    fd_close(old[1]);
    fd_close_pair(fresh);
}

CONTRACT(contract_10_both_directions_at_once)
{
    static char out[200000], in[200000];
    int fds[2];
    REQUIRE(fd_tcp_pair(fds));
    for (int i = 0; i < 50; i++) {
        struct aio__op recv = op_recv(fds[0], in, sizeof in);
        struct aio__op send = op_send(fds[0], out, sizeof out);
        op_submit(&recv);
        op_submit(&send);
        fd_writes(fds[1], "ping", 4);
        AIO_CHECK(op_await(&recv) > 0);
        while (!op_done(&send)) {
            while (read(fds[1], in, sizeof in) > 0)
                continue;
            turn(aio_time_now() + AIO_MS(1));
        }
        AIO_CHECK(send.result > 0);
        while (read(fds[0], in, sizeof in) > 0)
            continue; /* what a receive cut short has left */
    }
    fd_close_pair(fds);
}

/* Nobody waits for what a peer sends or hangs up: it must not wake the loop for ever. */
CONTRACT(contract_10_events_that_nobody_waits_for_do_not_spin)
{
    enum { COUNT = 10 };
    int fds[COUNT][2];
    char byte;
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(fd_tcp_pair(fds[i]));
        struct aio__op op = op_recv(fds[i][0], &byte, 1);
        AIO_CHECK(op_waits(&op));
        fd_writes(fds[i][1], "xy", 2);
        AIO_CHECK_EQ(op_await(&op), 1);
        if (i % 2 == 0)
            fd_close(fds[i][1]);
    }
    unsigned before = fixture.polls;
    int64_t deadline = aio_time_now() + AIO_MS(50);
    while (aio_time_now() < deadline)
        turn(deadline);
    AIO_CHECK(fixture.polls - before < (test_row()->faults ? 80 : 2 * COUNT + 5));
    for (int i = 0; i < COUNT; i++) {
        fd_close(fds[i][0]);
        if (i % 2 != 0)
            fd_close(fds[i][1]);
    }
}
