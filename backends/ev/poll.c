/*
 * POLL, on an epoll of its own that libev watches like any other descriptor.
 *
 * libev's watchers know reading and writing only, are level-triggered, and would spin on input
 * that a POLL for something else leaves unread. Here the descriptor is registered for exactly the
 * events asked for, POLLPRI and POLLRDHUP among them, and for one report.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#include "backends/ev/private.h"

enum {
    POLL_BATCH = 64,
    POLL_ALWAYS = POLLERR | POLLHUP,
    POLL_ALL = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND |
               POLLRDHUP | POLL_ALWAYS,
};

_Static_assert(EPOLLIN == POLLIN && EPOLLPRI == POLLPRI && EPOLLOUT == POLLOUT &&
                   EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
               "events are passed on as they are");

int32_t aio__ev_poll_now(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    struct pollfd query = {.fd = op->fd, .events = (short)(op->poll.events & POLL_ALL)};
    int count;

    (void)self;
    (void)entry;
    do
        count = poll(&query, 1, 0);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return -errno;
    if ((query.revents & POLLNVAL) != 0)
        return -EBADF;
    return count > 0 ? query.revents : AIO__EV_WAIT;
}

/* Registers for what the waiting ops want, once. Returns 0 or -errno. */
static int poll_register(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = entry->fd};
    bool known = (entry->flags & AIO__EV_FD_POLL_SET) != 0;

    for (struct aio__op *op = entry->polls.head; op != NULL; op = op->link)
        event.events |= op->poll.events & POLL_ALL;
    entry->flags |= AIO__EV_FD_POLL_SET;
    if (epoll_ctl(self->poll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, entry->fd, &event) == 0)
        return 0;
    /* Somebody else's descriptor may have been closed, and its number reused, without FORGET. */
    if (errno == ENOENT || errno == EEXIST) {
        int other = errno == ENOENT ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

        if (epoll_ctl(self->poll_fd, other, entry->fd, &event) == 0)
            return 0;
    }
    entry->flags &= ~(uint32_t)AIO__EV_FD_POLL_SET;
    /* A regular file is always ready but for events that it never has: those wait for cancel. */
    return errno == EPERM ? 0 : -errno;
}

int aio__ev_poll_park(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    int result;

    aio__op_list_append(&entry->polls, op);
    result = poll_register(self, entry);
    if (result < 0)
        aio__op_list_remove(&entry->polls, op);
    return result;
}

/* The descriptor may be a foreign library's, which closes it without telling us: nothing is kept
 * while nobody waits. */
static void poll_unregister(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    struct epoll_event unused = {0};

    if ((entry->flags & AIO__EV_FD_POLL_SET) == 0)
        return;
    epoll_ctl(self->poll_fd, EPOLL_CTL_DEL, entry->fd, &unused);
    entry->flags &= ~(uint32_t)AIO__EV_FD_POLL_SET;
}

void aio__ev_poll_unpark(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    aio__op_list_remove(&entry->polls, op);
    /* Left registered with others waiting, it costs one event for nobody at most. */
    if (aio__op_list_empty(&entry->polls))
        poll_unregister(self, entry);
}

/* Finishes the ops that asked for any of events, and registers again for the others. */
static void poll_deliver(struct aio__ev_backend *self, struct aio__ev_fd *entry, uint32_t events)
{
    struct aio__op_list all = entry->polls;
    struct aio__op *op;
    int result;

    entry->polls.head = NULL;
    while ((op = aio__op_list_pop(&all)) != NULL) {
        uint32_t matched = events & (op->poll.events | POLL_ALWAYS);

        if (matched == 0) {
            aio__op_list_append(&entry->polls, op);
            continue;
        }
        self->waiting--;
        aio__backend_finish(&self->base, op, (int32_t)matched);
    }
    if (aio__op_list_empty(&entry->polls)) {
        poll_unregister(self, entry);
        return;
    }
    result = poll_register(self, entry);
    while (result < 0 && (op = aio__op_list_pop(&entry->polls)) != NULL) {
        self->waiting--;
        aio__backend_finish(&self->base, op, result);
    }
}

void aio__ev_poll_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aio__ev_backend *self = watcher->data;
    struct epoll_event ready[POLL_BATCH];
    int count = epoll_wait(self->poll_fd, ready, POLL_BATCH, 0);

    (void)loop;
    (void)events;
    for (int i = 0; i < count; i++)
        poll_deliver(self, aio__ev_fd_find(self, ready[i].data.fd), ready[i].events);
}
