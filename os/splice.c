/*
 * Splicing between descriptors that are not ours. The call is made at once; only if it would wait
 * are both descriptors polled, one after the other. Files have no readiness: a thread does it.
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

struct splice {
    ssize_t (*call)(int from, int to, size_t length);
    int from;
    int to;
    size_t length;
    bool from_file;
    bool to_file;
    ssize_t moved;
};

/* Returns 1 for a file, which has no readiness, else 0; -EINVAL for a socket that blocks. */
static int splice_is_file(int fd)
{
    struct statx found;
    int rc = aio__file_look(fd, &found);
    if (rc < 0)
        return rc;
    if (S_ISSOCK(found.stx_mode) && (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0)
        return -EINVAL;
    return S_ISREG(found.stx_mode) || S_ISBLK(found.stx_mode);
}

static int splice_on_thread(void *arg)
{
    struct splice *job = arg;
    job->moved = job->call(job->from, job->to, job->length);
    return 0;
}

/* Returns bytes or -errno, -EAGAIN when nothing was moved. */
static ssize_t splice_try(struct aio__core *core, struct splice *job)
{
    if (job->from_file || job->to_file) {
        int rc = aio_offload_call(splice_on_thread, job, NULL);
        return rc < 0 ? rc : job->moved;
    }
    ssize_t n = job->call(job->from, job->to, job->length);
    if (n != -EAGAIN)
        aio__charge(core);
    return n;
}

static int splice_wait(const struct splice *job, int round)
{
    int rc = round < SPLICE_FRUITLESS_MAX ? 0 : aio_time_sleep(SPLICE_PAUSE_NS);
    if (rc >= 0 && !job->from_file)
        rc = aio_poll_wait(job->from, POLLIN);
    if (rc >= 0 && !job->to_file)
        rc = aio_poll_wait(job->to, POLLOUT);
    return rc < 0 ? rc : 0;
}

static ssize_t splice_run(struct splice *job)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int from = splice_is_file(job->from), to = splice_is_file(job->to);
    int rc = aio__interrupted(core);
    if (rc == 0)
        rc = from < 0 ? from : to < 0 ? to : 0;
    if (rc < 0 || job->length == 0)
        return rc;
    job->from_file = from > 0;
    job->to_file = to > 0;
    for (int round = 0;; round++) {
        ssize_t n = splice_try(core, job);
        if (n != -EAGAIN)
            return n;
        rc = splice_wait(job, round);
        if (rc < 0)
            return rc;
    }
}

/* The kernel adds a file's position to it, and takes no sum that is too large. */
static size_t splice_part(size_t length)
{
    return length < AIO__TRANSFER_BYTES_MAX ? length : AIO__TRANSFER_BYTES_MAX;
}

ssize_t aio_splice_move(int from, int to, size_t length)
{
    return splice_run(&(struct splice){
        .call = aio__splice_move, .from = from, .to = to, .length = splice_part(length)});
}

ssize_t aio_splice_tee(int from, int to, size_t length)
{
    return splice_run(&(struct splice){
        .call = aio__splice_tee, .from = from, .to = to, .length = splice_part(length)});
}
