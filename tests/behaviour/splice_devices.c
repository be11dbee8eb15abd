/*
 * aio_splice_move from and to terminals and other devices, which wait or not as they like, whatever
 * flags a splice has: the core waits for none of them.
 */
#define SUITE "splice_devices"
#include "tests/behaviour/task_tools.h"
#include "tests/behaviour/terminal.h"

#include <aio/copy.h>
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* A terminal, and a pipe to splice with. */
struct devices {
    struct terminal terminal;
    int reader;
    int writer;
};

static bool devices_open(struct devices *devices)
{
    int fds[2];
    if (!terminal_open(&devices->terminal) || !AIO_CHECK_EQ(pipe2(fds, O_CLOEXEC), 0))
        return false;
    devices->reader = fds[0];
    devices->writer = fds[1];
    return true;
}

static void devices_close(const struct devices *devices)
{
    close(devices->terminal.master);
    close(devices->terminal.slave);
    close(devices->reader);
    close(devices->writer);
}

/* Some kernels cannot splice terminals. */
static bool devices_splice(const struct devices *devices)
{
    char byte;
    AIO_CHECK_EQ(write(devices->terminal.master, "?", 1), 1);
    ssize_t n = splice(devices->terminal.slave, NULL, devices->writer, NULL, 1, 0);
    if (n == 1)
        return AIO_CHECK_EQ(read(devices->reader, &byte, 1), 1);
    AIO_CHECK_ERROR(-errno, -EINVAL);
    aio_test_skip("this kernel cannot splice terminals");
    return false;
}

static void check_piped(const struct devices *devices, const char *text)
{
    char back[16] = "";
    AIO_CHECK_EQ(read(devices->reader, back, sizeof back - 1), strlen(text));
    AIO_CHECK_STR(back, text);
}

struct move {
    int from;
    int to;
    ssize_t result;
};

static int move_task(void *arg)
{
    struct move *move = arg;
    move->result = aio_splice_move(move->from, move->to, 100);
    return 0;
}

/* With nothing to read: other tasks run, deadlines strike, a cancellation ends it. */
static void check_idle(const struct devices *devices, int from, int peer)
{
    ssize_t n = 0;
    struct move move = {.from = from, .to = devices->writer};
    AIO_TIMEOUT(AIO_MS(2))
    {
        n = aio_splice_move(from, devices->writer, 100);
    }
    AIO_CHECK_ERROR(n, -ETIMEDOUT);
    struct aio_task *task = task_named("move", move_task, &move);
    AIO_CHECK(task_wait_parked("move"));
    AIO_CHECK_EQ(task_stop(task), 0);
    AIO_CHECK_ERROR(move.result, -ECANCELED);
    task = task_named("move", move_task, &move);
    AIO_CHECK(task_wait_parked("move"));
    AIO_CHECK_EQ(write(peer, "typed", 5), 5);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(move.result, 5);
    check_piped(devices, "typed");
}

/* A master as well as a slave; and where O_NONBLOCK is set. */
BEHAVIOUR(move_from_an_idle_terminal)
{
    struct devices devices;
    REQUIRE(devices_open(&devices));
    int slave = devices.terminal.slave, master = devices.terminal.master;
    if (devices_splice(&devices)) {
        check_idle(&devices, slave, master);
        check_idle(&devices, master, slave);
        AIO_CHECK_EQ(fcntl(slave, F_SETFL, O_NONBLOCK), 0);
        check_idle(&devices, slave, master);
    }
    devices_close(&devices);
}

/* Takes all that has been written to a terminal. */
static size_t drain(int master)
{
    static char block[65536];
    size_t taken = 0;
    ssize_t n;
    AIO_CHECK_EQ(fcntl(master, F_SETFL, O_NONBLOCK), 0);
    while ((n = read(master, block, sizeof block)) > 0)
        taken += (size_t)n;
    return taken;
}

/* A terminal goes on taking some for a moment after it has said that it is full. */
static void fill(const struct devices *devices)
{
    ssize_t n = 1;
    int fd = open(ptsname(devices->terminal.master), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    static const char block[4096];
    while (n == 1) {
        while (write(fd, block, sizeof block) > 0)
            continue;
        AIO_CHECK_EQ(write(devices->writer, "x", 1), 1);
        AIO_TIMEOUT(AIO_MS(5))
        {
            n = aio_splice_move(devices->reader, devices->terminal.slave, 1);
        }
    }
    AIO_CHECK_ERROR(n, -ETIMEDOUT);
    close(fd);
}

static void check_full(struct devices *devices)
{
    struct move move = {.from = devices->reader, .to = devices->terminal.slave};
    fill(devices);
    struct aio_task *task = task_named("move", move_task, &move);
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(drain(devices->terminal.master) > 0);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(move.result, 1);
}

static int close_soon(void *fd)
{
    return close(*(int *)fd);
}

/* The end of the pipe is seen all the same, from the start and later. */
static void check_end(struct devices *devices)
{
    struct aio_task *task;
    fill(devices);
    AIO_CHECK_EQ(read(devices->reader, &(char){0}, 1), 1);
    REQUIRE_OK(aio_task_spawn(&task, close_soon, &devices->writer, NULL));
    AIO_CHECK_EQ(aio_splice_move(devices->reader, devices->terminal.slave, 1), 0);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(aio_splice_move(devices->reader, devices->terminal.slave, 1), 0);
    devices->writer = dup(devices->reader); /* to be closed */
}

static void with_devices(void (*check)(struct devices *devices))
{
    struct devices devices;
    REQUIRE(devices_open(&devices));
    if (devices_splice(&devices))
        check(&devices);
    devices_close(&devices);
}

BEHAVIOUR(move_of_nothing_into_a_full_terminal)
{
    with_devices(check_end);
}

BEHAVIOUR(move_into_a_full_terminal)
{
    with_devices(check_full);
}

BEHAVIOUR(move_from_and_to_devices)
{
    struct devices devices;
    char back[4] = "abc";
    REQUIRE(devices_open(&devices));
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ssize_t n = aio_splice_move(zero, devices.writer, 4);
    AIO_CHECK(n == 4 || n == -EINVAL); /* some kernels cannot do it */
    if (n == 4)
        AIO_CHECK_EQ(read(devices.reader, back, 4), 4);
    AIO_CHECK(n != 4 || (back[0] | back[1] | back[2]) == 0);
    AIO_CHECK_EQ(write(devices.writer, "gone", 4), 4);
    AIO_CHECK_EQ(aio_splice_move(devices.reader, null, 100), 4);
    close(zero);
    close(null);
    devices_close(&devices);
}

/* What can never be is told at once, not when the device is ready. */
BEHAVIOUR(move_of_devices_that_cannot_be)
{
    struct devices devices, others;
    REQUIRE(devices_open(&devices) && devices_open(&others));
    int slave = devices.terminal.slave;
    int output = open(ptsname(devices.terminal.master), O_WRONLY | O_NOCTTY | O_CLOEXEC);
    AIO_CHECK_ERROR(aio_splice_move(slave, others.terminal.slave, 1), -EINVAL); /* no pipe */
    AIO_CHECK_ERROR(aio_splice_tee(slave, devices.writer, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_splice_move(output, devices.writer, 1), -EBADF);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); /* is never ready to be written */
    AIO_CHECK_EQ(write(devices.writer, "x", 1), 1);
    AIO_CHECK_ERROR(aio_splice_move(devices.reader, timer, 1), -EINVAL);
    close(timer);
    AIO_CHECK_EQ(aio_splice_move(slave, devices.writer, 0), 0);
    close(output);
    devices_close(&others);
    devices_close(&devices);
}
