/*
 * Splicing between descriptors that are not ours. Between pipes and sockets the call is made at
 * once; only if it would wait are both descriptors polled, one after the other. A file has no
 * readiness, and whether a terminal or another device waits is its driver's to say, whatever
 * SPLICE_F_NONBLOCK asks for: there a thread makes the call, of what blocks not before it is ready.
 */
#include "core/splice.h"

#include "core/core.h"
#include "core/file_op.h"

#include <aio/copy.h>
#include <aio/offload.h>
#include <aio/poll.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Rounds in which both were ready and nothing moved, before it is only tried now and then. */
#define SPLICE_FRUITLESS_MAX 4
#define SPLICE_PAUSE_NS AIO_MS(1)

enum splice_kind {
    SPLICE_PIPE,
    SPLICE_SOCKET,
    SPLICE_FILE,   /* or a block device, or a directory */
    SPLICE_DEVICE, /* or something else that can be waited for, as an eventfd */
};

struct splice_end {
    int fd;
    enum splice_kind kind;
    bool blocks; /* a character device without O_NONBLOCK */
};

struct splice {
    ssize_t (*call)(int from, int to, size_t length);
    struct splice_end from;
    struct splice_end to;
    size_t length;
    bool doubles;  /* tee(2) */
    bool threaded; /* a thread makes the call */
    ssize_t moved;
};

static enum splice_kind splice_kind_of(mode_t mode)
{
    if (S_ISFIFO(mode))
        return SPLICE_PIPE;
    if (S_ISSOCK(mode))
        return SPLICE_SOCKET;
    return S_ISREG(mode) || S_ISBLK(mode) || S_ISDIR(mode) ? SPLICE_FILE : SPLICE_DEVICE;
}

/* Returns 0; -EINVAL for a socket that blocks; -EBADF for what can only be used the other way, of
 * which a device would not tell before it is ready. */
static int splice_learn(struct splice_end *end, bool reads)
{
    struct statx found;
    int rc = aio__file_look(end->fd, &found);
    if (rc < 0)
        return rc;
    end->kind = splice_kind_of(found.stx_mode);
    if (end->kind == SPLICE_PIPE)
        return 0;
    int flags = fcntl(end->fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if ((flags & O_ACCMODE) == (reads ? O_WRONLY : O_RDONLY))
        return -EBADF;
    end->blocks = S_ISCHR(found.stx_mode) && (flags & O_NONBLOCK) == 0;
    return end->kind == SPLICE_SOCKET && (flags & O_NONBLOCK) == 0 ? -EINVAL : 0;
}

static bool splice_needs_thread(const struct splice_end *end)
{
    return end->kind == SPLICE_FILE || end->kind == SPLICE_DEVICE;
}

/* Returns 0; -EINVAL where no pipe is, before anything is waited for; or -errno. */
static int splice_plan(struct splice *job)
{
    int from = splice_learn(&job->from, true), to = splice_learn(&job->to, false);
    if (from < 0 || to < 0)
        return from < 0 ? from : to;
    int pipes = (job->from.kind == SPLICE_PIPE) + (job->to.kind == SPLICE_PIPE);
    if (pipes < (job->doubles ? 2 : 1))
        return -EINVAL;
    job->threaded = splice_needs_thread(&job->from) || splice_needs_thread(&job->to);
    return 0;
}

static int splice_on_thread(void *arg)
{
    struct splice *job = arg;
    job->moved = job->call(job->from.fd, job->to.fd, job->length);
    return 0;
}

/* Returns bytes or -errno, -EAGAIN when nothing was moved. */
static ssize_t splice_try(struct aio__core *core, struct splice *job)
{
    if (job->threaded) {
        int rc = aio_offload_call(splice_on_thread, job, NULL);
        return rc < 0 ? rc : job->moved;
    }
    ssize_t n = job->call(job->from.fd, job->to.fd, job->length);
    if (n != -EAGAIN)
        aio__charge(core);
    return n;
}

/* All writers are gone, and all that they have written. */
static bool splice_is_over(const struct splice_end *from)
{
    struct pollfd query = {.fd = from->fd, .events = POLLIN};
    return from->kind == SPLICE_PIPE && poll(&query, 1, 0) > 0 &&
           (query.revents & (POLLIN | POLLHUP)) == POLLHUP;
}

/* Returns 1 when both may be ready; 0 at the end of `from`; or -errno. */
static int splice_wait(const struct splice *job, int round)
{
    int rc = round < SPLICE_FRUITLESS_MAX ? 0 : aio_time_sleep(SPLICE_PAUSE_NS);
    if (rc >= 0 && job->from.kind != SPLICE_FILE)
        rc = aio_poll_wait(job->from.fd, POLLIN);
    if (rc >= 0 && splice_is_over(&job->from))
        return 0;
    if (rc >= 0 && job->to.kind != SPLICE_FILE)
        rc = aio_poll_wait(job->to.fd, POLLOUT);
    return rc < 0 ? rc : 1;
}

static ssize_t splice_loop(struct aio__core *core, struct splice *job)
{
    bool waits = job->from.blocks || job->to.blocks;
    for (int round = 0;; round++) {
        int rc = waits ? splice_wait(job, round) : 1;
        if (rc <= 0)
            return rc;
        ssize_t n = splice_try(core, job);
        if (n != -EAGAIN)
            return n;
        waits = true;
    }
}

static ssize_t splice_run(struct splice *job)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int rc = aio__interrupted(core);
    if (rc == 0)
        rc = splice_plan(job);
    if (rc < 0 || job->length == 0)
        return rc;
    return splice_loop(core, job);
}

/* The kernel adds a file's position to it, and takes no sum that is too large. */
static size_t splice_part(size_t length)
{
    return length < AIO__TRANSFER_BYTES_MAX ? length : AIO__TRANSFER_BYTES_MAX;
}

ssize_t aio_splice_move(int from, int to, size_t length)
{
    return splice_run(&(struct splice){.call = aio__splice_move,
                                       .from = {.fd = from},
                                       .to = {.fd = to},
                                       .length = splice_part(length)});
}

ssize_t aio_splice_tee(int from, int to, size_t length)
{
    return splice_run(&(struct splice){.call = aio__splice_tee,
                                       .from = {.fd = from},
                                       .to = {.fd = to},
                                       .length = splice_part(length),
                                       .doubles = true});
}
