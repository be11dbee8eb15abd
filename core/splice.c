/*
 * Splicing, see splice.h.
 */
#include "core/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

static ssize_t splice_call(int from, int to, size_t length)
{
    ssize_t n;
    do
        n = splice(from, NULL, to, NULL, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t splice_call_tee(int from, int to, size_t length)
{
    ssize_t n;
    do
        n = tee(from, to, length, SPLICE_F_NONBLOCK);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/*
 * These calls have no MSG_NOSIGNAL. The signal of a peer that is gone comes to this thread: it is
 * held back during the call and taken away after it, unless one was pending already.
 */
static ssize_t splice_quietly(ssize_t (*call)(int, int, size_t), int from, int to, size_t length)
{
    static const struct timespec now = {0, 0};
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigemptyset(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &broken, &before);
    if (sigismember(&before, SIGPIPE) == 1)
        (void)sigpending(&pending);
    ssize_t n = call(from, to, length);
    if (n == -EPIPE && sigismember(&pending, SIGPIPE) != 1)
        (void)sigtimedwait(&broken, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

ssize_t aio__splice_move(int from, int to, size_t length)
{
    return splice_quietly(splice_call, from, to, length);
}

ssize_t aio__splice_tee(int from, int to, size_t length)
{
    return splice_quietly(splice_call_tee, from, to, length);
}

/* The pipe of a SPLICE_IN is the caller's own, so it has a reader. */
int32_t aio__splice_op(const struct aio__op *op)
{
    size_t length =
        op->splice.length < AIO__TRANSFER_BYTES_MAX ? op->splice.length : AIO__TRANSFER_BYTES_MAX;
    if (op->opcode == AIO__OP_SPLICE_IN)
        return (int32_t)splice_call(op->fd, op->splice.pipe, length);
    return (int32_t)aio__splice_move(op->splice.pipe, op->fd, length);
}
