/*
 * READ and WRITE, READV and WRITEV, of anything that has a descriptor.
 *
 * What it is decides how, and is asked once per descriptor. A socket is received from and sent to.
 * What has readiness (pipes, terminals, eventfds) is read under RWF_NOWAIT, which never blocks and,
 * unlike O_NONBLOCK, is not shared with other holders of the file. What epoll refuses (regular
 * files, directories, block devices) must never reach libev: it would report such a descriptor for
 * ever without waiting. What of it is in the page cache is read at once, under RWF_NOWAIT too; all
 * else goes to a thread. So does what is positioned, as readiness is not about positions.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "backends/caps.h"
#include "backends/ev/preadv.h"
#include "backends/ev/private.h"
#include "core/file_op.h"

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

/* Reading past the page cache waits for the device, whatever RWF_NOWAIT says. */
static uint32_t file_direct(int fd)
{
    int status = fcntl(fd, F_GETFL);

    return status >= 0 && (status & O_DIRECT) != 0 ? AIO__EV_FD_DIRECT : 0;
}

static __attribute__((noinline)) int file_learn(struct aio__ev_backend *self,
                                                struct aio__ev_fd *entry)
{
    struct statx found;
    int result;

    result = aio__file_look(entry->fd, &found);
    if (result < 0)
        return result;
    if (S_ISSOCK(found.stx_mode))
        entry->flags |= AIO__EV_FD_SOCKET;
    else if (S_ISFIFO(found.stx_mode))
        entry->flags |= AIO__EV_FD_READY | AIO__EV_FD_PIPE;
    else if (S_ISREG(found.stx_mode) || S_ISDIR(found.stx_mode) || S_ISBLK(found.stx_mode))
        entry->flags |= AIO__EV_FD_FILE | file_direct(entry->fd);
    else
        return file_probe(self, entry);
    return 0;
}

static int file_classify(struct aio__ev_backend *self, struct aio__ev_fd *entry)
{
    return (entry->flags & AIO__EV_FD_KIND) != 0 ? 0 : file_learn(self, entry);
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

/* What an op moves: one buffer looks as a vector of its own. */
struct file_transfer {
    const struct iovec *vectors;
    int count;
    int flags; /* RWF_* */
    int64_t offset;
    struct iovec whole;
};

static void file_transfer_init(struct file_transfer *transfer, const struct aio__op *op)
{
    if (op->opcode == AIO__OP_READV || op->opcode == AIO__OP_WRITEV) {
        transfer->vectors = op->vectored.vectors;
        transfer->count = (int)op->vectored.count;
        transfer->flags = op->vectored.flags;
        transfer->offset = op->vectored.offset;
        return;
    }
    transfer->whole = (struct iovec){op->file.buffer, aio__ev_transfer_bytes(op->file.length)};
    transfer->vectors = &transfer->whole;
    transfer->count = 1;
    transfer->flags = 0;
    transfer->offset = op->file.offset;
}

static size_t file_transfer_bytes(const struct file_transfer *transfer)
{
    size_t bytes = 0;

    for (int i = 0; i < transfer->count; i++)
        bytes += transfer->vectors[i].iov_len;
    return bytes;
}

typedef ssize_t file_call_fn(int fd, const struct iovec *vectors, int count, off_t offset,
                             int flags);

static ssize_t file_call(file_call_fn *call, int fd, const struct file_transfer *transfer,
                         int flags)
{
    ssize_t moved;

    do
        moved =
            call(fd, transfer->vectors, transfer->count, transfer->offset, transfer->flags | flags);
    while (moved < 0 && errno == EINTR);
    return moved;
}

/* One call with RWF_NOWAIT. Returns false when the file, or the kernel, does not know that flag. */
static bool file_nowait(struct aio__ev_fd *entry, const struct file_transfer *transfer,
                        file_call_fn *call, ssize_t *result)
{
    if ((entry->flags & AIO__EV_FD_NO_RWF) != 0)
        return false;
    *result = file_call(call, entry->fd, transfer, RWF_NOWAIT);
    if (*result >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS))
        return true;
    file_give_up_rwf(entry);
    return false;
}

static int32_t file_read_ready(struct aio__ev_fd *entry, const struct file_transfer *transfer)
{
    ssize_t got;

    if (file_nowait(entry, transfer, preadv2, &got))
        return aio__ev_returned(got);
    if ((entry->flags & AIO__EV_FD_NONBLOCK) == 0 && !file_is_ready(entry->fd, POLLIN))
        return AIO__EV_WAIT;
    return aio__ev_returned(file_call(preadv2, entry->fd, transfer, 0));
}

/*
 * Without RWF_NOWAIT and O_NONBLOCK, a write may block although the descriptor is ready. A ready
 * pipe takes PIPE_BUF bytes at once, of others nothing is promised.
 */
static int32_t file_write_ready(struct aio__ev_fd *entry, const struct file_transfer *transfer)
{
    struct file_transfer part = *transfer;
    ssize_t put;

    if (file_nowait(entry, transfer, pwritev2, &put))
        return aio__ev_returned(put);
    if ((entry->flags & AIO__EV_FD_NONBLOCK) != 0)
        return aio__ev_returned(file_call(pwritev2, entry->fd, transfer, 0));
    if ((entry->flags & AIO__EV_FD_PIPE) == 0)
        return AIO__EV_OFFLOAD;
    if (!file_is_ready(entry->fd, POLLOUT))
        return AIO__EV_WAIT;
    while (part.count > 1 && part.vectors->iov_len == 0)
        part.vectors++, part.count--;
    part.whole = *part.vectors;
    part.whole.iov_len = part.whole.iov_len < PIPE_BUF ? part.whole.iov_len : PIPE_BUF;
    part.vectors = &part.whole;
    part.count = 1;
    return aio__ev_returned(file_call(pwritev2, entry->fd, &part, 0));
}

/*
 * Linux 5.9 and 5.10 may say 0 under RWF_NOWAIT where there is more; what they say of the size is
 * true.
 */
static bool file_at_end(int fd, const struct file_transfer *transfer)
{
    off_t at = transfer->offset < 0 ? lseek(fd, 0, SEEK_CUR) : (off_t)transfer->offset;
    struct stat status;

    return at >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && at >= status.st_size;
}

/* A thread reads what is not cached, and what it is that went wrong. */
static int32_t file_read_cached(const struct aio__ev_backend *self, struct aio__ev_fd *entry,
                                const struct file_transfer *transfer)
{
    ssize_t got;

    if ((self->caps & AIO__EV_CACHED_READ) == 0 ||
        (entry->flags & (AIO__EV_FD_NO_RWF | AIO__EV_FD_DIRECT)) != 0)
        return AIO__EV_OFFLOAD;
    got = aio__ev_preadv2(entry->fd, transfer->vectors, transfer->count, transfer->offset,
                          transfer->flags | RWF_NOWAIT);
    if (got > 0 || (got == 0 && file_at_end(entry->fd, transfer)))
        return (int32_t)got;
    if (got == -EOPNOTSUPP || got == -ENOSYS)
        entry->flags |= AIO__EV_FD_NO_RWF;
    return AIO__EV_OFFLOAD;
}

static int32_t file_receive(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                            const struct file_transfer *transfer)
{
    struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)transfer->vectors,
                            .msg_iovlen = (size_t)transfer->count};
    size_t length = file_transfer_bytes(transfer);
    ssize_t got;

    if (transfer->offset >= 0)
        return -ESPIPE;
    if (length == 0) /* read(2) says 0, where recv(2) would wait */
        return 0;
    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    do
        got = recvmsg(entry->fd, &header, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    return aio__ev_received(self, entry, got, length, 0);
}

static int32_t file_send(struct aio__ev_fd *entry, const struct file_transfer *transfer)
{
    struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)transfer->vectors,
                            .msg_iovlen = (size_t)transfer->count};
    ssize_t sent;

    if (transfer->offset >= 0)
        return -ESPIPE;
    do
        sent = sendmsg(entry->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return aio__ev_returned(sent);
}

int32_t aio__ev_read(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    struct file_transfer transfer;
    int result = file_classify(self, entry);

    if (result < 0)
        return result;
    file_transfer_init(&transfer, op);
    if ((entry->flags & AIO__EV_FD_SOCKET) != 0)
        return file_receive(self, entry, &transfer);
    if ((entry->flags & AIO__EV_FD_FILE) != 0)
        return file_read_cached(self, entry, &transfer);
    return transfer.offset < 0 ? file_read_ready(entry, &transfer) : AIO__EV_OFFLOAD;
}

int32_t aio__ev_write(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    struct file_transfer transfer;
    int result = file_classify(self, entry);

    if (result < 0)
        return result;
    file_transfer_init(&transfer, op);
    if ((entry->flags & AIO__EV_FD_SOCKET) != 0)
        return file_send(entry, &transfer);
    if ((entry->flags & AIO__EV_FD_READY) != 0 && transfer.offset < 0)
        return file_write_ready(entry, &transfer);
    return AIO__EV_OFFLOAD;
}
