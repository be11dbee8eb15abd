/*
 * aio_stream_sendfile: small and large files, pieces of them, their end, and interruptions.
 */
#define SUITE "copy_file"
#include "tests/behaviour/copy_tools.h"

#include <aio/pipe.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILE_BYTES = 3 << 20 };

/* A file of the pattern. */
static int pattern_file(size_t size)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    char *block = malloc(size > 0 ? size : 1);
    if (AIO_CHECK(fd >= 0)) {
        unlink(path);
        test_pattern_fill(block, size, 0);
        AIO_CHECK_EQ(write(fd, block, size), size);
    }
    free(block);
    return fd;
}

struct file_call {
    struct aio_stream *stream;
    int fd;
    int64_t offset;
    size_t length;
    ssize_t result;
    size_t done;
    struct aio_task *task;
};

static int file_task(void *arg)
{
    struct file_call *call = arg;
    call->result =
        aio_stream_sendfile(call->stream, call->fd, call->offset, call->length, &call->done);
    return 0;
}

static void check_piece(int fd, int64_t offset, size_t length, size_t wanted)
{
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    struct file_call call = {.stream = pair.near, .fd = fd, .offset = offset, .length = length};
    REQUIRE_OK(aio_task_spawn(&call.task, file_task, &call, NULL));
    copy_check_bytes(pair.far, (uint64_t)offset, wanted);
    AIO_CHECK_OK(aio_task_join(call.task, NULL));
    AIO_CHECK_EQ(call.result, wanted);
    AIO_CHECK_EQ(call.done, wanted);
    AIO_CHECK_OK(aio_stream_shutdown(pair.near, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(copy_check_rest(pair.far, 0), 0);
    tcp_pair_close(&pair);
}

BEHAVIOUR(sendfile_of_pieces)
{
    int fd = pattern_file(FILE_BYTES);
    REQUIRE(fd >= 0);
    check_piece(fd, 0, FILE_BYTES, FILE_BYTES);
    check_piece(fd, 0, SIZE_MAX, FILE_BYTES);
    check_piece(fd, 1, 10, 10);
    check_piece(fd, 4097, 65536, 65536);
    check_piece(fd, 4097, 65537, 65537);
    check_piece(fd, FILE_BYTES - 10, 100, 10);
    check_piece(fd, FILE_BYTES - 10, 1000000, 10);
    check_piece(fd, FILE_BYTES, 100, 0);
    check_piece(fd, FILE_BYTES + 5, 100, 0);
    check_piece(fd, INT64_MAX - 5, 100, 0);
    check_piece(fd, INT64_MAX, 100, 0);
    check_piece(fd, 0, 0, 0);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), FILE_BYTES); /* where writing has left it */
    close(fd);
}

/* Pieces that are not in the page cache are read on a thread; file systems in memory keep all. */
BEHAVIOUR(sendfile_of_what_is_not_cached)
{
    int fd = pattern_file(FILE_BYTES);
    REQUIRE(fd >= 0);
    for (int i = 0; i < 3; i++) {
        off_t from = i == 1 ? FILE_BYTES / 2 : 0, length = i == 2 ? 0 : FILE_BYTES / 2;
        AIO_CHECK(fdatasync(fd) == 0);
        AIO_CHECK(posix_fadvise(fd, from, length, POSIX_FADV_DONTNEED) == 0);
        check_piece(fd, 1000, FILE_BYTES, FILE_BYTES - 1000);
    }
    close(fd);
}

/* A stream whose descriptor may block gets what is read of the file. */
static bool blocking_pair(struct aio_stream *pair[2])
{
    int fds[2];
    return AIO_CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0) &&
           AIO_CHECK_OK(aio_pipe_adopt(&pair[0], fds[0])) &&
           AIO_CHECK_OK(aio_pipe_adopt(&pair[1], fds[1]));
}

/* The file is closed by its owner, and the next that has its number may be anything. */
BEHAVIOUR(sendfile_keeps_nothing_of_the_file)
{
    enum { FILES = 4 };
    struct aio_stream *pair[2], *ends[2];
    int fds[FILES];
    char byte;
    REQUIRE(blocking_pair(pair));
    for (int i = 0; i < FILES; i++) {
        fds[i] = pattern_file(10);
        AIO_CHECK_EQ(aio_stream_sendfile(pair[0], fds[i], 0, 100, NULL), 10);
    }
    for (int i = 0; i < FILES; i++)
        close(fds[i]);
    REQUIRE_OK(aio_pipe_open(&ends[0], &ends[1]));
    AIO_TIMEOUT(AIO_MS(10))
    {
        AIO_CHECK_ERROR(aio_stream_read(ends[0], &byte, 1), -ETIMEDOUT);
    }
    for (int i = 0; i < 2; i++) {
        aio_stream_close(ends[i]);
        aio_stream_close(pair[i]);
    }
}

BEHAVIOUR(sendfile_of_what_is_no_file)
{
    struct tcp_pair pair;
    int pipes[2], fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    size_t done = 7;
    REQUIRE(tcp_pair_open(&pair));
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    AIO_CHECK_ERROR(aio_stream_sendfile(pair.near, pipes[0], 0, 1, &done), -EINVAL);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_ERROR(aio_stream_sendfile(pair.near, fd, 0, 1, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_sendfile(pair.near, -1, 0, 1, NULL), -EBADF);
    close(fd);
    fd = pattern_file(10);
    AIO_CHECK_ERROR(aio_stream_sendfile(pair.near, fd, -1, 1, NULL), -EINVAL);
    close(fd);
    close(pipes[0]);
    close(pipes[1]);
    tcp_pair_close(&pair);
}

/* The peer stalls: what it has got is what is told, and the file has the rest. */
BEHAVIOUR(sendfile_is_cancelled)
{
    struct tcp_raw raw;
    int fd = pattern_file(FILE_BYTES);
    REQUIRE(fd >= 0 && tcp_raw_open(&raw, 4096));
    struct file_call call = {.stream = raw.stream, .fd = fd, .length = FILE_BYTES};
    REQUIRE_OK(aio_task_spawn(&call.task, file_task, &call, NULL));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 1000, 0));
    aio_task_cancel(call.task);
    AIO_CHECK_OK(aio_task_join(call.task, NULL));
    AIO_CHECK_ERROR(call.result, -ECANCELED);
    AIO_CHECK(call.done >= 1000 && call.done < FILE_BYTES);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, call.done - 1000, 1000));
    AIO_CHECK_OK(aio_stream_shutdown(raw.stream, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    tcp_raw_close(&raw);
    close(fd);
}

/* While the call waits for it. */
BEHAVIOUR(sendfile_to_a_peer_that_goes_away)
{
    struct tcp_raw raw;
    char bytes[1000];
    int fd = pattern_file(FILE_BYTES);
    REQUIRE(fd >= 0 && tcp_raw_open(&raw, 4096));
    struct file_call call = {.stream = raw.stream, .fd = fd, .length = FILE_BYTES};
    REQUIRE_OK(aio_task_spawn(&call.task, file_task, &call, NULL));
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, sizeof bytes));
    tcp_plain_reset(raw.fd);
    AIO_CHECK_OK(aio_task_join(call.task, NULL));
    AIO_CHECK(call.result == -EPIPE || call.result == -ECONNRESET);
    aio_stream_close(raw.stream);
    close(fd);
}

/* Ends its side, reads a little, then resets: only so is the error EPIPE. */
static void *read_and_reset(void *arg)
{
    const struct tcp_raw *raw = arg;
    char bytes[4096];
    shutdown(raw->fd, SHUT_WR);
    for (uint64_t left = test_random() % 2000000; left > 0 && left < SIZE_MAX;) {
        ssize_t n = recv(raw->fd, bytes, sizeof bytes, 0);
        left = n <= 0 || (uint64_t)n > left ? 0 : left - (uint64_t)n;
    }
    tcp_plain_reset(raw->fd);
    return NULL;
}

/* While the call sends: the signal may come with bytes that were sent before. */
BEHAVIOUR(sendfile_to_peers_that_leave_at_any_time)
{
    int fd = pattern_file(FILE_BYTES);
    REQUIRE(fd >= 0);
    for (int64_t i = 60 / test_slowness(); i > 0; i--) {
        struct tcp_raw raw;
        pthread_t peer;
        REQUIRE(tcp_raw_open(&raw, 1 << 20));
        REQUIRE(pthread_create(&peer, NULL, read_and_reset, &raw) == 0);
        struct file_call call = {.stream = raw.stream, .fd = fd, .length = FILE_BYTES};
        (void)file_task(&call);
        pthread_join(peer, NULL);
        AIO_CHECK(call.result == FILE_BYTES || call.result == -EPIPE || call.result == -ECONNRESET);
        aio_stream_close(raw.stream);
    }
    close(fd);
}

/* The cork of long files is gone with them; one that was set before stays. */
BEHAVIOUR(sendfile_leaves_the_cork_as_it_was)
{
    int fd = pattern_file(FILE_BYTES);
    for (int before = 0; before < 2; before++) {
        struct tcp_pair pair;
        int after = 9;
        REQUIRE(tcp_pair_open(&pair));
        AIO_CHECK_OK(aio_stream_option_set(pair.near, AIO_STREAM_CORK, before));
        struct file_call call = {.stream = pair.near, .fd = fd, .length = FILE_BYTES};
        REQUIRE_OK(aio_task_spawn(&call.task, file_task, &call, NULL));
        copy_check_bytes(pair.far, 0, FILE_BYTES);
        AIO_CHECK_OK(aio_task_join(call.task, NULL));
        AIO_CHECK_EQ(call.result, FILE_BYTES);
        AIO_CHECK_OK(aio_stream_option_get(pair.near, AIO_STREAM_CORK, &after));
        AIO_CHECK_EQ(after, before);
        tcp_pair_close(&pair);
    }
    close(fd);
}

/* One file to several peers at once. */
BEHAVIOUR(sendfile_of_one_file_many_times)
{
    enum { COUNT = 8 };
    struct tcp_pair pairs[COUNT];
    struct file_call calls[COUNT];
    int fd = pattern_file(FILE_BYTES / 4);
    REQUIRE(fd >= 0);
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(tcp_pair_open(&pairs[i]));
        calls[i] = (struct file_call){.stream = pairs[i].near, .fd = fd, .length = SIZE_MAX};
        REQUIRE_OK(aio_task_spawn(&calls[i].task, file_task, &calls[i], NULL));
    }
    for (int i = 0; i < COUNT; i++) {
        copy_check_bytes(pairs[i].far, 0, FILE_BYTES / 4);
        AIO_CHECK_OK(aio_task_join(calls[i].task, NULL));
        AIO_CHECK_EQ(calls[i].result, FILE_BYTES / 4);
        tcp_pair_close(&pairs[i]);
    }
    close(fd);
}
