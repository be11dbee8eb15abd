/*
 * Reading and writing: the only place where short transfers are put together, and where what is
 * long or has many vectors is cut into what the kernel takes.
 */
#include "fs/private.h"

#include "core/file_op.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

/* Vectors that are handed on at a time when they cannot be handed on as they are. */
#define TRANSFER_WINDOW 64

static size_t transfer_piece(const struct aio__file_transfer *transfer)
{
    size_t limit = transfer->file->direct ? AIO__TRANSFER_BYTES_MAX : AIO__FILE_PIECE_BYTES;
    size_t left = transfer->total - transfer->done;
    return left < limit ? left : limit;
}

static int64_t transfer_offset(const struct aio__file_transfer *transfer)
{
    bool appends = (transfer->flags & RWF_APPEND) != 0;
    return transfer->offset < 0 || appends ? transfer->offset
                                           : transfer->offset + (int64_t)transfer->done;
}

static bool transfer_moves_cursor(const struct aio__file_transfer *transfer)
{
    return transfer->offset < 0 && transfer->file->seekable && !transfer->file->appends;
}

/* What has failed may have been a sync: of it the kernel does not tell twice. */
static bool transfer_syncs(const struct aio__file_transfer *transfer)
{
    return !transfer->reads && (transfer->file->lasting || (transfer->flags & RWF_DSYNC) != 0);
}

static int transfer_run(struct aio__file_call *call, struct aio__file_transfer *transfer,
                        struct aio__op_frame *frame)
{
    int rc;
    frame->op.fd = call->file->handle.fd;
    frame->op.result = 0; /* stays so when the call is interrupted before it begins */
    if (transfer->file->shared && transfer_moves_cursor(transfer))
        rc = aio__file_run_threaded(call, &frame->op); /* as read(2), which holds the cursor */
    else
        rc = aio__file_run(call, frame, transfer->reads ? "file read" : "file write");
    if (rc < 0 && transfer_syncs(transfer))
        aio__file_note_sync(transfer->file, frame->op.result);
    return rc;
}

static int transfer_single(struct aio__file_call *call, struct aio__file_transfer *transfer,
                           size_t bytes)
{
    struct aio__op_frame frame;
    frame.op.opcode = transfer->reads ? AIO__OP_READ : AIO__OP_WRITE;
    frame.op.file.buffer = (char *)transfer->vectors->iov_base + transfer->done;
    frame.op.file.length = bytes;
    frame.op.file.offset = transfer_offset(transfer);
    return transfer_run(call, transfer, &frame);
}

/* The last piece, and the sync behind it. */
static int transfer_linked(struct aio__file_call *call, struct aio__file_transfer *transfer,
                           size_t bytes)
{
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_WRITE_SYNC;
    frame.op.write_sync.buffer = (char *)transfer->vectors->iov_base + transfer->done;
    frame.op.write_sync.length = (uint32_t)bytes;
    frame.op.write_sync.synced = -ECANCELED;
    frame.op.write_sync.offset = transfer_offset(transfer);
    int n = transfer_run(call, transfer, &frame);
    if (n == (int)bytes)
        transfer->synced = frame.op.write_sync.synced;
    aio__file_note_sync(transfer->file, frame.op.write_sync.synced); /* whatever the call returns */
    return n;
}

/* The vectors of the next piece: those of the caller, or as many as fit into window. */
static const struct iovec *transfer_window(const struct aio__file_transfer *transfer,
                                           struct iovec *window, uint32_t *count, size_t bytes)
{
    if (transfer->done == 0 && bytes == transfer->total && transfer->count <= IOV_MAX) {
        *count = (uint32_t)transfer->count;
        return transfer->vectors;
    }
    size_t skip = transfer->skip;
    *count = 0;
    for (int i = transfer->index; bytes > 0 && *count < TRANSFER_WINDOW; i++, skip = 0) {
        const struct iovec *from = &transfer->vectors[i];
        size_t length = from->iov_len - skip;
        if (length == 0)
            continue;
        length = length < bytes ? length : bytes;
        window[(*count)++] = (struct iovec){(char *)from->iov_base + skip, length};
        bytes -= length;
    }
    return window;
}

static int transfer_vectored(struct aio__file_call *call, struct aio__file_transfer *transfer,
                             size_t bytes)
{
    struct aio__op_frame frame;
    struct iovec window[TRANSFER_WINDOW];
    frame.op.opcode = transfer->reads ? AIO__OP_READV : AIO__OP_WRITEV;
    frame.op.vectored.vectors = transfer_window(transfer, window, &frame.op.vectored.count, bytes);
    frame.op.vectored.flags = transfer->flags;
    frame.op.vectored.offset = transfer_offset(transfer);
    return transfer_run(call, transfer, &frame);
}

/* Returns bytes, 0 or -errno. */
static int transfer_once(struct aio__file_call *call, struct aio__file_transfer *transfer)
{
    int fd = transfer->file->handle.fd;
    size_t bytes = transfer_piece(transfer);
    bool alone = !transfer->file->shared && !transfer->file->threaded;
    bool mends = alone && transfer_moves_cursor(transfer);
    int64_t before = mends ? aio__file_cursor(call->file->handle.core, fd) : -1;
    int n;
    if (transfer->syncs && bytes == transfer->total - transfer->done)
        n = transfer_linked(call, transfer, bytes);
    else if (transfer->count == 1 && transfer->flags == 0)
        n = transfer_single(call, transfer, bytes);
    else
        n = transfer_vectored(call, transfer, bytes);
    if (before >= 0 && n > 0 && ((size_t)n < bytes || transfer->file->direct))
        aio__file_mend_cursor(fd, before, n, transfer->reads);
    return n;
}

static void transfer_advance(struct aio__file_transfer *transfer, size_t bytes)
{
    transfer->done += bytes;
    bytes += transfer->skip;
    while (transfer->index < transfer->count && bytes >= transfer->vectors[transfer->index].iov_len)
        bytes -= transfer->vectors[transfer->index++].iov_len;
    transfer->skip = bytes;
}

/* Returns how it ended: 0 when all is done, or at the end of the file. */
static int transfer_pieces(struct aio__file_call *call, struct aio__file_transfer *transfer,
                           bool all)
{
    while (transfer->done < transfer->total) {
        int n = transfer_once(call, transfer);
        if (n < 0)
            return n;
        if (n == 0)
            return transfer->reads ? 0 : -EIO; /* it takes nothing, and does not say why */
        transfer_advance(transfer, (size_t)n);
        if (!all && !transfer->file->regular)
            break;
    }
    return 0;
}

static ssize_t transfer_result(const struct aio__file_transfer *transfer, bool all, int rc)
{
    if (transfer->done == 0 || (all && rc < 0))
        return rc;
    return all && transfer->done < transfer->total ? -ENODATA : (ssize_t)transfer->done;
}

ssize_t aio__file_transfer(struct aio__file_transfer *transfer, bool all)
{
    struct aio_file *file = transfer->file;
    struct aio__file_call call;
    struct aio__gate *gate = NULL;
    if (transfer->total > SSIZE_MAX || transfer->offset < -1)
        return -EINVAL;
    if (transfer->offset < 0)
        gate = aio__file_gate(file, transfer->reads);
    else if (!file->seekable)
        return -ESPIPE;
    else if ((transfer->flags & RWF_APPEND) != 0)
        gate = &file->writing;
    int rc = aio__file_enter(&call, file, gate);
    if (rc < 0)
        return rc;
    rc = transfer_pieces(&call, transfer, all);
    return aio__file_leave(&call, transfer_result(transfer, all, rc));
}

ssize_t aio__file_transfer_all(struct aio__file_transfer *transfer, size_t *done)
{
    ssize_t rc = aio__file_transfer(transfer, true);
    if (done != NULL)
        *done = transfer->done;
    return rc;
}
