/*
 * ACCEPT, the stream op. It accepts while it is submitted and not between `done` and the next
 * submit, which the contract allows: the listener's own backlog is the buffer then.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "backends/caps.h"
#include "backends/ev/private.h"
#include "core/log.h"

enum { ACCEPT_BATCH = 32 };

/* accept4(2) knows no MSG_DONTWAIT, so that a blocking listener must be made non-blocking. */
static void accept_make_nonblocking(struct aio__ev_fd *entry)
{
    int status;

    if ((entry->flags & AIO__EV_FD_NONBLOCK) != 0)
        return;
    status = fcntl(entry->fd, F_GETFL);
    if (status >= 0 && (status & O_NONBLOCK) == 0)
        fcntl(entry->fd, F_SETFL, status | O_NONBLOCK);
    entry->flags |= AIO__EV_FD_NONBLOCK;
}

/* Errors of a connection that was lost before it was accepted, as accept(2) lists them. */
static bool accept_is_passing(int error)
{
    static const int passing[] = {ECONNABORTED, EPROTO,       EINTR,  ENETDOWN,    ENOPROTOOPT,
                                  EHOSTDOWN,    EHOSTUNREACH, ENONET, ENETUNREACH, EPERM};

    for (size_t i = 0; i < sizeof passing / sizeof passing[0]; i++) {
        if (error == passing[i])
            return true;
    }
    return false;
}

static void accept_deliver(struct aio__deliveries *deliveries, int fd)
{
    if (aio__deliveries_push(deliveries, fd) == 0)
        return;
    aio__log_warn("no memory to deliver an accepted connection: it is closed");
    close(fd);
}

/* Accepts a batch. Returns 0, AIO__EV_WAIT when the backlog is empty, or -errno. */
static int32_t accept_batch(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            struct aio__deliveries *deliveries)
{
    for (int i = 0; i < ACCEPT_BATCH && !aio__deliveries_full(deliveries); i++) {
        int fd = accept4(entry->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            accept_deliver(deliveries, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if ((self->caps & AIO__EV_READ_HINT) != 0)
                entry->flags |= AIO__EV_FD_DRAINED;
            return AIO__EV_WAIT;
        } else if (!accept_is_passing(errno)) {
            return -errno;
        }
    }
    return 0;
}

int32_t aio__ev_accept(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    struct aio__deliveries *deliveries = op->accept.deliveries;
    int32_t result;

    if (deliveries->count > 0)
        return 0;
    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    accept_make_nonblocking(entry);
    result = accept_batch(self, entry, deliveries);
    if (deliveries->count > 0)
        return 0; /* an error will be met again, once these are taken */
    return result < 0 && result > AIO__EV_VERDICT_LAST ? result : AIO__EV_WAIT;
}
