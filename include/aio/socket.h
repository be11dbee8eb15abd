/*
 * <aio/socket.h>: sockets that carry packets: UDP, Unix datagrams, Unix packets in sequence. They
 * are opened by <aio/udp.h> and <aio/unix.h>. Byte streams are <aio/stream.h>.
 *
 * A packet is sent and received whole or not at all. One of no bytes is a packet like any other,
 * and not an end. A socket may be used by several tasks of its core; each direction serves them
 * in the order in which they came. No call raises SIGPIPE.
 *
 * All functions are called from tasks of the socket's own core; another caller aborts with a
 * message.
 */
#ifndef AIO_SOCKET_H
#define AIO_SOCKET_H

#include <aio/base.h>
#include <aio/buf.h>
#include <aio/message.h>
#include <aio/net.h>

AIO_BEGIN_DECLS

struct aio_socket;

/*
 * aio_socket_send sends a packet on a connected socket.
 *
 * Suspends:  while the socket's buffer, or a Unix receiver, is full.
 * Context:   a task of the socket's core.
 * Lifetime:  bytes until the call returns.
 * Returns:   size; -EMSGSIZE when it is too large for a packet; -EDESTADDRREQ or -ENOTCONN when
 *            the socket is not connected; -ECONNREFUSED when an earlier packet was answered so by
 *            the peer's host, or nobody receives there (this packet was not sent); -EPIPE,
 *            -ECONNRESET when a Unix peer is gone; -ECANCELED; -ETIMEDOUT; -EBADF once the socket
 *            is being closed; or another -errno of send(2). After an error nothing was sent.
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_send(struct aio_socket *socket, const void *bytes,
                                              size_t size);

/*
 * aio_socket_send_to sends a packet to an address.
 *
 * Suspends:  as aio_socket_send.
 * Context:   a task of the socket's core.
 * Lifetime:  bytes and to until the call returns.
 * Returns:   as aio_socket_send; -EACCES for a broadcast address without AIO_SOCKET_BROADCAST;
 *            -ENETUNREACH, -EHOSTUNREACH; -EISCONN (Unix).
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_send_to(struct aio_socket *socket, const void *bytes,
                                                 size_t size, const struct aio_address *to);

/*
 * aio_socket_recv receives a packet. What does not fit in size is lost; *whole, if whole is not
 * NULL, is set to the packet's length as it was sent, which then exceeds the result.
 *
 * Suspends:  until there is a packet or an error.
 * Context:   a task of the socket's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   bytes in buffer, 0 for an empty packet; -ENODATA when the peer of a packet sequence
 *            has ended it; -ECONNREFUSED when a packet that we sent on a connected UDP socket was
 *            answered so; -ECANCELED; -ETIMEDOUT; -EBADF once the socket is being closed; or
 *            another -errno of recv(2). After -ECANCELED or -ETIMEDOUT no packet was lost.
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_recv(struct aio_socket *socket, void *buffer, size_t size,
                                              size_t *whole);

/*
 * aio_socket_recv_from receives a packet and tells who sent it; from->length is 0 for a Unix
 * sender without a name.
 *
 * Suspends:  as aio_socket_recv.
 * Context:   a task of the socket's core.
 * Lifetime:  buffer, from and whole until the call returns.
 * Returns:   as aio_socket_recv.
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_recv_from(struct aio_socket *socket, void *buffer,
                                                   size_t size, struct aio_address *from,
                                                   size_t *whole);

/*
 * aio_socket_sendmsg sends a message: a packet out of several pieces, with control data.
 *
 * Suspends:  as aio_socket_send.
 * Context:   a task of the socket's core.
 * Lifetime:  all that the message names until the call returns.
 * Returns:   bytes sent; -EINVAL for a count of vectors below 0 or above IOV_MAX; else as
 *            aio_socket_send_to.
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_sendmsg(struct aio_socket *socket,
                                                 const struct aio_message *message);

/*
 * aio_socket_recvmsg receives a message into vectors, with control data; see <aio/message.h>.
 *
 * Suspends:  as aio_socket_recv.
 * Context:   a task of the socket's core.
 * Lifetime:  all that the message names until the call returns.
 * Returns:   0 with the message's fields set; -EINVAL for a count of vectors below 0 or above
 *            IOV_MAX; else an error as of aio_socket_recv. After an error no descriptor came.
 */
AIO_API AIO_NODISCARD int aio_socket_recvmsg(struct aio_socket *socket,
                                             struct aio_message *message);

/* Messages that one call takes at most; more are left to the next. */
#define AIO_SOCKET_BATCH_MAX 64

/*
 * aio_socket_recv_many receives as many messages as are there: it waits for one, then takes what
 * it finds, in one system call.
 *
 * Suspends:  until there is one, as aio_socket_recv.
 * Context:   a task of the socket's core.
 * Lifetime:  all that the messages name until the call returns.
 * Returns:   messages received, at least 1 and at most AIO_SOCKET_BATCH_MAX; 0 for count 0; else as
 *            aio_socket_recvmsg.
 */
AIO_API AIO_NODISCARD int aio_socket_recv_many(struct aio_socket *socket,
                                               struct aio_message *messages, int count);

/*
 * aio_socket_send_many sends messages in order, many in a system call.
 *
 * Suspends:  while the socket's buffer, or a Unix receiver, is full.
 * Context:   a task of the socket's core.
 * Lifetime:  all that the messages name until the call returns.
 * Returns:   messages sent: count, or fewer when the next one failed; its error is returned when
 *            it is the first, so a second call with the rest tells it. Errors as of
 *            aio_socket_sendmsg.
 */
AIO_API AIO_NODISCARD int aio_socket_send_many(struct aio_socket *socket,
                                               const struct aio_message *messages, int count);

/* Of a buffer, in front of a received packet: for the sender's address and control data. */
#define AIO_SOCKET_RENT_BYTES 640

/*
 * aio_socket_rent receives a datagram into a buffer of the pool, see <aio/buf.h>: the call waits
 * without memory, and many datagrams that come at once cost little each. message is NULL, or is set
 * as by aio_socket_recvmsg but for its vectors, which are not looked at: *address, if it names one;
 * flags, bytes and whole; and control, which then points to the control data in the buffer, as far
 * as it is not longer than AIO_CONTROL_BYTES. On Unix sockets no control data comes, and
 * descriptors are closed.
 *
 * A datagram may be as long as the pool's buffers (aio_runtime_options.buffer_bytes) less
 * AIO_SOCKET_RENT_BYTES; of longer ones the rest is lost, see aio_socket_recv. Eight times
 * stream_buffers may wait with a socket for a call; more wait in the kernel, as do those that come
 * while the pool has no free buffer. It may be mixed with the other calls that receive: what came
 * first is received first.
 *
 * Suspends:  until there is a datagram and a free buffer, or an error.
 * Context:   a task of the socket's core.
 * Lifetime:  *out is the caller's until it is released or given away, also after the socket is
 *            closed; message->control until the last handle onto the buffer's memory is.
 * Returns:   bytes received, 0 for an empty datagram, with *out set; -EOPNOTSUPP for a sequence of
 *            packets; -EMSGSIZE when the pool's buffers have no room behind AIO_SOCKET_RENT_BYTES;
 *            -ENOMEM; else an error as of aio_socket_recv. *out is NULL after an error.
 */
AIO_API AIO_NODISCARD ssize_t aio_socket_rent(struct aio_socket *socket, struct aio_buffer **out,
                                              struct aio_message *message);

/*
 * aio_socket_give gives a buffer to the socket, which sends it as a packet and then puts it back;
 * to is its address, or NULL on a connected socket. What is given in one turn of the core goes in
 * one system call; UDP datagrams of one length to one peer in a row are cut apart by the kernel
 * where it can (GSO, see struct aio_udp_options). The caller's task does not wait for that: a
 * packet that cannot be sent is dropped, and the error is returned by the next call of
 * aio_socket_give or aio_socket_flush. aio_socket_close sends what the kernel takes at once and
 * drops the rest.
 *
 * Suspends:  while other calls send, and while AIO_SOCKET_BATCH_MAX buffers wait to be sent.
 * Context:   a task of the socket's core.
 * Lifetime:  buffer is given away in every case, also when an error is returned; to only during the
 *            call.
 * Returns:   0; or an error as of aio_socket_send_to, of an earlier packet or of this one, after
 *            which the buffer has not been sent; -EINVAL for an address longer than any; -ENOMEM.
 */
AIO_API int aio_socket_give(struct aio_socket *socket, struct aio_buffer *buffer,
                            const struct aio_address *to);

/*
 * aio_socket_flush waits until the kernel has taken every buffer given to aio_socket_give.
 *
 * Suspends:  until all are sent, or an interruption.
 * Context:   a task of the socket's core.
 * Returns:   0; the error of a packet that no call has returned; -ECANCELED, -ETIMEDOUT: sending
 *            goes on; -EBADF once the socket is being closed.
 */
AIO_API int aio_socket_flush(struct aio_socket *socket);

/*
 * aio_socket_recverr takes an entry of the socket's error queue (option AIO_SOCKET_RECEIVE_ERRORS):
 * the payload is that of the packet that failed, address its destination, and aio_message_error
 * tells the rest.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Lifetime:  all that the message names during the call.
 * Returns:   0; -EAGAIN when the queue is empty; -EINVAL as aio_socket_recvmsg.
 */
AIO_API AIO_NODISCARD int aio_socket_recverr(struct aio_socket *socket,
                                             struct aio_message *message);

/*
 * aio_socket_connect sets the peer of a datagram socket: packets go to it and come from it only.
 * An address of length 0 takes the peer away again.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Lifetime:  the address only during the call.
 * Returns:   0; -ENETUNREACH; -ECONNREFUSED, -ENOENT, -EPROTOTYPE (Unix); or another -errno of
 *            connect(2).
 */
AIO_API AIO_NODISCARD int aio_socket_connect(struct aio_socket *socket,
                                             const struct aio_address *peer);

/*
 * aio_socket_local gives the address the socket is bound to.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   0; or -errno of getsockname(2).
 */
AIO_API AIO_NODISCARD int aio_socket_local(struct aio_socket *socket, struct aio_address *out);

/*
 * aio_socket_peer gives the address the socket is connected to.
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   0; -ENOTCONN when there is no peer; or another -errno of getpeername(2).
 */
AIO_API AIO_NODISCARD int aio_socket_peer(struct aio_socket *socket, struct aio_address *out);

/*
 * aio_socket_adopt makes a socket of a datagram socket, or of one for packets in sequence, that
 * came from elsewhere: inherited, made by another library, received. It becomes non-blocking and
 * close-on-exec.
 *
 * Suspends:  never.
 * Context:   a task; the socket belongs to its core.
 * Lifetime:  after 0 the descriptor is the socket's.
 * Returns:   0; -EBADF, -ENOTSOCK; -EINVAL for another kind of socket; -ENOMEM. After an error the
 *            descriptor is the caller's as before.
 */
AIO_API AIO_NODISCARD int aio_socket_adopt(struct aio_socket **out, int fd);

/*
 * aio_socket_release gives the descriptor back and ends the socket without closing it. It stays
 * non-blocking and close-on-exec; a path that binding made is not removed any more.
 *
 * Suspends:  never, but after aio_socket_rent until its receive has ended.
 * Context:   a task of the socket's core.
 * Lifetime:  after a result of 0 or more the handle is gone and the descriptor is the caller's.
 * Returns:   the descriptor; -EBUSY while calls on it are in progress, and while datagrams wait
 *            that were received for aio_socket_rent or given to aio_socket_give; -EBADF while it is
 *            being closed.
 */
AIO_API AIO_NODISCARD int aio_socket_release(struct aio_socket *socket);

/*
 * aio_socket_close ends the socket. Calls that wait on it return -EBADF, whatever they had
 * reached. A path that binding made is removed, see <aio/unix.h>. NULL is ignored.
 *
 * Suspends:  until every call on the socket has returned and the kernel has let go of their
 *            buffers; shielded, so neither cancellation nor a deadline cuts it short.
 * Context:   a task of the socket's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_socket_close(struct aio_socket *socket);

/* Options; the man page that says what each means and its unit. Those of IP take the socket's
 * family into account. */
enum aio_socket_option {
    AIO_SOCKET_BROADCAST,           /* socket(7): 0 or 1 */
    AIO_SOCKET_SEND_BUFFER,         /* socket(7): bytes; the kernel doubles what is set */
    AIO_SOCKET_RECEIVE_BUFFER,      /* socket(7): bytes; the kernel doubles what is set */
    AIO_SOCKET_HOPS,                /* ip(7): IP_TTL, IPV6_UNICAST_HOPS */
    AIO_SOCKET_CLASS,               /* ip(7): IP_TOS, IPV6_TCLASS */
    AIO_SOCKET_MULTICAST_HOPS,      /* ip(7): how far multicast goes; 1 at first */
    AIO_SOCKET_MULTICAST_LOOP,      /* ip(7): 0 or 1: our own host's members receive it too */
    AIO_SOCKET_MULTICAST_INTERFACE, /* ip(7): the index of the interface it leaves by; set only */
    AIO_SOCKET_RECEIVE_TIMESTAMP,   /* 0 or 1, as are all of these: aio_message_timestamp */
    AIO_SOCKET_RECEIVE_DESTINATION, /* aio_message_destination */
    AIO_SOCKET_RECEIVE_HOPS,        /* aio_message_hops */
    AIO_SOCKET_RECEIVE_CLASS,       /* aio_message_class */
    AIO_SOCKET_RECEIVE_ERRORS,      /* aio_socket_recverr */
    AIO_SOCKET_RECEIVE_DROPS,       /* aio_message_drops */
    AIO_SOCKET_RECEIVE_CREDENTIALS, /* aio_message_credentials; Unix */
    AIO_SOCKET_RECEIVE_SEGMENTS,    /* aio_message_segment; the kernel may put UDP datagrams of one
                                       sender together: receive them with aio_socket_recvmsg into
                                       64 KiB, or with aio_socket_rent and buffers of 65,536 bytes
                                       and AIO_SOCKET_RENT_BYTES. Where it cannot, setting it does
                                       nothing. */
};

/*
 * aio_socket_option_set sets an option, see setsockopt(2).
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   0; -EINVAL for an unknown option or a bad value; -EOPNOTSUPP for one that the
 *            socket's family does not have; or another -errno of setsockopt(2).
 */
AIO_API AIO_NODISCARD int aio_socket_option_set(struct aio_socket *socket,
                                                enum aio_socket_option option, int value);

/*
 * aio_socket_option_get reads an option, see getsockopt(2).
 *
 * Suspends:  never.
 * Context:   a task of the socket's core.
 * Returns:   0 with *value set; else as aio_socket_option_set.
 */
AIO_API AIO_NODISCARD int aio_socket_option_get(struct aio_socket *socket,
                                                enum aio_socket_option option, int *value);

AIO_END_DECLS

#endif
