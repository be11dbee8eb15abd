/*
 * The public forms of reading and writing: each says what it moves, whether at the cursor or at a
 * position, and whether all of it.
 */
#include "fs/private.h"

#define FORMS_CURSOR INT64_C(-1)

/* What a position of the caller's is called here: no negative one is the cursor. */
static int64_t forms_position(int64_t offset)
{
    return offset < 0 ? INT64_MIN : offset;
}

static inline struct aio__file_transfer forms_buffer(struct aio_file *file, bool reads,
                                                     const struct iovec *whole, int64_t offset)
{
    return (struct aio__file_transfer){
        .file = file,
        .reads = reads,
        .offset = offset,
        .vectors = whole,
        .count = 1,
        .total = whole->iov_len,
    };
}

static ssize_t forms_read(struct aio_file *file, void *buffer, size_t size, int64_t offset)
{
    const struct iovec whole = {buffer, size};
    struct aio__file_transfer transfer = forms_buffer(file, true, &whole, offset);
    return aio__file_transfer(&transfer, false);
}

static ssize_t forms_read_all(struct aio_file *file, void *buffer, size_t size, int64_t offset,
                              size_t *done)
{
    const struct iovec whole = {buffer, size};
    struct aio__file_transfer transfer = forms_buffer(file, true, &whole, offset);
    return aio__file_transfer_all(&transfer, done);
}

static ssize_t forms_write(struct aio_file *file, const void *buffer, size_t size, int64_t offset)
{
    const struct iovec whole = {(void *)(uintptr_t)buffer, size};
    struct aio__file_transfer transfer = forms_buffer(file, false, &whole, offset);
    return aio__file_transfer(&transfer, false);
}

static ssize_t forms_write_all(struct aio_file *file, const void *buffer, size_t size,
                               int64_t offset, size_t *done)
{
    const struct iovec whole = {(void *)(uintptr_t)buffer, size};
    struct aio__file_transfer transfer = forms_buffer(file, false, &whole, offset);
    return aio__file_transfer_all(&transfer, done);
}

static ssize_t forms_vectored(struct aio_file *file, bool reads, const struct iovec *vectors,
                              int count, int64_t offset)
{
    struct aio__file_transfer transfer = {
        .file = file, .reads = reads, .offset = offset, .vectors = vectors, .count = count};
    if (count < 0)
        return -EINVAL;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(transfer.total, vectors[i].iov_len, &transfer.total))
            return -EINVAL;
    return aio__file_transfer(&transfer, false);
}

ssize_t aio_file_read(struct aio_file *file, void *buffer, size_t size)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_read(file, buffer, size, FORMS_CURSOR);
}

ssize_t aio_file_read_at(struct aio_file *file, void *buffer, size_t size, int64_t offset)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_read(file, buffer, size, forms_position(offset));
}

ssize_t aio_file_read_exact(struct aio_file *file, void *buffer, size_t size, size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_read_all(file, buffer, size, FORMS_CURSOR, done);
}

ssize_t aio_file_read_exact_at(struct aio_file *file, void *buffer, size_t size, int64_t offset,
                               size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_read_all(file, buffer, size, forms_position(offset), done);
}

ssize_t aio_file_readv(struct aio_file *file, const struct iovec *vectors, int count)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_vectored(file, true, vectors, count, FORMS_CURSOR);
}

ssize_t aio_file_readv_at(struct aio_file *file, const struct iovec *vectors, int count,
                          int64_t offset)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_vectored(file, true, vectors, count, forms_position(offset));
}

ssize_t aio_file_write(struct aio_file *file, const void *buffer, size_t size)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_write(file, buffer, size, FORMS_CURSOR);
}

ssize_t aio_file_write_at(struct aio_file *file, const void *buffer, size_t size, int64_t offset)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_write(file, buffer, size, forms_position(offset));
}

ssize_t aio_file_write_all(struct aio_file *file, const void *buffer, size_t size, size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_write_all(file, buffer, size, FORMS_CURSOR, done);
}

ssize_t aio_file_write_all_at(struct aio_file *file, const void *buffer, size_t size,
                              int64_t offset, size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_write_all(file, buffer, size, forms_position(offset), done);
}

ssize_t aio_file_append(struct aio_file *file, const void *buffer, size_t size, size_t *done)
{
    (void)aio__handle_core(&file->handle, __func__);
    const struct iovec whole = {(void *)(uintptr_t)buffer, size};
    struct aio__file_transfer transfer =
        forms_buffer(file, false, &whole, file->regular ? 0 : FORMS_CURSOR);
    if (file->regular)
        transfer.flags = RWF_APPEND;
    return aio__file_transfer_all(&transfer, done);
}

ssize_t aio_file_writev(struct aio_file *file, const struct iovec *vectors, int count)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_vectored(file, false, vectors, count, FORMS_CURSOR);
}

ssize_t aio_file_writev_at(struct aio_file *file, const struct iovec *vectors, int count,
                           int64_t offset)
{
    (void)aio__handle_core(&file->handle, __func__);
    return forms_vectored(file, false, vectors, count, forms_position(offset));
}
