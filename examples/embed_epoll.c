/* embed_epoll: the echo server as tasks inside a program's own epoll loop, which has a timer of its
 * own. Usage: embed_epoll [HOST:PORT] */
#include <aio/aio.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int echo(void *arg)
{
    struct aio_stream *peer = arg;
    char buffer[1024];
    ssize_t n;
    while ((n = aio_stream_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = aio_stream_write_all(peer, buffer, (size_t)n, NULL)) < 0)
            break;
    aio_stream_close(peer);
    return (int)n;
}

static int serve(void *address)
{
    struct aio_listener *listener;
    struct aio_stream *peer;
    int rc = aio_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0)
        return aio_error_exit(rc, "signals");
    printf("embed_epoll: listening on %s\n", (const char *)address), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_task_spawn(NULL, echo, peer, NULL) < 0)
            aio_stream_close(peer);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}

/* Ten times a second. */
static int open_ticker(void)
{
    const struct itimerspec tenth = {.it_interval = {0, 100000000}, .it_value = {0, 100000000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd >= 0)
        timerfd_settime(fd, 0, &tenth, NULL);
    return fd;
}

static void watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv)
{
    char standard[] = "127.0.0.1:8080";
    struct aio_runtime *runtime;
    int result = 1;
    int rc = aio_runtime_create(&runtime, NULL);
    if (rc == 0)
        rc = aio_runtime_attach(runtime, serve, argc > 1 ? argv[1] : standard);
    if (rc < 0)
        return aio_error_exit(rc, "runtime");
    int loop = epoll_create1(EPOLL_CLOEXEC), ticker = open_ticker();
    uint64_t ticks = 0, expired;
    watch(loop, aio_runtime_fd(runtime));
    watch(loop, ticker);
    for (bool alive = true; alive;) {
        struct epoll_event event;
        if (epoll_wait(loop, &event, 1, -1) != 1)
            continue; /* a signal */
        if (event.data.fd != ticker)
            alive = aio_runtime_turn(runtime) > 0;
        else if (read(ticker, &expired, sizeof expired) == sizeof expired)
            ticks += expired;
    }
    rc = aio_runtime_wait(runtime, &result);
    aio_runtime_destroy(runtime);
    close(ticker);
    close(loop);
    printf("embed_epoll: %llu ticks\n", (unsigned long long)ticks);
    return rc < 0 ? 1 : result;
}
