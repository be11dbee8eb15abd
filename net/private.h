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

struct aio__inbox;
struct aio__outbox;

struct aio_stream {
    struct aio__handle handle; /* first member */
    struct aio__gate reading;
    struct aio__gate writing;
    struct aio__inbox *inbox;   /* NULL until it is read with rented buffers */
    struct aio__outbox *outbox; /* NULL until it is given some to send */
    int64_t read_ns;            /* 0: no time limit of its own */
    int64_t write_ns;
    bool expired;
};

/* Allocates a stream that has no descriptor yet; NULL when there is no memory. */
struct aio_stream *aio__stream_alloc(void);

/* Gives it a descriptor; from now on the stream owns it. */
void aio__stream_open(struct aio_stream *stream, struct aio__core *core, int fd);

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

/* Inside the gate, before a wait of one's own: nothing has been interrupted while we were awake.
 * Returns 0 or why not to wait. */
static inline int aio__stream_may_wait(const struct aio__stream_call *call)
{
    int rc = aio__interrupted(call->stream->handle.core);
    return rc == 0 && call->stream->handle.closing ? -EBADF : rc;
}

/*
 * A plain read of a stream that has an inbox, inside the gate: returns what has been received
 * already, the end or the error that came instead, or AIO__INBOX_EMPTY: nothing has, and nothing
 * is armed in the kernel any more.
 */
#define AIO__INBOX_EMPTY ((ssize_t)INT32_MIN)
ssize_t aio__inbox_read(struct aio__stream_call *call, const struct iovec *vectors, int count);

/* Whether rented reads of the stream would return at once. */
bool aio__inbox_has_more(const struct aio_stream *stream);

/* Inside the writing gate: waits until the outbox is empty. Returns 0, its error or why the wait
 * ended. */
int aio__outbox_settle(struct aio__stream_call *call);

/* The error that nobody has been told yet, once; 0 when there is none. */
int aio__outbox_error(struct aio_stream *stream);

/* The end of a stream, when no call is on it any more. */
void aio__inbox_close(struct aio_stream *stream);
void aio__outbox_close(struct aio_stream *stream);

/* setsockopt(2) for an int. Returns 0 or -errno. */
int aio__socket_set(int fd, int level, int name, int value);

/* getsockname(2) or getpeername(2). Returns 0 or -errno. */
typedef int aio__socket_name_fn(int fd, struct sockaddr *address, socklen_t *length);
int aio__socket_address(int fd, aio__socket_name_fn *name, struct aio_address *out);

#endif
