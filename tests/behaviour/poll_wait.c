/*
 * Readiness of descriptors that somebody else uses.
 */
#define SUITE "poll_wait"
#include "tests/behaviour/packet_support.h"

#include <aio/poll.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct polling {
    int fd;
    int events;
    int64_t timeout_ns;
    int result;
    struct aio_task *task;
    bool ended;
};

static int poll_run(void *arg)
{
    struct polling *polling = arg;
    AIO_TIMEOUT(polling->timeout_ns > 0 ? polling->timeout_ns : AIO_FOREVER)
    {
        polling->result = aio_poll_wait(polling->fd, polling->events);
    }
    polling->ended = true;
    return 0;
}

static bool poll_start(struct polling *polling)
{
    polling->ended = false;
    if (!AIO_CHECK_OK(aio_task_spawn(&polling->task, poll_run, polling, NULL)))
        return false;
    packet_settle();
    return true;
}

static int poll_join(struct polling *polling)
{
    AIO_CHECK_OK(aio_task_join(polling->task, NULL));
    return polling->result;
}

static bool pair_open(int fds[2])
{
    return AIO_CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void pair_close(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

BEHAVIOUR(ready_at_once)
{
    int fds[2];
    REQUIRE(pair_open(fds));
    AIO_CHECK_EQ(aio_poll_wait(fds[0], POLLOUT), POLLOUT);
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_EQ(aio_poll_wait(fds[0], POLLIN), POLLIN);
    AIO_CHECK_EQ(aio_poll_wait(fds[0], POLLIN | POLLOUT), POLLIN | POLLOUT);
    AIO_CHECK_EQ(aio_poll_wait(fds[0], POLLIN | POLLPRI), POLLIN); /* still unread */
    pair_close(fds);
}

/* Reader and writer of one descriptor, each woken by its own event. */
BEHAVIOUR(both_directions)
{
    int fds[2];
    char block[4096] = "";
    REQUIRE(pair_open(fds));
    while (write(fds[0], block, sizeof block) > 0)
        continue;
    struct polling reader = {.fd = fds[0], .events = POLLIN};
    struct polling writer = {.fd = fds[0], .events = POLLOUT};
    struct polling second = {.fd = fds[0], .events = POLLIN};
    REQUIRE(poll_start(&reader) && poll_start(&writer) && poll_start(&second));
    AIO_CHECK(!reader.ended && !writer.ended && !second.ended);
    while (read(fds[1], block, sizeof block) > 0)
        continue;
    AIO_CHECK_EQ(poll_join(&writer), POLLOUT);
    AIO_CHECK(!reader.ended && !second.ended);
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_EQ(poll_join(&reader), POLLIN);
    AIO_CHECK_EQ(poll_join(&second), POLLIN);
    pair_close(fds);
}

BEHAVIOUR(peer_gone)
{
    int fds[2];
    REQUIRE(pair_open(fds));
    struct polling half = {.fd = fds[0], .events = POLLRDHUP};
    REQUIRE(poll_start(&half));
    AIO_CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    AIO_CHECK_EQ(poll_join(&half), POLLRDHUP);
    struct polling nothing = {.fd = fds[0], .events = 0};
    REQUIRE(poll_start(&nothing));
    AIO_CHECK(!nothing.ended);
    close(fds[1]);
    AIO_CHECK_EQ(poll_join(&nothing), POLLHUP);
    close(fds[0]);
}

BEHAVIOUR(cancel_and_deadline)
{
    int fds[2];
    REQUIRE(pair_open(fds));
    for (int i = 0; i < 3; i++) {
        struct polling polling = {.fd = fds[0], .events = POLLIN};
        REQUIRE(poll_start(&polling));
        aio_task_cancel(polling.task);
        AIO_CHECK_ERROR(poll_join(&polling), -ECANCELED);
        polling.timeout_ns = AIO_MS(3);
        REQUIRE(poll_start(&polling));
        AIO_CHECK_ERROR(poll_join(&polling), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_EQ(aio_poll_wait(fds[0], POLLIN), POLLIN);
    pair_close(fds);
}

BEHAVIOUR(not_open)
{
    int fd = dup(0);
    close(fd);
    AIO_CHECK_ERROR(aio_poll_wait(fd, POLLIN), -EBADF);
    AIO_CHECK_ERROR(aio_poll_wait(-1, POLLIN), -EBADF);
    AIO_CHECK_ERROR(aio_poll_wait(1 << 16, POLLIN), -EBADF);
}

/* Other sorts: a pipe, an eventfd, a file, which is always ready. */
BEHAVIOUR(other_descriptors)
{
    int ends[2], event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    AIO_CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
    struct polling pipe_end = {.fd = ends[0], .events = POLLIN};
    struct polling counter = {.fd = event, .events = POLLIN};
    REQUIRE(poll_start(&pipe_end) && poll_start(&counter));
    AIO_CHECK_EQ(eventfd_write(event, 1), 0);
    AIO_CHECK_EQ(poll_join(&counter), POLLIN);
    close(ends[1]);
    AIO_CHECK_EQ(poll_join(&pipe_end), POLLHUP);
    AIO_CHECK_EQ(aio_poll_wait(file, POLLIN), POLLIN);
    close(ends[0]);
    close(event);
    close(file);
}

/* A library closes its descriptor as it likes, and the number comes again for another file; a copy
 * keeps the old one alive. */
BEHAVIOUR(number_reused)
{
    int old[2], fresh[2], copy;
    for (int round = 0; round < 20; round++) {
        REQUIRE(pair_open(old));
        copy = dup(old[0]);
        struct polling first = {.fd = old[0], .events = POLLIN};
        REQUIRE(poll_start(&first));
        AIO_CHECK_EQ(write(old[1], "x", 1), 1);
        AIO_CHECK_EQ(poll_join(&first), POLLIN);
        close(old[0]);
        REQUIRE(pair_open(fresh));
        struct polling second = {.fd = fresh[0], .events = POLLIN};
        REQUIRE(poll_start(&second));
        AIO_CHECK_EQ(write(old[1], "y", 1), 1);
        packet_settle();
        AIO_CHECK(!second.ended);
        AIO_CHECK_EQ(write(fresh[1], "z", 1), 1);
        AIO_CHECK_EQ(poll_join(&second), POLLIN);
        pair_close(fresh);
        close(copy);
        close(old[1]);
    }
}
