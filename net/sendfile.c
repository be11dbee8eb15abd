/*
 * A file into a stream: what is in the page cache is read at once, what is not on a thread, never
 * on the core's own.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/copy.h>
#include <aio/offload.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENDFILE_BUFFER_BYTES ((size_t)65536)

struct sendfile {
    struct aio__stream_call call;
    int fd;
    int64_t offset; /* of what is to be read next */
    size_t left;
    size_t sent;
    char *buffer;
    size_t length; /* of the read in progress */
    ssize_t got;   /* what a thread's read returned */
};

static int sendfile_read_blocking(void *arg)
{
    struct sendfile *file = arg;
    do
        file->got = pread(file->fd, file->buffer, file->length, file->offset);
    while (file->got < 0 && errno == EINTR);
    return file->got < 0 ? -errno : 0;
}

/* Returns bytes; 0 at the end of the file; or -errno. */
static ssize_t sendfile_read(struct sendfile *file)
{
    file->length = file->left < SENDFILE_BUFFER_BYTES ? file->left : SENDFILE_BUFFER_BYTES;
    struct iovec vector = {file->buffer, file->length};
    ssize_t n = preadv2(file->fd, &vector, 1, file->offset, RWF_NOWAIT);
    if (n >= 0)
        return n;
    if (errno != EAGAIN && errno != EOPNOTSUPP && errno != ENOSYS && errno != EINTR)
        return -errno;
    int result = 0;
    int rc = aio_offload_call(sendfile_read_blocking, file, &result);
    if (rc == 0)
        rc = result;
    return rc < 0 ? rc : file->got;
}

static int sendfile_write(struct sendfile *file, size_t length)
{
    for (size_t written = 0; written < length;) {
        int rc = aio__stream_transfer(&file->call, false, file->buffer + written, length - written);
        file->call.gate->inside = NULL; /* its frame may be gone before the next wait */
        if (rc <= 0)
            return rc < 0 ? rc : -EPIPE;
        written += (size_t)rc;
        file->sent += (size_t)rc;
    }
    return 0;
}

static ssize_t sendfile_run(struct sendfile *file)
{
    ssize_t rc = 0;
    file->buffer = file->left > 0 ? aio__alloc(SENDFILE_BUFFER_BYTES) : NULL;
    if (file->left > 0 && file->buffer == NULL)
        return -ENOMEM;
    while (rc == 0 && file->left > 0) {
        ssize_t n = sendfile_read(file);
        rc = n > 0 ? sendfile_write(file, (size_t)n) : n;
        if (n <= 0)
            break;
        file->offset += n;
        file->left -= (size_t)n;
    }
    aio__free(file->buffer);
    return rc < 0 ? rc : (ssize_t)file->sent;
}

static int sendfile_check(int fd, int64_t offset)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    return offset >= 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) ? 0 : -EINVAL;
}

ssize_t aio_stream_sendfile(struct aio_stream *stream, int fd, int64_t offset, size_t length,
                            size_t *done)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct sendfile file = {.fd = fd, .offset = offset, .left = length};
    ssize_t rc = sendfile_check(fd, offset);
    if (rc == 0)
        rc = aio__stream_enter(&file.call, stream, &stream->writing, stream->write_ns);
    if (rc == 0)
        rc = aio__stream_leave(&file.call, sendfile_run(&file));
    if (done != NULL)
        *done = file.sent;
    return rc;
}
