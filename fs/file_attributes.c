/*
 * Permissions, owner and times of an open file. The calls block; a thread makes them.
 */
#include "fs/private.h"

#include <sys/stat.h>
#include <unistd.h>

struct attributes_job {
    int fd;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const struct timespec *times;
};

static int attributes_result(int rc)
{
    return rc < 0 ? -errno : 0;
}

static int attributes_chmod(void *arg)
{
    const struct attributes_job *job = arg;
    return attributes_result(fchmod(job->fd, job->mode));
}

int aio_file_chmod(struct aio_file *file, mode_t mode)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct attributes_job job = {.fd = file->handle.fd, .mode = mode};
    return aio__file_job(file, attributes_chmod, &job);
}

static int attributes_chown(void *arg)
{
    const struct attributes_job *job = arg;
    return attributes_result(fchown(job->fd, job->uid, job->gid));
}

int aio_file_chown(struct aio_file *file, uint32_t uid, uint32_t gid)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct attributes_job job = {.fd = file->handle.fd, .uid = uid, .gid = gid};
    return aio__file_job(file, attributes_chown, &job);
}

static int attributes_utime(void *arg)
{
    const struct attributes_job *job = arg;
    return attributes_result(futimens(job->fd, job->times));
}

int aio_file_utime(struct aio_file *file, const struct timespec times[2])
{
    (void)aio__handle_core(&file->handle, __func__);
    struct attributes_job job = {.fd = file->handle.fd, .times = times};
    return aio__file_job(file, attributes_utime, &job);
}
