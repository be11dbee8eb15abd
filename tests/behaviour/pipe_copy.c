/*
 * Copying between pipes and sockets, by the buffer and by splice.
 */
#define SUITE "pipe_copy"
#include "tests/behaviour/copy_tools.h"

#include <aio/pipe.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* The near end of a pair is written, the far one read. */
static bool pair_open(struct tcp_pair *pair, bool pipe)
{
    return pipe ? AIO_CHECK_OK(aio_pipe_open(&pair->far, &pair->near)) : tcp_pair_open(pair);
}

/* So much that it is spliced soon. */
static void check_copy(bool from_pipe, bool to_pipe)
{
    enum { BYTES = 2000000 };
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    REQUIRE(pair_open(&path.in, from_pipe) && pair_open(&path.out, to_pipe));
    struct copy_writer writer = {.stream = path.in.near, .size = BYTES};
    REQUIRE(copy_write_start(&writer));
    REQUIRE(copy_start(&call, &path, false));
    copy_check_bytes(path.out.far, 0, BYTES);
    AIO_CHECK_OK(copy_write_join(&writer));
    AIO_CHECK_OK(copy_join(&call));
    AIO_CHECK_EQ(call.done[0].delivered, BYTES);
    AIO_CHECK_EQ(call.done[0].undelivered, 0);
    copy_path_close(&path);
}

BEHAVIOUR(pipe_to_pipe)
{
    check_copy(true, true);
}

BEHAVIOUR(pipe_to_socket)
{
    check_copy(true, false);
}

BEHAVIOUR(socket_to_pipe)
{
    check_copy(false, true);
}

struct sending {
    struct aio_stream *stream;
    int fd;
    size_t size;
    ssize_t result;
};

static int send_file(void *arg)
{
    struct sending *sending = arg;
    sending->result = aio_stream_sendfile(sending->stream, sending->fd, 0, sending->size, NULL);
    return 0;
}

/* What the reader of the other pipe has not room for stands in done. */
BEHAVIOUR(cancelled_midway)
{
    enum { BYTES = 1000000 };
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    REQUIRE(pair_open(&path.in, true) && pair_open(&path.out, true));
    struct copy_writer writer = {.stream = path.in.near, .size = BYTES, .stay_open = true};
    REQUIRE(copy_write_start(&writer));
    REQUIRE(copy_start(&call, &path, false));
    copy_check_bytes(path.out.far, 0, BYTES / 2);
    tcp_settle();
    AIO_CHECK_ERROR(copy_cancel(&call), -ECANCELED);
    AIO_CHECK(call.done[0].delivered >= BYTES / 2);
    aio_stream_close(path.out.near);
    path.out.near = NULL;
    AIO_CHECK_EQ(copy_check_rest(path.out.far, BYTES / 2) + BYTES / 2, call.done[0].delivered);
    uint64_t taken = call.done[0].delivered + call.done[0].undelivered;
    copy_check_bytes(path.in.far, taken, BYTES - taken);
    AIO_CHECK_OK(copy_write_join(&writer));
    copy_path_close(&path);
}

/* The pipe's reader is gone: an error, no signal. */
BEHAVIOUR(nobody_reads)
{
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    REQUIRE(pair_open(&path.in, false) && pair_open(&path.out, true));
    aio_stream_close(path.out.far);
    path.out.far = NULL;
    AIO_CHECK_EQ(aio_stream_write_all(path.in.near, "bytes", 5, NULL), 5);
    REQUIRE(copy_start(&call, &path, false));
    AIO_CHECK_ERROR(copy_join(&call), -EPIPE);
    AIO_CHECK_EQ(call.done[0].delivered, 0);
    AIO_CHECK(call.done[0].undelivered > 0);
    copy_path_close(&path);
}

BEHAVIOUR(file_into_a_pipe)
{
    enum { BYTES = 500000 };
    static char bytes[BYTES];
    char path[] = "/tmp/aio-test-XXXXXX";
    struct tcp_pair pair;
    struct sending sending = {.size = BYTES, .fd = mkostemp(path, O_CLOEXEC)};
    struct aio_task *task;
    REQUIRE(sending.fd >= 0 && unlink(path) == 0 && pair_open(&pair, true));
    test_pattern_fill(bytes, BYTES, 0);
    AIO_CHECK_EQ(write(sending.fd, bytes, BYTES), BYTES);
    sending.stream = pair.near;
    REQUIRE_OK(aio_task_spawn(&task, send_file, &sending, NULL));
    copy_check_bytes(pair.far, 0, BYTES);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(sending.result, BYTES);
    tcp_pair_close(&pair);
    close(sending.fd);
}
