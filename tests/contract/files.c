/*
 * READ and WRITE of anything that has a descriptor: pipes, eventfds, regular files.
 */
#define SUITE "files"
#include "tests/contract/fixture.h"

#include <signal.h>
#include <sys/eventfd.h>

static void fill_pipe(int fd)
{
    static char block[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(errno, EAGAIN);
    fcntl(fd, F_SETFL, flags);
}

static void check_pipe(const int fds[2])
{
    static char block[65536];
    char byte;
    struct aio__op get = op_read(fds[0], &byte, 1, -1);
    AIO_CHECK(op_waits(&get));
    struct aio__op put = op_write(fds[1], "x", 1, -1);
    AIO_CHECK_EQ(op_run(&put), 1);
    AIO_CHECK_EQ(op_await(&get), 1);

    get = op_read(fds[0], &byte, 1, -1);
    AIO_CHECK(op_waits(&get));
    AIO_CHECK_ERROR(op_stop(&get), -ECANCELED);

    fill_pipe(fds[1]);
    put = op_write(fds[1], "y", 1, -1);
    AIO_CHECK(op_waits(&put));
    AIO_CHECK(read(fds[0], block, sizeof block) > 0);
    AIO_CHECK_EQ(op_await(&put), 1);

    fill_pipe(fds[1]);
    put = op_write(fds[1], "z", 1, -1);
    AIO_CHECK(op_waits(&put));
    AIO_CHECK_ERROR(op_stop(&put), -ECANCELED);
}

CONTRACT(read_and_write_of_a_pipe)
{
    int fds[2];
    REQUIRE(fd_pipe(fds));
    check_pipe(fds);
    fd_close_pair(fds);
}

/* The flag belongs to the file, which others share: it must not be needed. */
CONTRACT(read_and_write_of_a_blocking_pipe)
{
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    check_pipe(fds);
    fd_close_pair(fds);
}

CONTRACT(read_sees_the_end_of_a_pipe)
{
    int fds[2];
    char byte;
    REQUIRE(fd_pipe(fds));
    struct aio__op get = op_read(fds[0], &byte, 1, -1);
    AIO_CHECK(op_waits(&get));
    fd_close(fds[1]);
    AIO_CHECK_EQ(op_await(&get), 0);
    fd_close(fds[0]);
}

/* SIGPIPE of pipes is for who submits to hold back. */
CONTRACT(write_to_a_dead_pipe)
{
    int fds[2];
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps it from the kernel that a signal is ignored");
        return;
    }
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    AIO_CHECK_EQ(sigaction(SIGPIPE, &ignore, &before), 0);
    REQUIRE(fd_pipe(fds));
    fd_close(fds[0]);
    struct aio__op put = op_write(fds[1], "x", 1, -1);
    AIO_CHECK_ERROR(op_run(&put), -EPIPE);
    fd_close(fds[1]);
    sigaction(SIGPIPE, &before, NULL);
}

CONTRACT(read_and_write_of_an_eventfd)
{
    for (int flags = EFD_CLOEXEC; flags != 0;
         flags = (flags & EFD_NONBLOCK) != 0 ? 0 : flags | EFD_NONBLOCK) {
        int fd = eventfd(0, flags);
        uint64_t value = 0, three = 3;
        REQUIRE(fd >= 0);
        struct aio__op get = op_read(fd, &value, sizeof value, -1);
        AIO_CHECK(op_waits(&get));
        struct aio__op put = op_write(fd, &three, sizeof three, -1);
        AIO_CHECK_EQ(op_run(&put), 8);
        AIO_CHECK_EQ(op_await(&get), 8);
        AIO_CHECK_EQ(value, 3);
        get = op_read(fd, &value, sizeof value, -1);
        AIO_CHECK(op_waits(&get));
        AIO_CHECK_ERROR(op_stop(&get), -ECANCELED);
        fd_close(fd);
    }
}

/* The whole of it, however it is cut. offset -1: by the cursor. */
static void write_file(int fd, const char *data, size_t size, bool positioned)
{
    for (size_t at = 0; at < size;) {
        struct aio__op put = op_write(fd, data + at, size - at, positioned ? (int64_t)at : -1);
        if (!AIO_CHECK(op_run(&put) > 0))
            return;
        at += (size_t)put.result;
    }
}

static void read_file(int fd, size_t size, bool positioned)
{
    static char buffer[100000];
    size_t at = 0;
    for (;;) {
        struct aio__op get = op_read(fd, buffer, sizeof buffer, positioned ? (int64_t)at : -1);
        if (!AIO_CHECK(op_run(&get) >= 0) || get.result == 0)
            break;
        test_pattern_check(buffer, (size_t)get.result, at);
        at += (size_t)get.result;
    }
    AIO_CHECK_EQ(at, size);
}

CONTRACT(read_and_write_of_a_regular_file)
{
    static char data[100000];
    for (int positioned = 0; positioned < 2; positioned++) {
        int fd = fd_file();
        REQUIRE(fd >= 0);
        test_pattern_fill(data, sizeof data, 0);
        write_file(fd, data, sizeof data, positioned);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), positioned ? 0 : (off_t)sizeof data);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        read_file(fd, sizeof data, positioned);
        fd_close(fd);
    }
}

/* Clause 10 excepts these from one at a time. */
CONTRACT(contract_10_positioned_reads_of_one_file_at_a_time)
{
    enum { COUNT = 40, SIZE = 100 };
    static char data[COUNT * SIZE], buffers[COUNT][SIZE];
    struct aio__op ops[COUNT];
    int fd = fd_file();
    REQUIRE(fd >= 0);
    test_pattern_fill(data, sizeof data, 0);
    REQUIRE(write(fd, data, sizeof data) == (ssize_t)sizeof data);
    for (int i = 0; i < COUNT; i++) {
        ops[i] = op_read(fd, buffers[i], SIZE, i * SIZE);
        op_submit(&ops[i]);
    }
    op_cancel(&ops[COUNT - 1]);
    await_all();
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK(ops[i].result > 0 || (i == COUNT - 1 && ops[i].result == -ECANCELED));
        if (ops[i].result > 0)
            test_pattern_check(buffers[i], (size_t)ops[i].result, (uint64_t)i * SIZE);
    }
    fd_close(fd);
}

CONTRACT(read_and_write_of_a_socket)
{
    int fds[2];
    char byte = 0;
    REQUIRE(fd_socketpair(fds));
    struct aio__op get = op_read(fds[0], &byte, 1, -1);
    AIO_CHECK(op_waits(&get));
    struct aio__op put = op_write(fds[1], "x", 1, -1);
    AIO_CHECK_EQ(op_run(&put), 1);
    AIO_CHECK_EQ(op_await(&get), 1);
    AIO_CHECK_EQ(byte, 'x');
    fd_close_pair(fds);
}

CONTRACT(read_of_a_directory_is_an_error)
{
    char byte;
    int fd = open("/", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    struct aio__op get = op_read(fd, &byte, 1, -1);
    AIO_CHECK_ERROR(op_run(&get), -EISDIR);
    fd_close(fd);
}

static struct aio__op op_vectored(enum aio__opcode opcode, int fd, const struct iovec *vectors,
                                  uint32_t count, int64_t offset)
{
    struct aio__op op = op_make(opcode, fd);
    op.vectored.vectors = vectors;
    op.vectored.count = count;
    op.vectored.offset = offset;
    return op;
}

static void check_vectors_of_a_stream(const int fds[2])
{
    char in[30] = "", first = 'a';
    struct iovec out[3] = {{&first, 1}, {NULL, 0}, {(char[]){"bc"}, 2}};
    struct iovec into[2] = {{in, 1}, {in + 1, sizeof in - 1}};
    struct aio__op get = op_vectored(AIO__OP_READV, fds[0], into, 2, -1);
    AIO_CHECK(op_waits(&get));
    struct aio__op put = op_vectored(AIO__OP_WRITEV, fds[1], out, 3, -1);
    AIO_CHECK(op_run(&put) > 0);
    AIO_CHECK(op_await(&get) > 0);
    AIO_CHECK_EQ(in[0], 'a');
    AIO_CHECK(get.result <= put.result);
    while (read(fds[0], in, sizeof in) > 0) /* what was cut off, above or below */
        continue;
    get = op_vectored(AIO__OP_READV, fds[0], into, 2, -1);
    AIO_CHECK(op_waits(&get));
    AIO_CHECK_ERROR(op_stop(&get), -ECANCELED);
}

CONTRACT(readv_and_writev_of_a_pipe)
{
    int fds[2];
    REQUIRE(fd_pipe(fds));
    check_vectors_of_a_stream(fds);
    fill_pipe(fds[1]);
    struct iovec part = {(char[]){"z"}, 1};
    struct aio__op put = op_vectored(AIO__OP_WRITEV, fds[1], &part, 1, -1);
    AIO_CHECK(op_waits(&put));
    AIO_CHECK_ERROR(op_stop(&put), -ECANCELED);
    fd_close_pair(fds);
}

CONTRACT(readv_and_writev_of_a_socket)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    check_vectors_of_a_stream(fds);
    fd_close_pair(fds);
}

CONTRACT(readv_and_writev_of_a_regular_file)
{
    static char data[5000], back[5000];
    test_pattern_fill(data, sizeof data, 0);
    for (int64_t offset = -1; offset <= 0; offset++) {
        int fd = fd_file();
        struct iovec out[2] = {{data, 1}, {data + 1, sizeof data - 1}};
        struct iovec in[2] = {{back, 4999}, {back + 4999, 1}};
        REQUIRE(fd >= 0);
        struct aio__op put = op_vectored(AIO__OP_WRITEV, fd, out, 2, offset);
        AIO_CHECK(op_run(&put) > 0);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), offset < 0 ? put.result : 0);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        struct aio__op get = op_vectored(AIO__OP_READV, fd, in, 2, offset);
        AIO_CHECK(op_run(&get) > 0);
        AIO_CHECK(get.result <= put.result);
        test_pattern_check(back, (size_t)get.result, 0);
        get = op_vectored(AIO__OP_READV, fd, in, 2, sizeof data);
        AIO_CHECK_EQ(op_run(&get), 0);
        fd_close(fd);
    }
}

CONTRACT(writev_appends_wherever_it_is_told_to_write)
{
    int fd = fd_file();
    char back[2];
    struct iovec part = {(char[]){"x"}, 1};
    REQUIRE(fd >= 0);
    for (int i = 0; i < 2; i++) {
        struct aio__op put = op_vectored(AIO__OP_WRITEV, fd, &part, 1, 0);
        put.vectored.flags = RWF_APPEND;
        AIO_CHECK_EQ(op_run(&put), 1);
    }
    AIO_CHECK_EQ(pread(fd, back, 2, 0), 2);
    fd_close(fd);
}
