/*
 * <aio/udp.h>: UDP sockets: opening, multicast, runs of datagrams. Sending and receiving is
 * <aio/socket.h>.
 */
#ifndef AIO_UDP_H
#define AIO_UDP_H

#include <aio/base.h>
#include <aio/net.h>
#include <aio/socket.h>

AIO_BEGIN_DECLS

/* Options of a UDP socket. Start from AIO_UDP_OPTIONS. */
struct aio_udp_options {
    size_t size;
    bool reuseaddr; /* several sockets receive the same multicast, see SO_REUSEADDR in socket(7) */
    bool reuseport; /* several sockets share the address, see SO_REUSEPORT in socket(7) */
    bool v6only;    /* "[::]:port" receives nothing over IPv4, see ipv6(7) */
    bool broadcast; /* may send to broadcast addresses */
    bool segments;  /* let the kernel cut runs of datagrams where it can (GSO) */
};

#define AIO_UDP_OPTIONS                                                                            \
    ((struct aio_udp_options){.size = sizeof(struct aio_udp_options), .segments = true})

/*
 * aio_udp_bind opens a UDP socket on a numeric "host:port"; port 0 lets the kernel choose. options
 * NULL means AIO_UDP_OPTIONS.
 *
 * Suspends:  never.
 * Context:   a task; the socket belongs to its core.
 * Lifetime:  texts and options only during the call. The socket lives until aio_socket_close.
 * Returns:   0; -EINVAL for a bad address or option; -EADDRINUSE; -EADDRNOTAVAIL; -EACCES for a
 *            privileged port; -EMFILE, -ENFILE; -ENOMEM; or another -errno of socket(2), bind(2).
 */
AIO_API AIO_NODISCARD int aio_udp_bind(struct aio_socket **out, const char *address,
                                       const struct aio_udp_options *options);

/*
 * aio_udp_connect opens a UDP socket with a peer: packets go to it and come from it only, and what
 * its host answers (nobody listens: -ECONNREFUSED) is told by a later call. Our own address is the
 * kernel's choice; to choose it, use aio_udp_bind and aio_socket_connect.
 *
 * Suspends:  never.
 * Context:   a task; the socket belongs to its core.
 * Lifetime:  texts and options only during the call. The socket lives until aio_socket_close.
 * Returns:   0; -EINVAL for a bad address or option; -ENETUNREACH; -EMFILE, -ENFILE; -ENOMEM; or
 *            another -errno of socket(2), connect(2).
 */
AIO_API AIO_NODISCARD int aio_udp_connect(struct aio_socket **out, const char *address,
                                          const struct aio_udp_options *options);

/*
 * aio_udp_join makes the socket a member of a multicast group on an interface (its index; 0: the
 * one that routing chooses). The group's port is not looked at.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Lifetime:  the address only during the call.
 * Returns:   0; -EINVAL for an address that is no group; -ENODEV when there is no such interface
 *            or no route; -EADDRINUSE when it is a member already; -ENOBUFS at the system's limit;
 *            or another -errno of setsockopt(2).
 */
AIO_API AIO_NODISCARD int aio_udp_join(struct aio_socket *socket, const struct aio_address *group,
                                       int interface);

/*
 * aio_udp_leave ends the membership of a group on an interface; close does so too.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Lifetime:  the address only during the call.
 * Returns:   0; -EADDRNOTAVAIL when the socket was no member; else as aio_udp_join.
 */
AIO_API AIO_NODISCARD int aio_udp_leave(struct aio_socket *socket, const struct aio_address *group,
                                        int interface);

/*
 * aio_udp_send_run sends a run of datagrams to one peer: each of segment bytes of the buffer, the
 * last of what is left. The kernel cuts them apart where it can (GSO, Linux 4.18), which costs a
 * fraction of sending each; else each is sent. What goes out is the same.
 *
 * Suspends:  as aio_socket_send.
 * Context:   a task of the socket's core.
 * Lifetime:  bytes and to until the call returns.
 * Returns:   size; a multiple of segment that is less when the datagram after it failed, the error
 *            of the first datagram; -EINVAL for segment 0; else as aio_socket_send_to. to NULL: the
 *            socket is connected.
 */
AIO_API AIO_NODISCARD ssize_t aio_udp_send_run(struct aio_socket *socket, const void *bytes,
                                               size_t size, size_t segment,
                                               const struct aio_address *to);

/*
 * aio_udp_give_run gives a buffer to the socket that holds a run of datagrams, as aio_udp_send_run
 * sends one: aio_socket_give for what came with aio_message_segment. Without bytes it is an empty
 * datagram.
 *
 * Suspends:  as aio_socket_give.
 * Context:   a task of the socket's core.
 * Lifetime:  as of aio_socket_give.
 * Returns:   0; -EINVAL for segment 0 and bytes, -EMSGSIZE for one beyond 65,535; else as
 *            aio_socket_give.
 */
AIO_API int aio_udp_give_run(struct aio_socket *socket, struct aio_buffer *buffer, size_t segment,
                             const struct aio_address *to);

AIO_END_DECLS

#endif
