/*
 * Ops on files as plain calls, see file_op.h.
 */
#include "core/file_op.h"

#include "core/core.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* No signal reaches a thread of the pool: that is what a server says. It may never say anything
 * else. */
#define INTERRUPTED_MOST 100

int aio__file_look(int fd, struct statx *found)
{
    int rc = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, found);
    return rc < 0 ? -errno : 0;
}

static size_t file_op_length(const struct aio__op *op)
{
    return op->file.length < AIO__TRANSFER_BYTES_MAX ? op->file.length : AIO__TRANSFER_BYTES_MAX;
}

static ssize_t file_op_read(const struct aio__op *op)
{
    return op->file.offset < 0
               ? read(op->fd, op->file.buffer, file_op_length(op))
               : pread(op->fd, op->file.buffer, file_op_length(op), op->file.offset);
}

static ssize_t file_op_write(const struct aio__op *op)
{
    return op->file.offset < 0
               ? write(op->fd, op->file.buffer, file_op_length(op))
               : pwrite(op->fd, op->file.buffer, file_op_length(op), op->file.offset);
}

/* openat2 came with Linux 5.6, and filters of system calls may hide it. What it can do beyond
 * openat cannot be had then. */
static ssize_t file_op_open(const struct aio__op *op)
{
    const struct open_how *how = op->open.how;
    long fd = syscall(SYS_openat2, op->fd, op->open.path, how, sizeof *how);
    if (fd >= 0 || errno != ENOSYS || how->resolve != 0)
        return fd;
    return openat(op->fd, op->open.path, (int)how->flags, (mode_t)how->mode);
}

static ssize_t file_op_write_sync(struct aio__op *op)
{
    size_t length = op->write_sync.length;
    ssize_t n = pwrite(op->fd, op->write_sync.buffer, length, op->write_sync.offset);
    if (n < 0 || (size_t)n < length)
        return n;
    int rc;
    do
        rc = fdatasync(op->fd);
    while (rc < 0 && errno == EINTR);
    op->write_sync.synced = rc < 0 ? -errno : 0;
    return n;
}

static ssize_t file_op_call(struct aio__op *op)
{
    switch (op->opcode) {
    case AIO__OP_READ:
        return file_op_read(op);
    case AIO__OP_WRITE:
        return file_op_write(op);
    case AIO__OP_READV:
        return preadv2(op->fd, op->vectored.vectors, (int)op->vectored.count, op->vectored.offset,
                       op->vectored.flags);
    case AIO__OP_WRITEV:
        return pwritev2(op->fd, op->vectored.vectors, (int)op->vectored.count, op->vectored.offset,
                        op->vectored.flags);
    case AIO__OP_OPEN:
        return file_op_open(op);
    case AIO__OP_FSYNC:
        return op->sync.data ? fdatasync(op->fd) : fsync(op->fd);
    case AIO__OP_WRITE_SYNC:
        return file_op_write_sync(op);
    default:
        errno = EOPNOTSUPP;
        return -1;
    }
}

int32_t aio__file_perform(struct aio__op *op)
{
    ssize_t n;
    int again = 0;
    do
        n = file_op_call(op);
    while (n < 0 && errno == EINTR && ++again < INTERRUPTED_MOST);
    return n < 0 ? -errno : (int32_t)n;
}

int aio__file_perform_job(void *arg)
{
    struct aio__op *op = arg;
    return op->result = aio__file_perform(op);
}

int64_t aio__file_cursor(const struct aio__core *core, int fd)
{
    return core->backend->moves_cursor ? -1 : lseek(fd, 0, SEEK_CUR);
}

void aio__file_mend_cursor(int fd, int64_t before, int32_t moved, bool reads)
{
    if (lseek(fd, 0, SEEK_CUR) != before)
        return;
    if (!reads && (fcntl(fd, F_GETFL) & O_APPEND) != 0)
        (void)lseek(fd, 0, SEEK_END);
    else
        (void)lseek(fd, before + moved, SEEK_SET);
}
