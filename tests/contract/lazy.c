/*
 * Lazy sends: they may be told late, but not when the caller is in a hurry, and they say exactly
 * what was taken.
 */
#define SUITE "lazy"
#include "tests/contract/fixture.h"

#include <poll.h>

enum { BYTES = 256 * 1024 };

static unsigned char pattern[BYTES];

static struct aio__op lazy_send(int fd, const void *bytes, size_t size)
{
    struct aio__op op = op_send(fd, bytes, size);
    op.flags = AIO__OP_LAZY;
    return op;
}

/* Without hurry it is over by the time that something else ends a poll. */
CONTRACT(lazy_send_is_told_with_what_comes_next)
{
    int fds[2];
    char byte;
    REQUIRE(fd_tcp_pair(fds));
    struct aio__op op = lazy_send(fds[0], "a", 1);
    op_submit(&op);
    turn(aio_time_now() + AIO_MS(20)); /* at the latest when the wait is over */
    AIO_CHECK_EQ(op_await(&op), 1);
    AIO_CHECK_EQ(read(fds[1], &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'a');
    fd_close_pair(fds);
}

CONTRACT(lazy_send_hurries)
{
    int fds[2];
    REQUIRE(fd_tcp_pair(fds));
    for (int i = 0; i < 20; i++) {
        struct aio__op op = lazy_send(fds[0], "a", 1);
        int64_t start = aio_time_now();
        op_submit(&op);
        fixture.backend->hurry = true;
        AIO_CHECK_EQ(op_await(&op), 1); /* which waits for seconds */
        AIO_CHECK(aio_time_now() - start < AIO_SEC(4) * test_slowness());
    }
    fd_close_pair(fds);
}

CONTRACT(lazy_send_is_cancelled_or_sent)
{
    int fds[2], sent = 0;
    char bytes[256];
    REQUIRE(fd_tcp_pair(fds));
    for (int i = 0; i < storm(100); i++) {
        struct aio__op op = lazy_send(fds[0], "x", 1);
        op_submit(&op);
        int32_t result = op_stop(&op);
        AIO_CHECK(result == 1 || result == -ECANCELED);
        sent += result == 1;
    }
    struct pollfd ready = {.fd = fds[1], .events = POLLIN};
    int got = 0;
    while (got < sent && poll(&ready, 1, 5000) == 1)
        got += (int)read(fds[1], bytes, sizeof bytes);
    AIO_CHECK_EQ(got, sent);
    fd_close_pair(fds);
}

CONTRACT(lazy_send_reports_errors)
{
    int fds[2];
    REQUIRE(fd_tcp_pair(fds));
    AIO_CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
    struct aio__op op = lazy_send(fds[0], "abc", 3);
    AIO_CHECK_ERROR(op_run(&op), -EPIPE);
    op = lazy_send(1000000, "abc", 3);
    AIO_CHECK_ERROR(op_run(&op), -EBADF);
    fd_close_pair(fds);
}

/* More than the socket takes: what is told is what was taken, to the byte, as one vector or two. */
static void send_through_a_full_socket(bool vectors)
{
    int fds[2];
    size_t sent = 0, got = 0;
    static unsigned char bytes[BYTES];
    REQUIRE(fd_tcp_pair(fds));
    int small = 8192;
    setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    test_pattern_fill(pattern, BYTES, 0);
    while (sent < BYTES) {
        size_t left = BYTES - sent, half = left / 2;
        struct iovec parts[2] = {{pattern + sent, half}, {pattern + sent + half, left - half}};
        struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
        struct aio__op op = lazy_send(fds[0], pattern + sent, left);
        if (vectors) {
            op = op_make(AIO__OP_SENDMSG, fds[0]);
            op.flags = AIO__OP_LAZY;
            op.message.header = &header;
        }
        op_submit(&op);
        fixture.backend->hurry = true;
        while (!op_done(&op)) {
            turn(aio_time_now() + AIO_MS(1));
            ssize_t n = read(fds[1], bytes, 5000);
            if (n <= 0)
                continue;
            AIO_CHECK(test_pattern_check(bytes, (size_t)n, got));
            got += (size_t)n;
        }
        if (!AIO_CHECK(op.result > 0))
            break;
        sent += (size_t)op.result;
    }
    AIO_CHECK(got <= sent);
    struct pollfd ready = {.fd = fds[1], .events = POLLIN};
    while (got < sent && poll(&ready, 1, 5000) == 1) {
        ssize_t n = read(fds[1], bytes, sizeof bytes);
        if (!AIO_CHECK(n > 0) || !AIO_CHECK(test_pattern_check(bytes, (size_t)n, got)))
            break;
        got += (size_t)n;
    }
    AIO_CHECK_EQ(got, sent);
    fd_close_pair(fds);
}

CONTRACT(lazy_send_through_a_full_socket)
{
    send_through_a_full_socket(false);
}

CONTRACT(lazy_sendmsg_through_a_full_socket)
{
    send_through_a_full_socket(true);
}
