/*
 * What the files of net/ share.
 */
#ifndef AIO_NET_PRIVATE_H
#define AIO_NET_PRIVATE_H

#include "core/handle.h"
#include "core/op_run.h"
#include "core/task.h"

#include <aio/message.h>
#include <aio/net.h>
#include <aio/socket.h>
#include <aio/stream.h>

struct aio__path;
struct aio__shard;
struct aio_unix_options;

struct aio_stream {
    struct aio__handle handle; /* first member */
    struct aio__gate reading;
    struct aio__gate writing;
    int64_t read_ns; /* 0: no time limit of its own */
    int64_t write_ns;
    bool expired;
};

/* Allocates a stream that has no descriptor yet; NULL when there is no memory. */
struct aio_stream *aio__stream_alloc(void);

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

/*
 * socket.c: descriptors. aio__socket_open returns one or -errno; aio__socket_drop closes one that
 * belongs to no handle, after ops may have used it.
 */
int aio__socket_open(int family, int type, int protocol);
void aio__socket_drop(struct aio__core *core, int fd);
int aio__socket_bind(int fd, const struct aio_address *address);

/* SOCK_STREAM and so on of a descriptor, or -errno. */
int aio__socket_type(int fd);

/* Makes a socket that came from elsewhere non-blocking and close-on-exec. Returns 0 or -errno. */
int aio__socket_take(int fd);

/* Takes the descriptor of a handle off its core. Returns 0; -EBUSY; -EBADF. */
int aio__socket_part(struct aio__handle *handle);

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

/*
 * Runs an op inside a gate. A close while the task was woken already, or while an instant op gave
 * way, has interrupted nothing: look before each op. The wait has its task from the start, for a
 * close looks at it.
 */
static inline int aio__gate_run(struct aio__handle *handle, struct aio__gate *gate,
                                struct aio__op_frame *frame, const char *what)
{
    if (__builtin_expect(handle->closing, 0))
        return -EBADF;
    frame->wait.task = handle->core->current;
    gate->inside = &frame->wait;
    return aio__op_run(handle->core, frame, what);
}

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
};

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

#endif
