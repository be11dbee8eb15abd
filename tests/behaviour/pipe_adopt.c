/*
 * Descriptors of all kinds made into streams, and what others who share them see of that: nothing.
 */
#define SUITE "pipe_adopt"
#include "tests/behaviour/rent_support.h"
#include "tests/behaviour/terminal.h"

#include <aio/pipe.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

static bool blocks(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}

static void check_answer(struct aio_stream *to, struct aio_stream *from)
{
    char bytes[8] = "";
    struct tcp_call call = {.kind = TCP_READ_EXACT, .object = from, .buffer = bytes, .size = 5};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    AIO_CHECK_EQ(aio_stream_write_all(to, "hello", 5, NULL), 5);
    AIO_CHECK_EQ(tcp_call_join(&call), 5);
    AIO_CHECK_STR(bytes, "hello");
}

/* Both ways, by the copy of the slave, which can be opened anew, and by the master, which cannot.
 */
BEHAVIOUR(terminal_both_ways)
{
    struct terminal terminal;
    struct aio_stream *master, *slave;
    REQUIRE(terminal_open(&terminal));
    int shared = fcntl(terminal.slave, F_DUPFD_CLOEXEC, 0);
    int shared_master = fcntl(terminal.master, F_DUPFD_CLOEXEC, 0);
    REQUIRE_OK(aio_pipe_adopt(&slave, terminal.slave));
    REQUIRE_OK(aio_pipe_adopt(&master, terminal.master));
    check_answer(master, slave);
    check_answer(slave, master);
    AIO_CHECK(blocks(shared) && blocks(shared_master));
    AIO_CHECK_ERROR(aio_stream_shutdown(slave, AIO_STREAM_WRITE), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_shutdown(master, AIO_STREAM_WRITE), -ENOTSOCK);
    AIO_CHECK_EQ(aio_stream_release(slave), terminal.slave);
    AIO_CHECK_EQ(aio_stream_release(master), terminal.master);
    AIO_CHECK(blocks(terminal.slave) && blocks(terminal.master));
    int fds[] = {terminal.slave, terminal.master, shared, shared_master};
    for (int i = 0; i < 4; i++)
        AIO_CHECK_EQ(close(fds[i]), 0);
}

/* A terminal that nobody reads takes some, and then lets writers wait, not the thread. */
static void check_full(bool of_master)
{
    static char bytes[100000];
    struct terminal terminal;
    struct aio_stream *stream;
    REQUIRE(terminal_open(&terminal));
    memset(bytes, 'x', sizeof bytes);
    REQUIRE_OK(aio_pipe_adopt(&stream, of_master ? terminal.master : terminal.slave));
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = stream, .buffer = bytes, .size = sizeof bytes};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_EQ(aio_time_sleep(AIO_MS(2)), 0);
    AIO_CHECK(!call.ended);
    int fd = of_master ? terminal.slave : terminal.master;
    size_t got = 0;
    REQUIRE(fcntl(fd, F_SETFL, O_NONBLOCK) == 0); /* of this end, which is ours alone */
    while (!call.ended || got < sizeof bytes) {
        char some[4096];
        ssize_t n = read(fd, some, sizeof some);
        got += n > 0 ? (size_t)n : 0;
        if (n <= 0 && !AIO_CHECK_EQ(aio_time_sleep(AIO_MS(1) / 10), 0))
            break;
    }
    AIO_CHECK_EQ(tcp_call_join(&call), sizeof bytes);
    AIO_CHECK_EQ(got, sizeof bytes);
    aio_stream_close(stream);
    close(fd);
}

BEHAVIOUR(terminal_that_is_full)
{
    check_full(false);
    check_full(true);
}

/* Cancelled reads of either kind take nothing, and close wakes who waits. */
static void check_waits(int fd, int peer)
{
    struct aio_stream *stream;
    char byte = 0;
    REQUIRE_OK(aio_pipe_adopt(&stream, fd));
    struct tcp_call call = {.kind = TCP_READ, .object = stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK_OK(aio_stream_timeout(stream, AIO_MS(1), 0));
    AIO_CHECK_ERROR(aio_stream_read(stream, &byte, 1), -ETIMEDOUT);
    AIO_CHECK_OK(aio_stream_timeout(stream, 0, 0));
    AIO_CHECK_EQ(write(peer, "y", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'y');
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    aio_stream_close(stream);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    close(peer);
}

BEHAVIOUR(waits_are_interrupted)
{
    struct terminal terminal;
    int fds[2];
    REQUIRE(terminal_open(&terminal));
    check_waits(terminal.slave, terminal.master);
    REQUIRE(terminal_open(&terminal));
    check_waits(terminal.master, terminal.slave);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    check_waits(fds[0], fds[1]);
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    check_waits(fds[0], fds[1]);
}

/* A pipe that blocks, both of whose ends others share. */
BEHAVIOUR(pipe_that_blocks)
{
    static char bytes[200000];
    struct aio_stream *reader, *writer;
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    int shared[] = {fcntl(fds[0], F_DUPFD_CLOEXEC, 0), fcntl(fds[1], F_DUPFD_CLOEXEC, 0)};
    REQUIRE_OK(aio_pipe_adopt(&reader, fds[0]));
    REQUIRE_OK(aio_pipe_adopt(&writer, fds[1]));
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = writer, .buffer = bytes, .size = sizeof bytes};
    test_pattern_fill(bytes, sizeof bytes, 0);
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    AIO_CHECK_EQ(rent_read_pattern(reader, sizeof bytes, 0), sizeof bytes);
    AIO_CHECK_EQ(tcp_call_join(&call), sizeof bytes);
    AIO_CHECK(blocks(shared[0]) && blocks(shared[1]));
    close(shared[1]);
    AIO_CHECK_OK(aio_stream_shutdown(writer, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(reader, bytes, 1), 0);
    AIO_CHECK_EQ(aio_stream_release(reader), fds[0]);
    AIO_CHECK(blocks(fds[0]));
    aio_stream_close(writer);
    close(fds[0]);
    close(shared[0]);
}

/* By the cursor, and to the end. */
/* As with O_DIRECT of pipe2(2). */
BEHAVIOUR(pipe_of_packets)
{
    struct aio_stream *stream;
    char bytes[8];
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC | O_DIRECT) == 0);
    REQUIRE_OK(aio_pipe_adopt(&stream, fds[1]));
    AIO_CHECK_EQ(aio_stream_write_all(stream, "a", 1, NULL), 1);
    AIO_CHECK_EQ(aio_stream_write_all(stream, "b", 1, NULL), 1);
    AIO_CHECK_EQ(read(fds[0], bytes, sizeof bytes), 1);
    aio_stream_close(stream);
    close(fds[0]);
}

BEHAVIOUR(regular_file)
{
    static char bytes[100000], got[100000];
    char path[] = "/tmp/aio-test-XXXXXX";
    struct aio_stream *stream;
    struct aio_buffer *buffer;
    int fd = mkostemp(path, O_CLOEXEC);
    REQUIRE(fd >= 0 && unlink(path) == 0);
    test_pattern_fill(bytes, sizeof bytes, 0);
    REQUIRE_OK(aio_pipe_adopt(&stream, fd));
    AIO_CHECK_EQ(aio_stream_write_all(stream, bytes, sizeof bytes, NULL), sizeof bytes);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    AIO_CHECK_EQ(aio_stream_read_exact(stream, got, 50000, NULL), 50000);
    AIO_CHECK(memcmp(bytes, got, 50000) == 0);
    AIO_CHECK_EQ(rent_read_pattern(stream, 50000, 50000), 50000);
    AIO_CHECK_EQ(aio_stream_read(stream, got, 1), 0);
    AIO_CHECK_EQ(aio_stream_read_rent(stream, &buffer), 0);
    AIO_CHECK_EQ(aio_stream_release(stream), fd);
    close(fd);
}

BEHAVIOUR(devices)
{
    struct aio_stream *stream;
    char bytes[100];
    REQUIRE_OK(aio_pipe_adopt(&stream, open("/dev/null", O_RDWR | O_CLOEXEC)));
    AIO_CHECK_EQ(aio_stream_read(stream, bytes, 1), 0);
    AIO_CHECK_EQ(aio_stream_write_all(stream, bytes, sizeof bytes, NULL), sizeof bytes);
    aio_stream_close(stream);
    REQUIRE_OK(aio_pipe_adopt(&stream, open("/dev/zero", O_RDONLY | O_CLOEXEC)));
    bytes[99] = 1;
    AIO_CHECK_EQ(aio_stream_read_exact(stream, bytes, sizeof bytes, NULL), sizeof bytes);
    AIO_CHECK_EQ(bytes[99], 0);
    aio_stream_close(stream);
    REQUIRE_OK(aio_pipe_adopt(&stream, open("/dev/full", O_WRONLY | O_CLOEXEC)));
    AIO_CHECK_ERROR(aio_stream_write(stream, "x", 1), -ENOSPC);
    aio_stream_close(stream);
}

BEHAVIOUR(refused)
{
    struct aio_stream *stream = NULL;
    AIO_CHECK_ERROR(aio_pipe_adopt(&stream, -1), -EBADF);
    AIO_CHECK_ERROR(aio_pipe_adopt(&stream, 1 << 20), -EBADF);
    int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AIO_CHECK_ERROR(aio_pipe_adopt(&stream, fd), -EISDIR);
    close(fd);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_ERROR(aio_pipe_adopt(&stream, fd), -EINVAL);
    close(fd);
    AIO_CHECK(stream == NULL);
}

/* To another core's use and back: nothing of the core's own goes along. */
BEHAVIOUR(detached_and_attached)
{
    struct terminal terminal;
    struct aio_stream *reader, *writer, *slave;
    char byte = 0;
    REQUIRE(terminal_open(&terminal));
    REQUIRE_OK(aio_pipe_open(&reader, &writer));
    REQUIRE_OK(aio_pipe_adopt(&slave, terminal.slave));
    struct aio_stream *all[] = {reader, writer, slave};
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_OK(aio_stream_detach(all[i]));
        aio_stream_attach(all[i]);
    }
    AIO_CHECK_EQ(aio_stream_write(writer, "x", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(reader, &byte, 1), 1);
    AIO_CHECK_EQ(write(terminal.master, "y", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(slave, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'y');
    for (int i = 0; i < 3; i++)
        aio_stream_close(all[i]);
    close(terminal.master);
}
