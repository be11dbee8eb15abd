/*
 * READ and WRITE of anything that has a descriptor.
 *
 * What it is decides how, and is asked once per descriptor. A socket is received from and sent to.
 * What has readiness (pipes, terminals, eventfds) is read under RWF_NOWAIT, which never blocks and,
 * unlike O_NONBLOCK, is not shared with other holders of the file. What epoll refuses (regular
 * files, directories, block devices) goes to a thread, and must never reach libev: it would report
 * such a descriptor for ever without waiting. So does what is positioned, as readiness is not about
 * positions.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/ev/private.h"

/* Asks epoll itself. Returns 0, or -errno when it has no memory to answer. */
static int file_probe(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    struct epoll_event event = {.events = EPOLLONESHOT, .data.fd = entry->fd};

    if (epoll_ctl(self->poll_fd, EPOLL_CTL_ADD, entry->fd, &event) == 0) {
        epoll_ctl(self->poll_fd, EPOLL_CTL_DEL, entry->fd, &event);
        entry->flags |= AIO__EV_FD_READY;
        return 0;
    }
    if (errno == ENOMEM || errno == ENOSPC)
        return -errno;
    entry->flags |= errno == EEXIST ? AIO__EV_FD_READY : AIO__EV_FD_FILE;
    return 0;
}

static int file_classify(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    struct stat status;

    if ((entry->flags & AIO__EV_FD_KIND) != 0)
        return 0;
    if (fstat(entry->fd, &status) < 0)
        return -errno;
    if (S_ISSOCK(status.st_mode))
        entry->flags |= AIO__EV_FD_SOCKET;
    else if (S_ISFIFO(status.st_mode))
        entry->flags |= AIO__EV_FD_READY | AIO__EV_FD_PIPE;
    else if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode) || S_ISBLK(status.st_mode))
        entry->flags |= AIO__EV_FD_FILE;
    else
        return file_probe(self, entry);
    return 0;
}

/* RWF_NOWAIT was refused: from now on look at O_NONBLOCK, and at readiness where it is not set. */
static void file_give_up_rwf(struct aio__ev_fd *entry)
{
    int status = fcntl(entry->fd, F_GETFL);

    entry->flags |= AIO__EV_FD_NO_RWF;
    if (status >= 0 && (status & O_NONBLOCK) != 0)
        entry->flags |= AIO__EV_FD_NONBLOCK;
}

static bool file_is_ready(int fd, short events)
{
    struct pollfd query = {.fd = fd, .events = events};

    return poll(&query, 1, 0) > 0;
}

static ssize_t file_read_plain(struct aio__op *op, size_t length)
{
    ssize_t got;

    do
        got = read(op->fd, op->file.buffer, length);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t file_write_plain(struct aio__op *op, size_t length)
{
    ssize_t put;

    do
        put = write(op->fd, op->file.buffer, length);
    while (put < 0 && errno == EINTR);
    return put;
}

/* One call with RWF_NOWAIT. Returns false when the file, or the kernel, does not know that flag. */
static bool file_nowait(struct aio__ev_fd *entry, struct aio__op *op, size_t length,
                        ssize_t (*call)(int, const struct iovec *, int, off_t, int),
                        ssize_t *result)
{
    struct iovec vector = {op->file.buffer, length};

    if ((entry->flags & AIO__EV_FD_NO_RWF) != 0)
        return false;
    do
        *result = call(op->fd, &vector, 1, -1, RWF_NOWAIT);
    while (*result < 0 && errno == EINTR);
    if (*result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
        return true;
    file_give_up_rwf(entry);
    return false;
}

static int32_t file_read_ready(struct aio__ev_fd *entry, struct aio__op *op, size_t length)
{
    ssize_t got;

    if (file_nowait(entry, op, length, preadv2, &got))
        return aio__ev_returned(got);
    if ((entry->flags & AIO__EV_FD_NONBLOCK) == 0 && !file_is_ready(op->fd, POLLIN))
        return AIO__EV_WAIT;
    return aio__ev_returned(file_read_plain(op, length));
}

/*
 * Without RWF_NOWAIT and O_NONBLOCK, a write may block although the descriptor is ready. A ready
 * pipe takes PIPE_BUF bytes at once, of others nothing is promised.
 */
static int32_t file_write_ready(struct aio__ev_fd *entry, struct aio__op *op, size_t length)
{
    ssize_t put;

    if (file_nowait(entry, op, length, pwritev2, &put))
        return aio__ev_returned(put);
    if ((entry->flags & AIO__EV_FD_NONBLOCK) == 0) {
        if ((entry->flags & AIO__EV_FD_PIPE) == 0)
            return AIO__EV_OFFLOAD;
        if (!file_is_ready(op->fd, POLLOUT))
            return AIO__EV_WAIT;
        length = length < PIPE_BUF ? length : PIPE_BUF;
    }
    return aio__ev_returned(file_write_plain(op, length));
}

static int32_t file_receive(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            struct aio__op *op, size_t length)
{
    ssize_t got;

    if (op->file.offset >= 0)
        return -ESPIPE;
    if (length == 0) /* read(2) says 0, where recv(2) would wait */
        return 0;
    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    do
        got = recv(op->fd, op->file.buffer, length, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return aio__ev_received(self, entry, got, length, 0);
}

static int32_t file_send(struct aio__op *op, size_t length)
{
    ssize_t sent;

    if (op->file.offset >= 0)
        return -ESPIPE;
    do
        sent = send(op->fd, op->file.buffer, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return aio__ev_returned(sent);
}

int32_t aio__ev_read(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    size_t length = aio__ev_transfer_bytes(op->file.length);
    int result = file_classify(self, entry);

    if (result < 0)
        return result;
    if ((entry->flags & AIO__EV_FD_SOCKET) != 0)
        return file_receive(self, entry, op, length);
    if ((entry->flags & AIO__EV_FD_READY) != 0 && op->file.offset < 0)
        return file_read_ready(entry, op, length);
    return AIO__EV_OFFLOAD;
}

int32_t aio__ev_write(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    size_t length = aio__ev_transfer_bytes(op->file.length);
    int result = file_classify(self, entry);

    if (result < 0)
        return result;
    if ((entry->flags & AIO__EV_FD_SOCKET) != 0)
        return file_send(op, length);
    if ((entry->flags & AIO__EV_FD_READY) != 0 && op->file.offset < 0)
        return file_write_ready(entry, op, length);
    return AIO__EV_OFFLOAD;
}
