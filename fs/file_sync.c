/*
 * Making bytes last.
 *
 * The kernel tells of bytes it could not write once per open file, and may drop them. So the first
 * failure is kept, and told by every later sync: nobody takes a retry that succeeds for good news.
 */
#include "fs/private.h"

/* What the file system said of bytes, not what became of the wait: a server that does not answer is
 * -ETIMEDOUT, a device that has failed may be -EROFS. Some errors are of the arguments, and of the
 * rest nobody can tell whether they came before the sync, with nothing lost. */
static bool sync_is_harmless(const struct aio_file *file, int result)
{
    static const int of_no_bytes[] = {EBADF,  EINVAL,     EFAULT, EFBIG, EPERM,
                                      EAGAIN, EOPNOTSUPP, EPIPE,  ESPIPE};
    for (size_t i = 0; i < sizeof of_no_bytes / sizeof of_no_bytes[0]; i++)
        if (result == -of_no_bytes[i])
            return true;
    return result >= 0 || result == -ECANCELED || (result == -EROFS && !file->regular);
}

void aio__file_note_sync(struct aio_file *file, int result)
{
    if (file->sync_error == 0 && !sync_is_harmless(file, result))
        file->sync_error = result;
}

static int sync_run(struct aio__file_call *call, bool data)
{
    struct aio_file *file = call->file;
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_FSYNC;
    frame.op.fd = file->handle.fd;
    frame.op.sync.data = data;
    frame.op.result = 0; /* stays so when the call is interrupted before it begins */
    int rc = aio__file_run(call, &frame, "file sync");
    aio__file_note_sync(file, frame.op.result);
    return file->sync_error < 0 ? file->sync_error : rc;
}

int aio_file_sync(struct aio_file *file, unsigned flags)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct aio__file_call call;
    if ((flags & ~(unsigned)AIO_FILE_DATA) != 0)
        return -EINVAL;
    int rc = aio__file_enter(&call, file, NULL);
    if (rc < 0)
        return rc;
    rc = sync_run(&call, (flags & AIO_FILE_DATA) != 0);
    return (int)aio__file_leave(&call, rc);
}

/* What became of the sync behind a write. When there was none, as the write was cut short or the
 * call interrupted, it is now. */
static int sync_behind(struct aio_file *file, int synced)
{
    if (synced == -ECANCELED)
        return aio_file_sync(file, AIO_FILE_DATA);
    return file->sync_error < 0 ? file->sync_error : synced;
}

/* One write that returns when its bytes are on the device is the cheapest. But several pieces are
 * better synced together; and of a FUSE server that is written through the kernel expects that it
 * sync by itself, which few do. Then a sync is linked to the last piece. */
ssize_t aio_file_write_sync(struct aio_file *file, const void *buffer, size_t size, int64_t offset,
                            size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    const struct iovec whole = {(void *)(uintptr_t)buffer, size};
    bool together =
        file->regular && !file->served && (size <= AIO__FILE_PIECE_BYTES || file->direct);
    struct aio__file_transfer transfer = {
        .file = file,
        .flags = together ? RWF_DSYNC : 0,
        .syncs = !together,
        .synced = -ECANCELED,
        .offset = offset < 0 ? INT64_MIN : offset,
        .vectors = &whole,
        .count = 1,
        .total = size,
    };
    ssize_t rc = aio__file_transfer_all(&transfer, done);
    if (rc < 0)
        return rc;
    int synced = together ? file->sync_error : sync_behind(file, transfer.synced);
    if (synced == -EINVAL && !file->regular)
        synced = 0; /* a device that keeps nothing has nothing to sync */
    return synced < 0 ? synced : rc;
}
