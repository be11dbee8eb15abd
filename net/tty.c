/*
 * A terminal whose reads and writes may block the thread that makes them: O_NONBLOCK belongs to
 * everybody who shares the description, terminals know no other way, and this one could not be
 * opened anew (a master, another user's terminal, no /proc). Its stream waits until it is ready and
 * makes the call on a thread of the pool. A filter is where a stream's transfers are taken over.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/offload.h>
#include <poll.h>
#include <unistd.h>

struct tty_call {
    struct aio_filter *filter;
    bool reads;
    struct iovec vector;
};

static int tty_transfer_blocking(void *arg)
{
    const struct tty_call *call = arg;
    int fd = call->filter->stream->handle.fd;
    ssize_t n;
    do
        n = call->reads ? readv(fd, &call->vector, 1) : writev(fd, &call->vector, 1);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : (int)n;
}

static int tty_await(struct aio_filter *filter, bool reads)
{
    struct aio__handle *handle = &filter->stream->handle;
    struct aio__gate *gate = reads ? &filter->stream->reading : &filter->stream->writing;
    struct aio__op_frame frame;
    frame.op.opcode = AIO__OP_POLL;
    frame.op.fd = handle->fd;
    frame.op.poll.events = reads ? POLLIN : POLLOUT;
    int rc = aio__gate_run(handle, gate, &frame, reads ? "read" : "write");
    gate->inside = NULL; /* its frame is gone */
    return rc < 0 ? rc : 0;
}

static ssize_t tty_transfer(struct aio_filter *filter, bool reads, const struct iovec *vectors)
{
    struct tty_call call = {.filter = filter, .reads = reads};
    int result = 0;
    while (vectors->iov_len == 0)
        vectors++;
    call.vector = *vectors;
    if (call.vector.iov_len > AIO__TRANSFER_BYTES_MAX)
        call.vector.iov_len = AIO__TRANSFER_BYTES_MAX;
    int rc = tty_await(filter, reads);
    if (rc == 0)
        rc = aio_offload_call(tty_transfer_blocking, &call, &result);
    return rc < 0 ? rc : result;
}

static ssize_t tty_read(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    (void)count;
    return tty_transfer(filter, true, vectors);
}

static ssize_t tty_write(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    (void)count;
    return tty_transfer(filter, false, vectors);
}

static int tty_open(struct aio_filter *filter)
{
    (void)filter;
    return 0;
}

static int tty_shutdown(struct aio_filter *filter)
{
    (void)filter;
    return 0;
}

static bool tty_pending(const struct aio_filter *filter)
{
    (void)filter;
    return false;
}

static void tty_close(struct aio_filter *filter)
{
    aio__free(filter);
}

static const struct aio_filter_kind tty_kind = {sizeof(struct aio_filter_kind),
                                                "terminal",
                                                tty_open,
                                                tty_read,
                                                tty_write,
                                                tty_shutdown,
                                                tty_pending,
                                                tty_close};

int aio__tty_attach(struct aio_stream *stream)
{
    struct aio_filter *filter = aio__alloc_zero(sizeof *filter);
    if (filter == NULL)
        return -ENOMEM;
    filter->kind = &tty_kind;
    filter->stream = stream;
    stream->filter = filter;
    return 0;
}

bool aio__tty_is(const struct aio_filter *filter)
{
    return filter->kind == &tty_kind;
}
