/*
 * aio_splice_move and aio_splice_tee: pipes, sockets and files that are not AIO's.
 */
#define SUITE "splice_move"
#include "tests/behaviour/task_tools.h"

#include <aio/copy.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

struct move_call {
    int from;
    int to;
    bool tee;
    ssize_t result;
    bool ended;
};

static int move_task(void *arg)
{
    struct move_call *call = arg;
    call->result = call->tee ? aio_splice_tee(call->from, call->to, 100)
                             : aio_splice_move(call->from, call->to, 100);
    call->ended = true;
    return 0;
}

/* Blocking pipes too: the flag is others' as well. */
static void check_pipes(int flags, bool tee)
{
    int in[2], out[2];
    char text[8] = "";
    REQUIRE(pipe2(in, O_CLOEXEC | flags) == 0 && pipe2(out, O_CLOEXEC | flags) == 0);
    struct move_call call = {.from = in[0], .to = out[1], .tee = tee};
    struct aio_task *task = task_named("move", move_task, &call);
    AIO_CHECK(task_wait_parked("move"));
    AIO_CHECK_EQ(write(in[1], "later", 5), 5);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(call.result, 5);
    AIO_CHECK_EQ(read(out[0], text, sizeof text), 5);
    AIO_CHECK_STR(text, "later");
    if (tee)
        AIO_CHECK_EQ(read(in[0], text, sizeof text), 5);

    task = task_named("move", move_task, &call);
    AIO_CHECK(task_wait_parked("move"));
    AIO_CHECK_EQ(task_stop(task), 0);
    AIO_CHECK_ERROR(call.result, -ECANCELED);
    close(in[1]);
    call = (struct move_call){.from = in[0], .to = out[1], .tee = tee};
    AIO_CHECK_EQ(move_task(&call), 0);
    AIO_CHECK_EQ(call.result, 0); /* the end */
    close(in[0]);
    close_pair(out);
}

BEHAVIOUR(move_between_pipes)
{
    check_pipes(0, false);
    check_pipes(O_NONBLOCK, false);
}

BEHAVIOUR(tee_of_a_pipe)
{
    check_pipes(0, true);
    check_pipes(O_NONBLOCK, true);
}

/* It waits for room as well as for bytes. */
BEHAVIOUR(move_into_a_full_pipe)
{
    int in[2], out[2];
    static char block[65536];
    REQUIRE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(out[1], block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(write(in[1], "x", 1), 1);
    struct move_call call = {.from = in[0], .to = out[1]};
    struct aio_task *task = task_named("move", move_task, &call);
    AIO_CHECK(task_wait_parked("move"));
    while (read(out[0], block, sizeof block) > 0)
        continue;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(call.result, 1);
    close_pair(in);
    close_pair(out);
}

BEHAVIOUR(move_from_and_to_sockets)
{
    int sockets[2], pipes[2];
    char text[8] = "";
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) == 0);
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    AIO_CHECK_EQ(write(sockets[1], "there", 5), 5);
    AIO_CHECK_EQ(aio_splice_move(sockets[0], pipes[1], 100), 5);
    AIO_CHECK_EQ(aio_splice_move(pipes[0], sockets[0], 100), 5);
    AIO_CHECK_EQ(read(sockets[1], text, sizeof text), 5);
    AIO_CHECK_STR(text, "there");
    AIO_CHECK_EQ(write(pipes[1], "x", 1), 1);
    close(sockets[1]);
    AIO_CHECK_ERROR(aio_splice_move(pipes[0], sockets[0], 100), -EPIPE); /* and no signal */
    close(sockets[0]);
    close_pair(pipes);
}

static int temporary_file(void)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    if (AIO_CHECK(fd >= 0))
        unlink(path);
    return fd;
}

BEHAVIOUR(move_from_and_to_files)
{
    int pipes[2], fd = temporary_file();
    char text[8] = "";
    REQUIRE(fd >= 0 && pipe2(pipes, O_CLOEXEC) == 0);
    AIO_CHECK_EQ(write(pipes[1], "stored", 6), 6);
    AIO_CHECK_EQ(aio_splice_move(pipes[0], fd, 100), 6);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    AIO_CHECK_EQ(aio_splice_move(fd, pipes[1], 100), 6);
    AIO_CHECK_EQ(aio_splice_move(fd, pipes[1], 100), 0);
    AIO_CHECK_EQ(read(pipes[0], text, sizeof text), 6);
    AIO_CHECK_STR(text, "stored");
    close(fd);
    close_pair(pipes);
}

BEHAVIOUR(move_of_what_cannot_be)
{
    int sockets[2], pipes[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    REQUIRE(pipe2(pipes, O_CLOEXEC) == 0);
    AIO_CHECK_EQ(aio_splice_move(pipes[0], pipes[1], 0), 0);
    AIO_CHECK_ERROR(aio_splice_move(sockets[0], pipes[1], 1), -EINVAL); /* it would block */
    AIO_CHECK_ERROR(aio_splice_move(-1, pipes[1], 1), -EBADF);
    AIO_CHECK_ERROR(aio_splice_move(pipes[0], -1, 1), -EBADF);
    AIO_CHECK_EQ(fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
    AIO_CHECK_EQ(fcntl(sockets[1], F_SETFL, O_NONBLOCK), 0);
    AIO_CHECK_ERROR(aio_splice_move(sockets[0], sockets[1], 1), -EINVAL); /* no pipe */
    AIO_CHECK_ERROR(aio_splice_tee(sockets[0], pipes[1], 1), -EINVAL);
    aio_task_cancel(aio_task_current());
    AIO_CHECK_EQ(write(pipes[1], "x", 1), 1);
    AIO_CHECK_ERROR(aio_splice_move(pipes[0], pipes[1], 1), -ECANCELED);
    close_pair(sockets);
    close_pair(pipes);
}
