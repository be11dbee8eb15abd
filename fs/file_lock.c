/*
 * Locks on parts of files: those of open file descriptions. The kernel's own wait would hold a
 * thread for as long as somebody else likes; so it is tried again and again.
 */
#include "fs/private.h"

#include <fcntl.h>

#define LOCK_PAUSE_MIN_NS AIO_MS(1)
#define LOCK_PAUSE_MAX_NS AIO_MS(50)

struct lock_job {
    int fd;
    struct flock range;
};

static int lock_set(void *arg)
{
    struct lock_job *job = arg;
    if (fcntl(job->fd, F_OFD_SETLK, &job->range) == 0)
        return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

static int lock_wait(struct aio__file_call *call, struct lock_job *job)
{
    int64_t pause_ns = LOCK_PAUSE_MIN_NS;
    for (;;) {
        int rc = aio__file_offload(call, lock_set, job);
        if (rc != -EAGAIN)
            return rc;
        rc = aio__file_pause(call, pause_ns);
        if (rc < 0)
            return rc;
        pause_ns = pause_ns < LOCK_PAUSE_MAX_NS / 2 ? pause_ns * 2 : LOCK_PAUSE_MAX_NS;
    }
}

static struct lock_job lock_job(const struct aio_file *file, short type, int64_t offset,
                                int64_t length)
{
    return (struct lock_job){
        .fd = file->handle.fd,
        .range = {.l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = length},
    };
}

static short lock_type(enum aio_file_lock kind)
{
    if (kind == AIO_FILE_EXCLUSIVE)
        return F_WRLCK;
    return kind == AIO_FILE_SHARED ? F_RDLCK : -1; /* which is none */
}

int aio_file_lock(struct aio_file *file, enum aio_file_lock kind, int64_t offset, int64_t length)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct lock_job job = lock_job(file, lock_type(kind), offset, length);
    struct aio__file_call call;
    int rc = aio__file_enter(&call, file, NULL);
    if (rc < 0)
        return rc;
    return (int)aio__file_leave(&call, lock_wait(&call, &job));
}

int aio_file_trylock(struct aio_file *file, enum aio_file_lock kind, int64_t offset, int64_t length)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct lock_job job = lock_job(file, lock_type(kind), offset, length);
    return aio__file_job(file, lock_set, &job);
}

int aio_file_unlock(struct aio_file *file, int64_t offset, int64_t length)
{
    (void)aio__handle_core(&file->handle, __func__);
    struct lock_job job = lock_job(file, F_UNLCK, offset, length);
    struct aio_shield shield;
    aio_shield_enter(&shield);
    int rc = aio__file_job(file, lock_set, &job);
    aio_shield_leave(&shield);
    return rc;
}
