/*
 * A file into a stream: what is in the page cache goes to the socket by sendfile(2), without a
 * copy; what is not is read as files are, without blocking the core, and sent from a buffer.
 */
#include "net/private.h"

#include "core/alloc.h"
#include "core/file_op.h"
#include "core/splice.h"

#include <aio/copy.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SENDFILE_BUFFER_BYTES ((size_t)65536)
/* What is asked about, and sent, at a time: a core does nothing else meanwhile. */
#define SENDFILE_PIECE_BYTES ((size_t)2 << 20)
/* For how long what was in the cache is taken to be there. */
#define SENDFILE_CACHED_NS AIO_MS(100)

struct sendfile {
    struct aio__stream_call call;
    int fd;
    int64_t offset; /* of what is to be sent next */
    int64_t size;   /* of the file, at the start */
    size_t left;
    size_t sent;
    bool refused;            /* sendfile(2) is not possible */
    bool served;             /* the file system asks a server for everything */
    bool direct;             /* O_DIRECT: the device is waited for, whatever is asked */
    int64_t cached_end;      /* up to there it is in the cache, */
    int64_t cached_until_ns; /* until that time */
    char *buffer;            /* NULL: not needed yet */
};

static size_t sendfile_part(const struct sendfile *file, size_t most)
{
    return file->left < most ? file->left : most;
}

/* What can be read without waiting. Returns as preadv2(2), or -errno. */
static ssize_t sendfile_peek(const struct sendfile *file, void *buffer, size_t length,
                             int64_t offset)
{
    struct iovec vector = {buffer, length};
    ssize_t n = preadv2(file->fd, &vector, 1, offset, RWF_NOWAIT);
    return n < 0 ? -errno : n;
}

/* What may have to be waited for. The descriptor's number may soon be another file's. */
static int sendfile_wait_for(struct sendfile *file, size_t length)
{
    struct aio__op_frame frame;
    struct aio__handle *handle = &file->call.stream->handle;
    frame.op.opcode = AIO__OP_READ;
    frame.op.fd = file->fd;
    frame.op.file.buffer = file->buffer;
    frame.op.file.length = length;
    frame.op.file.offset = file->offset;
    int n = file->served ? aio__handle_offload(handle, &file->call.gate->inside,
                                               aio__file_perform_job, &frame.op)
                         : aio__gate_run_flagged(handle, file->call.gate, &frame, AIO__OP_BORROWED,
                                                 "file read");
    file->call.gate->inside = NULL; /* its frame is gone before the next wait */
    return n;
}

/* Returns bytes; 0 at the end of the file; or -errno. */
static int sendfile_read(struct sendfile *file)
{
    size_t length = sendfile_part(file, SENDFILE_BUFFER_BYTES);
    ssize_t n = -EAGAIN;
    if (!file->served && !file->direct)
        n = sendfile_peek(file, file->buffer, length, file->offset);
    if (n <= 0)
        return sendfile_wait_for(file, length);
    aio__charge_bytes(file->call.stream->handle.core, (size_t)n);
    return (int)n;
}

static void sendfile_advance(struct sendfile *file, size_t count)
{
    file->offset += (int64_t)count;
    file->left -= count;
    file->sent += count;
}

static int sendfile_write(struct sendfile *file, size_t length)
{
    for (size_t written = 0; written < length;) {
        int rc = aio__stream_transfer(&file->call, false, file->buffer + written, length - written);
        file->call.gate->inside = NULL; /* its frame may be gone before the next wait */
        if (rc <= 0)
            return rc < 0 ? rc : -EPIPE;
        written += (size_t)rc;
        sendfile_advance(file, (size_t)rc);
    }
    return 1;
}

/* Sends by the buffer. Returns 1; 0 at the end of the file; or -errno. */
static int sendfile_copy(struct sendfile *file)
{
    if (file->buffer == NULL)
        file->buffer = aio__alloc(SENDFILE_BUFFER_BYTES);
    if (file->buffer == NULL)
        return -ENOMEM;
    int n = sendfile_read(file);
    return n > 0 ? sendfile_write(file, (size_t)n) : n;
}

/* Whether no filter and no rented buffers, whose bytes come first, stand before the socket, which
 * takes no more than it has room for. */
static bool sendfile_is_bare(const struct sendfile *file)
{
    const struct aio_stream *stream = file->call.stream;
    return stream->filter == NULL && stream->outbox == NULL && !stream->unspliced && !file->refused;
}

static bool sendfile_has(const struct sendfile *file, int64_t offset)
{
    char byte = '\0';
    return !file->direct && sendfile_peek(file, &byte, 1, offset) == 1;
}

/*
 * How much is taken for cached: a piece whose first and last byte are, because what was read
 * together leaves the cache together. Else 0.
 */
static size_t sendfile_cached(struct sendfile *file)
{
    int64_t now_ns = file->call.stream->handle.core->now_ns;
    bool fresh = now_ns < file->cached_until_ns;
    if (fresh && file->offset < file->cached_end)
        return (size_t)(file->cached_end - file->offset);
    file->cached_until_ns = 0;
    size_t length = sendfile_part(file, SENDFILE_PIECE_BYTES);
    int64_t rest = file->size - file->offset;
    if (rest <= 0 || (!fresh && !sendfile_has(file, file->offset)))
        return 0;
    int64_t end = file->offset + (rest < (int64_t)length ? rest : (int64_t)length);
    if (!sendfile_has(file, end - 1))
        return 0;
    file->cached_end = end;
    file->cached_until_ns = now_ns + SENDFILE_CACHED_NS;
    return (size_t)(end - file->offset);
}

/* Waits until the socket takes more. Returns 1 or -errno. */
static int sendfile_wait(struct sendfile *file)
{
    struct aio_stream *stream = file->call.stream;
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_POLL;
    frame.op.fd = stream->handle.fd;
    frame.op.poll.events = POLLOUT;
    int rc = aio__gate_run(&stream->handle, file->call.gate, &frame, "sendfile");
    file->call.gate->inside = NULL;
    return rc < 0 ? rc : 1;
}

/* Sends a piece that is cached. Returns 1; 0 at the end of the file; or -errno. */
static int sendfile_splice(struct sendfile *file, size_t length)
{
    int rc = aio__handle_may_wait(&file->call.stream->handle);
    if (rc < 0)
        return rc;
    ssize_t n = aio__splice_file(file->fd, file->offset, file->call.stream->handle.fd, length);
    if (n == -EAGAIN)
        return sendfile_wait(file);
    if (n == -EINVAL || n == -ENOSYS) {
        file->refused = true;
        return 1;
    }
    if (n <= 0)
        return (int)n;
    sendfile_advance(file, (size_t)n);
    aio__charge_bytes(file->call.stream->handle.core, (size_t)n);
    return (size_t)n < length ? sendfile_wait(file) : 1;
}

/* A file of several pieces goes out in full packets: an ACK that arrives meanwhile would push one
 * that is not. Returns whether it is to be undone: not what others have set, nor what is no TCP. */
static bool sendfile_cork(const struct sendfile *file)
{
    int on = 0, fd = file->call.stream->handle.fd;
    if (file->left <= SENDFILE_PIECE_BYTES || !sendfile_is_bare(file) ||
        aio__socket_get(fd, IPPROTO_TCP, TCP_CORK, &on) < 0 || on != 0)
        return false;
    return aio__socket_set(fd, IPPROTO_TCP, TCP_CORK, 1) == 0;
}

static ssize_t sendfile_run(struct sendfile *file)
{
    int rc = 1;
    bool corked = sendfile_cork(file);
    while (rc > 0 && file->left > 0) {
        size_t cached = sendfile_is_bare(file) ? sendfile_cached(file) : 0;
        rc = cached > 0 ? sendfile_splice(file, cached) : sendfile_copy(file);
    }
    if (corked)
        (void)aio__socket_set(file->call.stream->handle.fd, IPPROTO_TCP, TCP_CORK, 0);
    aio__free(file->buffer);
    return rc < 0 ? rc : (ssize_t)file->sent;
}

static int sendfile_check(struct sendfile *file)
{
    struct statx found;
    struct stat status = {.st_size = 0};
    int rc = aio__file_look(file->fd, &found), flags = fcntl(file->fd, F_GETFL);
    if (rc < 0)
        return rc;
    bool regular = S_ISREG(found.stx_mode);
    if (file->offset < 0 || (!regular && !S_ISBLK(found.stx_mode)))
        return -EINVAL;
    file->direct = (flags & O_DIRECT) != 0;
    file->served = file->refused = regular && aio__file_is_served(&found);
    if (!file->served && fstat(file->fd, &status) < 0)
        return -errno;
    file->size = status.st_size;
    /* The kernel adds to the offset what is asked for. */
    size_t most = (size_t)(INT64_MAX - file->offset);
    file->left = file->left < most ? file->left : most;
    if (regular && file->size > 0 && file->offset >= file->size)
        file->left = 0;
    return 0;
}

ssize_t aio_stream_sendfile(struct aio_stream *stream, int fd, int64_t offset, size_t length,
                            size_t *done)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct sendfile file = {.fd = fd, .offset = offset, .left = length};
    ssize_t rc = sendfile_check(&file);
    if (rc == 0)
        rc = aio__stream_enter(&file.call, stream, &stream->writing, stream->write_ns);
    if (rc == 0)
        rc = aio__stream_leave(&file.call, sendfile_run(&file));
    if (done != NULL)
        *done = file.sent;
    return rc;
}
