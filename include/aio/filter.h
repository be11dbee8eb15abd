/*
 * <aio/filter.h>: putting a layer of one's own into a stream, between its users and the socket.
 *
 * This is for libraries, as <aio-tls/tls.h>: with a filter attached, aio_stream_read,
 * aio_stream_write and the rest of <aio/stream.h> give and take what the filter makes of the bytes
 * on the wire, and whoever uses the stream need not know. Turns, time limits, cancellation and
 * closing are the stream's own and stay as they were: a filter's functions are called inside a
 * turn, so never two of one direction at once; but read and write may be under way together, in two
 * tasks, whenever one of them waits in aio_filter_receive or aio_filter_send.
 *
 * A stream has one filter at most, to its end. It may be detached and attached to another core
 * with it. Rented reads hold no buffer while nothing has come, and rented writes return when the
 * bytes are sent. aio_stream_release, aio_stream_sendmsg and aio_stream_recvmsg return -EOPNOTSUPP.
 */
#ifndef AIO_FILTER_H
#define AIO_FILTER_H

#include <aio/base.h>
#include <aio/stream.h>

AIO_BEGIN_DECLS

struct aio_filter;

/* What a kind of filter does. All members are needed. */
struct aio_filter_kind {
    size_t size; /* sizeof(struct aio_filter_kind) */
    const char *name;
    /* The beginning, in both turns: a handshake. Its result is aio_filter_attach's. */
    int (*open)(struct aio_filter *filter);
    /* As aio_stream_readv and aio_stream_writev, with at least one vector that is not empty;
     * nothing is pending for the task when they are called. */
    ssize_t (*read)(struct aio_filter *filter, const struct iovec *vectors, int count);
    ssize_t (*write)(struct aio_filter *filter, const struct iovec *vectors, int count);
    /* In the turn of writing: says goodbye. After 0 the socket's own side is shut down. */
    int (*shutdown)(struct aio_filter *filter);
    /* Whether a read would return something without asking the socket. */
    bool (*pending)(const struct aio_filter *filter);
    /* The end: no call is on the stream any more, its socket is still open. Frees the filter; must
     * not suspend. */
    void (*close)(struct aio_filter *filter);
};

/* The stream's side of a filter, a member of its owner's structure. Zero but for kind at first. */
struct aio_filter {
    const struct aio_filter_kind *kind;
    struct aio_stream *stream; /* set by aio_filter_attach, NULL before; read-only */
    bool reading_ended;        /* aio_stream_shutdown has ended the reading side; read-only */
};

/*
 * aio_filter_attach puts a filter into a stream and calls its open. It waits until reads and writes
 * that came earlier are through; those that come later wait until open has returned.
 *
 * Suspends:  for the turns, and as open does; bounded by the stream's own time for a read too.
 * Context:   a task of the stream's core.
 * Lifetime:  when filter->stream is set, the filter belongs to the stream, also after an error.
 *            When it is still NULL, it never came so far, and is the caller's.
 * Returns:   what open returns; -EALREADY when the stream has a filter; -EINVAL for a bad kind;
 *            -ECANCELED; -ETIMEDOUT; -EBADF once the stream is being closed.
 */
AIO_API AIO_NODISCARD int aio_filter_attach(struct aio_stream *stream, struct aio_filter *filter);

/*
 * aio_filter_find gives the stream's filter if it is of this kind.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   the filter, or NULL.
 */
AIO_API struct aio_filter *aio_filter_find(struct aio_stream *stream,
                                           const struct aio_filter_kind *kind);

/*
 * aio_filter_receive reads from the socket below the filter. To be called by read and open only.
 *
 * Suspends:  as aio_stream_read.
 * Context:   inside read or open.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_stream_read. In a rented read it does not wait: -EAGAIN when nothing has come,
 *            which read returns; it is called again when something has.
 */
AIO_API ssize_t aio_filter_receive(struct aio_filter *filter, void *buffer, size_t size);

/*
 * aio_filter_send writes to the socket below the filter. To be called by write, shutdown and open
 * only.
 *
 * Suspends:  as aio_stream_write.
 * Context:   inside write, shutdown or open.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_stream_write.
 */
AIO_API ssize_t aio_filter_send(struct aio_filter *filter, const void *buffer, size_t size);

/*
 * aio_filter_push writes to the socket what it takes at once, for what is said in passing: an alert
 * found while reading, a goodbye at the close.
 *
 * Suspends:  never.
 * Context:   inside any function of the filter.
 * Returns:   bytes taken; -EAGAIN when the socket takes none, or a write is under way; or another
 *            -errno of send(2).
 */
AIO_API ssize_t aio_filter_push(struct aio_filter *filter, const void *buffer, size_t size);

/*
 * aio_filter_drop reads what has come and forgets it: a socket that is closed with something unread
 * resets the connection, and what was sent last may be lost with it.
 *
 * Suspends:  never.
 * Context:   inside close.
 */
AIO_API void aio_filter_drop(struct aio_filter *filter);

AIO_END_DECLS

#endif
