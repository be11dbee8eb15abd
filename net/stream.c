/*
 * Streams: reading and writing. A call holds its direction's gate from beginning to end; one op
 *          at a time goes to the backend, and only here are short transfers put together.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <limits.h>
#include <unistd.h>

static void stream_close_handle(struct aio__handle *handle)
{
    aio_stream_close((struct aio_stream *)(void *)handle);
}

static const struct aio__handle_kind stream_kind = {"stream", stream_close_handle};

struct aio_stream *aio__stream_alloc(void)
{
    struct aio_stream *stream = aio__alloc_zero(sizeof *stream);
    if (stream == NULL)
        return NULL;
    stream->read_opcode = AIO__OP_RECV;
    stream->write_opcode = AIO__OP_SEND;
    stream->origin = -1;
    return stream;
}

void aio__stream_open(struct aio_stream *stream, struct aio__core *core, int fd)
{
    aio__handle_open(&stream->handle, core, fd, &stream_kind);
    stream->handle.served = stream->served;
}

/* Remembers what a timeout came from, and takes the time limit away. */
static inline void stream_limit_end(struct aio__stream_call *call, ssize_t result)
{
    if (__builtin_expect(result == -ETIMEDOUT, 0))
        call->stream->expired = call->limited && aio_deadline_expired(&call->limit);
    if (__builtin_expect(call->limited, 0))
        aio_deadline_clear(&call->limit);
}

int aio__stream_enter(struct aio__stream_call *call, struct aio_stream *stream,
                      struct aio__gate *gate, int64_t limit_ns)
{
    call->stream = stream;
    call->gate = gate;
    call->limited = limit_ns > 0;
    if (__builtin_expect(call->limited, 0))
        aio_deadline_set(&call->limit, limit_ns);
    int rc = aio__gate_enter(&stream->handle, gate);
    if (__builtin_expect(rc < 0, 0))
        stream_limit_end(call, rc);
    return rc;
}

ssize_t aio__stream_leave(struct aio__stream_call *call, ssize_t result)
{
    stream_limit_end(call, result);
    return aio__gate_leave(&call->stream->handle, call->gate, result);
}

static int stream_run(struct aio__stream_call *call, struct aio__op_frame *frame, const char *what)
{
    return aio__gate_run(&call->stream->handle, call->gate, frame, what);
}

bool aio__stream_serve_rented(struct aio__stream_call *call, bool reads,
                              const struct iovec *vectors, int count, int *result)
{
    if (reads) {
        ssize_t n = aio__inbox_read(call, vectors, count);
        *result = (int)n;
        return n != AIO__INBOX_EMPTY;
    }
    *result = aio__outbox_settle(call);
    return *result < 0;
}

int aio__stream_transfer(struct aio__stream_call *call, bool reads, void *buffer, size_t size)
{
    int rc;
    if (__builtin_expect(call->stream->filter != NULL, 0))
        return aio__filter_transfer(call, reads, buffer, size);
    if (aio__stream_rented(call, reads, &(struct iovec){buffer, size}, 1, &rc))
        return rc;
    struct aio__op_frame frame;
    size_t zerocopy = call->stream->zerocopy;
    aio__stream_op(call->stream, &frame.op, reads, buffer, size);
    if (__builtin_expect(zerocopy > 0, 0) && !reads && size >= zerocopy)
        frame.op.opcode = AIO__OP_SEND_ZC;
    if (__builtin_expect(call->stream->cursor < 0, 0))
        return aio__plain_run(call, &frame, reads ? "read" : "write");
    return stream_run(call, &frame, reads ? "read" : "write");
}

ssize_t aio_stream_read(struct aio_stream *stream, void *buffer, size_t size)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    int rc = aio__stream_enter(&call, stream, &stream->reading, stream->read_ns);
    if (rc < 0)
        return rc;
    if (size > 0)
        rc = aio__stream_transfer(&call, true, buffer, size);
    return aio__stream_leave(&call, rc);
}

ssize_t aio_stream_write(struct aio_stream *stream, const void *buffer, size_t size)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    int rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc < 0)
        return rc;
    if (size > 0)
        rc = aio__stream_transfer(&call, false, (void *)(uintptr_t)buffer, size);
    return aio__stream_leave(&call, rc);
}

/* Transfers until `size` bytes are through, the end of the stream or an error. Returns how the last
 * one ended. */
static inline __attribute__((always_inline)) ssize_t
stream_transfer_all(struct aio__stream_call *call, bool reads, char *buffer, size_t size,
                    size_t *through)
{
    while (*through < size) {
        int rc = aio__stream_transfer(call, reads, buffer + *through, size - *through);
        if (rc <= 0)
            return rc;
        *through += (size_t)rc;
    }
    return (ssize_t)size;
}

/* What the socket takes at once, with the word that more follows. Returns 0 or -errno. */
static int stream_push_more(struct aio_stream *stream, const char *buffer, size_t size,
                            size_t *through)
{
    if (stream->kind != AIO__STREAM_SOCKET || stream->filter != NULL || stream->outbox != NULL)
        return 0;
    ssize_t n = send(stream->handle.fd, buffer, size, /* tidy: allow send: no wait */
                     MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    *through = (size_t)n;
    aio__charge_bytes(stream->handle.core, (size_t)n);
    return 0;
}

static inline __attribute__((always_inline)) ssize_t stream_write_whole(struct aio_stream *stream,
                                                                        const char *buffer,
                                                                        size_t size, size_t *done,
                                                                        bool more)
{
    struct aio__stream_call call;
    size_t through = 0;
    ssize_t rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc == 0) {
        if (more && size > 0)
            rc = stream_push_more(stream, buffer, size, &through);
        if (rc == 0)
            rc = stream_transfer_all(&call, false, (char *)(uintptr_t)buffer, size, &through);
        rc = aio__stream_leave(&call, rc);
    }
    if (done != NULL)
        *done = through;
    return rc;
}

ssize_t aio_stream_write_all(struct aio_stream *stream, const void *buffer, size_t size,
                             size_t *done)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return stream_write_whole(stream, buffer, size, done, false);
}

ssize_t aio_stream_write_more(struct aio_stream *stream, const void *buffer, size_t size,
                              size_t *done)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return stream_write_whole(stream, buffer, size, done, true);
}

ssize_t aio_stream_read_exact(struct aio_stream *stream, void *buffer, size_t size, size_t *done)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    size_t through = 0;
    ssize_t rc = aio__stream_enter(&call, stream, &stream->reading, stream->read_ns);
    if (rc == 0) {
        rc = stream_transfer_all(&call, true, buffer, size, &through);
        if (rc == 0 && through > 0 && through < size)
            rc = -ENODATA;
        rc = aio__stream_leave(&call, rc);
    }
    if (done != NULL)
        *done = through;
    return rc;
}

static int stream_message(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                          int count)
{
    if (call->stream->filter != NULL)
        return aio__filter_vectored(call, reads, vectors, count);
    if ((reads ? call->stream->read_opcode == AIO__OP_READ
               : call->stream->write_opcode == AIO__OP_WRITE))
        return aio__plain_vectored(call, reads, vectors, count);
    struct aio__op_frame frame;
    struct msghdr header = {.msg_iov = (struct iovec *)(uintptr_t)vectors,
                            .msg_iovlen = (size_t)count};
    int rc;
    if (aio__stream_rented(call, reads, vectors, count, &rc))
        return rc;
    frame.op.opcode = reads ? AIO__OP_RECVMSG : AIO__OP_SENDMSG;
    frame.op.fd = call->stream->handle.fd;
    frame.op.message.header = &header;
    frame.op.message.flags = 0;
    return stream_run(call, &frame, reads ? "readv" : "writev");
}

/* A transfer of nothing has nothing to wait for. */
static bool stream_vectors_empty(const struct iovec *vectors, int count)
{
    for (int i = 0; i < count; i++)
        if (vectors[i].iov_len > 0)
            return false;
    return true;
}

static ssize_t stream_vectored(struct aio_stream *stream, struct aio__gate *gate, int64_t limit_ns,
                               const struct iovec *vectors, int count)
{
    struct aio__stream_call call;
    if (count < 0 || count > IOV_MAX)
        return -EINVAL;
    int rc = aio__stream_enter(&call, stream, gate, limit_ns);
    if (rc < 0)
        return rc;
    if (!stream_vectors_empty(vectors, count))
        rc = stream_message(&call, gate == &stream->reading, vectors, count);
    return aio__stream_leave(&call, rc);
}

ssize_t aio_stream_readv(struct aio_stream *stream, const struct iovec *vectors, int count)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return stream_vectored(stream, &stream->reading, stream->read_ns, vectors, count);
}

ssize_t aio_stream_writev(struct aio_stream *stream, const struct iovec *vectors, int count)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return stream_vectored(stream, &stream->writing, stream->write_ns, vectors, count);
}

static int stream_shutdown_now(struct aio_stream *stream, int how)
{
    if (stream->kind != AIO__STREAM_SOCKET)
        return aio__plain_shutdown(stream, how);
    if (stream->filter != NULL && how != SHUT_WR)
        stream->filter->reading_ended = true;
    return shutdown(stream->handle.fd, how) < 0 ? -errno : 0;
}

int aio__stream_end(struct aio__stream_call *call, int how)
{
    struct aio_stream *stream = call->stream;
    int rc = 0;
    if (stream->filter != NULL)
        rc = stream->filter->kind->shutdown(stream->filter);
    else if (stream->outbox != NULL)
        rc = aio__outbox_settle(call);
    return rc == 0 ? stream_shutdown_now(stream, how) : rc;
}

int aio_stream_shutdown(struct aio_stream *stream, enum aio_stream_side side)
{
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__stream_call call;
    if (side != AIO_STREAM_READ && side != AIO_STREAM_WRITE && side != AIO_STREAM_BOTH)
        return -EINVAL;
    if (side == AIO_STREAM_READ) {
        int rc = aio__interrupted(stream->handle.core);
        if (rc == -ETIMEDOUT)
            stream->expired = false;
        if (rc == 0)
            rc = stream->handle.closing ? -EBADF : stream_shutdown_now(stream, SHUT_RD);
        return rc;
    }
    int rc = aio__stream_enter(&call, stream, &stream->writing, stream->write_ns);
    if (rc < 0)
        return rc;
    rc = aio__stream_end(&call, side == AIO_STREAM_WRITE ? SHUT_WR : SHUT_RDWR);
    return (int)aio__stream_leave(&call, rc);
}

static void stream_close_fd(struct aio_stream *stream)
{
    if (!stream->lingers) {
        aio__handle_finish(&stream->handle);
    } else if (stream->kind != AIO__STREAM_SOCKET) {
        aio__handle_finish_slowly(&stream->handle);
    } else {
        aio__handle_part(&stream->handle);
        aio__socket_close_slowly(stream->handle.fd);
    }
}

void aio_stream_close(struct aio_stream *stream)
{
    if (stream == NULL)
        return;
    (void)aio__handle_core(&stream->handle, __func__);
    struct aio__gate *const gates[] = {&stream->reading, &stream->writing};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&stream->handle, gates, 2);
    if (stream->filter != NULL)
        stream->filter->kind->close(stream->filter);
    if (stream->outbox != NULL)
        aio__outbox_close(stream);
    if (stream->inbox != NULL)
        aio__inbox_close(stream);
    stream_close_fd(stream);
    if (stream->origin >= 0)
        (void)close(stream->origin); /* tidy: allow close: no op has used it */
    aio_shield_leave(&shield);
    aio__free(stream);
}
