/*
 * Pipes, and descriptors of all kinds made into streams. O_NONBLOCK is a matter of the description,
 * which others may share; one that is not ours never gets it. A pipe or terminal is opened anew
 * instead, where that is possible, and the new description is ours.
 */
#include "net/private.h"

#include "core/alloc.h"
#include "core/file_op.h"

#include <aio/pipe.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

/* What a descriptor is, and how it is to be used. */
struct pipe_plan {
    int fd;
    int origin; /* -1, or what is kept beside fd */
    bool kept;  /* the descriptor stays the caller's: only a copy of it is used */
    bool socket;
    bool terminal;
    bool unspliced;
    bool served;
    bool threaded;
    bool lingers;
    enum aio__stream_kind kind;
};

/* Whether all writers are gone. A description of a FIFO that is made after that has no end before
 * others have come and gone, see fifo(7); the one that was there has. */
static bool pipe_is_over(int fd)
{
    struct pollfd query = {.fd = fd};
    return poll(&query, 1, 0) > 0 && (query.revents & POLLHUP) != 0;
}

/* Opens the same thing again. Returns the new descriptor; -EAGAIN where that cannot be. */
static int pipe_reopen(int fd, int flags)
{
    char path[32];
    unsigned number;
    if (ioctl(fd, TIOCGPTN, &number) == 0)
        return -EAGAIN; /* a master: to open that makes another terminal */
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int kept = flags & (O_ACCMODE | O_DIRECT); /* packets stay packets */
    int again = open(path, kept | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again < 0)
        return -EAGAIN;
    if (!pipe_is_over(fd) || pipe_is_over(again))
        return again;
    (void)close(again); /* tidy: allow close: no op has used it */
    return -EAGAIN;
}

/* A copy of the descriptor where it has to stay the caller's. */
static int pipe_keep(struct pipe_plan *plan)
{
    if (!plan->kept)
        return aio__handle_seal(plan->fd);
    plan->fd = fcntl(plan->fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return plan->fd < 0 ? -errno : 0;
}

static int pipe_plan_ready(struct pipe_plan *plan, int flags)
{
    int again = (flags & O_NONBLOCK) != 0 ? -EAGAIN : pipe_reopen(plan->fd, flags);
    bool may_block = again < 0 && (flags & O_NONBLOCK) == 0;
    plan->terminal = plan->terminal && may_block;
    plan->unspliced = may_block;
    if (again < 0)
        return pipe_keep(plan);
    if (!plan->kept && aio__handle_seal(plan->fd) == 0)
        plan->origin = plan->fd;
    plan->fd = again;
    return 0;
}

static int pipe_plan_socket(struct pipe_plan *plan, int flags)
{
    int type = aio__socket_type(plan->fd);
    if (type != SOCK_STREAM)
        return type < 0 ? type : -EINVAL;
    plan->socket = true;
    plan->lingers = aio__socket_lingers(plan->fd);
    plan->unspliced = (flags & O_NONBLOCK) == 0;
    return pipe_keep(plan);
}

/* A file or a device, which have no readiness. */
static int pipe_plan_file(struct pipe_plan *plan, const struct statx *found, int flags)
{
    unsigned mode = found->stx_mode;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    bool appends = (flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
    plan->served = S_ISREG(mode) && aio__file_is_served(found);
    plan->threaded = plan->served || ((S_ISREG(mode) || S_ISBLK(mode)) && !appends);
    plan->lingers = plan->served || !S_ISREG(mode) || writes; /* see file_was_cut in fs/file.c */
    return pipe_keep(plan);
}

static int pipe_plan_make(struct pipe_plan *plan)
{
    struct statx found;
    struct termios settings;
    int flags = fcntl(plan->fd, F_GETFL);
    if (flags < 0)
        return -errno;
    int rc = aio__file_look(plan->fd, &found);
    if (rc < 0)
        return rc;
    if (S_ISSOCK(found.stx_mode))
        return pipe_plan_socket(plan, flags);
    if (S_ISDIR(found.stx_mode))
        return -EISDIR;
    plan->kind = S_ISFIFO(found.stx_mode) ? AIO__STREAM_PIPE : AIO__STREAM_FILE;
    plan->terminal = S_ISCHR(found.stx_mode) && tcgetattr(plan->fd, &settings) == 0;
    if (plan->kind == AIO__STREAM_PIPE || plan->terminal)
        return pipe_plan_ready(plan, flags);
    return pipe_plan_file(plan, &found, flags);
}

/* Undoes a plan: the caller has its descriptor as before. */
static void pipe_plan_drop(const struct pipe_plan *plan)
{
    if (plan->kept || plan->origin >= 0)
        (void)close(plan->fd); /* tidy: allow close: no op has used it */
}

static int pipe_plan_carry_out(struct aio_stream *stream, struct aio__core *core,
                               const struct pipe_plan *plan)
{
    if (!plan->socket) {
        aio__stream_unsocket(stream, plan->kind);
        aio__plain_hold(stream, core);
    }
    stream->origin = plan->origin;
    stream->served = plan->served;
    stream->threaded = plan->threaded;
    stream->lingers = plan->lingers;
    stream->unspliced = stream->unspliced || plan->unspliced;
    int rc = plan->terminal ? aio__tty_attach(stream) : 0;
    if (rc == 0)
        aio__stream_open(stream, core, plan->fd);
    return rc;
}

static int pipe_take(struct aio_stream **out, struct aio__core *core, int fd, bool kept)
{
    struct pipe_plan plan = {.fd = fd, .origin = -1, .kept = kept};
    int rc = pipe_plan_make(&plan);
    if (rc < 0)
        return rc;
    struct aio_stream *stream = aio__stream_alloc();
    rc = stream != NULL ? pipe_plan_carry_out(stream, core, &plan) : -ENOMEM;
    if (rc == 0) {
        *out = stream;
        return 0;
    }
    aio__free(stream);
    pipe_plan_drop(&plan);
    return rc;
}

int aio_pipe_adopt(struct aio_stream **out, int fd)
{
    return pipe_take(out, AIO__CORE_OR_DIE(), fd, false);
}

int aio_stream_stdin(struct aio_stream **out)
{
    return pipe_take(out, AIO__CORE_OR_DIE(), STDIN_FILENO, true);
}

int aio_stream_stdout(struct aio_stream **out)
{
    return pipe_take(out, AIO__CORE_OR_DIE(), STDOUT_FILENO, true);
}

int aio_stream_stderr(struct aio_stream **out)
{
    return pipe_take(out, AIO__CORE_OR_DIE(), STDERR_FILENO, true);
}

void aio__pipe_start(struct aio_stream *stream, struct aio__core *core, int fd)
{
    aio__stream_unsocket(stream, AIO__STREAM_PIPE);
    aio__plain_hold(stream, core);
    aio__stream_open(stream, core, fd);
}

int aio_pipe_open(struct aio_stream **reader, struct aio_stream **writer)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_stream *ends[2] = {aio__stream_alloc(), aio__stream_alloc()};
    int fds[2];
    int rc = ends[0] != NULL && ends[1] != NULL ? 0 : -ENOMEM;
    if (rc == 0)
        rc = pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
    if (rc < 0) {
        aio__free(ends[0]);
        aio__free(ends[1]);
        return rc;
    }
    for (int i = 0; i < 2; i++)
        aio__pipe_start(ends[i], core, fds[i]);
    *reader = ends[0];
    *writer = ends[1];
    return 0;
}
