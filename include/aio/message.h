/*
 * <aio/message.h>: messages with addresses and control data (ancillary data), as sendmsg(2) and
 * recvmsg(2) know them.
 *
 * A message names memory of the caller: vectors for the payload and, if wanted, one buffer for
 * control data. The buffer needs no alignment. The helpers below build and read control data and
 * never go beyond it, whatever stands in it.
 *
 *     char control[AIO_CONTROL_BYTES];
 *     struct iovec vector = {bytes, sizeof bytes};
 *     struct aio_message message = {
 *         .vectors = &vector, .count = 1, .control = control, .control_room = sizeof control};
 *     int rc = aio_socket_recvmsg(socket, &message);
 *     if (rc == 0 && aio_message_timestamp(&message, &when_ns) == 0)
 *         ...
 *
 * Descriptors that a peer passes are closed unless keep_fds is set; then every one that came must
 * be taken (aio_message_take_fds) or dropped (aio_message_drop_fds). So a peer cannot fill up the
 * descriptor table of a program that does not expect any.
 */
#ifndef AIO_MESSAGE_H
#define AIO_MESSAGE_H

#include <aio/base.h>
#include <aio/net.h>
#include <sys/uio.h>

AIO_BEGIN_DECLS

/* Descriptors in one message, at most; the kernel's own limit. */
#define AIO_MESSAGE_FDS_MAX 253

/* Room for one piece of control data of that many bytes. */
#define AIO_CONTROL_SPACE(bytes) CMSG_SPACE(bytes)

/* Room for all that the kernel says about a message, descriptors not counted. */
#define AIO_CONTROL_BYTES 512

/* Room for that and for so many descriptors. */
#define AIO_CONTROL_BYTES_FDS(count) (AIO_CONTROL_BYTES + CMSG_SPACE((count) * sizeof(int)))

enum aio_message_flag {
    AIO_MESSAGE_TRUNCATED = 1, /* the payload was longer than the vectors: the rest is lost */
    AIO_MESSAGE_CONTROL_TRUNCATED = 2, /* the control data did not fit; what was cut is lost, and
                                          descriptors among it are closed */
    AIO_MESSAGE_END_OF_RECORD = 4,     /* MSG_EOR of recvmsg(2) */
};

struct aio_message {
    struct iovec *vectors;
    int count;                   /* of vectors */
    struct aio_address *address; /* send: to whom; receive: set to the sender's; or NULL */
    void *control;               /* or NULL */
    size_t control_room;  /* receive: as AIO_CONTROL_BYTES says; a packet of a sequence has a time
                             stamp before anything else that comes with it */
    size_t control_bytes; /* send: what the helpers put there; receive: what came */
    bool keep_fds;        /* receive: keep descriptors */
    /* Set by receiving: */
    uint32_t flags; /* enum aio_message_flag */
    size_t bytes;   /* in the vectors */
    size_t whole;   /* the payload as it was sent; more than bytes when it was truncated */
};

/*
 * aio_message_put appends a piece of control data to a message that will be sent.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  data only during the call.
 * Returns:   0; -ENOSPC when it does not fit in control_room (nothing is written).
 */
AIO_API AIO_NODISCARD int aio_message_put(struct aio_message *message, int level, int type,
                                          const void *data, size_t size);

/*
 * aio_message_put_fds appends descriptors, to be duplicated into the peer (Unix sockets). They
 * stay the caller's, who may close them once the message is sent. On a stream they go with the
 * first byte.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EINVAL for a count of 0 or more than AIO_MESSAGE_FDS_MAX; -ENOSPC.
 */
AIO_API AIO_NODISCARD int aio_message_put_fds(struct aio_message *message, const int *fds,
                                              int count);

/*
 * aio_message_put_hops sets the time to live (hop limit) of one message; see IP_TTL in ip(7).
 * family is AF_INET or AF_INET6.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EINVAL for another family or a value beyond 0 to 255; -ENOSPC.
 */
AIO_API AIO_NODISCARD int aio_message_put_hops(struct aio_message *message, int family, int hops);

/*
 * aio_message_put_class sets the type of service (traffic class) of one message; see IP_TOS in
 * ip(7).
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   as aio_message_put_hops.
 */
AIO_API AIO_NODISCARD int aio_message_put_class(struct aio_message *message, int family, int value);

/*
 * aio_message_put_source chooses the address a message is sent from, and the interface it leaves
 * by (0: by routing). An answer to a datagram passes here what aio_message_destination gave.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -EAFNOSUPPORT for a family other than IPv4 and IPv6; -ENOSPC.
 */
AIO_API AIO_NODISCARD int aio_message_put_source(struct aio_message *message,
                                                 const struct aio_address *source, int interface);

/* A piece of received control data. Start with an all-zero one. */
struct aio_message_item {
    size_t position; /* of aio_message_next; nobody else's */
    int level;
    int type;
    const void *data; /* not aligned */
    size_t size;
};

/*
 * aio_message_next steps to the next piece of received control data.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  data as long as the message's control buffer.
 * Returns:   false after the last one, and where the data is malformed.
 */
AIO_API bool aio_message_next(const struct aio_message *message, struct aio_message_item *item);

/*
 * aio_message_find copies the first piece of that level and type.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -ENOENT when there is none of at least size bytes.
 */
AIO_API int aio_message_find(const struct aio_message *message, int level, int type, void *out,
                             size_t size);

/*
 * aio_message_timestamp gives the time at which the kernel received the message, in nanoseconds of
 * CLOCK_REALTIME. Needs the option AIO_SOCKET_RECEIVE_TIMESTAMP.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -ENOENT.
 */
AIO_API int aio_message_timestamp(const struct aio_message *message, int64_t *realtime_ns);

/*
 * aio_message_hops gives the time to live (hop limit) the message came with. Needs the option
 * AIO_SOCKET_RECEIVE_HOPS.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0 to 255; -ENOENT.
 */
AIO_API int aio_message_hops(const struct aio_message *message);

/*
 * aio_message_class gives the type of service (traffic class) the message came with. Needs the
 * option AIO_SOCKET_RECEIVE_CLASS.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0 to 255; -ENOENT.
 */
AIO_API int aio_message_class(const struct aio_message *message);

/*
 * aio_message_destination gives the address the message was sent to (its port is 0), which tells
 * on a socket bound to every address which of ours was meant. Needs the option
 * AIO_SOCKET_RECEIVE_DESTINATION.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   the index of the interface it came by; -ENOENT.
 */
AIO_API int aio_message_destination(const struct aio_message *message, struct aio_address *out);

/*
 * aio_message_segment tells of which length the datagrams are that the kernel has put together
 * (the last one may be shorter). Without the option AIO_SOCKET_RECEIVE_SEGMENTS, or where the
 * kernel has put nothing together, that is the message's whole length.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   bytes.
 */
AIO_API size_t aio_message_segment(const struct aio_message *message);

/*
 * aio_message_drops tells how many messages the socket has lost so far because its buffer was
 * full. Needs the option AIO_SOCKET_RECEIVE_DROPS; the kernel tells from the first loss on.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   a count, which wraps; 0 when nothing was said.
 */
AIO_API uint32_t aio_message_drops(const struct aio_message *message);

/* Who a process is, to the kernel; see unix(7). */
struct aio_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/*
 * aio_message_credentials tells who sent the message (Unix sockets). Needs the option
 * AIO_SOCKET_RECEIVE_CREDENTIALS.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -ENOENT.
 */
AIO_API int aio_message_credentials(const struct aio_message *message, struct aio_credentials *out);

/* An entry of the error queue, see IP_RECVERR in ip(7). */
struct aio_message_error {
    int code;                    /* -ECONNREFUSED and so on */
    uint8_t origin;              /* SO_EE_ORIGIN_LOCAL 1, _ICMP 2, _ICMP6 3, ... */
    uint8_t type;                /* of the ICMP message */
    uint8_t subtype;             /* its code */
    uint32_t info;               /* with -EMSGSIZE: the path's MTU */
    struct aio_address offender; /* who reported it; length 0 when unknown */
};

/*
 * aio_message_error reads what aio_socket_recverr brought.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   0; -ENOENT.
 */
AIO_API int aio_message_error(const struct aio_message *message, struct aio_message_error *out);

/*
 * aio_message_take_fds gives the descriptors that came with the message: from now on they are the
 * caller's to close. All are close-on-exec. Those that are more than room are closed.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Returns:   how many there were; more than room when some were closed.
 */
AIO_API AIO_NODISCARD int aio_message_take_fds(struct aio_message *message, int *fds, int room);

/*
 * aio_message_drop_fds closes the descriptors that nobody has taken.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_message_drop_fds(struct aio_message *message);

/*
 * aio_stream_sendmsg writes to a stream from several pieces, with control data: descriptors, over a
 * Unix stream. Possibly not all bytes are taken; control data goes with the first of them.
 *
 * Suspends:  until the kernel has taken something, or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  all that the message names until the call returns.
 * Returns:   bytes taken; -EINVAL for a bad count of vectors, for no bytes at all with control
 *            data, and for an address; else as aio_stream_write. After an error no descriptor was
 *            passed.
 */
AIO_API AIO_NODISCARD ssize_t aio_stream_sendmsg(struct aio_stream *stream,
                                                 const struct aio_message *message);

/*
 * aio_stream_recvmsg reads from a stream into several pieces, with control data. Bytes that came
 * with descriptors and bytes that came after them are not mixed in one message.
 *
 * Suspends:  until there is data, the end of the stream or an error.
 * Context:   a task of the stream's core.
 * Lifetime:  all that the message names until the call returns.
 * Returns:   0 with the message's fields set, bytes 0 at the end of the stream; -EINVAL for a bad
 *            count of vectors, for no room for a byte and for an address; else an error as of
 *            aio_stream_read. After an error no descriptor came.
 */
AIO_API AIO_NODISCARD int aio_stream_recvmsg(struct aio_stream *stream,
                                             struct aio_message *message);

AIO_END_DECLS

#endif
