/*
 * Opening FIFOs: who comes first waits for the other one, and can be interrupted.
 */
#define SUITE "pipe_fifo"
#include "tests/behaviour/tcp_support.h"

#include <aio/buf.h>
#include <aio/pipe.h>
#include <aio/select.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fifo {
    char folder[32];
    char path[64];
};

static bool fifo_make(struct fifo *fifo)
{
    test_temporary(fifo->folder, sizeof fifo->folder, "/tmp");
    if (!AIO_CHECK(mkdtemp(fifo->folder) != NULL))
        return false;
    (void)snprintf(fifo->path, sizeof fifo->path, "%s/fifo", fifo->folder);
    return AIO_CHECK_EQ(mkfifo(fifo->path, 0600), 0);
}

static void fifo_remove(const struct fifo *fifo)
{
    (void)unlink(fifo->path);
    AIO_CHECK_EQ(rmdir(fifo->folder), 0);
}

struct opening {
    const char *path;
    enum aio_pipe_end end;
    struct aio_stream *stream;
    struct aio_task *task;
    int result;
    bool ended;
};

static int opening_run(void *arg)
{
    struct opening *opening = arg;
    opening->result = aio_pipe_connect(&opening->stream, opening->path, opening->end);
    opening->ended = true;
    return 0;
}

static bool opening_start(struct opening *opening, const struct fifo *fifo, enum aio_pipe_end end)
{
    *opening = (struct opening){.path = fifo->path, .end = end};
    return AIO_CHECK_OK(aio_task_spawn(&opening->task, opening_run, opening, NULL));
}

static int opening_join(struct opening *opening)
{
    AIO_CHECK_OK(aio_task_join(opening->task, NULL));
    return opening->result;
}

static void settle(const struct opening *opening)
{
    tcp_settle();
    AIO_CHECK(!opening->ended);
}

static void check_meet(enum aio_pipe_end first)
{
    struct fifo fifo;
    struct opening openings[2];
    char byte = 0;
    REQUIRE(fifo_make(&fifo));
    REQUIRE(opening_start(&openings[first], &fifo, first));
    settle(&openings[first]);
    REQUIRE(opening_start(&openings[1 - first], &fifo, (enum aio_pipe_end)(1 - first)));
    REQUIRE(opening_join(&openings[0]) == 0 && opening_join(&openings[1]) == 0);
    AIO_CHECK_EQ(aio_stream_write(openings[AIO_PIPE_WRITER].stream, "x", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(openings[AIO_PIPE_READER].stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'x');
    aio_stream_close(openings[AIO_PIPE_WRITER].stream);
    AIO_CHECK_EQ(aio_stream_read(openings[AIO_PIPE_READER].stream, &byte, 1), 0);
    aio_stream_close(openings[AIO_PIPE_READER].stream);
    fifo_remove(&fifo);
}

BEHAVIOUR(reader_comes_first)
{
    check_meet(AIO_PIPE_READER);
}

BEHAVIOUR(writer_comes_first)
{
    check_meet(AIO_PIPE_WRITER);
}

struct visit {
    const char *path;
    int fd;
};

/* Somebody writes once there is a reader. */
static bool visit_begin(void *arg)
{
    struct visit *visit = arg;
    visit->fd = open(visit->path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    return visit->fd >= 0;
}

/* A writer that left again was there: the reader sees what it wrote, or the end. */
static void check_brief_writer(const char *text, size_t length)
{
    struct fifo fifo;
    struct opening opening;
    char bytes[8];
    REQUIRE(fifo_make(&fifo));
    REQUIRE(opening_start(&opening, &fifo, AIO_PIPE_READER));
    settle(&opening);
    struct visit visit = {fifo.path, -1};
    REQUIRE(test_wait(visit_begin, &visit));
    AIO_CHECK_EQ(write(visit.fd, text, length), (ssize_t)length);
    close(visit.fd);
    REQUIRE(opening_join(&opening) == 0);
    AIO_CHECK_EQ(aio_stream_read_exact(opening.stream, bytes, length, NULL), (ssize_t)length);
    AIO_CHECK_EQ(aio_stream_read(opening.stream, bytes, 1), 0);
    aio_stream_close(opening.stream);
    fifo_remove(&fifo);
}

BEHAVIOUR(writer_that_leaves_at_once)
{
    check_brief_writer("", 0);
    check_brief_writer("text", 4);
}

/* A reader of ours that blocks, of a FIFO that had a writer: it has written and gone. */
static int reader_left_alone(const struct fifo *fifo, const char *text, size_t length)
{
    int fd = open(fifo->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct visit visit = {fifo->path, -1};
    if (!AIO_CHECK(fd >= 0 && visit_begin(&visit) && fcntl(fd, F_SETFL, 0) == 0))
        return -1;
    AIO_CHECK_EQ(write(visit.fd, text, length), (ssize_t)length);
    close(visit.fd);
    return fd;
}

/* Opened anew it would have no end. */
static void check_end(const char *text, size_t length, bool rents)
{
    struct fifo fifo;
    struct aio_stream *stream;
    struct aio_buffer *buffer;
    char bytes[8];
    REQUIRE(fifo_make(&fifo));
    REQUIRE_OK(aio_pipe_adopt(&stream, reader_left_alone(&fifo, text, length)));
    AIO_CHECK_EQ(aio_stream_read_exact(stream, bytes, length, NULL), (ssize_t)length);
    AIO_TIMEOUT(AIO_SEC(5))
    {
        struct aio_select_case ready = aio_select_readable(stream);
        AIO_CHECK_EQ(aio_select_wait(&ready, 1), 0);
        AIO_CHECK_OK(ready.result);
        if (rents)
            AIO_CHECK_EQ(aio_stream_read_rent(stream, &buffer), 0);
        AIO_CHECK_EQ(aio_stream_read(stream, bytes, 1), 0);
    }
    aio_stream_close(stream);
    fifo_remove(&fifo);
}

BEHAVIOUR(writer_that_had_left_before)
{
    for (int rents = 0; rents < 2; rents++) {
        check_end("", 0, rents);
        check_end("text", 4, rents);
    }
}

BEHAVIOUR(interrupted)
{
    struct fifo fifo;
    struct opening opening;
    REQUIRE(fifo_make(&fifo));
    int before = tcp_fd_count();
    for (int end = AIO_PIPE_READER; end <= AIO_PIPE_WRITER; end++) {
        REQUIRE(opening_start(&opening, &fifo, (enum aio_pipe_end)end));
        settle(&opening);
        aio_task_cancel(opening.task);
        AIO_CHECK_ERROR(opening_join(&opening), -ECANCELED);
        AIO_TIMEOUT(AIO_MS(3))
        {
            AIO_CHECK_ERROR(aio_pipe_connect(&opening.stream, fifo.path, (enum aio_pipe_end)end),
                            -ETIMEDOUT);
        }
    }
    AIO_CHECK(tcp_fd_count() <= before + 2); /* the core keeps an empty pipe */
    AIO_CHECK_ERROR(open(fifo.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 ? -errno : 0, -ENXIO);
    fifo_remove(&fifo);
}

BEHAVIOUR(what_is_no_fifo)
{
    struct aio_stream *stream = NULL;
    AIO_CHECK_ERROR(aio_pipe_connect(&stream, "/dev/null", AIO_PIPE_READER), -EINVAL);
    AIO_CHECK_ERROR(aio_pipe_connect(&stream, "/tmp", AIO_PIPE_WRITER), -EINVAL);
    AIO_CHECK_ERROR(aio_pipe_connect(&stream, "/nowhere/at/all", AIO_PIPE_READER), -ENOENT);
    AIO_CHECK_ERROR(aio_pipe_connect(&stream, "/dev/null", (enum aio_pipe_end)7), -EINVAL);
    AIO_CHECK(stream == NULL);
}
