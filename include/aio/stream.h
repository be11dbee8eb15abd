/*
 * <aio/stream.h>: byte streams: reading, writing, half-close, options.
 *
 * A stream may be used by several tasks of its core. Each direction serves them in the order
 * in which they came, a whole call at a time: the bytes of two aio_stream_write_all never mix.
 * Reading and writing do not wait for each other. No call raises SIGPIPE.
 *
 * What is said of sockets here holds for TCP and Unix sockets; what pipes, terminals and files do
 * otherwise stands in <aio/pipe.h>.
 *
 * All functions are called from tasks of the stream's own core; another caller aborts with a
 * message.
 */
#ifndef AIO_STREAM_H
#define AIO_STREAM_H

#include <aio/base.h>
#include <aio/net.h>
#include <sys/uio.h>

AIO_BEGIN_DECLS

struct aio_stream;

/*
 * aio_stream_read receives up to size bytes into buffer, waiting until at least one is there; see
 * recv(2).
 *
 * Suspends:  until there is data, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   bytes received; 0 at the end of the stream, and for size 0; -ECONNRESET; -ECANCELED;
 *            -ETIMEDOUT; -EBADF once the stream is being closed; or another -errno of recv(2).
 *            After -ECANCELED or -ETIMEDOUT no byte was consumed.
 */
AIO_API ssize_t aio_stream_read(struct aio_stream *stream, void *buffer, size_t size);

/*
 * aio_stream_read_exact receives exactly size bytes, or tells how far it came.
 *
 * Suspends:  until all has come, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   size; 0 when the stream ended before the first byte; -ENODATA when it ended in the
 *            middle; else an error as of aio_stream_read. *done, if done is not NULL, is what
 *            stands in buffer in every case.
 */
AIO_API ssize_t aio_stream_read_exact(struct aio_stream *stream, void *buffer, size_t size,
                                      size_t *done);

/*
 * aio_stream_readv receives into several buffers, filled in order; see readv(2).
 *
 * Suspends:  as aio_stream_read.
 * Context:   a task of the stream's core.
 * Lifetime:  vectors and their buffers until the call returns.
 * Returns:   as aio_stream_read; -EINVAL for count < 0 or > IOV_MAX (1024).
 */
AIO_API ssize_t aio_stream_readv(struct aio_stream *stream, const struct iovec *vectors, int count);

/*
 * aio_stream_write sends up to size bytes: at least one, and less than size when the peer is
 * slow; see send(2).
 *
 * Suspends:  until the kernel has taken something, or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   bytes taken; 0 for size 0; -EPIPE after the sending side was shut down or the peer
 *            is gone; -ECONNRESET; -ECANCELED; -ETIMEDOUT; -EBADF once the stream is being
 *            closed; or another -errno of send(2). After -ECANCELED or -ETIMEDOUT no byte was
 *            taken.
 */
AIO_API ssize_t aio_stream_write(struct aio_stream *stream, const void *buffer, size_t size);

/*
 * aio_stream_write_all sends all size bytes, or tells how far it came.
 *
 * Suspends:  until the kernel has taken everything, or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   size; else an error as of aio_stream_write. *done, if done is not NULL, is what was
 *            taken in every case.
 */
AIO_API ssize_t aio_stream_write_all(struct aio_stream *stream, const void *buffer, size_t size,
                                     size_t *done);

/*
 * aio_stream_write_more sends as aio_stream_write_all does, and tells TCP that more follows: a last
 * packet that is not full waits for the next write of any kind, though not beyond an ACK that comes
 * in, or about 200 ms; see MSG_MORE in send(2). So a head goes out in one packet with the body that
 * a later aio_stream_write or aio_stream_sendfile sends. Only what the socket takes at once is told
 * so; other streams (TLS, rented buffers waiting, pipes) send as by aio_stream_write_all.
 *
 * Suspends:  until the kernel has taken everything, or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_stream_write_all, *done too.
 */
AIO_API ssize_t aio_stream_write_more(struct aio_stream *stream, const void *buffer, size_t size,
                                      size_t *done);

/*
 * aio_stream_writev sends from several buffers, in order, possibly not all of them; see writev(2).
 *
 * Suspends:  as aio_stream_write.
 * Context:   a task of the stream's core.
 * Lifetime:  vectors and their buffers until the call returns.
 * Returns:   as aio_stream_write; -EINVAL for count < 0 or > IOV_MAX (1024).
 */
AIO_API ssize_t aio_stream_writev(struct aio_stream *stream, const struct iovec *vectors,
                                  int count);

/* Which directions aio_stream_shutdown ends. */
enum aio_stream_side {
    AIO_STREAM_READ = 1,
    AIO_STREAM_WRITE = 2,
    AIO_STREAM_BOTH = 3,
};

/*
 * aio_stream_shutdown ends one direction or both. Ending the writing side (half-close) lets the
 * peer read to its end while we go on reading; it waits for writes before it in the queue. Ending
 * the reading side wakes readers with 0. See shutdown(2).
 *
 * Suspends:  while writers that came earlier are busy, if the writing side is ended.
 * Context:   a task of the stream's core.
 * Returns:   0; -ENOTCONN when the peer is gone already; -EINVAL for a bad side; -ENOTSOCK for what
 *            cannot be ended so; -ECANCELED; -ETIMEDOUT; -EBADF.
 */
AIO_API int aio_stream_shutdown(struct aio_stream *stream, enum aio_stream_side side);

/*
 * aio_stream_close ends the stream. Calls that wait on it return -EBADF, whatever they had
 * reached. What the kernel has taken is still sent. NULL is ignored.
 *
 * Suspends:  until every call on the stream has returned and the kernel has let go of their
 *            buffers; shielded, so neither cancellation nor a deadline cuts it short.
 * Context:   a task of the stream's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_stream_close(struct aio_stream *stream);

/*
 * aio_stream_timeout bounds each later read and each later write of this stream by a time of its
 * own; 0 or
 * AIO_FOREVER: no bound. A whole aio_stream_write_all or aio_stream_read_exact is one call.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -EINVAL for a negative time.
 */
AIO_API int aio_stream_timeout(struct aio_stream *stream, int64_t read_ns, int64_t write_ns);

/*
 * aio_stream_zerocopy makes later aio_stream_write and aio_stream_write_all of at least that many
 * bytes hand the buffer itself to the network instead of a copy; 0, as at the start: none. It
 * changes speed, never meaning: where the kernel or the socket cannot do it (before Linux 6.0, the
 * epoll backend, Unix sockets, a lack of memory that may be locked) the bytes are copied.
 *
 * Such a write returns when the kernel needs the buffer no more, which over TCP is when the peer
 * has acknowledged the bytes: a round trip later at least, 40 ms with a peer that delays it. A
 * deadline, a cancellation and a close take nothing more from the buffer, but wait for that too: as
 * long as a peer stalls, unless AIO_STREAM_USER_TIMEOUT bounds it.
 *
 * It may pay for writes of hundreds of kilobytes over a real network. It is off at the start
 * because on the loopback, where the kernel copies all the same, it measured dearer at every size:
 * 0.44 against 1.66 ns of CPU per byte for writes of 4 KiB, 0.15 and 0.23 for 64 KiB, 0.13 and 0.17
 * for 1 MiB (Linux 6.18). From pinned memory (<aio/pinned.h>) it is 5 to 10 % cheaper than from
 * other, from 64 KiB on.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 */
AIO_API void aio_stream_zerocopy(struct aio_stream *stream, size_t from_bytes);

/*
 * aio_stream_expired tells whether the last -ETIMEDOUT of a call on this stream came from
 * aio_stream_timeout, as opposed to an ambient deadline or the kernel.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   true if so.
 */
AIO_API bool aio_stream_expired(const struct aio_stream *stream);

/*
 * aio_stream_local gives the address of our own end; see getsockname(2).
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; or -errno of getsockname(2).
 */
AIO_API AIO_NODISCARD int aio_stream_local(struct aio_stream *stream, struct aio_address *out);

/*
 * aio_stream_peer gives the address of the other end.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -ENOTCONN when the peer is gone; or another -errno of getpeername(2).
 */
AIO_API AIO_NODISCARD int aio_stream_peer(struct aio_stream *stream, struct aio_address *out);

/*
 * aio_stream_detach takes a stream from its core, so that another core can have it: send the handle
 * there (aio_core_call, aio_core_spawn, a channel between threads) and attach it. Its time limits
 * go with it. A detached stream can do nothing but be attached; one that never is keeps its
 * descriptor.
 *
 * Suspends:  never; after rented reads (see <aio/buf.h>) for a moment, shielded, until the core has
 *            stopped receiving for it.
 * Context:   a task of the stream's core.
 * Returns:   0; -EBUSY while calls on it are in progress, while rented buffers wait in it to be
 *            sent (aio_stream_flush) or something it has received waits to be read, which the next
 *            read then returns at once; -EBADF while it is being closed.
 */
AIO_API AIO_NODISCARD int aio_stream_detach(struct aio_stream *stream);

/*
 * aio_stream_attach gives a detached stream to the core of the calling task.
 *
 * Suspends:  never.
 * Context:   a task of any core.
 */
AIO_API void aio_stream_attach(struct aio_stream *stream);

/*
 * aio_stream_adopt makes a stream of a connected stream socket that came from elsewhere: inherited,
 * made by another library, received. It becomes non-blocking and close-on-exec.
 *
 * Suspends:  never.
 * Context:   a task; the stream belongs to its core.
 * Lifetime:  after 0 the descriptor is the stream's.
 * Returns:   0; -EBADF, -ENOTSOCK; -EINVAL for another kind of socket; -ENOMEM. After an error the
 *            descriptor is the caller's as before.
 */
AIO_API AIO_NODISCARD int aio_stream_adopt(struct aio_stream **out, int fd);

/*
 * aio_stream_release gives the descriptor back and ends the stream without closing it. It stays
 * non-blocking and close-on-exec.
 *
 * Suspends:  as aio_stream_detach.
 * Context:   a task of the stream's core.
 * Lifetime:  after a result of 0 or more the handle is gone and the descriptor is the caller's.
 * Returns:   the descriptor; -EBUSY as of aio_stream_detach; -EBADF while it is being closed;
 *            -EOPNOTSUPP for a stream with a filter (<aio/filter.h>).
 */
AIO_API AIO_NODISCARD int aio_stream_release(struct aio_stream *stream);

/* Options of a TCP stream; the man page that says what each means and its unit. */
enum aio_stream_option {
    AIO_STREAM_NODELAY,            /* tcp(7): 0 or 1 */
    AIO_STREAM_CORK,               /* tcp(7): 0 or 1 */
    AIO_STREAM_QUICKACK,           /* tcp(7): 0 or 1 */
    AIO_STREAM_KEEPALIVE,          /* socket(7): 0 or 1 */
    AIO_STREAM_KEEPALIVE_IDLE,     /* tcp(7): seconds before the first probe */
    AIO_STREAM_KEEPALIVE_INTERVAL, /* tcp(7): seconds between probes */
    AIO_STREAM_KEEPALIVE_COUNT,    /* tcp(7): probes */
    AIO_STREAM_USER_TIMEOUT,       /* tcp(7): milliseconds */
    AIO_STREAM_SEND_BUFFER,        /* socket(7): bytes; the kernel doubles what is set */
    AIO_STREAM_RECEIVE_BUFFER,     /* socket(7): bytes; the kernel doubles what is set */
    AIO_STREAM_LINGER,             /* socket(7): seconds; -1: off; 0: close resets the connection;
                                    * more: it waits, on a thread of the offload pool */
};

/*
 * aio_stream_option_set sets an option, see setsockopt(2).
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -EINVAL for an unknown option or a bad value; or another -errno of setsockopt(2).
 */
AIO_API int aio_stream_option_set(struct aio_stream *stream, enum aio_stream_option option,
                                  int value);

/*
 * aio_stream_option_get reads an option, see getsockopt(2).
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0 with *value set; -EINVAL for an unknown option; or another -errno of getsockopt(2).
 */
AIO_API AIO_NODISCARD int aio_stream_option_get(struct aio_stream *stream,
                                                enum aio_stream_option option, int *value);

AIO_END_DECLS

#endif
