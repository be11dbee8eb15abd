/*
 * What only looks like a deadlock: something real is waited for, or mail is under way.
 */
#define SUITE "deadlock_alive"
#include "tests/behaviour/deadlock_tools.h"

#include <signal.h>
#include <unistd.h>

/* With several cores, one of which waits for something real. */
static int others_wait(int (*real)(void *arg), void *arg)
{
    if (aio_core_index() == 0) {
        int rc = real(arg);
        AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), 0));
        return rc;
    }
    return cores_serve(NULL);
}

static int real_timer(void *unused)
{
    (void)unused;
    for (int i = 0; i < 5; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    return 0;
}

static int wait_for_timer(void *unused)
{
    return others_wait(real_timer, unused);
}

static void *write_later(void *fd)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    AIO_CHECK_EQ(write(*(int *)fd, "x", 1), 1);
    return NULL;
}

/* Only a connection is left to wake anybody. */
static int real_io(void *unused)
{
    struct aio_listener *listener;
    struct aio_stream *peer;
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES], byte;
    pthread_t thread;
    (void)unused;
    if (!wire_listen(&listener, text))
        return -1;
    AIO_CHECK_OK(aio_address_parse(&address, text));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(connect(fd, &address.any, address.length), 0);
    AIO_CHECK_OK(aio_listener_accept(listener, &peer));
    if (thread_start(&thread, write_later, &fd)) {
        AIO_CHECK_EQ(aio_stream_read(peer, &byte, 1), 1);
        thread_join(thread);
    }
    close(fd);
    aio_stream_close(peer);
    aio_listener_close(listener);
    return 0;
}

static int wait_for_io(void *unused)
{
    return others_wait(real_io, unused);
}

static void *signal_later(void *unused)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    nanosleep(&pause, NULL); /* tidy: allow nanosleep: the runtime falls asleep meanwhile */
    AIO_CHECK_EQ(kill(getpid(), SIGTERM), 0);
    return unused;
}

static int real_signal(void *unused)
{
    pthread_t thread;
    AIO_CHECK_OK(aio_signal_shutdown());
    if (!thread_start(&thread, signal_later, unused))
        return -1;
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    thread_join(thread);
    return 0;
}

static int wait_for_signal(void *unused)
{
    return others_wait(real_signal, unused);
}

/* Time, I/O and signals are something to wait for. */
BEHAVIOUR_OUTSIDE(real_things_are_waited_for)
{
    for (uint32_t cores = 1; cores <= 3; cores++) {
        AIO_CHECK_OK(cores_run(cores, wait_for_timer, NULL));
        AIO_CHECK_OK(cores_run(cores, wait_for_io, NULL));
        AIO_CHECK_OK(cores_run(cores, wait_for_signal, NULL));
    }
}

/* A ping that goes round the cores by spawns: all but one are always idle. */
enum { HOPS = 1000 };

static atomic_int hops;

static int hop(void *unused)
{
    if (atomic_fetch_add(&hops, 1) + 1 == HOPS)
        return aio_runtime_stop(aio_runtime_current(), 0);
    return aio_core_spawn((aio_core_index() + 1) % aio_core_count(), hop, unused, NULL);
}

static int hop_round(void *unused)
{
    if (aio_core_index() == 0)
        AIO_CHECK_OK(hop(unused));
    return cores_serve(unused);
}

BEHAVIOUR_OUTSIDE(mail_under_way)
{
    for (uint32_t cores = 2; cores <= 4; cores++) {
        hops = 0;
        AIO_CHECK_OK(cores_run(cores, hop_round, NULL));
        AIO_CHECK_EQ(hops, HOPS);
    }
}
