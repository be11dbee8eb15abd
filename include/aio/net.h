/*
 * <aio/net.h>: addresses, listening and connecting.
 *
 * Addresses are numeric: "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80", ":80" or "*:80" for every
 * address of IPv4, "[::]:80" for every address of IPv6. aio_tcp_connect takes names too. Every
 * descriptor is close-on-exec.
 */
#ifndef AIO_NET_H
#define AIO_NET_H

#include <aio/base.h>
#include <netinet/in.h>
#include <sys/socket.h>

AIO_BEGIN_DECLS

struct aio_listener;
struct aio_stream;

/* A socket address of any family. length is that of the member in use, 0 when there is none. */
struct aio_address {
    socklen_t length;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_storage storage;
    };
};

/* Enough for every text that aio_address_format writes, its NUL included. */
#define AIO_ADDRESS_TEXT_BYTES 80

/*
 * aio_address_parse reads "host:port" with a numeric host, see the top of this file. Port 0 lets
 * the kernel choose.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EINVAL when text is NULL or not such an address (nothing is written then);
 *            -ENODEV when the zone behind '%' names no interface.
 */
AIO_API AIO_NODISCARD int aio_address_parse(struct aio_address *out, const char *text);

/*
 * aio_address_format writes an address in the form that aio_address_parse reads.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   the length of the text; -ENOSPC when it and its NUL do not fit in size;
 *            -EAFNOSUPPORT for a family other than IPv4 and IPv6. Nothing is written after an
 *            error, except a NUL at buffer[0] if size > 0.
 */
AIO_API int aio_address_format(const struct aio_address *address, char *buffer, size_t size);

/*
 * aio_address_port gives the port in host order.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0 to 65535; -EAFNOSUPPORT for a family without ports.
 */
AIO_API int aio_address_port(const struct aio_address *address);

/* Options of a listener. Start from AIO_LISTEN_OPTIONS. */
struct aio_listen_options {
    size_t size;
    int backlog;    /* connections the kernel keeps for us, see listen(2); 65535 at most */
    bool reuseport; /* several listeners share the address, see SO_REUSEPORT in socket(7) */
    bool v6only;    /* "[::]:port" takes no IPv4 connections, see ipv6(7) */
    bool nodelay;   /* accepted streams send small writes at once, see TCP_NODELAY in tcp(7) */
    /*
     * Every core of the runtime calls aio_tcp_listen with this address and gets a socket of its own
     * there (SO_REUSEPORT); the kernel spreads the connections over them. With port 0 the first
     * call settles the port, and the others get the same. Connections that a closed one of them had
     * in its backlog are reset.
     */
    bool sharded;
};

#define AIO_LISTEN_OPTIONS                                                                         \
    ((struct aio_listen_options){                                                                  \
        .size = sizeof(struct aio_listen_options), .backlog = 4096, .nodelay = true})

/*
 * aio_tcp_listen opens a TCP listener on a numeric "host:port". SO_REUSEADDR is set. options NULL
 * means AIO_LISTEN_OPTIONS.
 *
 * Suspends:  never.
 * Context:   a task; the listener belongs to its runtime.
 * Lifetime:  texts and options only during the call. The listener lives until aio_listener_close.
 * Returns:   0; -EINVAL for a bad address or option; -EADDRINUSE; -EACCES for a privileged port;
 *            -EMFILE, -ENFILE; -ENOMEM; or another -errno of socket(2), bind(2), listen(2).
 */
AIO_API AIO_NODISCARD int aio_tcp_listen(struct aio_listener **out, const char *address,
                                         const struct aio_listen_options *options);

/*
 * aio_tcp_connect connects to "host:port" with TCP_NODELAY set. The host is a numeric address or a
 * name. There is no timeout but the kernel's own (about two minutes for an address) and the
 * deadlines in force.
 *
 * A name's addresses of both families are asked for at once (see <aio/resolve.h>) and tried by
 * Happy Eyeballs, RFC 8305: IPv6 and IPv4 in turn, a new one when the last has failed or 250 ms
 * have passed; the first that connects is the stream's, and the others are closed.
 *
 * Suspends:  until the connection stands or has failed.
 * Context:   a task; the stream belongs to its runtime.
 * Lifetime:  the text only during the call. The stream lives until aio_stream_close.
 * Returns:   0; -EINVAL for what is neither an address nor a name; -ECONNREFUSED, -EHOSTUNREACH,
 *            -ENETUNREACH; -ETIMEDOUT by a deadline (see aio_deadline_expired) or by the kernel;
 *            -ECANCELED; -EMFILE, -ENFILE, -ENOMEM; or another -errno of connect(2): of several
 *            addresses the error that tells most. When a name has no address, why, as
 *            aio_resolve_name. After an error no descriptor is left.
 */
AIO_API AIO_NODISCARD int aio_tcp_connect(struct aio_stream **out, const char *address);

/*
 * aio_listener_accept waits for the next connection. When the process or the system is out of
 * descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) it waits, logs a warning and tries
 * again: the connection stays in the backlog and is served once there is room. Connections that
 * died in the backlog are passed over. Several tasks may accept; they are served in turn.
 *
 * Suspends:  until there is a connection.
 * Context:   a task of the listener's core.
 * Lifetime:  the stream lives until aio_stream_close.
 * Returns:   0; -ECANCELED; -ETIMEDOUT; -EBADF once the listener is being closed; -ENOMEM (the
 *            connection is kept for the next call); or another -errno of accept(2). After
 *            -ECANCELED or -ETIMEDOUT no connection was lost.
 */
AIO_API AIO_NODISCARD int aio_listener_accept(struct aio_listener *listener,
                                              struct aio_stream **out);

/*
 * aio_listener_address gives the address the listener is bound to, with the port the kernel chose.
 *
 * Suspends:  never.
 * Context:   a task of the listener's core.
 * Returns:   0; or -errno of getsockname(2).
 */
AIO_API AIO_NODISCARD int aio_listener_address(struct aio_listener *listener,
                                               struct aio_address *out);

/*
 * aio_listener_close stops listening. Calls that wait in aio_listener_accept return -EBADF.
 * Connections nobody has accepted are reset. NULL is ignored.
 *
 * Suspends:  until every call on the listener has returned and the kernel has let go of it;
 *            shielded, so neither cancellation nor a deadline cuts it short.
 * Context:   a task of the listener's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_listener_close(struct aio_listener *listener);

AIO_END_DECLS

#endif
