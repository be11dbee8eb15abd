/*
 * What a file is beside its bytes: size, space, status, position. The calls block; a thread makes
 * them.
 */
#include "fs/private.h"

#include "fs/stat.h"

#include <unistd.h>

struct space_job {
    int fd;
    int mode;
    int64_t offset;
    int64_t length;
    struct aio_stat *stat;
};

static int space_result(int rc)
{
    return rc < 0 ? -errno : 0;
}

static int space_truncate(void *arg)
{
    const struct space_job *job = arg;
    return space_result(ftruncate(job->fd, job->length));
}

int aio_file_truncate(struct aio_file *file, int64_t size)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct space_job job = {.fd = file->handle.fd, .length = size};
    file->lingers = true;
    return aio__file_job(file, space_truncate, &job);
}

static int space_allocate(void *arg)
{
    const struct space_job *job = arg;
    return space_result(fallocate(job->fd, job->mode, job->offset, job->length));
}

int aio_file_allocate(struct aio_file *file, int mode, int64_t offset, int64_t length)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct space_job job = {
        .fd = file->handle.fd, .mode = mode, .offset = offset, .length = length};
    return aio__file_job(file, space_allocate, &job);
}

static int space_advise(void *arg)
{
    const struct space_job *job = arg;
    return -posix_fadvise(job->fd, job->offset, job->length, job->mode);
}

/* The kernel looks only at the length. */
int aio_file_advise(struct aio_file *file, int64_t offset, int64_t length, int advice)
{
    (void)aio__handle_core(&file->handle, __func__);
    if (offset < 0 || length < 0)
        return -EINVAL;
    struct space_job job = {
        .fd = file->handle.fd, .mode = advice, .offset = offset, .length = length};
    return aio__file_job(file, space_advise, &job);
}

static int space_stat(void *arg)
{
    const struct space_job *job = arg;
    return aio__stat_read(job->stat, job->fd, "", AT_EMPTY_PATH);
}

int aio_file_stat(struct aio_file *file, struct aio_stat *out)
{
    struct aio__core *core = aio__handle_core(&file->handle, __func__);
    struct space_job job = {.fd = file->handle.fd, .stat = out};
    if (!file->local)
        return aio__file_job(file, space_stat, &job);
    int rc = aio__interrupted(core);
    if (rc < 0 || file->handle.closing)
        return rc < 0 ? rc : -EBADF;
    aio__charge(core);
    return space_stat(&job);
}

int64_t aio_file_size(struct aio_file *file)
{
    struct aio_stat stat;
    int rc = aio_file_stat(file, &stat);
    return rc < 0 ? rc : stat.size;
}

static int space_seek(void *arg)
{
    struct space_job *job = arg;
    job->length = lseek(job->fd, job->offset, job->mode);
    return space_result(job->length < 0 ? -1 : 0);
}

/* Only where a place is to be found may it be looked for outside memory; and only another may hold
 * the cursor. */
static int space_seek_in(struct aio__file_call *call, struct space_job *job)
{
    return !call->file->shared && (job->mode == SEEK_SET || job->mode == SEEK_CUR)
               ? space_seek(job)
               : aio__file_offload(call, space_seek, job);
}

int64_t aio_file_seek(struct aio_file *file, int64_t offset, int whence)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct space_job job = {.fd = file->handle.fd, .mode = whence, .offset = offset};
    struct aio__file_call call;
    int rc = aio__file_enter(&call, file, &file->cursor);
    if (rc < 0)
        return rc;
    rc = (int)aio__file_leave(&call, space_seek_in(&call, &job));
    return rc < 0 ? rc : job.length;
}
