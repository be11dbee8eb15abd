/*
 * Streams over what is no socket: READ and WRITE in place of RECV and SEND, so no receive that
 * stays armed, and no shutdown(2). What those are for is done here.
 */
#include "net/private.h"

#include "core/file_op.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

void aio__stream_unsocket(struct aio_stream *stream, enum aio__stream_kind kind)
{
    stream->kind = (uint8_t)kind;
    stream->read_opcode = AIO__OP_READ;
    stream->write_opcode = AIO__OP_WRITE;
    stream->cursor = -1;
    stream->unspliced = kind != AIO__STREAM_PIPE;
}

/* A device may be as a pipe, and writing to it as to a file. */
void aio__plain_hold(const struct aio_stream *stream, struct aio__core *core)
{
    if (stream->kind != AIO__STREAM_SOCKET)
        aio__held_take(core, AIO__HELD_PIPE);
    if (stream->kind == AIO__STREAM_FILE)
        aio__held_take(core, AIO__HELD_XFSZ);
}

/* A cursor that others may use as well is held as by read(2); a ring would not. */
int aio__plain_run(struct aio__stream_call *call, struct aio__op_frame *frame, const char *what)
{
    struct aio_stream *stream = call->stream;
    if (!stream->threaded)
        return aio__gate_run(&stream->handle, call->gate, frame, what);
    return aio__handle_offload(&stream->handle, &call->gate->inside, aio__file_perform_job,
                               &frame->op);
}

int aio__plain_vectored(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                        int count)
{
    struct aio__op_frame frame;
    frame.op.opcode = reads ? AIO__OP_READV : AIO__OP_WRITEV;
    frame.op.fd = call->stream->handle.fd;
    frame.op.vectored.vectors = vectors;
    frame.op.vectored.count = (uint32_t)count;
    frame.op.vectored.flags = 0;
    frame.op.vectored.offset = -1;
    return aio__plain_run(call, &frame, reads ? "readv" : "writev");
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
