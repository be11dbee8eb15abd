/*
 * <aio/copy.h>: moving bytes from one descriptor to another without looking at them.
 *
 * How. A copy reads into a buffer of 64 KiB and writes from it, until two reads in a row have
 * filled the buffer: then it splices, through a pipe of up to 1 MiB that the core keeps for reuse,
 * so that the bytes stay where the kernel has them; and reads again after some splices that brought
 * little. Measured on Linux 6.18 over loopback TCP, CPU of the copying thread in ns per byte:
 *
 *     messages of      read + write, 64 KiB    splice, pipe of 64 KiB    of 1 MiB
 *     4 KiB            2.79                    3.50                      3.38
 *     64 KiB           0.26                    0.22                      0.19
 *     bulk             0.44                    0.35                      0.23
 *
 * The buffer is the copy's own, from the first byte on until the end. Reading and writing rented
 * buffers instead was measured: 0.98 to 1.37 times the CPU for messages of 512 B to 64 KiB with
 * io_uring, 1.05 to 1.78 with epoll.
 *
 * Streams with a filter (TLS), and directions that were used with rented buffers, are not spliced:
 * their bytes are copied, in order, by the buffer; so are those of terminals and files, and of
 * sockets and pipes that were adopted and may block.
 *
 * A pipe is held by a direction only while it splices. Where there is none to be had (EMFILE, a
 * limit on pipes), or a socket that cannot be spliced, the buffer does it all.
 */
#ifndef AIO_COPY_H
#define AIO_COPY_H

#include <aio/base.h>
#include <aio/stream.h>
#include <aio/time.h>

AIO_BEGIN_DECLS

/* Options of a copy. Start from AIO_COPY_OPTIONS. */
struct aio_copy_options {
    size_t size;
    uint64_t limit;  /* bytes after which a direction ends; not one more is read */
    int64_t idle_ns; /* how long nothing may move, in a relay in both directions; AIO_FOREVER */
    /* How long a receiver may take nothing of what was read for it, whatever the other direction of
     * a relay does meanwhile; AIO_FOREVER. */
    int64_t stall_ns;
};

#define AIO_COPY_OPTIONS                                                                           \
    ((struct aio_copy_options){.size = sizeof(struct aio_copy_options),                            \
                               .limit = UINT64_MAX,                                                \
                               .idle_ns = AIO_FOREVER,                                             \
                               .stall_ns = AIO_FOREVER})

/* What a copy has done, whatever it returned. */
struct aio_copy_done {
    uint64_t delivered;   /* bytes that the receiving side's kernel has taken */
    uint64_t undelivered; /* bytes read that could not be delivered any more: they are lost */
    bool idle;            /* -ETIMEDOUT came from idle_ns, and from no deadline around the call */
    bool stalled;         /* the same of stall_ns, and of this direction */
};

/*
 * aio_stream_copy moves bytes from one stream to another until the end of `from` or the limit.
 * `to` stays open: the end is not passed on. The copy holds the reading side of `from` and the
 * writing side of `to` for the whole call; the streams' own aio_stream_timeout does not apply.
 * options NULL means AIO_COPY_OPTIONS.
 *
 * A copy that is cancelled or runs into a deadline writes what it has read as far as that needs no
 * waiting. Only if `to` takes no more bytes at that moment are any undelivered; there are never
 * more than a pipe holds. All else that the peer sent is still to be read from `from`.
 *
 * Suspends:  until the end, the limit or an error.
 * Context:   a task of the streams' core. `to` and `from` may be the same stream.
 * Lifetime:  options only during the call.
 * Returns:   0 at the end of `from` or the limit; -EINVAL for bad options; -ENOMEM; -ECANCELED;
 *            -ETIMEDOUT; -EBADF once one of the streams is being closed; or an error as of
 *            aio_stream_read of `from` or aio_stream_write of `to`. *done, if done is not NULL, is
 *            set in every case.
 */
AIO_API int aio_stream_copy(struct aio_stream *to, struct aio_stream *from,
                            const struct aio_copy_options *options, struct aio_copy_done *done);

/*
 * aio_stream_relay copies both ways between two streams until both directions have ended. The end
 * of one is passed on as a half-close, and the other goes on; an error of one ends both. The limit
 * is that of each direction. The streams stay open.
 *
 * Suspends:  until both directions have ended, or an error.
 * Context:   a task of the streams' core; the other direction is a task of its own.
 * Lifetime:  options only during the call.
 * Returns:   0; -EINVAL when a and b are the same stream; -EAGAIN as aio_task_spawn; else as
 *            aio_stream_copy: the error that came first. done, if not NULL, has two elements, which
 *            are set in every case: from a to b, and from b to a.
 */
AIO_API int aio_stream_relay(struct aio_stream *a, struct aio_stream *b,
                             const struct aio_copy_options *options, struct aio_copy_done *done);

/*
 * aio_stream_sendfile sends bytes of a file: length of them from offset on, fewer if the file ends
 * before. The file's own position is neither used nor moved.
 *
 * What is in the page cache goes to the socket by sendfile(2), without a copy, up to 2 MiB at a
 * time; what would have to be waited for is read on a thread of the offload pool. A piece is taken
 * for cached when its first and its last byte are, as what was read together leaves the cache
 * together: a page that is missing between them is waited for in place. Streams with a filter (TLS)
 * or with rented buffers waiting, and file systems that cannot do it or may be those of a server
 * (FUSE, NFS), are served by a buffer of 64 KiB. CPU of an HTTP server per byte of a file of 100
 * MiB, measured in one run on Linux 6.18: 0.43 ns by reading and writing, 0.13 ns without the copy.
 *
 * A TCP stream that is not corked (AIO_STREAM_CORK) is so for as long as a call sends more than 2
 * MiB; one that somebody corks in that time is not corked after it. A head before the file is best
 * sent by aio_stream_write_more. As sendfile(2) cannot be told otherwise, SIGPIPE is blocked on the
 * core's thread from the first such call to the core's end, and in what that thread starts with its
 * mask (system(3), threads; not processes of <aio/process.h>).
 *
 * Bytes that are overwritten in the file while they are being sent may arrive as old or new ones,
 * also some time after the call: until the peer has acknowledged them.
 *
 * Suspends:  until the kernel has taken everything, or an error. A call that is cancelled while a
 *            thread reads the file waits for that.
 * Context:   a task of the stream's core. The time limit of aio_stream_timeout is for the whole.
 * Lifetime:  fd stays open until the call returns; several calls may use it at once.
 * Returns:   bytes sent: length, or less at the end of the file; -EINVAL for what is not a regular
 *            file or a block device, for one with O_DIRECT, or a negative offset; -EBADF for a
 *            descriptor that is not open for reading, or once the stream is being closed; -ENOMEM;
 *            an error as of aio_stream_write, or another -errno of pread(2). *done, if done is not
 *            NULL, is what was sent in every case.
 */
AIO_API ssize_t aio_stream_sendfile(struct aio_stream *stream, int fd, int64_t offset,
                                    size_t length, size_t *done);

/*
 * aio_splice_move moves up to length bytes from one descriptor to another, one of which at least is
 * a pipe, without copying them; see splice(2). Sockets must not block (O_NONBLOCK); of pipes it
 * does not matter. A file is read or written at its own position, on a thread of the offload pool.
 * So is a terminal or another device, as splice(2) cannot tell it not to wait: one without
 * O_NONBLOCK is waited for first. If somebody else takes the bytes, or the room, in between, or
 * more is to be written than it takes at once, that thread waits, and a cancellation with it.
 *
 * Suspends:  until something could be moved, or the end of `from`.
 * Context:   a task. Neither descriptor is that of a stream of AIO's; nothing of them is kept.
 * Returns:   bytes moved; 0 at the end of `from` and for length 0; -EINVAL when neither is a pipe,
 *            a socket blocks, or a device cannot be spliced; -EPIPE when nobody reads `to` any
 *            more; -EBADF; -ECANCELED, -ETIMEDOUT: nothing was moved then; or another -errno of
 *            splice(2).
 */
AIO_API AIO_NODISCARD ssize_t aio_splice_move(int from, int to, size_t length);

/*
 * aio_splice_tee makes up to length bytes of one pipe appear in another one as well, without taking
 * them from the first; see tee(2).
 *
 * Suspends:  until something could be doubled, or the end of `from`.
 * Context:   a task. Nothing of the descriptors is kept.
 * Returns:   bytes doubled; else as aio_splice_move.
 */
AIO_API AIO_NODISCARD ssize_t aio_splice_tee(int from, int to, size_t length);

AIO_END_DECLS

#endif
