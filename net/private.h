/*
 * What the files of net/ share.
 */
#ifndef AIO_NET_PRIVATE_H
#define AIO_NET_PRIVATE_H

#include "core/handle.h"
#include "core/op_run.h"
#include "core/task.h"

#include <aio/filter.h>
#include <aio/message.h>
#include <aio/net.h>
#include <aio/socket.h>
#include <aio/stream.h>

struct aio__path;
struct aio__shard;
struct aio_unix_options;
struct aio__intake;
struct aio__outbox;

/* What a stream is made of. */
enum aio__stream_kind {
    AIO__STREAM_SOCKET,
    AIO__STREAM_PIPE, /* an end of a pipe or FIFO */
    AIO__STREAM_FILE, /* a file or device, at its cursor if it has one; a terminal */
};

struct aio_stream {
    struct aio__handle handle; /* first member */
    struct aio__gate reading;
    struct aio__gate writing;
    uint8_t read_opcode;       /* RECV or READ */
    uint8_t write_opcode;      /* SEND or WRITE */
    uint8_t kind;              /* enum aio__stream_kind */
    bool unspliced;            /* its descriptor may block, or cannot be spliced */
    int origin;                /* what it was made of, if handle.fd was opened anew; -1 */
    int64_t cursor;            /* the offset of READ and WRITE: -1; as RECV's and SEND's flags: 0 */
    struct aio_filter *filter; /* NULL: its users see the socket's bytes */
    struct aio__intake *inbox; /* NULL until it is read with rented buffers */
    struct aio__outbox *outbox; /* NULL until it is given some to send */
    int64_t read_ns;            /* 0: no time limit of its own */
    int64_t write_ns;
    bool expired;
    bool tries;      /* what its filter receives must be there already */
    bool lingers;    /* close(2) may wait: for the peer, for a file's server, for a device */
    bool served;     /* a file whose file system may ask a server for everything */
    bool threaded;   /* a file: a thread reads and writes it */
    size_t zerocopy; /* writes from so many bytes on; 0: none */
};

/* Allocates a stream that has no descriptor yet, for a socket; NULL when there is no memory. */
struct aio_stream *aio__stream_alloc(void);

/* Makes it one of something else. */
void aio__stream_unsocket(struct aio_stream *stream, enum aio__stream_kind kind);

/* Gives it a descriptor; from now on the stream owns it. */
void aio__stream_open(struct aio_stream *stream, struct aio__core *core, int fd);

/* Whether an accept would not wait: 0, -EAGAIN, or -EBADF when the listener is being closed. */
int aio__listener_ready(const struct aio_listener *listener);

/* Asks for connections, unless that is done already; who watches the handle is told of them. */
void aio__listener_arm(struct aio_listener *listener);

/* Looks whether anybody waits for what it brings; after somebody has come or gone. */
void aio__listener_heed(struct aio_listener *listener);

/* A call in one direction, with the stream's own time limit for it. */
struct aio__stream_call {
    struct aio_stream *stream;
    struct aio__gate *gate;
    bool limited;
    struct aio_deadline limit;
};

/* Begins and ends a call: as aio__gate_enter and aio__gate_leave. */
int aio__stream_enter(struct aio__stream_call *call, struct aio_stream *stream,
                      struct aio__gate *gate, int64_t limit_ns);
ssize_t aio__stream_leave(struct aio__stream_call *call, ssize_t result);

/* Fills in the op of one transfer. */
static inline void aio__stream_op(const struct aio_stream *stream, struct aio__op *op, bool reads,
                                  void *buffer, size_t size)
{
    op->opcode = reads ? stream->read_opcode : stream->write_opcode;
    op->fd = stream->handle.fd;
    op->file.buffer = buffer;
    op->file.length = size;
    op->file.offset = stream->cursor;
}

_Static_assert(offsetof(struct aio__op, file.buffer) == offsetof(struct aio__op, transfer.buffer) &&
                   offsetof(struct aio__op, file.length) ==
                       offsetof(struct aio__op, transfer.length) &&
                   offsetof(struct aio__op, file.offset) ==
                       offsetof(struct aio__op, transfer.flags),
               "RECV and SEND, READ and WRITE are filled in alike");

/* Inside the gate: one transfer. Returns its result or -errno. */
int aio__stream_transfer(struct aio__stream_call *call, bool reads, void *buffer, size_t size);

/* plain.c: the core holds back what signals the stream may raise. */
void aio__plain_hold(const struct aio_stream *stream, struct aio__core *core);

/* plain.c: one op READ or WRITE, in one or several vectors; of a file, mostly by a thread. */
int aio__plain_run(struct aio__stream_call *call, struct aio__op_frame *frame, const char *what);

/* plain.c: the same as aio__stream_transfer of several vectors, for what is read with READ or
 * written with WRITE. */
int aio__plain_vectored(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                        int count);

/* Inside the reading gate: waits until there is something to read, without reading it. */
int aio__plain_await(struct aio__stream_call *call);

/* pipe.c: makes it a stream over an end of a pipe, of our own description. */
void aio__pipe_start(struct aio_stream *stream, struct aio__core *core, int fd);

/* Ends the writing side of a pipe. */
int aio__plain_shutdown(struct aio_stream *stream, int how);

/* tty.c: makes a stream over a terminal that may block the thread, and can be opened no other way,
 * wait for readiness and read on a thread. Returns 0 or -ENOMEM. And whether this is its filter. */
int aio__tty_attach(struct aio_stream *stream);
bool aio__tty_is(const struct aio_filter *filter);

/* Inside the writing gate: ends that side, and with SHUT_RDWR the other one too. */
int aio__stream_end(struct aio__stream_call *call, int how);

/* Inside the gate: rents a buffer and reads into it. Returns as aio_stream_read_rent. */
ssize_t aio__stream_fill(struct aio__stream_call *call, struct aio_buffer **out);

/* filter.c: a transfer through the stream's filter, inside the gate. */
ssize_t aio__filter_rent(struct aio__stream_call *call, struct aio_buffer **out);
int aio__filter_transfer(struct aio__stream_call *call, bool reads, void *buffer, size_t size);
int aio__filter_vectored(struct aio__stream_call *call, bool reads, const struct iovec *vectors,
                         int count);

/* Inside the gate, before a wait of one's own: nothing has been interrupted while we were awake.
 * Returns 0 or why not to wait. */
static inline int aio__handle_may_wait(const struct aio__handle *handle)
{
    int rc = aio__interrupted(handle->core);
    return rc == 0 && handle->closing ? -EBADF : rc;
}

/*
 * A plain read of a stream that has an inbox, inside the gate: returns what has been received
 * already, the end or the error that came instead, or AIO__INBOX_EMPTY: nothing has, and nothing
 * is armed in the kernel any more.
 */
#define AIO__INBOX_EMPTY ((ssize_t)INT32_MIN)
ssize_t aio__inbox_read(struct aio__stream_call *call, const struct iovec *vectors, int count);

/* The slow half of aio__stream_rented. */
bool aio__stream_serve_rented(struct aio__stream_call *call, bool reads,
                              const struct iovec *vectors, int count, int *result);

/* Inside the gate, before an op of one's own: rented buffers on either side come first. Returns
 * true when they, or what went wrong with them, made *result. */
static inline __attribute__((always_inline)) bool aio__stream_rented(struct aio__stream_call *call,
                                                                     bool reads,
                                                                     const struct iovec *vectors,
                                                                     int count, int *result)
{
    const struct aio_stream *stream = call->stream;
    if (__builtin_expect((reads ? (void *)stream->inbox : (void *)stream->outbox) == NULL, 1))
        return false;
    return aio__stream_serve_rented(call, reads, vectors, count, result);
}

/* Whether rented reads of the stream would return at once. */
bool aio__inbox_has_more(const struct aio_stream *stream);

/* What watches of the handle are told: there is something to read in the inbox; its receive, which
 * took the data from anybody else's op, is over without. */
#define AIO__INBOX_NEWS 1
#define AIO__INBOX_DISARMED 2

/* Whether a receive of the inbox may be armed. */
bool aio__inbox_armed(const struct aio_stream *stream);

/* With no call in progress: ends the receive. Returns 0, or -EBADF when the stream was closed
 * meanwhile. And whether nothing stands in the inbox that would be lost without it. */
int aio__inbox_disarm(struct aio_stream *stream);
bool aio__inbox_empty(const struct aio_stream *stream);

/* Inside the writing gate: waits until the outbox is empty. Returns 0, its error or why the wait
 * ended. */
int aio__outbox_settle(struct aio__stream_call *call);

/* The error that nobody has been told yet, once; 0 when there is none. */
int aio__outbox_error(struct aio_stream *stream);

/* The end of a stream, when no call is on it any more. */
void aio__inbox_close(struct aio_stream *stream);
void aio__outbox_close(struct aio_stream *stream);

/*
 * socket.c: descriptors. aio__socket_open returns one or -errno; aio__socket_drop closes one that
 * belongs to no handle, after ops may have used it.
 */
int aio__socket_open(int family, int type, int protocol);
void aio__socket_drop(struct aio__core *core, int fd);
/* Whether close(2) would wait for the peer. */
bool aio__socket_lingers(int fd);

/* close(2) of a socket that lingers; the backend has forgotten it. Waits, in a task. */
void aio__socket_close_slowly(int fd);
int aio__socket_bind(int fd, const struct aio_address *address);

/* SOCK_STREAM and so on of a descriptor, or -errno. */
int aio__socket_type(int fd);

/* Makes a socket that came from elsewhere non-blocking and close-on-exec. Returns 0 or -errno. */
int aio__socket_take(int fd);

/* setsockopt(2), getsockopt(2) for an int. Return 0 or -errno. */
int aio__socket_set(int fd, int level, int name, int value);
int aio__socket_get(int fd, int level, int name, int *value);

/* getsockname(2) or getpeername(2). Returns 0 or -errno. */
typedef int aio__socket_name_fn(int fd, struct sockaddr *address, socklen_t *length);
int aio__socket_address(int fd, aio__socket_name_fn *name, struct aio_address *out);

/* Opens a socket and waits until it is connected. Returns it or -errno. */
int aio__socket_connect(struct aio__core *core, const struct aio_address *address, int type);

/* The same as a stream. */
int aio__stream_connect(struct aio_stream **out, struct aio__core *core,
                        const struct aio_address *address);

/* A bound socket that is to listen. */
struct aio__listener_plan {
    int fd;
    int type;
    int backlog;
    struct aio__path *path;
    struct aio__shard *shard; /* NULL: not shared with other cores */
};

/* Says how many connections more may be accepted, at least one: with little room they are taken
 * from the kernel's backlog one by one, as they are asked for, and not a backlog in advance. */
void aio__listener_room(struct aio_listener *listener, uint32_t room);

/* Makes a listener of it, which owns fd and path from now on; both are gone after an error. */
int aio__listener_create(struct aio_listener **out, struct aio__core *core,
                         const struct aio__listener_plan *plan);

/* Waits for a connection. Returns its descriptor; -EPROTOTYPE when the listener is of another type;
 * or -errno. */
int aio__listener_accept(struct aio_listener *listener, int type);

/* unix_path.c: removes the file, if it is still the one that binding made, and frees path; NULL is
 * ignored. To be called before the socket is closed. */
void aio__path_remove(struct aio__path *path);

/* Frees path and leaves the file. */
void aio__path_free(struct aio__path *path);

/* Binds fd to a Unix name. *path is what aio__path_remove takes, NULL for an abstract name. Returns
 * 0 or -errno. */
int aio__path_bind(struct aio__path **path, int fd, const struct aio_address *address,
                   const struct aio_unix_options *options);

/* A socket that carries packets. */
struct aio_socket {
    struct aio__handle handle; /* first member */
    struct aio__gate receiving;
    struct aio__gate sending;
    int family;
    int type;               /* SOCK_DGRAM or SOCK_SEQPACKET */
    bool drained;           /* the last batch took all that was there */
    size_t segment_limit;   /* the kernel cuts runs into datagrams shorter than this; 0: none */
    struct aio__path *path; /* the file that binding made, or NULL */
    struct aio__packet_rent *rent; /* NULL until it is received from with rented buffers */
    struct aio__packet_give *give; /* NULL until it is given some to send */
};

/* packet_rent.c: what rented buffers are received by; NULL when there has been no such call. */
struct aio__intake *aio__packet_intake(const struct aio_socket *socket);

/* packet.c: makes a handle of a descriptor, which it owns from now on, with path. After an error
 * (-ENOMEM) both are gone. */
int aio__packet_open(struct aio_socket **out, struct aio__core *core, int fd,
                     struct aio__path *path);

/* Allocates a handle first, where taking the descriptor must not fail; free it with aio__free. */
struct aio_socket *aio__packet_alloc(void);
void aio__packet_start(struct aio_socket *socket, struct aio__core *core, int fd,
                       struct aio__path *path);

/* Whether what was received is the end of a sequence. */
bool aio__packet_ended(const struct aio_socket *socket, const struct msghdr *header, size_t whole);

/* message.c: how a message looks to the kernel, and what it has made of it. */
bool aio__message_valid(const struct aio_message *message);
void aio__message_to_send(const struct aio_message *message, struct msghdr *header);
void aio__message_to_receive(const struct aio_message *message, struct msghdr *header);
void aio__message_received(struct aio_message *message, const struct msghdr *header, size_t whole);

/* The same but for the vectors: `bytes` of the whole have been received elsewhere. */
void aio__message_describe(struct aio_message *message, const struct msghdr *header, size_t bytes,
                           size_t whole);

/*
 * packet_rent.c: a plain receive of a socket that has been received from with rented buffers,
 * inside the gate: takes what has come already, as much as there is of `count`. Returns messages; 0
 * when nothing has, and nothing is armed in the kernel any more; or -errno.
 */
int aio__packet_rented(struct aio_socket *socket, struct aio_message *messages, int count);

/* With no call in progress: ends the receive that is armed. Returns 0; -EBUSY when packets wait
 * that would be lost. And the end of it all. */
int aio__packet_rent_disarm(struct aio_socket *socket);
void aio__packet_rent_close(struct aio_socket *socket);

/*
 * packet_give.c: inside the gate, before a send of one's own: what was given before is sent.
 * Returns 0 or why the wait ended. Whether there is none; and the end of it all.
 */
int aio__packet_give_settle(struct aio_socket *socket);
bool aio__packet_give_idle(const struct aio_socket *socket);
void aio__packet_give_close(struct aio_socket *socket);

/* Begins a call that sends. Returns 0 with the gate held, or -errno without it. */
int aio__packet_enter_sending(struct aio_socket *socket);

#endif
