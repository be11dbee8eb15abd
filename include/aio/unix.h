/*
 * <aio/unix.h>: Unix sockets: streams, datagrams and packets in sequence, by a path or an abstract
 * name, or as a pair.
 *
 * A name is written as text: "@name" is abstract, anything else a path ("./@file" for one that
 * begins so). Streams are <aio/stream.h>, the others <aio/socket.h>; descriptors are passed with
 * the helpers of <aio/message.h>.
 *
 * Binding to a path makes a file. Close removes it, if it is still the one that was made. What a
 * process that died has left is replaced if options say so, and only if it is a socket of the same
 * user that no process has open any more, whether one listened at it or not; anything else there is
 * left alone: -EADDRINUSE. Somebody who has it open does not notice that he was asked.
 */
#ifndef AIO_UNIX_H
#define AIO_UNIX_H

#include <aio/base.h>
#include <aio/message.h>
#include <aio/net.h>
#include <aio/socket.h>
#include <aio/stream.h>

AIO_BEGIN_DECLS

/* The longest name, its NUL not counted. */
#define AIO_UNIX_NAME_MAX 107

/*
 * aio_unix_parse makes an address of a name.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EINVAL for NULL, an empty name and "@" alone; -ENAMETOOLONG above
 *            AIO_UNIX_NAME_MAX.
 */
AIO_API AIO_NODISCARD int aio_unix_parse(struct aio_address *out, const char *name);

/*
 * aio_unix_format writes an address as a name; "" for a socket that has none. A NUL within an
 * abstract name, which aio_unix_parse cannot make, is written as '@'.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   the length of the text; -ENOSPC when it and its NUL do not fit in size;
 *            -EAFNOSUPPORT for an address of another family. After an error buffer[0] is NUL, if
 *            size > 0.
 */
AIO_API int aio_unix_format(const struct aio_address *address, char *buffer, size_t size);

/* What a Unix socket carries. */
enum aio_unix_kind {
    AIO_UNIX_STREAM,   /* bytes: struct aio_stream */
    AIO_UNIX_SEQUENCE, /* packets over a connection (SOCK_SEQPACKET): struct aio_socket */
    AIO_UNIX_DATAGRAM, /* packets without one: struct aio_socket */
};

/* Options of binding. Start from AIO_UNIX_OPTIONS. */
struct aio_unix_options {
    size_t size;
    enum aio_unix_kind kind; /* of a listener: not AIO_UNIX_DATAGRAM */
    int backlog;             /* of a listener: connections the kernel keeps for us; 65535 at most */
    mode_t mode;             /* of the file, exactly; 0: 0777 less the umask */
    bool replace;            /* what a process that died has left at the path */
};

#define AIO_UNIX_OPTIONS                                                                           \
    ((struct aio_unix_options){                                                                    \
        .size = sizeof(struct aio_unix_options), .backlog = 4096, .replace = true})

/*
 * aio_unix_listen opens a listener at a name. options NULL means AIO_UNIX_OPTIONS. The file never
 * has wider permissions than options->mode, not even for a moment; to connect one needs to write.
 *
 * Suspends:  never.
 * Context:   a task; the listener belongs to its core.
 * Lifetime:  texts and options only during the call. The listener lives until aio_listener_close.
 * Returns:   0; -EINVAL for a bad name or option; -ENAMETOOLONG; -EADDRINUSE when somebody has the
 *            path or it may not be replaced; -EACCES, -ENOENT, -ENOTDIR, -EROFS for the path;
 *            -EMFILE, -ENFILE; -ENOMEM; or another -errno of socket(2), bind(2), chmod(2).
 */
AIO_API AIO_NODISCARD int aio_unix_listen(struct aio_listener **out, const char *name,
                                          const struct aio_unix_options *options);

/*
 * aio_unix_connect connects a stream to a listener.
 *
 * Suspends:  while the listener's backlog is full.
 * Context:   a task; the stream belongs to its core.
 * Lifetime:  the text only during the call. The stream lives until aio_stream_close.
 * Returns:   0; -EINVAL, -ENAMETOOLONG for a bad name; -ENOENT when there is no such path;
 *            -ECONNREFUSED when nobody listens there; -EACCES; -EPROTOTYPE when the listener at
 *            that path is of another kind (abstract names are apart: -ECONNREFUSED); -ECANCELED;
 *            -ETIMEDOUT; -EMFILE, -ENFILE, -ENOMEM; or another -errno of connect(2). After an error
 *            no descriptor is left.
 */
AIO_API AIO_NODISCARD int aio_unix_connect(struct aio_stream **out, const char *name);

/*
 * aio_unix_connect_sequence connects a socket for packets in sequence to a listener of that kind.
 *
 * Suspends:  as aio_unix_connect.
 * Context:   a task; the socket belongs to its core.
 * Lifetime:  the text only during the call. The socket lives until aio_socket_close.
 * Returns:   as aio_unix_connect.
 */
AIO_API AIO_NODISCARD int aio_unix_connect_sequence(struct aio_socket **out, const char *name);

/*
 * aio_unix_accept waits for the next connection of a listener of kind AIO_UNIX_SEQUENCE, as
 * aio_listener_accept does for streams.
 *
 * Suspends:  until there is a connection.
 * Context:   a task of the listener's core.
 * Lifetime:  the socket lives until aio_socket_close.
 * Returns:   as aio_listener_accept; -EPROTOTYPE for a listener of streams (and
 *            aio_listener_accept gives that for a listener of sequences).
 */
AIO_API AIO_NODISCARD int aio_unix_accept(struct aio_listener *listener, struct aio_socket **out);

/*
 * aio_unix_bind opens a datagram socket at a name; NULL: at none, for sending only. options->kind
 * and backlog are not looked at.
 *
 * Suspends:  never.
 * Context:   a task; the socket belongs to its core.
 * Lifetime:  texts and options only during the call. The socket lives until aio_socket_close.
 * Returns:   as aio_unix_listen.
 */
AIO_API AIO_NODISCARD int aio_unix_bind(struct aio_socket **out, const char *name,
                                        const struct aio_unix_options *options);

/*
 * aio_unix_pair makes two streams that are connected to each other.
 *
 * Suspends:  never.
 * Context:   a task; both belong to its core.
 * Lifetime:  each lives until its close.
 * Returns:   0; -EMFILE, -ENFILE, -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_unix_pair(struct aio_stream *out[2]);

/*
 * aio_unix_pair_sockets makes two sockets that are connected to each other, of a kind that carries
 * packets.
 *
 * Suspends:  never.
 * Context:   a task; both belong to its core.
 * Lifetime:  each lives until its close.
 * Returns:   0; -EINVAL for AIO_UNIX_STREAM; -EMFILE, -ENFILE, -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_unix_pair_sockets(struct aio_socket *out[2], enum aio_unix_kind kind);

/*
 * aio_stream_credentials tells which process made the connection (or, where we did, which
 * listens): as it was then, see SO_PEERCRED in unix(7).
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -ENOTCONN when there is no peer; -EOPNOTSUPP for other than Unix sockets.
 */
AIO_API AIO_NODISCARD int aio_stream_credentials(struct aio_stream *stream,
                                                 struct aio_credentials *out);

/*
 * aio_socket_credentials tells the same of a socket's peer.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   as aio_stream_credentials.
 */
AIO_API AIO_NODISCARD int aio_socket_credentials(struct aio_socket *socket,
                                                 struct aio_credentials *out);

AIO_END_DECLS

#endif
