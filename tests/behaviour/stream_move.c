/*
 * Streams that move: to another core of the runtime, to a descriptor and back.
 */
#define SUITE "stream_move"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* On the other core: has the stream for a while, echoes a message, gives it back. */
static int serve_once(void *arg)
{
    struct aio_stream *stream = arg;
    char text[4];
    aio_stream_attach(stream);
    int rc = aio_stream_read_exact(stream, text, sizeof text, NULL);
    if (rc >= 0)
        rc = aio_stream_write_all(stream, text, sizeof text, NULL);
    return rc < 0 ? rc : aio_stream_detach(stream);
}

static int ask(void *arg)
{
    struct wire *wire = arg;
    char text[4];
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_OK(aio_stream_write_all(wire->near, "ping", 4, NULL));
        AIO_CHECK_OK(aio_stream_read_exact(wire->near, text, 4, NULL));
        AIO_CHECK(memcmp(text, "ping", 4) == 0);
    }
    return 0;
}

static int move_entry(void *unused)
{
    struct wire wire;
    struct aio_task *asker;
    int result;
    (void)unused;
    if (aio_core_index() > 0)
        return aio_time_sleep(AIO_SEC(3600));
    if (!wire_open(&wire))
        return -1;
    asker = task_named("asker", ask, &wire);
    for (int i = 0; i < 2; i++) { /* there and back, twice: each core forgets it */
        AIO_CHECK_OK(aio_stream_detach(wire.far));
        AIO_CHECK_OK(aio_core_call(1, serve_once, wire.far, &result));
        AIO_CHECK_OK(result);
        aio_stream_attach(wire.far);
    }
    AIO_CHECK_OK(aio_task_join(asker, NULL));
    wire_close(&wire);
    return aio_runtime_stop(aio_runtime_current(), 0);
}

BEHAVIOUR_OUTSIDE(between_cores)
{
    struct aio_runtime_options options = test_options();
    options.cores = 2;
    AIO_CHECK_ERROR(aio_runtime_run(&options, move_entry, NULL), -ECANCELED);
}

static int read_byte(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

BEHAVIOUR(not_while_in_use)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    struct aio_task *reader = task_named("reader", read_byte, wire.far);
    AIO_CHECK(task_wait_parked("reader"));
    AIO_CHECK_ERROR(aio_stream_detach(wire.far), -EBUSY);
    AIO_CHECK_ERROR(aio_stream_release(wire.far), -EBUSY);
    AIO_CHECK_ERROR(task_stop(reader), -ECANCELED);
    AIO_CHECK_OK(aio_stream_detach(wire.far));
    aio_stream_attach(wire.far);
    wire_close(&wire);
}

BEHAVIOUR(released_and_adopted)
{
    struct wire wire;
    char text[5];
    REQUIRE(wire_open(&wire));
    int fd = aio_stream_release(wire.far);
    REQUIRE_OK(fd);
    AIO_CHECK_EQ(send(fd, "plain", 5, 0), 5);
    AIO_CHECK_OK(aio_stream_read_exact(wire.near, text, 5, NULL));
    REQUIRE_OK(aio_stream_adopt(&wire.far, fd));
    AIO_CHECK_OK(aio_stream_write_all(wire.far, "again", 5, NULL));
    AIO_CHECK_OK(aio_stream_read_exact(wire.near, text, 5, NULL));
    AIO_CHECK(memcmp(text, "again", 5) == 0);
    wire_close(&wire);
}

BEHAVIOUR(adopted_pair)
{
    int pair[2];
    struct wire wire;
    char text[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    REQUIRE_OK(aio_stream_adopt(&wire.near, pair[0]));
    REQUIRE_OK(aio_stream_adopt(&wire.far, pair[1]));
    AIO_CHECK((fcntl(pair[0], F_GETFD) & FD_CLOEXEC) != 0);
    AIO_CHECK((fcntl(pair[0], F_GETFL) & O_NONBLOCK) != 0);
    AIO_CHECK_OK(aio_stream_write_all(wire.near, "hi", 2, NULL));
    AIO_CHECK_OK(aio_stream_read_exact(wire.far, text, 2, NULL));
    wire_close(&wire);
}

BEHAVIOUR(what_is_no_stream_is_refused)
{
    struct aio_stream *stream;
    int pipes[2];
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_ERROR(aio_stream_adopt(&stream, pipes[0]), -ENOTSOCK);
    AIO_CHECK_ERROR(aio_stream_adopt(&stream, datagrams), -EINVAL);
    close(pipes[0]);
    AIO_CHECK_ERROR(aio_stream_adopt(&stream, pipes[0]), -EBADF);
    close(pipes[1]);
    close(datagrams);
}

static int use_detached(void *unused)
{
    struct wire wire;
    (void)unused;
    if (!wire_open(&wire))
        return 1;
    return aio_stream_detach(wire.far) < 0 || read_byte(wire.far) < 0;
}

BEHAVIOUR_OUTSIDE(detached_use_aborts)
{
    struct child child;
    REQUIRE(child_run_task(&child, use_detached, NULL));
    AIO_CHECK(child_killed(&child, SIGABRT));
    AIO_CHECK(child_said(&child, "aio_stream_read: this stream is detached"));
}
