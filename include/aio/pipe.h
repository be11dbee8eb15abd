/*
 * <aio/pipe.h>: pipes, FIFOs, terminals and the standard streams, as streams.
 *
 * What these functions make is a struct aio_stream, and everything of <aio/stream.h>, <aio/buf.h>,
 * <aio/buffered.h>, <aio/copy.h> and <aio/select.h> works on it: reads wait for bytes or the end
 * (all writers gone), writes for room, in turns, with time limits; a close wakes who waits. What
 * differs from a socket:
 *
 *   - Writing with nobody left to read is -EPIPE. SIGPIPE does not come: a core that has such
 *     streams holds it back on its thread, until the runtime ends there. (A child process inherits
 *     that unless it is made by a function that says otherwise; a signal mask survives exec.)
 *     A subscription of <aio/signal.h> hears those that are sent to the process.
 *   - A pipe is one direction: reading a writing end is -EBADF, and the other way round.
 *     aio_stream_shutdown(AIO_STREAM_WRITE) of a writing end closes that end, so that the reader
 *     sees its end; what else it is asked to shut down is -ENOTSOCK. Selects that wait for its
 *     readiness end with -EPIPE then.
 *   - Up to PIPE_BUF (4096) bytes are written whole or not at all, and do not mix with those of
 *     other processes; see pipe(7).
 *   - Addresses, options and messages of sockets are -ENOTSOCK; aio_stream_zerocopy does nothing.
 *   - aio_stream_write_rent returns when the bytes are written.
 *
 * Descriptors that come from elsewhere may be shared with other processes: a shell's terminal.
 * O_NONBLOCK would change it for all of them, and stay set when we are killed, so it is never set
 * on what this library has not opened. Instead a pipe or terminal that blocks is opened anew by way
 * of /proc. Where that is not possible (no /proc, a terminal of another user, a pseudo-terminal's
 * master), a terminal is waited for and then read or written on a thread of the offload pool; if
 * somebody else takes the bytes in between, that thread waits, and a cancellation with it; without
 * a thread it is -EAGAIN, as of aio_offload_call. Such a terminal is ready for writing when there
 * is some room: a write of more occupies the thread until the other side has read, and neither
 * cancellation nor a time limit, a close or the end of the runtime cuts it short. A pipe is then
 * used as it is; on epoll, and where pipes do not know RWF_NOWAIT (preadv(2)), somebody else who
 * takes its bytes in between lets the core wait.
 *
 * Regular files, block devices and devices without readiness (/dev/null, /dev/zero) may be adopted
 * too: they are read and written at their cursor, files (but those of O_WRONLY and O_APPEND) by a
 * thread of the pool, since others may use the cursor as well, and such a call is not cut short by
 * cancellation. aio_stream_close of one, which may have to wait for a
 * server or a device, waits for a thread of the pool that closes it, and tells no error. See
 * <aio/file.h> for files proper, also of SIGXFSZ, which such streams hold back too.
 */
#ifndef AIO_PIPE_H
#define AIO_PIPE_H

#include <aio/base.h>
#include <aio/stream.h>

AIO_BEGIN_DECLS

/*
 * aio_pipe_open makes a pipe; see pipe(2). Both ends are close-on-exec.
 *
 * Suspends:  never.
 * Context:   a task; the streams belong to its core.
 * Returns:   0; -ENOMEM; -EMFILE or another -errno of pipe2(2).
 */
AIO_API AIO_NODISCARD int aio_pipe_open(struct aio_stream **reader, struct aio_stream **writer);

/*
 * aio_pipe_adopt makes a stream of a descriptor that came from elsewhere: an end of a pipe or FIFO,
 * a terminal, a connected stream socket, a file or a device. It becomes close-on-exec, unless it is
 * 0, 1 or 2; its O_NONBLOCK stays as it is. aio_stream_release gives the same descriptor back.
 *
 * Suspends:  never.
 * Context:   a task; the stream belongs to its core.
 * Lifetime:  after 0 the descriptor is the stream's.
 * Returns:   0; -EBADF; -EISDIR; -EINVAL for a socket of another type; -ENOMEM. After an error the
 *            descriptor is the caller's as before.
 */
AIO_API AIO_NODISCARD int aio_pipe_adopt(struct aio_stream **out, int fd);

/* The ends of a FIFO. */
enum aio_pipe_end {
    AIO_PIPE_READER,
    AIO_PIPE_WRITER,
};

/*
 * aio_pipe_connect opens an end of the FIFO path, see fifo(7), and waits until somebody has opened
 * the other one, as open(2) does; it looks for him now and then, every 20 ms in the long run.
 *
 * Suspends:  until there is somebody.
 * Context:   a task; the stream belongs to its core.
 * Lifetime:  path until the call returns.
 * Returns:   0; -EINVAL for what is no FIFO, and for a bad end; -ENOENT, -EACCES or another -errno
 *            of open(2); -ENOMEM; -ECANCELED, -ETIMEDOUT, -EAGAIN as aio_offload_call.
 */
AIO_API AIO_NODISCARD int aio_pipe_connect(struct aio_stream **out, const char *path,
                                           enum aio_pipe_end end);

/*
 * aio_stream_stdin makes a stream of descriptor 0, whatever that is: as aio_pipe_adopt, but the
 * descriptor itself stays open and unchanged when the stream is closed. A program that may be
 * started without a standard input should open /dev/null in its place before the runtime starts, or
 * a descriptor of the runtime has the number.
 *
 * Suspends:  never.
 * Context:   a task; the stream belongs to its core.
 * Returns:   as aio_pipe_adopt; -EBADF when the descriptor is closed.
 */
AIO_API AIO_NODISCARD int aio_stream_stdin(struct aio_stream **out);

/*
 * aio_stream_stdout makes a stream of descriptor 1, as aio_stream_stdin does of descriptor 0. Who
 * reads a pipe that is our standard output sees its end when descriptor 1 is closed or the process
 * ends, and not by aio_stream_shutdown.
 *
 * Suspends:  never.
 * Context:   a task; the stream belongs to its core.
 * Returns:   as aio_stream_stdin.
 */
AIO_API AIO_NODISCARD int aio_stream_stdout(struct aio_stream **out);

/*
 * aio_stream_stderr makes a stream of descriptor 2, as aio_stream_stdout does of descriptor 1.
 *
 * Suspends:  never.
 * Context:   a task; the stream belongs to its core.
 * Returns:   as aio_stream_stdin.
 */
AIO_API AIO_NODISCARD int aio_stream_stderr(struct aio_stream **out);

AIO_END_DECLS

#endif
