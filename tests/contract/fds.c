/*
 * Descriptors for the contract tests, made with plain system calls.
 */
#define SUITE "fixture"
#include "tests/contract/fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void fd_close(int fd)
{
    struct aio__op op = op_make(AIO__OP_FORGET, fd);
    op_submit(&op);
    AIO_CHECK_EQ(op.state, AIO__OP_DONE);
    AIO_CHECK_OK(op_await(&op));
    AIO_CHECK_EQ(close(fd), 0);
}

void fd_close_pair(const int fds[2])
{
    fd_close(fds[0]);
    fd_close(fds[1]);
}

bool fd_socketpair(int fds[2])
{
    return AIO_CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

bool fd_pipe(int fds[2])
{
    return AIO_CHECK_EQ(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

int fd_listen(struct sockaddr_in *address, int backlog)
{
    socklen_t length = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    AIO_CHECK(fd >= 0);
    AIO_CHECK_EQ(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
    AIO_CHECK_EQ(listen(fd, backlog), 0);
    AIO_CHECK_EQ(getsockname(fd, (struct sockaddr *)address, &length), 0);
    return fd;
}

int fd_connect(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (!AIO_CHECK(fd >= 0))
        return -1;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        AIO_CHECK_EQ(errno, EINPROGRESS);
    return fd;
}

bool fd_tcp_pair(int fds[2])
{
    struct sockaddr_in address;
    int listener = fd_listen(&address, 1);
    fds[0] = fd_connect(&address);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    AIO_CHECK_EQ(poll(&ready, 1, 5000), 1);
    fds[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    close(listener);
    return AIO_CHECK(fds[0] >= 0 && fds[1] >= 0);
}

int fd_file(void)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    if (AIO_CHECK(fd >= 0))
        unlink(path);
    return fd;
}

bool fd_writes(int fd, const void *data, size_t size)
{
    return AIO_CHECK_EQ(write(fd, data, size), size);
}
