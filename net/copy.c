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
    bool good = options->idle_ns > 0 && options->stall_ns > 0;
    return options->size == sizeof *options && good ? 0 : -EINVAL;
}

static void copy_interrupt(struct aio__copy *copy, int code)
{
    if (copy->reading.gate->inside != NULL)
        aio__wait_interrupt(copy->reading.gate->inside, code);
    if (copy->writing.gate->inside != NULL)
        aio__wait_interrupt(copy->writing.gate->inside, code);
}

void aio__copy_stop(struct aio__copy *copy)
{
    copy_interrupt(copy, -ECANCELED);
    if (copy->idle.task != NULL)
        aio__deadline_move(&copy->idle, 0); /* if it is between two waits */
}

static void copy_notify(struct aio__watch *watch, int result)
{
    if (result == -EBADF)
        copy_interrupt(AIO__CONTAINER(watch, struct aio__copy_watch, watch)->copy, result);
}

void aio__copy_init(struct aio__copy *copy, struct aio_stream *to, struct aio_stream *from,
                    const struct aio_copy_options *options, struct aio__copy_shared *shared)
{
    struct aio_copy_options settled = options != NULL ? *options : AIO_COPY_OPTIONS;
    *copy = (struct aio__copy){.reading = {.stream = from, .gate = &from->reading},
                               .writing = {.stream = to, .gate = &to->writing},
                               .shared = shared,
                               .left = settled.limit};
    copy->watches[0] = (struct aio__copy_watch){{.notify = copy_notify}, copy};
    copy->watches[1] = (struct aio__copy_watch){{.notify = copy_notify}, copy};
    *shared = (struct aio__copy_shared){.idle_ns = settled.idle_ns, .stall_ns = settled.stall_ns};
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

static void hold_notify(struct aio__watch *watch, int result)
{
    const struct aio_task *task = AIO__CONTAINER(watch, struct aio__hold, watch)->task;
    if (result == -EBADF && task->wait != NULL)
        aio__wait_interrupt(task->wait, result);
}

/* Returns 0 with all of them entered. */
static int holds_take(struct aio__hold *holds, size_t count)
{
    int rc = 0;
    size_t taken = 0;
    for (; taken < count && rc == 0; taken += rc == 0)
        rc = aio__gate_enter(holds[taken].handle, holds[taken].gate);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = holds[i].handle->closing ? -EBADF : 0; /* while we waited for another */
    return rc < 0 ? aio__holds_leave(holds, taken, rc) : 0;
}

int aio__holds_enter(struct aio__hold *holds, size_t count)
{
    holds_sort(holds, count);
    for (size_t i = 0; i < count; i++) {
        holds[i].task = aio__core_current->current;
        holds[i].watch.notify = hold_notify;
        aio__watch_enter(&holds[i].watch, holds[i].handle);
    }
    int rc = holds_take(holds, count);
    for (size_t i = 0; i < count; i++)
        aio__watch_leave(&holds[i].watch);
    return rc;
}

static int copy_broken(const struct aio__copy *copy)
{
    if (copy->shared->stopped)
        return -ECANCELED;
    return copy->reading.stream->handle.closing || copy->writing.stream->handle.closing ? -EBADF
                                                                                        : 0;
}

static struct aio__core *copy_core(const struct aio__copy *copy)
{
    return copy->reading.stream->handle.core;
}

/* Whether no filter and no rented buffers, whose bytes come first, stand between it and the socket.
 */
static bool copy_to_is_bare(const struct aio__copy *copy)
{
    return copy->writing.stream->filter == NULL && copy->writing.stream->outbox == NULL;
}

static bool copy_may_splice(const struct aio__copy *copy)
{
    const struct aio_stream *from = copy->reading.stream;
    return !copy->refused && !from->unspliced && !copy->writing.stream->unspliced &&
           from->filter == NULL && from->inbox == NULL && copy_to_is_bare(copy);
}

/* A part of what is to be read or written, in whichever way it is done at the moment. */
struct copy_part {
    bool reads;
    size_t offset; /* in the buffer */
    size_t length;
};

static int copy_splice(const struct aio__copy *copy, struct aio__op_frame *frame,
                       const struct copy_part *part)
{
    const struct aio__stream_call *call = part->reads ? &copy->reading : &copy->writing;
    frame->op.opcode = part->reads ? AIO__OP_SPLICE_IN : AIO__OP_SPLICE_OUT;
    frame->op.fd = call->stream->handle.fd;
    frame->op.splice.pipe = part->reads ? copy->pipe.write : copy->pipe.read;
    frame->op.splice.length = part->length;
    return aio__gate_run(&call->stream->handle, call->gate, frame,
                         part->reads ? "splice: read" : "splice: write");
}

/* Lets a deadline be so far away from now. */
static void copy_bound(const struct aio__copy *copy, struct aio_deadline *deadline, int64_t ns)
{
    int64_t now_ns = copy_core(copy)->now_ns;
    aio__deadline_move(deadline, ns < AIO_FOREVER - now_ns ? now_ns + ns : AIO_FOREVER);
}

/* Bytes have moved: the time for which nothing may move begins anew. */
static void copy_put_off(struct aio__copy *copy)
{
    if (copy != NULL && copy->idle.task != NULL)
        copy_bound(copy, &copy->idle, copy->shared->idle_ns);
}

static int copy_transfer(struct aio__copy *copy, const struct copy_part *part)
{
    struct aio__op_frame frame;
    int rc = copy_broken(copy);
    if (rc < 0)
        return rc;
    if (copy->splicing)
        rc = copy_splice(copy, &frame, part);
    else if (part->reads)
        rc = aio__stream_transfer(&copy->reading, true, copy->buffer, part->length);
    else
        rc = aio__stream_transfer(&copy->writing, false, copy->buffer + part->offset, part->length);
    copy->reading.gate->inside = NULL; /* its frame is gone */
    copy->writing.gate->inside = NULL;
    if (rc > 0 && copy->shared->idle_ns != AIO_FOREVER) {
        copy_put_off(copy);
        copy_put_off(copy->other);
    }
    return rc;
}

/* What goes without waiting, of bytes for the socket itself. */
static int copy_try_write(struct aio__copy *copy, const struct copy_part *part)
{
    struct aio_stream *to = copy->writing.stream;
    struct aio__op_frame frame;
    if (!copy_to_is_bare(copy))
        return -ECANCELED;
    if (copy->splicing) {
        frame.op.opcode = AIO__OP_SPLICE_OUT;
        frame.op.fd = to->handle.fd;
        frame.op.splice.pipe = copy->pipe.read;
        frame.op.splice.length = part->length;
    } else {
        aio__stream_op(to, &frame.op, false, copy->buffer + part->offset, part->length);
    }
    return aio__op_try(copy_core(copy), &frame, "copy: rest");
}

static void copy_written(struct aio__copy *copy, struct copy_part *part, int count)
{
    part->offset += (size_t)count;
    part->length -= (size_t)count;
    copy->done.delivered += (size_t)count;
}

/* Interrupted with bytes in hand. */
static void copy_write_rest(struct aio__copy *copy, struct copy_part *part)
{
    int n = 1;
    while (n > 0 && part->length > 0) {
        n = copy_try_write(copy, part);
        if (n > 0)
            copy_written(copy, part, n);
    }
    copy->done.undelivered += part->length;
}

/* Returns 1; or -errno. */
static int copy_write_all(struct aio__copy *copy, size_t length)
{
    struct copy_part part = {.length = length};
    while (part.length > 0) {
        if (copy->shared->stall_ns != AIO_FOREVER)
            copy_bound(copy, &copy->stall, copy->shared->stall_ns);
        int rc = copy_transfer(copy, &part);
        if (rc <= 0) {
            copy_write_rest(copy, &part);
            return rc < 0 ? rc : -EPIPE;
        }
        copy_written(copy, &part, rc);
    }
    return 1;
}

static int copy_write(struct aio__copy *copy, size_t length)
{
    int rc = copy_write_all(copy, length);
    if (copy->shared->stall_ns != AIO_FOREVER)
        aio__deadline_move(&copy->stall, AIO_FOREVER);
    return rc;
}

static void copy_stop_splicing(struct aio__copy *copy)
{
    aio__pipe_give(copy_core(copy), &copy->pipe, copy->done.undelivered == 0);
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
    else if (copy_may_splice(copy))
        copy->splicing = aio__pipe_take(copy_core(copy), &copy->pipe) == 0;
}

/* Returns bytes; 0 at the end; or -errno. */
static int copy_read(struct aio__copy *copy)
{
    size_t most = copy->splicing ? copy->pipe.bytes : COPY_BUFFER_BYTES;
    struct copy_part part = {.reads = true,
                             .length = copy->left < most ? (size_t)copy->left : most};
    if (!copy->splicing && copy->buffer == NULL)
        copy->buffer = aio__alloc(COPY_BUFFER_BYTES);
    if (!copy->splicing && copy->buffer == NULL)
        return -ENOMEM;
    int rc = copy_transfer(copy, &part);
    if (rc == -EINVAL && copy->splicing) {
        copy_stop_splicing(copy);
        copy->refused = true;
        return copy_read(copy);
    }
    return rc;
}

static int copy_loop(struct aio__copy *copy)
{
    int rc = 1;
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
    return rc < 0 ? rc : 0;
}

static int copy_pass_end(struct aio__copy *copy)
{
    int rc = copy_broken(copy);
    return rc < 0 ? rc : aio__stream_end(&copy->writing, SHUT_WR);
}

int aio__copy_run(struct aio__copy *copy, bool pass_end)
{
    aio_deadline_set(&copy->idle, copy->shared->idle_ns);
    aio_deadline_set(&copy->stall, AIO_FOREVER);
    aio__watch_enter(&copy->watches[0].watch, &copy->reading.stream->handle);
    aio__watch_enter(&copy->watches[1].watch, &copy->writing.stream->handle);
    int rc = copy_loop(copy);
    if (copy->splicing)
        copy_stop_splicing(copy);
    aio__free(copy->buffer);
    copy->buffer = NULL;
    if (rc == 0 && pass_end)
        rc = copy_pass_end(copy);
    copy->writing.gate->inside = NULL; /* its frame is gone */
    aio__watch_leave(&copy->watches[0].watch);
    aio__watch_leave(&copy->watches[1].watch);
    bool late = rc == -ETIMEDOUT && !copy->shared->stopped;
    copy->done.idle = late && aio_deadline_expired(&copy->idle);
    copy->done.stalled = late && aio_deadline_expired(&copy->stall);
    aio_deadline_clear(&copy->stall);
    aio_deadline_clear(&copy->idle);
    return rc;
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
    struct aio__hold holds[] = {{.handle = &from->handle, .gate = &from->reading},
                                {.handle = &to->handle, .gate = &to->writing}};
    if (rc == 0)
        rc = aio__holds_enter(holds, 2);
    if (rc == 0)
        rc = aio__holds_leave(holds, 2, aio__copy_run(&copy, false));
    if (done != NULL)
        *done = copy.done;
    return rc;
}
