/*
 * Copying one way, by a buffer or by a pipe; <aio/copy.h> says when which.
 */
#include "net/copy.h"

#include "core/alloc.h"

#include <string.h>

#define COPY_BUFFER_BYTES ((size_t)65536)
/* Full buffers in a row after which to splice, thin splices in a row after which to read. */
#define COPY_FULL_STREAK 2u
#define COPY_THIN_STREAK 8u
#define COPY_THIN_BYTES 16384

int aio__copy_check(const struct aio_copy_options *options)
{
    if (options == NULL)
        return 0;
    return options->size == sizeof *options && options->idle_ns > 0 ? 0 : -EINVAL;
}

void aio__copy_init(struct aio__copy *copy, struct aio_stream *to, struct aio_stream *from,
                    const struct aio_copy_options *options, struct aio__copy_shared *shared)
{
    struct aio_copy_options settled = options != NULL ? *options : AIO_COPY_OPTIONS;
    *copy = (struct aio__copy){.from = from, .to = to, .shared = shared, .left = settled.limit};
    *shared = (struct aio__copy_shared){.idle_ns = settled.idle_ns};
}

static void holds_sort(struct aio__hold *holds, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t at = i; at > 0 && holds[at].gate < holds[at - 1].gate; at--) {
            struct aio__hold other = holds[at];
            holds[at] = holds[at - 1];
            holds[at - 1] = other;
        }
}

int aio__holds_leave(struct aio__hold *holds, size_t count, int result)
{
    for (size_t i = 0; i < count; i++)
        result = (int)aio__gate_leave(holds[i].handle, holds[i].gate, result);
    return result;
}

int aio__holds_enter(struct aio__hold *holds, size_t count)
{
    holds_sort(holds, count);
    for (size_t i = 0; i < count; i++) {
        int rc = aio__gate_enter(holds[i].handle, holds[i].gate);
        if (rc < 0)
            return aio__holds_leave(holds, i, rc);
    }
    return 0;
}

static int copy_broken(const struct aio__copy *copy)
{
    if (copy->shared->stopped)
        return -ECANCELED;
    return copy->from->handle.closing || copy->to->handle.closing ? -EBADF : 0;
}

/* Runs an op of either stream. A close of the other one must end it too. */
static int copy_op(struct aio__copy *copy, struct aio__op_frame *frame, const char *what)
{
    struct aio__core *core = copy->from->handle.core;
    int rc = copy_broken(copy);
    if (rc < 0)
        return rc;
    frame->wait.task = core->current;
    copy->inside = &frame->wait;
    copy->from->reading.inside = &frame->wait;
    copy->to->writing.inside = &frame->wait;
    rc = aio__op_run(core, frame, what);
    copy->inside = NULL;
    copy->from->reading.inside = NULL;
    copy->to->writing.inside = NULL;
    if (rc > 0)
        copy->shared->moved_ns = core->now_ns;
    return rc;
}

/* The same within the time for which nothing may move. It begins anew when bytes have moved in the
 * other direction of a relay. */
static int copy_op_in_time(struct aio__copy *copy, struct aio__op_frame *frame, const char *what)
{
    struct aio__copy_shared *shared = copy->shared;
    if (shared->idle_ns == AIO_FOREVER)
        return copy_op(copy, frame, what);
    int64_t seen_ns;
    struct aio_deadline idle;
    int rc;
    do {
        seen_ns = shared->moved_ns;
        aio_deadline_set(&idle, shared->idle_ns - (aio_time_now() - seen_ns));
        rc = copy_op(copy, frame, what);
        aio_deadline_clear(&idle);
    } while (rc == -ETIMEDOUT && aio_deadline_expired(&idle) && shared->moved_ns != seen_ns);
    copy->done.idle = rc == -ETIMEDOUT && aio_deadline_expired(&idle);
    return rc;
}

static void copy_prepare_read(const struct aio__copy *copy, struct aio__op *op)
{
    size_t most = copy->splicing ? copy->pipe.bytes : COPY_BUFFER_BYTES;
    size_t length = copy->left < most ? (size_t)copy->left : most;
    op->fd = copy->from->handle.fd;
    if (copy->splicing) {
        op->opcode = AIO__OP_SPLICE_IN;
        op->splice.pipe = copy->pipe.write;
        op->splice.length = length;
    } else {
        op->opcode = AIO__OP_RECV;
        op->transfer.buffer = copy->buffer;
        op->transfer.length = length;
        op->transfer.flags = 0;
    }
}

static void copy_prepare_write(const struct aio__copy *copy, struct aio__op *op, size_t written,
                               size_t length)
{
    op->fd = copy->to->handle.fd;
    if (copy->splicing) {
        op->opcode = AIO__OP_SPLICE_OUT;
        op->splice.pipe = copy->pipe.read;
        op->splice.length = length - written;
    } else {
        op->opcode = AIO__OP_SEND;
        op->transfer.buffer = copy->buffer + written;
        op->transfer.length = length - written;
        op->transfer.flags = 0;
    }
}

/* Interrupted: what goes without waiting. */
static void copy_write_rest(struct aio__copy *copy, size_t written, size_t length)
{
    struct aio__op_frame frame;
    int n = 1;
    while (n > 0 && written < length) {
        copy_prepare_write(copy, &frame.op, written, length);
        n = aio__op_try(copy->from->handle.core, &frame, "write");
        written += n > 0 ? (size_t)n : 0;
        copy->done.delivered += n > 0 ? (size_t)n : 0;
    }
    copy->done.undelivered += length - written;
}

/* Returns 1; or -errno. */
static int copy_write(struct aio__copy *copy, size_t length)
{
    struct aio__op_frame frame;
    size_t written = 0;
    while (written < length) {
        copy_prepare_write(copy, &frame.op, written, length);
        int rc = copy_op_in_time(copy, &frame, "copy: write");
        if (rc <= 0) {
            copy_write_rest(copy, written, length);
            return rc < 0 ? rc : -EPIPE;
        }
        written += (size_t)rc;
        copy->done.delivered += (size_t)rc;
    }
    return 1;
}

static void copy_stop_splicing(struct aio__copy *copy)
{
    aio__pipe_give(copy->from->handle.core, &copy->pipe, copy->done.undelivered == 0);
    copy->splicing = false;
}

/* The other way of doing it after some reads in a row that it would do better. */
static void copy_choose(struct aio__copy *copy, size_t got)
{
    bool against = copy->splicing ? got < COPY_THIN_BYTES : got == COPY_BUFFER_BYTES;
    copy->streak = against ? copy->streak + 1 : 0;
    if (copy->streak < (copy->splicing ? COPY_THIN_STREAK : COPY_FULL_STREAK))
        return;
    copy->streak = 0;
    if (copy->splicing)
        copy_stop_splicing(copy);
    else if (!copy->refused)
        copy->splicing = aio__pipe_take(copy->from->handle.core, &copy->pipe) == 0;
}

/* Returns bytes; 0 at the end; or -errno. */
static int copy_read(struct aio__copy *copy)
{
    struct aio__op_frame frame;
    if (!copy->splicing && copy->buffer == NULL &&
        (copy->buffer = aio__alloc(COPY_BUFFER_BYTES)) == NULL)
        return -ENOMEM;
    copy_prepare_read(copy, &frame.op);
    int rc = copy_op_in_time(copy, &frame, "copy: read");
    if (rc == -EINVAL && copy->splicing) {
        copy_stop_splicing(copy);
        copy->refused = true;
        return copy_read(copy);
    }
    return rc;
}

int aio__copy_run(struct aio__copy *copy)
{
    int rc = 1;
    if (!aio__stream_bare(copy->from, true) || !aio__stream_bare(copy->to, false))
        return -EOPNOTSUPP;
    copy->shared->moved_ns = copy->from->handle.core->now_ns;
    while (rc > 0 && copy->left > 0) {
        rc = copy_read(copy);
        if (rc <= 0)
            break;
        size_t got = (size_t)rc;
        copy->left -= got;
        rc = copy_write(copy, got);
        if (rc > 0)
            copy_choose(copy, got);
    }
    if (copy->splicing)
        copy_stop_splicing(copy);
    aio__free(copy->buffer);
    return rc < 0 ? rc : 0;
}

int aio_stream_copy(struct aio_stream *to, struct aio_stream *from,
                    const struct aio_copy_options *options, struct aio_copy_done *done)
{
    (void)aio__handle_core(&from->handle, __func__);
    (void)aio__handle_core(&to->handle, __func__);
    struct aio__copy_shared shared;
    struct aio__copy copy;
    int rc = aio__copy_check(options);
    aio__copy_init(&copy, to, from, rc == 0 ? options : NULL, &shared);
    struct aio__hold holds[] = {{&from->handle, &from->reading}, {&to->handle, &to->writing}};
    if (rc == 0)
        rc = aio__holds_enter(holds, 2);
    if (rc == 0)
        rc = aio__holds_leave(holds, 2, aio__copy_run(&copy));
    if (done != NULL)
        *done = copy.done;
    return rc;
}
