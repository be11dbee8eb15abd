/*
 * Clause 7: what is too much for a ring is the backend's own affair. Rings of 8 entries, and a
 * hundred times as many ops.
 */
#define SUITE "ring"
#include "tests/contract/fixture.h"

#define CROWD(test_name) CONTRACT_WITH(test_name, .ring_entries = 8)

enum { CROWD_OPS = 1000 };

static struct aio__op crowd[CROWD_OPS];

CROWD(contract_07_many_ops_that_complete_at_once)
{
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < CROWD_OPS; i++) {
            crowd[i] = op_make(AIO__OP_NOP, -1);
            op_submit(&crowd[i]);
        }
        await_all();
        for (int i = 0; i < CROWD_OPS; i++)
            AIO_CHECK_EQ(crowd[i].result, 0);
    }
}

static void crowd_polls(int fd)
{
    for (int i = 0; i < CROWD_OPS; i++) {
        crowd[i] = op_make(AIO__OP_POLL, fd);
        crowd[i].poll.events = POLLIN;
        op_submit(&crowd[i]);
    }
}

static void crowd_results(int32_t wanted)
{
    int wrong = 0;
    for (int i = 0; i < CROWD_OPS; i++)
        wrong += crowd[i].result != wanted;
    AIO_CHECK_EQ(wrong, 0);
}

CROWD(contract_07_many_ops_that_wait_and_complete_together)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    crowd_polls(fds[0]);
    turn(0);
    fd_writes(fds[1], "x", 1);
    await_all();
    crowd_results(POLLIN);
    fd_close_pair(fds);
}

CROWD(contract_07_many_ops_that_are_all_cancelled)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    for (int round = 0; round < 3; round++) {
        crowd_polls(fds[0]);
        if (round > 0)
            turn(0);
        for (int i = 0; i < CROWD_OPS; i++)
            op_cancel(&crowd[round == 2 ? CROWD_OPS - 1 - i : i]);
        await_all();
        crowd_results(-ECANCELED);
    }
    fd_close_pair(fds);
}

/* Completions, cancels and fresh submissions in the same turns. */
CROWD(contract_07_cancels_among_completions)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    crowd_polls(fds[0]);
    fd_writes(fds[1], "x", 1);
    for (int i = 0; i < CROWD_OPS; i += 3)
        op_cancel(&crowd[i]);
    await_all();
    for (int i = 0; i < CROWD_OPS; i++)
        AIO_CHECK(crowd[i].result == POLLIN || (i % 3 == 0 && crowd[i].result == -ECANCELED));
    fd_close_pair(fds);
}

CROWD(contract_07_receives_on_many_sockets)
{
    enum { COUNT = 200 };
    static int fds[COUNT][2];
    static char bytes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(fd_socketpair(fds[i]));
        crowd[i] = op_recv(fds[i][0], &bytes[i], 1);
        op_submit(&crowd[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i % 2 == 0)
            fd_writes(fds[i][1], "x", 1);
        else
            op_cancel(&crowd[i]);
    }
    await_all();
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_EQ(crowd[i].result, i % 2 == 0 ? 1 : -ECANCELED);
        fd_close_pair(fds[i]);
    }
}

/* One after the other, as a busy task does it, the ring never empty. */
CROWD(contract_07_a_long_stream_of_ops)
{
    int fds[2];
    char byte;
    REQUIRE(fd_socketpair(fds));
    for (int i = 0; i < storm(5000); i++) {
        struct aio__op recv = op_recv(fds[0], &byte, 1);
        struct aio__op send = op_send(fds[1], "x", 1);
        op_submit(&recv);
        op_submit(&send);
        await_all();
        if (!AIO_CHECK_EQ(recv.result, 1) || !AIO_CHECK_EQ(send.result, 1))
            break;
    }
    fd_close_pair(fds);
}
