/*
 * Every opcode: its success, its error, at once and after a wait, and its end by cancel.
 */
#define SUITE "opcodes"
#include "tests/contract/fixture.h"

#include <linux/openat2.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

CONTRACT(opcode_nop)
{
    struct aio__op op = op_make(AIO__OP_NOP, -1);
    AIO_CHECK_EQ(op_run(&op), 0);
}

CONTRACT(opcode_recv)
{
    int fds[2];
    char buffer[16] = "";
    REQUIRE(fd_tcp_pair(fds));
    fd_writes(fds[1], "now", 3);
    struct aio__op op = op_recv(fds[0], buffer, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    op = op_recv(fds[0], buffer + 1, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    op = op_recv(fds[0], buffer + 2, 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    AIO_CHECK_STR(buffer, "now");

    op = op_recv(fds[0], buffer, 1);
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "l", 1);
    AIO_CHECK_EQ(op_await(&op), 1);

    op = op_recv(fds[0], buffer, sizeof buffer);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    AIO_CHECK_EQ(op_await(&op), 0);
    op = op_recv(fds[0], buffer, sizeof buffer);
    AIO_CHECK_EQ(op_run(&op), 0); /* the end stays the end */
    fd_close_pair(fds);
}

/* A short read leaves nothing behind on a stream, except its end or its error. */
CONTRACT(opcode_recv_sees_the_end_after_a_short_read)
{
    int fds[2];
    char buffer[16];
    REQUIRE(fd_tcp_pair(fds));
    fd_writes(fds[1], "last", 4);
    AIO_CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    size_t got = 0;
    struct aio__op op = {.result = 1};
    for (int i = 0; i < 6 && op.result > 0; i++) {
        op = op_recv(fds[0], buffer, sizeof buffer);
        got += op_run(&op) > 0 ? (size_t)op.result : 0;
    }
    AIO_CHECK_EQ(op.result, 0);
    AIO_CHECK_EQ(got, 4);
    fd_close_pair(fds);
}

CONTRACT(opcode_recv_reset)
{
    int fds[2];
    char byte;
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    REQUIRE(fd_tcp_pair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_EQ(setsockopt(fds[1], SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    fd_close(fds[1]);
    AIO_CHECK_ERROR(op_await(&op), -ECONNRESET);
    fd_close(fds[0]);
}

/* Our own side is shut down while a receive waits. */
CONTRACT(opcode_recv_is_woken_by_shutdown)
{
    int fds[2];
    char byte;
    REQUIRE(fd_tcp_pair(fds));
    struct aio__op op = op_recv(fds[0], &byte, 1);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_EQ(shutdown(fds[0], SHUT_RD), 0);
    AIO_CHECK_EQ(op_await(&op), 0);
    fd_close_pair(fds);
}

static void fill(int fd)
{
    static char block[65536];
    while (write(fd, block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(errno, EAGAIN);
}

static void drain_fd(int fd)
{
    static char block[65536];
    while (read(fd, block, sizeof block) > 0)
        continue;
}

CONTRACT(opcode_send)
{
    int fds[2];
    char byte = 0;
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_send(fds[0], "x", 1);
    AIO_CHECK_EQ(op_run(&op), 1);
    AIO_CHECK_EQ(read(fds[1], &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'x');

    fill(fds[0]);
    op = op_send(fds[0], "y", 1);
    AIO_CHECK(op_waits(&op));
    drain_fd(fds[1]);
    AIO_CHECK_EQ(op_await(&op), 1);

    fill(fds[0]);
    op = op_send(fds[0], "z", 1);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close_pair(fds);
}

/* The signal would end this process. */
CONTRACT(opcode_send_to_a_gone_peer_is_no_signal)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    fd_close(fds[1]);
    struct aio__op send = op_send(fds[0], "x", 1);
    AIO_CHECK_ERROR(op_run(&send), -EPIPE);
    struct iovec part = {.iov_base = &part, .iov_len = 1};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    struct aio__op message = op_make(AIO__OP_SENDMSG, fds[0]);
    message.message.header = &header;
    AIO_CHECK_ERROR(op_run(&message), -EPIPE);
    fd_close(fds[0]);
}

struct message {
    char bytes[30];
    struct iovec parts[4];
    struct msghdr header;
};

/* 30 bytes in four pieces of 1, 0, 20 and 9. */
static struct aio__op message_op(struct message *message, enum aio__opcode opcode, int fd)
{
    static const size_t lengths[4] = {1, 0, 20, 9};
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        message->parts[i] = (struct iovec){message->bytes + at, lengths[i]};
        at += lengths[i];
    }
    message->header = (struct msghdr){.msg_iov = message->parts, .msg_iovlen = 4};
    struct aio__op op = op_make(opcode, fd);
    op.message.header = &message->header;
    return op;
}

CONTRACT(opcode_sendmsg_and_recvmsg)
{
    int fds[2];
    struct message out, in;
    REQUIRE(fd_socketpair(fds));
    test_pattern_fill(out.bytes, sizeof out.bytes, 0);
    memset(in.bytes, 0, sizeof in.bytes);
    struct aio__op recv = message_op(&in, AIO__OP_RECVMSG, fds[1]);
    AIO_CHECK(op_waits(&recv));
    struct aio__op send = message_op(&out, AIO__OP_SENDMSG, fds[0]);
    int32_t sent = op_run(&send);
    int32_t got = op_await(&recv);
    AIO_CHECK(sent > 0 && got > 0 && got <= sent);
    if (!test_row()->faults)
        AIO_CHECK_EQ(sent, 30);
    if (got > 0)
        test_pattern_check(in.bytes, (size_t)got, 0);
    drain_fd(fds[1]);

    recv = message_op(&in, AIO__OP_RECVMSG, fds[1]);
    AIO_CHECK(op_waits(&recv));
    AIO_CHECK_ERROR(op_stop(&recv), -ECANCELED);
    fill(fds[0]);
    send = message_op(&out, AIO__OP_SENDMSG, fds[0]);
    AIO_CHECK(op_waits(&send));
    AIO_CHECK_ERROR(op_stop(&send), -ECANCELED);
    fd_close(fds[0]);
    recv = message_op(&in, AIO__OP_RECVMSG, fds[1]);
    drain_fd(fds[1]);
    AIO_CHECK_EQ(op_run(&recv), 0);
    fd_close(fds[1]);
}

CONTRACT(opcode_recvmsg_gives_the_sender_address)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in from = {.sin_family = 0};
    socklen_t length = sizeof address;
    struct message in;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    AIO_CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    struct aio__op recv = message_op(&in, AIO__OP_RECVMSG, fd);
    in.header.msg_name = &from;
    in.header.msg_namelen = sizeof from;
    AIO_CHECK(op_waits(&recv));
    AIO_CHECK_EQ(sendto(fd, "datagram", 8, 0, (struct sockaddr *)&address, length), 8);
    AIO_CHECK_EQ(op_await(&recv), 8);
    AIO_CHECK_EQ(in.header.msg_namelen, sizeof from);
    AIO_CHECK_EQ(from.sin_port, address.sin_port);
    fd_close(fd);
}

static struct aio__op connect_op(int fd, const struct sockaddr_in *address)
{
    struct aio__op op = op_make(AIO__OP_CONNECT, fd);
    op.connect.address = (const struct sockaddr *)address;
    op.connect.length = sizeof *address;
    return op;
}

static int tcp_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

CONTRACT(opcode_connect)
{
    struct sockaddr_in address;
    int listener = fd_listen(&address, 8), fd = tcp_socket();
    struct aio__op op = connect_op(fd, &address);
    AIO_CHECK_EQ(op_run(&op), 0);
    int error = -1;
    socklen_t length = sizeof error;
    AIO_CHECK_EQ(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    AIO_CHECK_EQ(error, 0);
    AIO_CHECK_EQ(write(fd, "x", 1), 1);
    op = connect_op(fd, &address);
    AIO_CHECK_ERROR(op_run(&op), -EISCONN);
    fd_close(fd);
    fd_close(listener);

    fd = tcp_socket();
    op = connect_op(fd, &address); /* nobody listens there any more */
    AIO_CHECK_ERROR(op_run(&op), -ECONNREFUSED);
    fd_close(fd);
}

/* With the backlog full, the kernel drops the first packet: the connection hangs in the air. */
CONTRACT(opcode_connect_waits_and_is_cancelled)
{
    struct sockaddr_in address;
    int fds[8], count = 0;
    int listener = fd_listen(&address, 0);
    struct aio__op op;
    for (; count < 8; count++) {
        fds[count] = tcp_socket();
        op = connect_op(fds[count], &address);
        op_submit(&op);
        int64_t limit = aio_time_now() + AIO_MS(30);
        while (!op_done(&op) && aio_time_now() < limit)
            turn(limit);
        bool late = !op_done(&op);
        if (late && op_stop(&op) == -ECANCELED)
            break;
        AIO_CHECK_EQ(op.result, 0); /* also of one that was only slow */
    }
    if (AIO_CHECK(count < 8))
        fd_close(fds[count]);
    while (count-- > 0)
        fd_close(fds[count]);
    fd_close(listener);
}

CONTRACT(opcode_poll)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    struct aio__op op = op_make(AIO__OP_POLL, fds[0]);
    op.poll.events = POLLOUT;
    AIO_CHECK_EQ(op_run(&op), POLLOUT);
    op.poll.events = POLLIN;
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&op), POLLIN);
    drain_fd(fds[0]);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    AIO_CHECK((op_await(&op) & POLLIN) != 0);
    fd_close_pair(fds);
    op = op_make(AIO__OP_POLL, fds[0]);
    op.poll.events = POLLIN;
    AIO_CHECK(op_run(&op) == -EBADF || op.result == POLLNVAL);
}

/* Several wait for one descriptor, for the same and for different events. */
CONTRACT(opcode_poll_many_of_one_descriptor)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    fill(fds[0]);
    struct aio__op ops[4];
    for (int i = 0; i < 4; i++) {
        ops[i] = op_make(AIO__OP_POLL, fds[0]);
        ops[i].poll.events = i < 2 ? POLLIN : POLLOUT;
        op_submit(&ops[i]);
    }
    turn(0);
    drain_fd(fds[1]);
    AIO_CHECK_EQ(op_await(&ops[2]), POLLOUT);
    AIO_CHECK_EQ(op_await(&ops[3]), POLLOUT);
    AIO_CHECK(!op_done(&ops[0]));
    AIO_CHECK_ERROR(op_stop(&ops[1]), -ECANCELED);
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&ops[0]), POLLIN);
    fd_close_pair(fds);
}

static struct aio__op op_open(const char *path, const struct open_how *how)
{
    struct aio__op op = op_make(AIO__OP_OPEN, AT_FDCWD);
    op.open.path = path;
    op.open.how = how;
    return op;
}

CONTRACT(opcode_open)
{
    char path[32], fifo[64];
    struct open_how how = {.flags = O_WRONLY | O_CLOEXEC | O_NONBLOCK};
    test_temporary(path, sizeof path, "/tmp");
    REQUIRE(mkdtemp(path) != NULL);
    snprintf(fifo, sizeof fifo, "%s/fifo", path);
    struct aio__op op = op_open(fifo, &how);
    AIO_CHECK_ERROR(op_run(&op), -ENOENT);
    REQUIRE(mkfifo(fifo, 0600) == 0);
    op = op_open(fifo, &how);
    AIO_CHECK_ERROR(op_run(&op), -ENXIO);
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    op = op_open(fifo, &how);
    AIO_CHECK(op_run(&op) >= 0);
    AIO_CHECK_EQ(fcntl(op.result, F_GETFD), FD_CLOEXEC);
    fd_close(op.result);
    unlink(fifo);

    how.flags = O_DIRECTORY | O_RDONLY | O_CLOEXEC;
    op = op_open(path, &how);
    int folder = op_run(&op);
    AIO_CHECK(folder >= 0);
    how = (struct open_how){.flags = O_CREAT | O_RDWR | O_CLOEXEC, .mode = 0640};
    op = op_open("file", &how);
    op.fd = folder;
    AIO_CHECK(op_run(&op) >= 0);
    fd_close(op.result);
    AIO_CHECK_EQ(unlinkat(folder, "file", 0), 0);
    how = (struct open_how){.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
    op = op_open("../aio", &how);
    op.fd = folder;
    bool hidden = test_on_valgrind() && strcmp(test_row()->backend, "epoll") == 0; /* openat2 */
    AIO_CHECK_ERROR(op_run(&op), hidden ? -ENOSYS : -EXDEV);
    fd_close(folder);
    rmdir(path);
}

/* However late it succeeds, the descriptor is told. */
CONTRACT(opcode_open_and_its_cancel)
{
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
    for (int i = 0; i < storm(400); i++) {
        struct aio__op op = op_open(i % 2 == 0 ? "/dev/null" : "/etc/passwd", &how);
        op_submit(&op);
        if (i % 3 == 0)
            turn(0);
        if (op_stop(&op) >= 0)
            fd_close(op.result);
        else
            AIO_CHECK_ERROR(op.result, -ECANCELED);
    }
}

CONTRACT(opcode_fsync)
{
    int fds[2];
    char path[] = "/tmp/aio-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    REQUIRE(fd >= 0);
    unlink(path);
    for (int data = 0; data < 2; data++) {
        fd_writes(fd, "x", 1);
        struct aio__op op = op_make(AIO__OP_FSYNC, fd);
        op.sync.data = data;
        AIO_CHECK_EQ(op_run(&op), 0);
    }
    fd_close(fd);
    REQUIRE(fd_pipe(fds));
    struct aio__op op = op_make(AIO__OP_FSYNC, fds[0]);
    AIO_CHECK_ERROR(op_run(&op), -EINVAL);
    fd_close_pair(fds);
}

/* Faster or not, it is the same memory. */
CONTRACT(opcode_pin_and_unpin)
{
    enum { SIZE = 8192, COUNT = 40 }; /* more than there is room for */
    char path[] = "/tmp/aio-test-XXXXXX";
    char *memory = aligned_alloc(4096, (size_t)SIZE * COUNT);
    int fd = mkostemp(path, O_CLOEXEC);
    REQUIRE(fd >= 0 && memory != NULL);
    unlink(path);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < COUNT; i++) {
            struct aio__op op = op_make(AIO__OP_PIN, -1);
            op.file.buffer = memory + (size_t)i * SIZE;
            op.file.length = SIZE;
            op_submit(&op);
            AIO_CHECK(op.state == AIO__OP_DONE && (op.result == 0 || op.result == 1));
            op_await(&op);
        }
        for (int i = 0; i < COUNT * 2; i++) { /* within each, and over the edge */
            char *at = memory + (size_t)(i / 2) * SIZE + (i % 2) * (SIZE - 1);
            at[0] = 'a', at[1 - (i == COUNT * 2 - 1)] = 'b';
            size_t size = i == COUNT * 2 - 1 ? 1 : 2;
            struct aio__op put = op_write(fd, at, size, 0);
            AIO_CHECK(op_run(&put) > 0);
            memset(at, 0, size);
            struct aio__op get = op_read(fd, at, size, 0);
            AIO_CHECK(op_run(&get) > 0);
            AIO_CHECK(at[0] == (size == 1 ? 'b' : 'a'));
        }
        for (int i = 0; i < COUNT; i++) {
            struct aio__op op = op_make(AIO__OP_UNPIN, -1);
            op.file.buffer = memory + (size_t)i * SIZE;
            AIO_CHECK_EQ(op_run(&op), 0);
        }
    }
    free(memory);
    fd_close(fd);
}
