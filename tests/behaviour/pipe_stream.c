/*
 * Pipes as streams: what streams do over sockets they do over pipes.
 */
#define SUITE "pipe_stream"
#include "tests/behaviour/rent_support.h"

#include <aio/buffered.h>
#include <aio/file.h>
#include <aio/pipe.h>
#include <aio/select.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { BULK = 300000 };

static char bulk[BULK];

struct ends {
    struct aio_stream *reader;
    struct aio_stream *writer;
};

static bool ends_open(struct ends *ends)
{
    return AIO_CHECK_OK(aio_pipe_open(&ends->reader, &ends->writer));
}

static void ends_close(struct ends *ends)
{
    aio_stream_close(ends->writer);
    aio_stream_close(ends->reader);
}

/* So full that not one byte fits. */
static bool ends_open_full(struct ends *ends)
{
    int fds[2];
    if (!AIO_CHECK_EQ(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0))
        return false;
    for (size_t piece = 4096; piece > 0; piece /= 4096)
        while (write(fds[1], bulk, piece) > 0)
            ;
    return AIO_CHECK_OK(aio_pipe_adopt(&ends->reader, fds[0])) &&
           AIO_CHECK_OK(aio_pipe_adopt(&ends->writer, fds[1]));
}

BEHAVIOUR(bytes_and_the_end)
{
    struct ends ends;
    char bytes[8] = "";
    REQUIRE(ends_open(&ends));
    struct tcp_call call = {
        .kind = TCP_READ_EXACT, .object = ends.reader, .buffer = bytes, .size = 6};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    ssize_t n = aio_stream_write(ends.writer, "abcdef", 6);
    AIO_CHECK(n > 0 && n <= 6);
    AIO_CHECK_EQ(aio_stream_write_all(ends.writer, &"abcdef"[n], (size_t)(6 - n), NULL), 6 - n);
    AIO_CHECK_EQ(tcp_call_join(&call), 6);
    AIO_CHECK_STR(bytes, "abcdef");
    aio_stream_close(ends.writer);
    AIO_CHECK_EQ(aio_stream_read(ends.reader, bytes, 1), 0);
    aio_stream_close(ends.reader);
}

BEHAVIOUR(more_than_a_pipe_holds)
{
    static char got[BULK];
    struct ends ends;
    REQUIRE(ends_open(&ends));
    test_pattern_fill(bulk, BULK, 0);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = ends.writer, .buffer = bulk, .size = BULK};
    REQUIRE(tcp_call_start(&call));
    size_t done = 0;
    AIO_CHECK_EQ(aio_stream_read_exact(ends.reader, got, BULK, &done), BULK);
    test_pattern_check(got, done, 0);
    AIO_CHECK_EQ(tcp_call_join(&call), BULK);
    ends_close(&ends);
}

/* SIGPIPE would end the process. */
BEHAVIOUR(no_reader)
{
    struct ends ends;
    struct sigaction former, by_default = {.sa_handler = SIG_DFL};
    struct iovec vectors[] = {{bulk, 1}, {bulk, 2}};
    size_t done = 9;
    REQUIRE(sigaction(SIGPIPE, &by_default, &former) == 0);
    REQUIRE(ends_open(&ends));
    aio_stream_close(ends.reader);
    AIO_CHECK_ERROR(aio_stream_write(ends.writer, "x", 1), -EPIPE);
    AIO_CHECK_ERROR(aio_stream_write_all(ends.writer, "x", 1, &done), -EPIPE);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_ERROR(aio_stream_writev(ends.writer, vectors, 2), -EPIPE);
    aio_stream_close(ends.writer);
    AIO_CHECK(sigaction(SIGPIPE, &former, NULL) == 0);
}

BEHAVIOUR(reader_leaves_a_writer_that_waits)
{
    struct ends ends;
    REQUIRE(ends_open_full(&ends));
    struct tcp_call call = {.kind = TCP_WRITE, .object = ends.writer, .buffer = bulk, .size = 5000};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    aio_stream_close(ends.reader);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EPIPE);
    aio_stream_close(ends.writer);
}

/* A file handle may be one of a pipe too. */
BEHAVIOUR(no_reader_of_a_file)
{
    int fds[2];
    struct aio_file *file;
    struct sigaction former, by_default = {.sa_handler = SIG_DFL};
    REQUIRE(sigaction(SIGPIPE, &by_default, &former) == 0 && pipe2(fds, O_CLOEXEC) == 0);
    close(fds[0]);
    REQUIRE_OK(aio_file_adopt(&file, fds[1]));
    AIO_CHECK_ERROR(aio_file_write(file, "x", 1), -EPIPE);
    AIO_CHECK_OK(aio_file_close(file));
    AIO_CHECK(sigaction(SIGPIPE, &former, NULL) == 0);
}

static int run_and_leave_the_mask(void *arg)
{
    struct ends ends;
    (void)arg;
    if (ends_open(&ends)) {
        aio_stream_close(ends.reader);
        AIO_CHECK_ERROR(aio_stream_write(ends.writer, "x", 1), -EPIPE);
        aio_stream_close(ends.writer);
    }
    return 0;
}

/* The thread is left as it was, with no signal waiting for it. */
BEHAVIOUR_OUTSIDE(signal_mask_is_given_back)
{
    sigset_t mask, pending;
    AIO_CHECK_EQ(test_run(run_and_leave_the_mask, NULL), 0);
    REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigpending(&pending) == 0);
    AIO_CHECK_EQ(sigismember(&mask, SIGPIPE), 0);
    AIO_CHECK_EQ(sigismember(&pending, SIGPIPE), 0);
}

/* Also where the signal was blocked before; one that was there before stays. */
BEHAVIOUR_OUTSIDE(blocked_signal_is_given_back)
{
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &broken, &before) == 0);
    for (int had = 0; had < 2; had++) {
        if (had == 1)
            pthread_kill(pthread_self(), SIGPIPE);
        AIO_CHECK_EQ(test_run(run_and_leave_the_mask, NULL), 0);
        REQUIRE(sigpending(&pending) == 0);
        AIO_CHECK_EQ(sigismember(&pending, SIGPIPE), had);
    }
    AIO_CHECK_EQ(sigtimedwait(&broken, NULL, &(struct timespec){0}), SIGPIPE);
    REQUIRE(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

BEHAVIOUR(vectors)
{
    struct ends ends;
    static char abc[] = "abc", de[] = "de";
    char a[3], b[2], big[6000];
    struct iovec out[] = {{NULL, 0}, {abc, 3}, {NULL, 0}, {de, 2}};
    struct iovec in[] = {{a, 3}, {NULL, 0}, {b, 2}};
    struct iovec last[] = {{a, 1}, {big, sizeof big}};
    REQUIRE(ends_open(&ends));
    AIO_CHECK_EQ(aio_stream_writev(ends.writer, out, 1), 0);
    AIO_CHECK_ERROR(aio_stream_writev(ends.writer, out, -1), -EINVAL);
    ssize_t n = aio_stream_writev(ends.writer, out, 4);
    AIO_CHECK(n > 0 && n <= 5); /* a short transfer is one, on some rows */
    AIO_CHECK_EQ(aio_stream_write_all(ends.writer, &"abcde"[n], (size_t)(5 - n), NULL), 5 - n);
    AIO_CHECK_EQ(aio_stream_read_exact(ends.reader, big, 5, NULL), 5);
    AIO_CHECK(memcmp(big, "abcde", 5) == 0);
    AIO_CHECK_EQ(aio_stream_write_all(ends.writer, "abcde", 5, NULL), 5);
    n = aio_stream_readv(ends.reader, in, 3);
    AIO_CHECK(n > 0 && n <= 5 && memcmp(a, "abc", n < 3 ? (size_t)n : 3) == 0);
    AIO_CHECK(n < 5 || memcmp(b, "de", 2) == 0);
    AIO_CHECK_EQ(aio_stream_read_exact(ends.reader, big, (size_t)(5 - n), NULL), 5 - n);
    test_pattern_fill(bulk, 7000, 0);
    AIO_CHECK_EQ(aio_stream_write_all(ends.writer, bulk, 7000, NULL), 7000);
    n = aio_stream_readv(ends.reader, last, 2);
    AIO_CHECK(n > 0 && a[0] == bulk[0]);
    test_pattern_check(big, n > 0 ? (size_t)n - 1 : 0, 1);
    ends_close(&ends);
}

/* Whoever waits is woken; the other end sees that its peer is gone. */
BEHAVIOUR(close_while_others_wait)
{
    struct ends ends;
    char bytes[2];
    struct rent_call rented = {.result = 0};
    REQUIRE(ends_open(&ends));
    struct tcp_call calls[2];
    for (int i = 0; i < 2; i++) {
        calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = ends.reader, .buffer = &bytes[i], .size = 1};
        REQUIRE(tcp_call_start(&calls[i]));
    }
    rented.stream = ends.reader;
    REQUIRE(rent_call_start(&rented));
    tcp_settle();
    aio_stream_close(ends.reader);
    for (int i = 0; i < 2; i++)
        AIO_CHECK_ERROR(tcp_call_join(&calls[i]), -EBADF);
    AIO_CHECK_ERROR(rent_call_join(&rented), -EBADF);
    AIO_CHECK_ERROR(aio_stream_write(ends.writer, "x", 1), -EPIPE);
    aio_stream_close(ends.writer);
}

BEHAVIOUR(time_limits_and_cancellation)
{
    struct ends ends;
    char byte;
    REQUIRE(ends_open(&ends));
    struct tcp_call call = {.kind = TCP_READ, .object = ends.reader, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK_OK(aio_stream_timeout(ends.reader, AIO_MS(2), 0));
    AIO_CHECK_ERROR(aio_stream_read(ends.reader, &byte, 1), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(ends.reader));
    struct aio_buffer *buffer;
    AIO_CHECK_ERROR(aio_stream_read_rent(ends.reader, &buffer), -ETIMEDOUT);
    AIO_CHECK_OK(aio_stream_timeout(ends.writer, 0, AIO_MS(2)));
    size_t done = 0;
    AIO_CHECK_ERROR(aio_stream_write_all(ends.writer, bulk, BULK, &done), -ETIMEDOUT);
    AIO_CHECK(done > 0);
    AIO_CHECK_EQ(aio_stream_read(ends.reader, &byte, 1), 1);
    ends_close(&ends);
}

/* Only a writing end can be ended, and its reader sees it. */
BEHAVIOUR(shutdown_closes_the_writing_end)
{
    struct ends ends;
    struct aio_address address;
    char byte;
    REQUIRE(ends_open(&ends));
    AIO_CHECK_ERROR(aio_stream_shutdown(ends.reader, AIO_STREAM_READ), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_shutdown(ends.reader, AIO_STREAM_WRITE), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_shutdown(ends.writer, AIO_STREAM_BOTH), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_peer(ends.writer, &address), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_option_set(ends.writer, AIO_STREAM_NODELAY, 1), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_read(ends.writer, &byte, 1), -EBADF);
    AIO_CHECK_ERROR(aio_stream_write(ends.reader, "x", 1), -EBADF);
    AIO_CHECK_EQ(aio_stream_write_all(ends.writer, "x", 1, NULL), 1);
    AIO_CHECK_OK(aio_stream_shutdown(ends.writer, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(ends.reader, &byte, 1), 1);
    AIO_CHECK_EQ(aio_stream_read(ends.reader, &byte, 1), 0);
    AIO_CHECK_ERROR(aio_stream_write(ends.writer, "x", 1), -EPIPE);
    AIO_CHECK_ERROR(aio_stream_shutdown(ends.writer, AIO_STREAM_WRITE), -ENOTSOCK);
    ends_close(&ends);
}

static int select_writable(void *arg)
{
    struct aio_select_case wait = aio_select_writable(arg);
    int rc = aio_select_wait(&wait, 1);
    return rc < 0 ? rc : wait.result;
}

BEHAVIOUR(shutdown_ends_a_select)
{
    struct ends ends;
    struct aio_task *task;
    int result = 0;
    REQUIRE(ends_open_full(&ends));
    REQUIRE_OK(aio_task_spawn(&task, select_writable, ends.writer, NULL));
    tcp_settle();
    AIO_CHECK_OK(aio_stream_shutdown(ends.writer, AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -EPIPE);
    ends_close(&ends);
}

BEHAVIOUR(select_readable)
{
    struct ends ends;
    char byte = 0;
    REQUIRE(ends_open(&ends));
    struct aio_select_case wait = aio_select_readable(ends.reader);
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_select_wait(&wait, 1), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_stream_write(ends.writer, "x", 1), 1);
    wait = aio_select_readable(ends.reader);
    AIO_CHECK_EQ(aio_select_wait(&wait, 1), 0);
    AIO_CHECK_EQ(aio_stream_read(ends.reader, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'x');
    aio_stream_close(ends.writer);
    wait = aio_select_readable(ends.reader);
    AIO_CHECK_EQ(aio_select_wait(&wait, 1), 0);
    aio_stream_close(ends.reader);
}

BEHAVIOUR(rented_buffers)
{
    struct ends ends;
    struct aio_buffer *buffer = NULL;
    REQUIRE(ends_open(&ends));
    struct rent_call call = {.stream = ends.reader};
    REQUIRE(rent_call_start(&call));
    tcp_settle();
    AIO_CHECK_EQ(rent_stats().buffers_held, 0); /* none is held by a read that waits */
    AIO_CHECK_OK(rent_write_pattern(ends.writer, 100, 100, 0));
    AIO_CHECK_OK(aio_stream_flush(ends.writer));
    ssize_t n = rent_call_join(&call);
    AIO_CHECK(n > 0);
    if (n > 0)
        test_pattern_check(aio_buffer_data(call.buffer), (size_t)n, 0);
    aio_buffer_release(call.buffer);
    AIO_CHECK_EQ(rent_read_pattern(ends.reader, 100 - (uint64_t)n, (uint64_t)n), 100 - (uint64_t)n);
    AIO_CHECK_OK(aio_stream_shutdown(ends.writer, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read_rent(ends.reader, &buffer), 0);
    AIO_CHECK(buffer == NULL);
    ends_close(&ends);
}

BEHAVIOUR(buffered_lines)
{
    struct ends ends;
    struct aio_reader reader;
    struct aio_writer writer;
    char into[64], from[64];
    const char *line = NULL;
    size_t length = 0;
    REQUIRE(ends_open(&ends));
    REQUIRE_OK(aio_reader_open(&reader, ends.reader, into, sizeof into));
    REQUIRE_OK(aio_writer_open(&writer, ends.writer, from, sizeof from));
    AIO_CHECK_EQ(aio_writer_write(&writer, "one\ntwo\n", 8, NULL), 8);
    AIO_CHECK_OK(aio_writer_close(&writer));
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &line, &length), 1);
    AIO_CHECK(length == 3 && memcmp(line, "one", 3) == 0);
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &line, &length), 1);
    AIO_CHECK(length == 3 && memcmp(line, "two", 3) == 0);
    aio_reader_close(&reader);
    ends_close(&ends);
}
