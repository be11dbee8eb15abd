/*
 * Opening and closing the epoll backend, waking it up, and what it tells about itself.
 *
 * libev is asked for epoll and nothing else: it has an io_uring backend of its own, and would
 * read LIBEV_FLAGS from the environment.
 */
#include <aio/error.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "backends/caps.h"
#include "backends/ev/ev.h"
#include "backends/ev/private.h"
#include "core/alloc.h"
#include "core/log.h"

/* Safe in signal handlers. While a wake-up is on its way another one is not needed. */
static void open_wakeup(struct aio__backend *base)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;
    uint64_t one = 1;
    int saved = errno;

    if (!atomic_exchange(&self->woken, true)) {
        ssize_t written = write(self->wake_fd, &one, sizeof one);

        (void)written; /* it fails only where the counter is full, which is as good */
    }
    errno = saved;
}

/*
 * The eventfd is read before the flag falls. A wake-up between the two writes nothing and needs
 * nothing: this poll is about to return. The other way round its write would be swallowed, and the
 * flag would stay up for ever.
 */
static void open_wake_event(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct aio__ev_backend *self = watcher->data;
    uint64_t count;
    ssize_t got = read(self->wake_fd, &count, sizeof count);

    (void)loop;
    (void)events;
    (void)got;
    atomic_exchange(&self->woken, false);
}

/*
 * Called by libev between registering descriptors and waiting. When it could not register one, it
 * has an event to tell us so, but would wait before it does.
 */
static void open_before_wait(struct ev_loop *loop)
{
    struct aio__ev_backend *self = ev_userdata(loop);

    if (self->rearmed && ev_pending_count(loop) > 0)
        open_wakeup(&self->base);
}

static void open_close_fd(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void open_close(struct aio__backend *base)
{
    struct aio__ev_backend *self = (struct aio__ev_backend *)base;

    AIO__ASSERT(self->waiting == 0);
    if (self->loop != NULL)
        ev_loop_destroy(self->loop);
    open_close_fd(self->wake_fd);
    open_close_fd(self->timer_fd);
    open_close_fd(self->poll_fd);
    aio__ev_fd_free_all(self);
    aio__free(self);
}

static const struct aio__backend_vtable open_vtable = {
    .name = "epoll",
    .close = open_close,
    .submit = aio__ev_submit,
    .cancel = aio__ev_cancel,
    .poll = aio__ev_poll,
    .wakeup = open_wakeup,
    .watch = aio__ev_watch,
};

static int open_refused(const struct aio__backend_params *params, const char *what)
{
    int rc = errno != 0 ? -errno : -ENOSYS;

    aio__explain_add(params->explain, "epoll: %s: %s (%s)\n", what, aio_error_name(rc),
                     aio_error_text(rc));
    return rc;
}

/* On failure what was opened is left to open_close. */
static int open_descriptors(struct aio__ev_backend *self, const struct aio__backend_params *params)
{
    self->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->poll_fd < 0)
        return open_refused(params, "epoll_create1");
    self->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (self->wake_fd < 0)
        return open_refused(params, "eventfd");
    self->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self->timer_fd < 0)
        return open_refused(params, "timerfd_create");
    errno = 0;
    self->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV | EVFLAG_NOTIMERFD | EVFLAG_NOSIGMASK);
    if (self->loop == NULL)
        return open_refused(params, "libev's epoll");
    return 0;
}

static void open_watchers(struct aio__ev_backend *self)
{
    ev_io_init(&self->wake_watcher, open_wake_event, self->wake_fd, EV_READ);
    ev_io_init(&self->timer_watcher, aio__ev_deadline_event, self->timer_fd, EV_READ);
    ev_io_init(&self->poll_watcher, aio__ev_poll_event, self->poll_fd, EV_READ);
    ev_init(&self->later_watcher, aio__ev_later_event);
    ev_fork_init(&self->fork_watcher, aio__ev_epoll_replaced);
    self->wake_watcher.data = self->timer_watcher.data = self->poll_watcher.data = self;
    self->later_watcher.data = self->fork_watcher.data = self;
    ev_io_start(self->loop, &self->wake_watcher);
    ev_io_start(self->loop, &self->timer_watcher);
    ev_io_start(self->loop, &self->poll_watcher);
    ev_fork_start(self->loop, &self->fork_watcher);
    ev_set_userdata(self->loop, self);
    ev_set_loop_release_cb(self->loop, open_before_wait, NULL);
}

static const char *open_cap_state(const struct aio__ev_backend *self, uint32_t bit)
{
    if ((self->caps & bit) == 0)
        return "masked";
    return bit == AIO__EV_DEL_ON_CLOSE && self->epoll_fd < 0 ? "libev's epoll not found" : "used";
}

static void open_explain(const struct aio__ev_backend *self, struct aio__explain *explain)
{
    aio__explain_add(explain, "epoll: libev %d.%d, epoll_wait, timerfd deadlines\n",
                     ev_version_major(), ev_version_minor());
    for (const struct aio__cap *cap = aio__ev_cap_table; cap->name != NULL; cap++)
        aio__explain_add(explain, "epoll %s: %s\n", cap->name, open_cap_state(self, cap->bit));
    aio__explain_add(explain, "epoll ops: tried at once, then on readiness; of files, reads of "
                              "what is cached at once, all else on a thread\n");
}

int aio__ev_open(struct aio__backend **out, const struct aio__backend_params *params)
{
    struct aio__ev_backend *self = aio__alloc_zero(sizeof *self);
    int result;

    if (self == NULL)
        return -ENOMEM;
    self->base.vtable = &open_vtable;
    self->base.moves_cursor = true;
    self->caps = aio__caps_parse(params->caps, aio__ev_cap_table);
    self->offload = params->offload;
    self->buffers = params->buffers;
    self->epoll_fd = self->poll_fd = self->wake_fd = self->timer_fd = self->watch_fd = -1;
    self->armed = AIO_FOREVER;
    result = open_descriptors(self, params);
    if (result < 0) {
        open_close(&self->base);
        return result;
    }
    open_watchers(self);
    aio__ev_epoll_find(self);
    open_explain(self, params->explain);
    *out = &self->base;
    return 0;
}
