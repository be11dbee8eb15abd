/*
 * Messages: several in one op, control data, sends that no readiness can announce.
 */
#define SUITE "messages"
#include "tests/contract/fixture.h"

#include <netinet/in.h>
#include <sys/un.h>

enum { BATCH = 8 };

struct batch {
    char bytes[BATCH][16];
    struct iovec parts[BATCH];
    struct mmsghdr headers[BATCH];
};

static struct aio__op batch_op(struct batch *batch, enum aio__opcode opcode, int fd, uint32_t count)
{
    for (size_t i = 0; i < BATCH; i++) {
        batch->parts[i] = (struct iovec){batch->bytes[i], sizeof batch->bytes[i]};
        batch->headers[i] =
            (struct mmsghdr){.msg_hdr = {.msg_iov = &batch->parts[i], .msg_iovlen = 1}};
    }
    struct aio__op op = op_make(opcode, fd);
    op.batch.headers = batch->headers;
    op.batch.count = count;
    return op;
}

static bool packet_pair(int fds[2])
{
    return AIO_CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
                        0);
}

/* What is there comes at once and in order, at most as many as asked for. */
CONTRACT(recvmmsg_takes_what_is_there)
{
    struct batch in;
    int fds[2];
    REQUIRE(packet_pair(fds));
    for (int i = 0; i < 5; i++) {
        char text[] = {(char)('a' + i)};
        fd_writes(fds[1], text, 1);
    }
    for (int hint = 0; hint < 2; hint++) {
        struct aio__op op = batch_op(&in, AIO__OP_RECVMMSG, fds[0], 3);
        op.batch.drained = hint == 1; /* and be it wrong */
        AIO_CHECK_EQ(op_run(&op), hint == 0 ? 3 : 2);
        for (int i = 0; i < op.result; i++) {
            AIO_CHECK_EQ(in.headers[i].msg_len, 1);
            AIO_CHECK_EQ(in.bytes[i][0], 'a' + hint * 3 + i);
        }
    }
    fd_close_pair(fds);
}

/* One is waited for; a cancelled wait leaves the next message where it is. */
CONTRACT(recvmmsg_waits_for_one)
{
    struct batch in;
    int fds[2];
    REQUIRE(packet_pair(fds));
    struct aio__op op = batch_op(&in, AIO__OP_RECVMMSG, fds[0], BATCH);
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "one", 3);
    AIO_CHECK_EQ(op_await(&op), 1);
    AIO_CHECK_EQ(in.headers[0].msg_len, 3);

    op = batch_op(&in, AIO__OP_RECVMMSG, fds[0], BATCH);
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_writes(fds[1], "kept", 4);
    op = batch_op(&in, AIO__OP_RECVMMSG, fds[0], BATCH);
    AIO_CHECK_EQ(op_run(&op), 1);
    AIO_CHECK_EQ(in.headers[0].msg_len, 4);
    fd_close_pair(fds);
    op = batch_op(&in, AIO__OP_RECVMMSG, fds[0], BATCH);
    AIO_CHECK_ERROR(op_run(&op), -EBADF);
}

/* What there is room for is sent at once; with no room at all, room for one is waited for. */
CONTRACT(sendmmsg_waits_for_room)
{
    struct batch out = {.bytes = {""}};
    char bytes[16] = "";
    int fds[2];
    REQUIRE(packet_pair(fds));
    struct aio__op op = batch_op(&out, AIO__OP_SENDMMSG, fds[0], BATCH);
    AIO_CHECK_EQ(op_run(&op), BATCH);
    while (send(fds[0], bytes, sizeof bytes, 0) > 0)
        continue;
    AIO_CHECK_EQ(errno, EAGAIN);
    op = batch_op(&out, AIO__OP_SENDMMSG, fds[0], BATCH);
    AIO_CHECK(op_waits(&op));
    while (read(fds[1], bytes, sizeof bytes) == sizeof bytes)
        continue;
    AIO_CHECK(op_await(&op) > 0);
    while (read(fds[1], bytes, sizeof bytes) == sizeof bytes)
        continue;
    fd_close(fds[1]);
    op = batch_op(&out, AIO__OP_SENDMMSG, fds[0], BATCH);
    AIO_CHECK_ERROR(op_run(&op), -EPIPE);
    fd_close(fds[0]);
}

/* Descriptors and flags come through, and are close-on-exec. */
CONTRACT(recvmsg_brings_control_data)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.bytes = {0}};
    char byte = 'd';
    struct iovec part = {&byte, 1};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
    header.msg_controllen = sizeof control;
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    *item = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(item), &fds[0], sizeof(int));
    struct aio__op op = op_make(AIO__OP_SENDMSG, fds[0]);
    op.message.header = &header;
    AIO_CHECK_EQ(op_run(&op), 1);

    memset(&control, 0, sizeof control);
    header.msg_controllen = sizeof control;
    op = op_make(AIO__OP_RECVMSG, fds[1]);
    op.message.header = &header;
    AIO_CHECK_EQ(op_run(&op), 1);
    int passed = -1;
    AIO_CHECK_EQ(header.msg_controllen, sizeof control);
    memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof passed);
    AIO_CHECK((fcntl(passed, F_GETFD) & FD_CLOEXEC) != 0);
    AIO_CHECK_EQ(header.msg_flags & MSG_CTRUNC, 0);
    close(passed);
    fd_close_pair(fds);
}

static struct sockaddr_un abstract_name(int fd, socklen_t *length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AIO_CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
    *length = sizeof address;
    AIO_CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, length), 0);
    return address;
}

/* Fills a receiver; its name does not matter to a send on a socket that is not connected. */
static int fill_receiver(int sender, const struct sockaddr_un *to, socklen_t length)
{
    int count = 0;
    while (sendto(sender, "f", 1, MSG_DONTWAIT, (const struct sockaddr *)to, length) == 1)
        count++;
    AIO_CHECK_EQ(errno, EAGAIN);
    return count;
}

/* A datagram to a full receiver waits, although the sender's socket is writable, and without
 * keeping the thread busy; it goes when there is room, or is cancelled. */
CONTRACT(send_to_a_full_receiver)
{
    char bytes[1] = "", byte = 0;
    socklen_t length;
    int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = abstract_name(receiver, &length);
    struct iovec part = {bytes, 1};
    struct msghdr header = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = length};
    int filled = fill_receiver(sender, &to, length);
    struct aio__op op = op_make(AIO__OP_SENDMSG, sender);
    op.message.header = &header;
    op.message.flags = AIO__SEND_WHOLE;
    op_submit(&op);
    int64_t limit = aio_time_now() + AIO_MS(30);
    unsigned polls = fixture.polls;
    while (aio_time_now() < limit)
        turn(limit);
    AIO_CHECK(!op_done(&op));
    AIO_CHECK(fixture.polls - polls < 1000);
    bytes[0] = 'w';
    for (int i = 0; i < filled; i++)
        AIO_CHECK_EQ(recv(receiver, &byte, 1, 0), 1);
    AIO_CHECK_EQ(op_await(&op), 1);
    AIO_CHECK_EQ(recv(receiver, &byte, 1, 0), 1);
    AIO_CHECK_EQ(byte, 'w');

    (void)fill_receiver(sender, &to, length);
    op = op_make(AIO__OP_SENDMSG, sender);
    op.message.header = &header;
    op.message.flags = AIO__SEND_WHOLE;
    AIO_CHECK(op_waits(&op));
    AIO_CHECK_ERROR(op_stop(&op), -ECANCELED);
    fd_close(sender);
    fd_close(receiver);
}

/* A Unix listener whose backlog is full: the connection waits, and is made or cancelled. */
CONTRACT(connect_to_a_full_unix_backlog)
{
    socklen_t length;
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int listener = socket(AF_UNIX, type, 0), fds[3], accepted;
    struct sockaddr_un to = abstract_name(listener, &length);
    AIO_CHECK_EQ(listen(listener, 0), 0);
    fds[0] = socket(AF_UNIX, type, 0);
    AIO_CHECK_EQ(connect(fds[0], (struct sockaddr *)&to, length), 0);
    struct aio__op ops[3];
    for (int i = 1; i < 3; i++) {
        fds[i] = socket(AF_UNIX, type, 0);
        ops[i] = op_make(AIO__OP_CONNECT, fds[i]);
        ops[i].connect.address = (struct sockaddr *)&to;
        ops[i].connect.length = length;
        AIO_CHECK(op_waits(&ops[i]));
    }
    AIO_CHECK_ERROR(op_stop(&ops[1]), -ECANCELED);
    accepted = accept(listener, NULL, NULL);
    AIO_CHECK_OK(op_await(&ops[2]));
    close(accepted);
    for (int i = 0; i < 3; i++)
        fd_close(fds[i]);
    fd_close(listener);
}

/* A descriptor that its owner closes without a word, and another that gets its number. */
CONTRACT(poll_keeps_nothing_of_a_foreign_descriptor)
{
    int fds[2], others[2];
    REQUIRE(fd_socketpair(fds));
    int copy = dup(fds[0]);
    struct aio__op op = op_make(AIO__OP_POLL, fds[0]);
    op.poll.events = POLLIN;
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "x", 1);
    AIO_CHECK_EQ(op_await(&op), POLLIN);
    REQUIRE(fd_socketpair(others));
    AIO_CHECK_EQ(dup2(others[0], fds[0]), fds[0]); /* copy keeps the old file alive */
    AIO_CHECK(op_waits(&op));
    fd_writes(fds[1], "y", 1);
    turn(0);
    turn(0);
    AIO_CHECK(!op_done(&op));
    fd_writes(others[1], "z", 1);
    AIO_CHECK_EQ(op_await(&op), POLLIN);
    close(copy);
    fd_close_pair(fds);
    fd_close_pair(others);
}
