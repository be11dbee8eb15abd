/*
 * Streams over what is no socket: READ and WRITE in place of RECV and SEND, so no vectors, no
 * receive that stays armed, and no shutdown(2). What those are for is done here.
 */
#include "net/private.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* So much is gathered into one write, which a pipe takes whole or not at all. */
#define PLAIN_BYTES ((size_t)PIPE_BUF)

void aio__stream_unsocket(struct aio_stream *stream, enum aio__stream_kind kind)
{
    stream->kind = (uint8_t)kind;
    stream->read_opcode = AIO__OP_READ;
    stream->write_opcode = AIO__OP_WRITE;
    stream->cursor = -1;
    stream->unspliced = kind != AIO__STREAM_PIPE;
}

/* Copies between the vectors and bytes, as much as there is of both. Returns how much. */
static size_t plain_copy(const struct iovec *vectors, int count, char *bytes, size_t size,
                         bool gather)
{
    size_t copied = 0;
    for (int i = 0; i < count && copied < size; i++) {
        size_t part = vectors[i].iov_len < size - copied ? vectors[i].iov_len : size - copied;
        if (part == 0)
            continue;
        if (gather)
            memcpy(bytes + copied, vectors[i].iov_base, part);
        else
            memcpy(vectors[i].iov_base, bytes + copied, part);
        copied += part;
    }
    return copied;
}

static size_t plain_room(const struct iovec *vectors, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count && bytes < PLAIN_BYTES; i++)
        bytes += vectors[i].iov_len < PLAIN_BYTES ? vectors[i].iov_len : PLAIN_BYTES;
    return bytes < PLAIN_BYTES ? bytes : PLAIN_BYTES;
}

int aio__plain_vectored(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                        int count)
{
    char bytes[PLAIN_BYTES];
    while (vectors->iov_len == 0)
        vectors++, count--;
    size_t size = plain_room(vectors, count);
    if (vectors->iov_len >= size) /* long enough, or the only one */
        return aio__stream_transfer(call, reads, vectors->iov_base, vectors->iov_len);
    if (!reads)
        (void)plain_copy(vectors, count, bytes, size, true);
    int rc = aio__stream_transfer(call, reads, bytes, size);
    if (reads && rc > 0)
        (void)plain_copy(vectors, count, bytes, (size_t)rc, false);
    return rc;
}

int aio__plain_await(struct aio__stream_call *call)
{
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_POLL;
    frame.op.fd = call->stream->handle.fd;
    frame.op.poll.events = POLLIN;
    int rc = aio__gate_run(&call->stream->handle, call->gate, &frame, "read");
    call->gate->inside = NULL; /* its frame is gone */
    return rc < 0 ? rc : 0;
}

/* Who waits for room is told that there will be none; no op may be left that names the descriptor.
 */
static void plain_expel(struct aio_stream *stream)
{
    AIO_SHIELD
    {
        while (stream->handle.watches != NULL) {
            aio__watch_notify(&stream->handle, -EPIPE);
            (void)aio_task_yield();
        }
    }
}

static int plain_forget(struct aio__core *core, int fd)
{
    struct aio__op op = {.opcode = AIO__OP_FORGET, .fd = fd};
    return aio__op_submit(core, &op) ? 0 : -EBUSY;
}

/*
 * A pipe ends when its descriptors are closed; ours must keep its number as long as the stream is
 * there. A socket that nobody can be sent to from takes its place: writes get -EPIPE from it.
 */
int aio__plain_shutdown(struct aio_stream *stream, int how)
{
    int fds[2], fd = stream->handle.fd;
    if (stream->kind != AIO__STREAM_PIPE || how != SHUT_WR ||
        (fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY)
        return -ENOTSOCK;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    plain_expel(stream);
    int rc = plain_forget(stream->handle.core, fd);
    if (rc == 0)
        rc = dup3(fds[0], fd, O_CLOEXEC) < 0 ? -errno : 0;
    (void)close(fds[0]); /* tidy: allow close: no op has used it */
    (void)close(fds[1]); /* tidy: allow close: no op has used it */
    if (rc < 0)
        return rc;
    if (stream->origin >= 0)
        (void)close(stream->origin); /* tidy: allow close: no op has used it */
    stream->origin = -1;
    stream->write_opcode = AIO__OP_SEND;
    stream->cursor = 0;
    stream->kind = AIO__STREAM_FILE; /* a second time is refused */
    stream->unspliced = true;
    return 0;
}
