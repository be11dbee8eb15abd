/*
 * Opening a FIFO, which waits for somebody at its other end. open(2) would do that on a thread,
 * beyond cancellation; without blocking it is tried until there is somebody. (Nothing tells when: a
 * process that waits in open(2) itself raises no event.)
 */
#include "net/private.h"

#include "core/alloc.h"
#include "core/splice.h"

#include <aio/offload.h>
#include <aio/pipe.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIFO_PAUSE_FIRST_NS AIO_MS(1)
#define FIFO_PAUSE_MAX_NS AIO_MS(20)

struct fifo_try {
    const char *path;
    int flags;
};

/* On a thread, for a file system may take its time. */
static int fifo_open(void *arg)
{
    const struct fifo_try *try = arg;
    struct stat status;
    if (stat(try->path, &status) < 0)
        return -errno;
    if (!S_ISFIFO(status.st_mode))
        return -EINVAL;
    int fd = open(try->path, try->flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
        return fd;
    (void)close(fd); /* tidy: allow close: no op has used it */
    return -EINVAL;
}

/* Whether somebody has opened our end's other one for writing, and be it that he has left again:
 * tee(2) says 0 where nobody is there. */
static int fifo_has_writer(struct aio__core *core, int fd)
{
    struct pollfd query = {.fd = fd, .events = POLLIN};
    struct aio__pipe scratch;
    if (poll(&query, 1, 0) > 0)
        return 1;
    int rc = aio__pipe_take(core, &scratch);
    if (rc < 0)
        return rc;
    ssize_t n = aio__splice_tee(fd, scratch.write, 1);
    aio__pipe_give(core, &scratch, n <= 0);
    return n != 0;
}

static int fifo_pause(int64_t *pause_ns)
{
    int rc = aio_time_sleep(*pause_ns);
    *pause_ns = *pause_ns < FIFO_PAUSE_MAX_NS / 2 ? *pause_ns * 2 : FIFO_PAUSE_MAX_NS;
    return rc;
}

static int fifo_await_writer(struct aio__core *core, int fd)
{
    int64_t pause_ns = FIFO_PAUSE_FIRST_NS;
    int rc;
    while ((rc = fifo_has_writer(core, fd)) == 0)
        if ((rc = fifo_pause(&pause_ns)) < 0)
            break;
    return rc < 0 ? rc : fd;
}

/* Opens it; for writing, once somebody reads. */
static int fifo_open_when_ready(const struct fifo_try *try)
{
    int64_t pause_ns = FIFO_PAUSE_FIRST_NS;
    for (;;) {
        int result = 0;
        int rc = aio_offload_call(fifo_open, (void *)(uintptr_t)try, &result);
        if (rc < 0 || result != -ENXIO)
            return rc < 0 ? rc : result;
        rc = fifo_pause(&pause_ns);
        if (rc < 0)
            return rc;
    }
}

int aio_pipe_connect(struct aio_stream **out, const char *path, enum aio_pipe_end end)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct fifo_try try = {path, end == AIO_PIPE_READER ? O_RDONLY : O_WRONLY};
    if (end != AIO_PIPE_READER && end != AIO_PIPE_WRITER)
        return -EINVAL;
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    int fd = fifo_open_when_ready(&try);
    int rc = fd < 0 || end == AIO_PIPE_WRITER ? fd : fifo_await_writer(core, fd);
    if (rc >= 0) {
        aio__pipe_start(stream, core, fd);
        *out = stream;
        return 0;
    }
    if (fd >= 0)
        (void)close(fd); /* tidy: allow close: no op has used it */
    aio__free(stream);
    return rc;
}
