/*
 * What the files of net/ share.
 */
#ifndef AIO_NET_PRIVATE_H
#define AIO_NET_PRIVATE_H

#include "core/handle.h"
#include "core/op_run.h"
#include "core/task.h"

#include <aio/net.h>
#include <aio/stream.h>

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

/* setsockopt(2) for an int. Returns 0 or -errno. */
int aio__socket_set(int fd, int level, int name, int value);

/* getsockname(2) or getpeername(2). Returns 0 or -errno. */
typedef int aio__socket_name_fn(int fd, struct sockaddr *address, socklen_t *length);
int aio__socket_address(int fd, aio__socket_name_fn *name, struct aio_address *out);

#endif
