/*
 * Copying a file. A call of the pool opens both files, moves a piece, and when that was the last
 * one gives the copy its name: a small file is one call. Between calls only this task's frame knows
 * of the open files; whatever ends the copy early is cleaned up there.
 */
#include "fs/call.h"
#include "fs/copy_attributes.h"
#include "fs/replace.h"

#include <aio/whole.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one call of the pool. */
#define COPY_PIECE_BYTES ((int64_t)8 << 20)
#define COPY_BUFFER_BYTES ((size_t)131072) /* on the stack of a thread of the pool */

/* How bytes move, from the best; what the kernel refuses between two files is not tried again. */
enum copy_way {
    COPY_BY_RANGE,  /* copy_file_range(2): shared blocks, or a server's own copy */
    COPY_BY_SPLICE, /* sendfile(2): from one page cache into the other */
    COPY_BY_READING
};

struct copy {
    int from_at;
    const char *from;
    unsigned flags;
    int in; /* -1: nothing is open */
    struct aio__replace target;
    struct stat status; /* of the source, when it was opened */
    int64_t offset;
    int64_t end;  /* of the source; INT64_MAX: it does not tell */
    int64_t hole; /* there are data up to here */
    bool sparse;  /* it has holes */
    enum copy_way way;
    bool ended;
    bool done;
};

static int copy_open_source(struct copy *copy)
{
    int flags = (copy->flags & AIO_FILE_COPY_NOFOLLOW) != 0 ? O_NOFOLLOW : 0;
    int rc = aio__fs_open(&copy->in, copy->from_at, copy->from, flags);
    if (rc != 0)
        return rc;
    if (fstat(copy->in, &copy->status) < 0)
        return -errno;
    if (!S_ISREG(copy->status.st_mode))
        return S_ISDIR(copy->status.st_mode) ? -EISDIR : -EINVAL;
    bool told = copy->status.st_size > 0;
    copy->end = told ? copy->status.st_size : INT64_MAX;
    copy->sparse = (int64_t)copy->status.st_blocks * 512 < copy->status.st_size;
    copy->way = told ? COPY_BY_RANGE : COPY_BY_READING; /* as files of /proc have to be */
    return 0;
}

static ssize_t copy_by_reading(const struct copy *copy, size_t length)
{
    char buffer[COPY_BUFFER_BYTES];
    ssize_t n =
        pread(copy->in, buffer, length < sizeof buffer ? length : sizeof buffer, copy->offset);
    for (ssize_t written = 0; written < n;) {
        ssize_t m = pwrite(copy->target.fd, buffer + written, (size_t)(n - written),
                           copy->offset + written);
        if (m <= 0)
            return m < 0 ? -errno : -EIO; /* it takes nothing, and does not say why */
        written += m;
    }
    return n < 0 ? -errno : n;
}

static bool copy_is_refused(ssize_t result)
{
    return result == -EXDEV || result == -EINVAL || result == -ENOSYS || result == -EOPNOTSUPP ||
           result == -EPERM || result == -ETXTBSY;
}

static ssize_t copy_by_range(const struct copy *copy, size_t length)
{
    off_t from = copy->offset, to = copy->offset;
    ssize_t n = copy_file_range(copy->in, &from, copy->target.fd, &to, length, 0);
    return n < 0 ? -errno : n;
}

static ssize_t copy_by_splice(const struct copy *copy, size_t length)
{
    off_t from = copy->offset;
    if (lseek(copy->target.fd, copy->offset, SEEK_SET) < 0)
        return -errno;
    ssize_t n = sendfile(copy->target.fd, copy->in, &from, length);
    return n < 0 ? -errno : n;
}

/* Returns bytes; 0 at the end of the source; or -errno. There are file systems that say 0 where
 * they cannot. */
static ssize_t copy_range(struct copy *copy, size_t length)
{
    while (copy->way != COPY_BY_READING) {
        ssize_t n =
            copy->way == COPY_BY_RANGE ? copy_by_range(copy, length) : copy_by_splice(copy, length);
        if (n != 0 && !copy_is_refused(n))
            return n;
        copy->way++;
    }
    return copy_by_reading(copy, length);
}

/* There are no more data: what is left is a hole, up to the end of the source, which may be nearer
 * by now. */
static int64_t copy_last_hole(const struct copy *copy)
{
    off_t end = lseek(copy->in, 0, SEEK_END);
    if (end < 0 || end > copy->end)
        return copy->end;
    return end > copy->offset ? end : copy->offset;
}

/* Goes over a hole, if one is next. */
static void copy_find_data(struct copy *copy)
{
    if (copy->offset < copy->hole)
        return;
    off_t data = lseek(copy->in, copy->offset, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        data = copy_last_hole(copy);
    if (data > copy->end) /* it has grown meanwhile; what is left of its size then is a hole */
        data = copy->end;
    off_t hole = data < 0 || data == copy->end ? copy->end : lseek(copy->in, data, SEEK_HOLE);
    copy->offset = data < 0 ? copy->offset : data; /* cannot be told: all is data */
    copy->hole = hole < 0 || hole > copy->end ? copy->end : hole;
}

static int copy_piece(struct copy *copy)
{
    for (int64_t budget = COPY_PIECE_BYTES; budget > 0 && !copy->ended;) {
        copy_find_data(copy);
        int64_t left = copy->hole - copy->offset;
        ssize_t n = left > 0 ? copy_range(copy, (size_t)(left < budget ? left : budget)) : 0;
        if (n < 0)
            return (int)n;
        copy->offset += n;
        budget -= n;
        copy->ended = n == 0 || copy->offset >= copy->end;
    }
    return 0;
}

/* Extended attributes of a user take the permission to write, whatever the descriptor may do. */
static int copy_make(struct copy *copy)
{
    mode_t mode = copy->status.st_mode & 0777;
    if ((copy->flags & AIO_FILE_COPY_XATTRS) != 0)
        mode |= S_IWUSR;
    copy->offset = 0;
    copy->hole = copy->sparse ? 0 : copy->end;
    copy->ended = false;
    return aio__replace_begin(&copy->target, mode,
                              (copy->flags & AIO_FILE_COPY_KEEP) != 0 ? S_IRUSR | S_IWUSR : mode);
}

static int copy_finish(struct copy *copy)
{
    int rc = copy->sparse ? aio__fs_result(ftruncate(copy->target.fd, copy->offset)) : 0;
    if (rc == 0)
        rc = aio__copy_attributes(copy->in, copy->target.fd, &copy->status, copy->flags);
    if (rc == 0)
        rc = aio__replace_finish(&copy->target);
    if (rc == AIO__REPLACE_AGAIN)
        return copy_make(copy);
    if (rc < 0)
        return rc;
    (void)close(copy->in);
    copy->in = -1;
    copy->done = true;
    return 0;
}

static int copy_abandon(void *arg)
{
    struct copy *copy = arg;
    aio__replace_abandon(&copy->target);
    if (copy->in >= 0)
        (void)close(copy->in);
    copy->in = -1;
    return 0;
}

/* Told at once, not when all has been copied; the rename at the end is what counts. */
static bool copy_is_taken(const struct copy *copy)
{
    struct stat status;
    return (copy->flags & AIO_FILE_COPY_NOREPLACE) != 0 &&
           fstatat(copy->target.at, copy->target.path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static int copy_begin(struct copy *copy)
{
    int rc = copy_open_source(copy);
    if (rc == 0 && copy_is_taken(copy))
        rc = -EEXIST;
    return rc == 0 ? copy_make(copy) : rc;
}

static int copy_some(void *arg)
{
    struct copy *copy = arg;
    int rc = copy->in < 0 ? copy_begin(copy) : 0;
    if (rc == 0)
        rc = copy_piece(copy);
    if (rc == 0 && copy->ended)
        rc = copy_finish(copy);
    if (rc < 0)
        (void)copy_abandon(copy);
    return rc;
}

static int copy_check(const struct aio_file_copy_options *options)
{
    const unsigned known = AIO_FILE_COPY_KEEP | AIO_FILE_COPY_NOREPLACE | AIO_FILE_COPY_NOFOLLOW |
                           AIO_FILE_COPY_SYNC | AIO_FILE_COPY_XATTRS;
    return options->size == sizeof *options && (options->flags & ~known) == 0 ? 0 : -EINVAL;
}

int aio_file_copy(int from_at, const char *from, int to_at, const char *to,
                  const struct aio_file_copy_options *options)
{
    const struct aio_file_copy_options defaults = AIO_FILE_COPY_OPTIONS;
    if (options == NULL)
        options = &defaults;
    int rc = copy_check(options);
    if (rc < 0)
        return rc;
    struct copy copy = {
        .from_at = from_at,
        .from = from,
        .flags = options->flags,
        .in = -1,
        .target =
            {
                .at = to_at,
                .path = to,
                .fd = -1,
                .keep_old = (options->flags & AIO_FILE_COPY_NOREPLACE) != 0,
                .lasting = (options->flags & AIO_FILE_COPY_SYNC) != 0,
            },
    };
    while (rc == 0 && !copy.done) {
        rc = aio__fs_call_open(copy_some, &copy);
        if (options->copied != NULL)
            *options->copied = copy.offset;
    }
    if (copy.in >= 0)
        aio__fs_clean(copy_abandon, &copy);
    return rc;
}
