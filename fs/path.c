/*
 * Calls on names that are one system call each; each runs on the offload pool.
 */
#include "fs/call.h"
#include "fs/stat.h"

#include <aio/path.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The arguments of any of them. */
struct path_call {
    int at;
    int to_at;
    const char *path;
    const char *to;
    int flags;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    const struct timespec *times;
    struct aio_stat *stat;
    char *buffer;
    size_t size;
};

static int path_nofollow(unsigned flags)
{
    return (flags & AIO_PATH_NOFOLLOW) != 0 ? AT_SYMLINK_NOFOLLOW : 0;
}

static int path_stat(void *arg)
{
    const struct path_call *call = arg;
    return aio__stat_read(call->stat, call->at, call->path, call->flags);
}

int aio_path_stat(int at, const char *path, unsigned flags, struct aio_stat *out)
{
    struct path_call call = {.at = at, .path = path, .flags = path_nofollow(flags), .stat = out};
    if ((flags & ~(unsigned)AIO_PATH_NOFOLLOW) != 0)
        return -EINVAL;
    return aio__fs_call(path_stat, &call);
}

static int path_access(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(faccessat(call->at, call->path, call->flags, AT_EACCESS));
}

int aio_path_access(int at, const char *path, int mode)
{
    struct path_call call = {.at = at, .path = path, .flags = mode};
    return aio__fs_call(path_access, &call);
}

static int path_rename(void *arg)
{
    const struct path_call *call = arg;
    unsigned flags = (unsigned)call->flags;
    return aio__fs_result(renameat2(call->at, call->path, call->to_at, call->to, flags));
}

int aio_path_rename(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    struct path_call call = {.at = from_at, .path = from, .to_at = to_at, .to = to};
    if ((flags & ~(unsigned)(AIO_PATH_NOREPLACE | AIO_PATH_EXCHANGE)) != 0)
        return -EINVAL;
    call.flags = ((flags & AIO_PATH_NOREPLACE) != 0 ? RENAME_NOREPLACE : 0) |
                 ((flags & AIO_PATH_EXCHANGE) != 0 ? RENAME_EXCHANGE : 0);
    return aio__fs_call(path_rename, &call);
}

static int path_link(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(linkat(call->at, call->path, call->to_at, call->to, 0));
}

int aio_path_link(int from_at, const char *from, int to_at, const char *to)
{
    struct path_call call = {.at = from_at, .path = from, .to_at = to_at, .to = to};
    return aio__fs_call(path_link, &call);
}

static int path_symlink(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(symlinkat(call->to, call->at, call->path));
}

int aio_path_symlink(const char *target, int at, const char *path)
{
    struct path_call call = {.at = at, .path = path, .to = target};
    return aio__fs_call(path_symlink, &call);
}

/* The kernel has an int for the size, and refuses 0 whatever the path is. */
static int path_readlink(void *arg)
{
    const struct path_call *call = arg;
    char none = 0;
    char *buffer = call->size > 0 ? call->buffer : &none;
    size_t size = call->size > 0 ? call->size : sizeof none;
    if (size > INT_MAX)
        size = INT_MAX;
    return aio__fs_result((int)readlinkat(call->at, call->path, buffer, size));
}

ssize_t aio_path_readlink(int at, const char *path, char *buffer, size_t size)
{
    struct path_call call = {.at = at, .path = path, .buffer = buffer, .size = size};
    int length = aio__fs_call(path_readlink, &call);
    if (length < 0)
        return length;
    if ((size_t)length >= size)
        return -ENAMETOOLONG;
    buffer[length] = '\0';
    return length;
}

static int path_unlink(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(unlinkat(call->at, call->path, call->flags));
}

int aio_path_unlink(int at, const char *path)
{
    struct path_call call = {.at = at, .path = path};
    return aio__fs_call(path_unlink, &call);
}

int aio_path_rmdir(int at, const char *path)
{
    struct path_call call = {.at = at, .path = path, .flags = AT_REMOVEDIR};
    return aio__fs_call(path_unlink, &call);
}

static int path_mkdir(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(mkdirat(call->at, call->path, call->mode));
}

int aio_path_mkdir(int at, const char *path, mode_t mode)
{
    struct path_call call = {.at = at, .path = path, .mode = mode};
    return aio__fs_call(path_mkdir, &call);
}

static int path_chmod(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(fchmodat(call->at, call->path, call->mode, 0));
}

int aio_path_chmod(int at, const char *path, mode_t mode)
{
    struct path_call call = {.at = at, .path = path, .mode = mode};
    return aio__fs_call(path_chmod, &call);
}

static int path_chown(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(fchownat(call->at, call->path, call->uid, call->gid, call->flags));
}

int aio_path_chown(int at, const char *path, uint32_t uid, uint32_t gid, unsigned flags)
{
    struct path_call call = {.at = at, .path = path, .uid = uid, .gid = gid};
    if ((flags & ~(unsigned)AIO_PATH_NOFOLLOW) != 0)
        return -EINVAL;
    call.flags = path_nofollow(flags);
    return aio__fs_call(path_chown, &call);
}

static int path_utime(void *arg)
{
    const struct path_call *call = arg;
    return aio__fs_result(utimensat(call->at, call->path, call->times, call->flags));
}

int aio_path_utime(int at, const char *path, const struct timespec times[2], unsigned flags)
{
    struct path_call call = {.at = at, .path = path, .times = times};
    if ((flags & ~(unsigned)AIO_PATH_NOFOLLOW) != 0)
        return -EINVAL;
    call.flags = path_nofollow(flags);
    return aio__fs_call(path_utime, &call);
}
