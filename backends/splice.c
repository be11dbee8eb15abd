/*
 * Splicing without blocking and without signals, see splice.h.
 */
#include "backends/splice.h"

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

/*
 * splice(2) has no MSG_NOSIGNAL. The signal of a peer that is gone comes to this thread: it is held
 * back during the call and taken away after it, unless one was pending already.
 */
static ssize_t splice_to_socket(int from, int to, size_t length)
{
    static const struct timespec now = {0, 0};
    sigset_t broken, before, pending;
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    sigemptyset(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &broken, &before);
    if (sigismember(&before, SIGPIPE) == 1)
        (void)sigpending(&pending);
    ssize_t n = splice_call(from, to, length);
    if (n == -EPIPE && sigismember(&pending, SIGPIPE) != 1)
        (void)sigtimedwait(&broken, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return n;
}

int32_t aio__splice_now(const struct aio__op *op)
{
    size_t length =
        op->splice.length < AIO__TRANSFER_BYTES_MAX ? op->splice.length : AIO__TRANSFER_BYTES_MAX;
    ssize_t n = op->opcode == AIO__OP_SPLICE_IN ? splice_call(op->fd, op->splice.pipe, length)
                                                : splice_to_socket(op->splice.pipe, op->fd, length);
    return (int32_t)n;
}
