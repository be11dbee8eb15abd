/*
 * SPLICE_IN and SPLICE_OUT: a stream socket or a pipe into a pipe, and a pipe into either.
 */
#define SUITE "splice"
#include "tests/contract/fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

struct splice_ends {
    int socket[2]; /* ours and the peer's */
    int pipe[2];
};

static bool ends_open(struct splice_ends *ends, bool (*pair)(int fds[2]))
{
    return AIO_CHECK(pair(ends->socket)) && AIO_CHECK(fd_pipe(ends->pipe));
}

static void ends_close(struct splice_ends *ends)
{
    fd_close_pair(ends->socket);
    fd_close_pair(ends->pipe);
}

static struct aio__op splice_op(enum aio__opcode opcode, const struct splice_ends *ends,
                                size_t length)
{
    struct aio__op op = op_make(opcode, ends->socket[0]);
    op.splice.pipe = ends->pipe[opcode == AIO__OP_SPLICE_IN];
    op.splice.length = length;
    return op;
}

static void check_both_ways(bool (*pair)(int fds[2]))
{
    struct splice_ends ends;
    char text[8] = "";
    REQUIRE(ends_open(&ends, pair));
    fd_writes(ends.socket[1], "now", 3);
    struct aio__op op = splice_op(AIO__OP_SPLICE_IN, &ends, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    op = splice_op(AIO__OP_SPLICE_IN, &ends, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    op = splice_op(AIO__OP_SPLICE_IN, &ends, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    for (int i = 0; i < 3; i++) {
        op = splice_op(AIO__OP_SPLICE_OUT, &ends, 1);
        AIO_CHECK_EQ(op_run(&op), 1);
    }
    struct aio__op get = op_recv(ends.socket[1], text, 3);
    AIO_CHECK(op_run(&get) > 0);
    AIO_CHECK_EQ(text[0], 'n');

    op = splice_op(AIO__OP_SPLICE_IN, &ends, 100);
    AIO_CHECK(op_waits(&op));
    fd_writes(ends.socket[1], "later", 5);
    int32_t n = op_await(&op);
    AIO_CHECK(n > 0 && n <= 5);
    AIO_CHECK_EQ(read(ends.pipe[0], text, sizeof text), n);
    ends_close(&ends);
}

CONTRACT(splice_of_tcp)
{
    check_both_ways(fd_tcp_pair);
}

CONTRACT(splice_of_a_unix_socket)
{
    check_both_ways(fd_socketpair);
}

/* Into the pipe between, when there is something; out of it, when there is room; blocking ends or
 * not. */
static void check_pipes(int flags)
{
    static char page[4096];
    int from[2], between[2], to[2];
    REQUIRE(pipe2(from, flags) == 0 && fd_pipe(between) && pipe2(to, flags) == 0);
    REQUIRE(fcntl(to[1], F_SETPIPE_SZ, sizeof page) > 0);
    struct aio__op in = op_make(AIO__OP_SPLICE_IN, from[0]);
    in.splice.pipe = between[1];
    in.splice.length = 100;
    AIO_CHECK(op_waits(&in));
    fd_writes(from[1], "x", 1);
    AIO_CHECK_EQ(op_await(&in), 1);
    while (write(to[1], page, sizeof page) == (ssize_t)sizeof page) {
        struct pollfd room = {.fd = to[1], .events = POLLOUT};
        if (poll(&room, 1, 0) == 0)
            break;
    }
    struct aio__op out = op_make(AIO__OP_SPLICE_OUT, to[1]);
    out.splice.pipe = between[0];
    out.splice.length = 100;
    AIO_CHECK(op_waits(&out));
    AIO_CHECK(read(to[0], page, sizeof page) > 0);
    AIO_CHECK_EQ(op_await(&out), 1);
    fd_close_pair(from);
    fd_close_pair(between);
    fd_close_pair(to);
}

CONTRACT(splice_of_pipes)
{
    check_pipes(O_CLOEXEC | O_NONBLOCK);
    check_pipes(O_CLOEXEC);
}

CONTRACT(splice_in_is_cancelled_and_takes_nothing)
{
    struct splice_ends ends;
    char byte = 0;
    REQUIRE(ends_open(&ends, fd_tcp_pair));
    struct aio__op op = splice_op(AIO__OP_SPLICE_IN, &ends, 100);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_writes(ends.socket[1], "x", 1);
    struct aio__op get = op_recv(ends.socket[0], &byte, 1);
    AIO_CHECK_EQ(op_run(&get), 1);
    AIO_CHECK_EQ(byte, 'x');
    AIO_CHECK_ERROR(read(ends.pipe[0], &byte, 1) < 0 ? -errno : 0, -EAGAIN);
    ends_close(&ends);
}

CONTRACT(splice_in_sees_the_end)
{
    struct splice_ends ends;
    REQUIRE(ends_open(&ends, fd_tcp_pair));
    struct aio__op op = splice_op(AIO__OP_SPLICE_IN, &ends, 100);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_EQ(shutdown(ends.socket[1], SHUT_WR), 0);
    AIO_CHECK_EQ(op_await(&op), 0);
    ends_close(&ends);
}

static void fill_socket(int fd)
{
    static char block[65536];
    while (write(fd, block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(errno, EAGAIN);
}

CONTRACT(splice_out_waits_for_room)
{
    struct splice_ends ends;
    static char block[65536];
    REQUIRE(ends_open(&ends, fd_socketpair));
    fd_writes(ends.pipe[1], "x", 1);
    fill_socket(ends.socket[0]);
    struct aio__op op = splice_op(AIO__OP_SPLICE_OUT, &ends, 1);
    for (int i = 0; i < 1000; i++) { /* before Linux 6.5 there is still room */
        if (op_waits(&op) && op_stop(&op) < 0)
            break;
        AIO_CHECK_EQ(op.result, 1);
        fd_writes(ends.pipe[1], "x", 1);
    }
    AIO_CHECK_ERROR(op.result, -ECANCELED);
    AIO_CHECK(op_waits(&op));
    while (read(ends.socket[1], block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(op_await(&op), 1);
    ends_close(&ends);
}

/* The signal is held back by the thread, as core does. */
CONTRACT(splice_to_a_gone_peer)
{
    struct splice_ends ends;
    sigset_t broken, before;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken, &before);
    REQUIRE(ends_open(&ends, fd_socketpair));
    fd_close(ends.socket[1]);
    fd_writes(ends.pipe[1], "x", 1);
    struct aio__op op = splice_op(AIO__OP_SPLICE_OUT, &ends, 1);
    AIO_CHECK_ERROR(op_run(&op), -EPIPE);
    fd_close(ends.socket[0]);
    fd_close_pair(ends.pipe);
    (void)sigtimedwait(&broken, NULL, &(struct timespec){0});
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

CONTRACT(splice_of_what_cannot_be)
{
    struct splice_ends ends;
    REQUIRE(ends_open(&ends, fd_tcp_pair));
    struct aio__op op = splice_op(AIO__OP_SPLICE_IN, &ends, 100);
    op.splice.pipe = ends.socket[1];
    AIO_CHECK_ERROR(op_run(&op), -EINVAL);
    op.splice.pipe = -1;
    AIO_CHECK_ERROR(op_run(&op), -EBADF);
    ends_close(&ends);
}
