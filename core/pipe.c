/*
 * A core's pipes, see pipe.h.
 */
#include "core/pipe.h"

#include "core/core.h"

#include <fcntl.h>
#include <unistd.h>

/* From what an unprivileged process may have, down to where its pages of all pipes are used up. */
static size_t pipe_enlarge(int fd)
{
    for (int bytes = 1 << 20; bytes > 1 << 16; bytes >>= 2) {
        int got = fcntl(fd, F_SETPIPE_SZ, bytes);
        if (got > 0)
            return (size_t)got;
    }
    int got = fcntl(fd, F_GETPIPE_SZ);
    return got > 0 ? (size_t)got : 4096;
}

int aio__pipe_take(struct aio__core *core, struct aio__pipe *pipe)
{
    struct aio__pipe_pool *pool = &core->pipes;
    if (pool->count > 0) {
        *pipe = pool->kept[--pool->count];
        return 0;
    }
    int fds[2];
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    *pipe = (struct aio__pipe){fds[0], fds[1], pipe_enlarge(fds[1])};
    return 0;
}

/* No op names a pipe as its own descriptor, so no backend keeps anything for it. */
static void pipe_drop(const struct aio__pipe *pipe)
{
    (void)close(pipe->read);  /* tidy: allow close: no op has used it */
    (void)close(pipe->write); /* tidy: allow close: no op has used it */
}

void aio__pipe_give(struct aio__core *core, const struct aio__pipe *pipe, bool empty)
{
    struct aio__pipe_pool *pool = &core->pipes;
    if (empty && pool->count < AIO__PIPES_KEPT)
        pool->kept[pool->count++] = *pipe;
    else
        pipe_drop(pipe);
}

void aio__pipe_close_all(struct aio__core *core)
{
    struct aio__pipe_pool *pool = &core->pipes;
    while (pool->count > 0)
        pipe_drop(&pool->kept[--pool->count]);
}
