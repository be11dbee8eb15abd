/*
 * Which descriptor is libev's epoll? It must be known to take descriptors out of it before they
 * are closed (fdtab.c), and libev does not tell.
 *
 * So libev is made to register a descriptor that nobody else knows, and the epoll that this one
 * can be removed from is the one. The attempt fails, and changes nothing, on everything else:
 * EBADF, EINVAL, or ENOENT on another epoll. Where it is not found, closing still works by libev's
 * own recovery from stale events, at the cost of rebuilding its epoll.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backends/caps.h"
#include "backends/ev/private.h"

enum { EPOLLFD_CANDIDATES = 4096 };

static void epollfd_ignore(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

/*
 * The descriptors tried may be other threads'; the kernel refuses those without harm. By number,
 * because ThreadSanitizer takes the libc call on another thread's descriptor for a race.
 */
static bool epollfd_removes(int fd, int probe)
{
    struct epoll_event unused = {0};

    return syscall(SYS_epoll_ctl, fd, EPOLL_CTL_DEL, probe, &unused) == 0;
}

static int epollfd_search(int first, int end, int probe)
{
    for (int fd = first; fd < end; fd++) {
        if (epollfd_removes(fd, probe))
            return fd;
    }
    return -1;
}

/* Descriptors are handed out lowest first, so libev's stands next to those opened with it. */
static int epollfd_search_all(struct aio__ev_backend *self, int probe)
{
    int found = epollfd_search(self->poll_fd + 1, self->poll_fd + EPOLLFD_CANDIDATES, probe);

    return found >= 0 ? found : epollfd_search(0, self->poll_fd, probe);
}

static int epollfd_locate(struct aio__ev_backend *self)
{
    ev_io watcher;
    int found;
    int probe = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (probe < 0)
        return -errno;
    ev_io_init(&watcher, epollfd_ignore, probe, EV_READ);
    ev_io_start(self->loop, &watcher);
    ev_run(self->loop, EVRUN_NOWAIT);
    ev_io_stop(self->loop, &watcher);
    found = epollfd_search_all(self, probe);
    close(probe);
    return found >= 0 ? found : -EOPNOTSUPP;
}

void aio__ev_epoll_find(struct aio__ev_backend *self)
{
    int fd = (self->caps & AIO__EV_DEL_ON_CLOSE) != 0 ? epollfd_locate(self) : -1;

    self->epoll_fd = fd >= 0 ? fd : -1;
}

int aio__ev_watch(struct aio__backend *base, int epoll_fd)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;
    struct epoll_event event = {.events = EPOLLIN};
    int fd = self->epoll_fd >= 0 ? self->epoll_fd : epollfd_locate(self);

    if (fd < 0)
        return fd;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return -errno;
    self->watch_fd = epoll_fd;
    return 0;
}

/* libev is about to replace its epoll, which it does after events of unknown origin. */
void aio__ev_epoll_replaced(struct ev_loop *loop, ev_fork *watcher, int events)
{
    struct aio__ev_backend *self = watcher->data;

    (void)loop;
    (void)events;
    self->epoll_fd = -1;
    self->epoll_replaced = true;
}
