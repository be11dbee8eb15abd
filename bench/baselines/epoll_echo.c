/* The yardstick: an echo server as a raw level-triggered epoll loop, without a library.
 *
 * All connections read into one warm buffer and write it back at once, so a request costs its share
 * of an epoll_wait, one read and one write. What the socket does not take is copied aside; until it
 * is gone the connection waits for EPOLLOUT alone and reads nothing, so memory stays bounded. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sys/epoll.h>

#include "bench/baselines/baseline.h"

enum { BUFFER_BYTES = 64 * 1024, EVENTS = 256 };

struct connection {
    int fd;
    uint32_t interest;
    char *pending; /* bytes read but not yet written, NULL when there are none */
    size_t pending_bytes;
    size_t pending_sent;
};

static char buffer[BUFFER_BYTES];
static struct connection listener, stop;

static void watch(int epoll, int operation, struct connection *c, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = c};

    if (epoll_ctl(epoll, operation, c->fd, &event) < 0)
        baseline_die("epoll_ctl", errno);
    c->interest = interest;
}

static void drop(struct connection *c)
{
    close(c->fd);
    free(c->pending);
    free(c);
}

static void accept_one(int epoll)
{
    int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *c;

    if (fd < 0)
        return;
    c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, c, EPOLLIN);
}

/* The socket is full: keep the rest and wait until it can be written. */
static void keep(int epoll, struct connection *c, const char *data, size_t bytes)
{
    c->pending = malloc(bytes);
    if (!c->pending) {
        drop(c);
        return;
    }
    memcpy(c->pending, data, bytes);
    c->pending_bytes = bytes;
    c->pending_sent = 0;
    watch(epoll, EPOLL_CTL_MOD, c, EPOLLOUT);
}

static void flush_pending(int epoll, struct connection *c)
{
    ssize_t sent = write(c->fd, c->pending + c->pending_sent, c->pending_bytes - c->pending_sent);

    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR)
            drop(c);
        return;
    }
    c->pending_sent += (size_t)sent;
    if (c->pending_sent < c->pending_bytes)
        return;
    free(c->pending);
    c->pending = NULL;
    watch(epoll, EPOLL_CTL_MOD, c, EPOLLIN);
}

static void echo(int epoll, struct connection *c)
{
    ssize_t got = read(c->fd, buffer, sizeof buffer);
    ssize_t sent;

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop(c);
        return;
    }
    sent = write(c->fd, buffer, (size_t)got);
    if (sent == got)
        return;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        drop(c);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    keep(epoll, c, buffer + sent, (size_t)(got - sent));
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    stop.fd = baseline_signals();
    listener.fd = baseline_listen(argc, argv);
    watch(epoll, EPOLL_CTL_ADD, &stop, EPOLLIN);
    watch(epoll, EPOLL_CTL_ADD, &listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct connection *c = events[i].data.ptr;

            if (c == &stop)
                return 0;
            if (c == &listener)
                accept_one(epoll);
            else if (c->interest == EPOLLOUT)
                flush_pending(epoll, c);
            else
                echo(epoll, c);
        }
    }
}
