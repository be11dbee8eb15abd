/*
 * SEND_ZC: a send whose buffer is the kernel's until the op is done; a plain one where the backend,
 * the kernel or the socket knows no better.
 */
#define SUITE "zerocopy"
#include "tests/contract/fixture.h"

static struct aio__op zerocopy_op(int fd, const void *buffer, size_t size)
{
    struct aio__op op = op_send(fd, buffer, size);
    op.opcode = AIO__OP_SEND_ZC;
    return op;
}

/* Reads what has come, checking it. Returns the position after it. */
static uint64_t check_received(int fd, uint64_t position)
{
    static char block[65536];
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, MSG_DONTWAIT)) > 0) {
        test_pattern_check(block, (size_t)n, position);
        position += (uint64_t)n;
    }
    return position;
}

/* The same, waiting for what is still on its way: until so many have come, or to the end. */
static uint64_t await_received(int fd, uint64_t position, uint64_t wanted)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    bool ended = false;
    while (position < wanted && !ended && poll(&ready, 1, 5000) == 1) {
        uint64_t before = position;
        position = check_received(fd, position);
        ended = position == before;
    }
    return check_received(fd, position);
}

/* The buffer is overwritten as soon as an op is done: what arrives is what was in it before. */
static void check_stream(bool (*pair)(int fds[2]), size_t size)
{
    static char buffer[300000];
    int fds[2];
    uint64_t sent = 0, received = 0;
    REQUIRE(pair(fds));
    while (sent < 4 * size) {
        test_pattern_fill(buffer, size, sent);
        struct aio__op op = zerocopy_op(fds[0], buffer, size);
        op_submit(&op);
        for (int64_t limit = aio_time_now() + AIO_SEC(5) * test_slowness();
             !op_done(&op) && aio_time_now() < limit;) {
            turn(aio_time_now() + AIO_MS(1));
            received = check_received(fds[1], received);
        }
        REQUIRE(op_await(&op) > 0);
        sent += (uint64_t)op.result;
        memset(buffer, 0, sizeof buffer);
    }
    received = await_received(fds[1], received, sent);
    AIO_CHECK_EQ(received, sent);
    fd_close_pair(fds);
}

CONTRACT(zerocopy_over_tcp)
{
    check_stream(fd_tcp_pair, 1);
    check_stream(fd_tcp_pair, 5000);
    check_stream(fd_tcp_pair, 300000);
}

/* Unix sockets have no zero-copy. */
CONTRACT(zerocopy_over_a_unix_socket)
{
    check_stream(fd_socketpair, 5000);
    check_stream(fd_socketpair, 300000);
}

static void fill_up(int fd)
{
    static char block[65536];
    while (write(fd, block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(errno, EAGAIN);
}

/* Fills the socket until such a send waits, and whether it still did when it was cancelled: an
 * acknowledgement that comes late makes room once more. */
static bool waits_when_full(int fd, struct aio__op *op, bool cancelled)
{
    static char block[65536];
    for (int i = 0; i < 10; i++) {
        fill_up(fd);
        *op = zerocopy_op(fd, block, sizeof block);
        bool waits = op_waits(op);
        if (waits && (!cancelled || op_stop(op) == -ECANCELED))
            return true;
        if (!AIO_CHECK(op->result > 0))
            return false;
    }
    return false;
}

CONTRACT(zerocopy_waits_and_is_cancelled)
{
    int fds[2];
    static char block[65536];
    REQUIRE(fd_tcp_pair(fds));
    struct aio__op op;
    AIO_CHECK(waits_when_full(fds[0], &op, true));
    REQUIRE(waits_when_full(fds[0], &op, false));
    for (int i = 0; i < 1000 && !op_done(&op); i++) {
        while (recv(fds[1], block, sizeof block, MSG_DONTWAIT) > 0)
            continue;
        turn(aio_time_now() + AIO_MS(1));
    }
    AIO_CHECK(op_await(&op) > 0);
    fd_close_pair(fds);
}

/* A cancel after the send has its result, and before the buffer is free: the result stands. */
CONTRACT(zerocopy_cancelled_after_the_send)
{
    static char block[100000];
    for (int i = 0; i < 20; i++) {
        int fds[2];
        uint64_t received = 0;
        REQUIRE(fd_tcp_pair(fds));
        test_pattern_fill(block, sizeof block, 0);
        struct aio__op op = zerocopy_op(fds[0], block, sizeof block);
        op_submit(&op);
        for (int turns = i % 4; turns > 0; turns--)
            turn(0);
        op_cancel(&op);
        for (int turns = 0; turns < 1000 && !op_done(&op); turns++) {
            turn(aio_time_now() + AIO_MS(1));
            received = check_received(fds[1], received);
        }
        int32_t sent = op_await(&op);
        AIO_CHECK(sent > 0 || sent == -ECANCELED);
        fd_close(fds[0]);
        received = await_received(fds[1], received, UINT64_MAX);
        AIO_CHECK_EQ(received, sent > 0 ? sent : 0);
        fd_close(fds[1]);
    }
}

CONTRACT(zerocopy_to_a_gone_peer)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    fd_close(fds[1]);
    struct aio__op op = zerocopy_op(fds[0], "x", 1);
    AIO_CHECK_ERROR(op_run(&op), -EPIPE);
    fd_close(fds[0]);
    op = zerocopy_op(fds[0], "x", 1);
    AIO_CHECK_ERROR(op_run(&op), -EBADF);
}
