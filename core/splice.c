/*
 * Splicing, see splice.h.
 */
#include "core/splice.h"

#include "core/core.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>

struct splice_call {
    ssize_t (*make)(const struct splice_call *call);
    int from;
    int to;
    size_t length;
    off_t offset; /* in a file */
};

static ssize_t splice_move(const struct splice_call *call)
{
    return splice(call->from, NULL, call->to, NULL, call->length,
                  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static ssize_t splice_tee(const struct splice_call *call)
{
    return tee(call->from, call->to, call->length, SPLICE_F_NONBLOCK);
}

static ssize_t splice_file(const struct splice_call *call)
{
    off_t offset = call->offset;
    return sendfile(call->to, call->from, &offset, call->length);
}

static ssize_t splice_make(const struct splice_call *call)
{
    ssize_t n;
    do
        n = call->make(call);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* These calls have no MSG_NOSIGNAL. A thread of the pool has all signals blocked. */
static ssize_t splice_quietly(const struct splice_call *call)
{
    if (aio__core_current != NULL)
        aio__held_take(aio__core_current, AIO__HELD_PIPE);
    return splice_make(call);
}

ssize_t aio__splice_move(int from, int to, size_t length)
{
    return splice_quietly(&(struct splice_call){splice_move, from, to, length, 0});
}

ssize_t aio__splice_tee(int from, int to, size_t length)
{
    return splice_quietly(&(struct splice_call){splice_tee, from, to, length, 0});
}

ssize_t aio__splice_file(int file, int64_t offset, int to, size_t length)
{
    return splice_quietly(&(struct splice_call){splice_file, file, to, length, offset});
}

/* The pipe of a SPLICE_IN is the caller's own, so it has a reader. */
int32_t aio__splice_op(const struct aio__op *op)
{
    size_t length =
        op->splice.length < AIO__TRANSFER_BYTES_MAX ? op->splice.length : AIO__TRANSFER_BYTES_MAX;
    if (op->opcode == AIO__OP_SPLICE_IN)
        return (int32_t)splice_make(
            &(struct splice_call){splice_move, op->fd, op->splice.pipe, length, 0});
    return (int32_t)aio__splice_move(op->splice.pipe, op->fd, length);
}
