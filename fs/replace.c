/*
 * See replace.h.
 */
#include "fs/replace.h"

#include "fs/call.h"
#include "fs/temporary.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct replace_make {
    int at;
    mode_t mode;
};

static int replace_make(void *arg, const char *path)
{
    const struct replace_make *make = arg;
    return aio__fs_result(
        openat(make->at, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, make->mode));
}

/* The directory of both names. Returns a descriptor or -errno. */
static int replace_directory(const struct aio__replace *replace, int flags, mode_t mode)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(replace->path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - replace->path);
    if (length >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, replace->path, length);
    directory[length] = '\0';
    const char *path = slash == NULL ? "." : directory;
    return aio__fs_result(openat(replace->at, path, flags | O_CLOEXEC, mode));
}

/* A file without a name has been refused one, in this process: the next ones are named. */
static _Atomic bool replace_refused;

static int replace_begin_named(struct aio__replace *replace, mode_t mode)
{
    struct replace_make make = {replace->at, mode};
    char *marks = aio__temporary_beside(replace->temporary, replace->path);
    if (marks == NULL)
        return -ENAMETOOLONG;
    return aio__temporary_name(replace->temporary, marks, replace_make, &make);
}

/* Whatever is wrong with the directory is told by the attempt to make a named one. */
int aio__replace_begin(struct aio__replace *replace, mode_t mode, mode_t mode_named)
{
    bool named = replace->named || replace->lasting || replace_refused;
    int fd = named ? -EOPNOTSUPP : replace_directory(replace, O_WRONLY | O_TMPFILE, mode);
    replace->nameless = fd >= 0;
    if (fd < 0)
        fd = replace_begin_named(replace, mode_named);
    replace->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* Who may write a directory need not be able to read it: then its file system is synced, by way of
 * the file. */
static int replace_sync_unread(const struct aio__replace *replace)
{
    int fd = openat(replace->at, replace->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -EACCES;
    int rc = aio__fs_result(syncfs(fd));
    (void)close(fd);
    return rc;
}

static int replace_sync_directory(const struct aio__replace *replace)
{
    int fd = replace_directory(replace, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return fd == -EACCES ? replace_sync_unread(replace) : fd;
    int rc = aio__fs_result(fsync(fd));
    (void)close(fd);
    return rc == -EINVAL ? 0 : rc; /* here a directory has nothing to be synced */
}

/* Where a rename has no flags a link does it: that never replaces. */
static int replace_link(const struct aio__replace *replace)
{
    int rc = aio__fs_result(linkat(replace->at, replace->temporary, replace->at, replace->path, 0));
    if (rc == 0)
        (void)unlinkat(replace->at, replace->temporary, 0);
    return rc == 0 || rc == -EEXIST ? rc : -EINVAL;
}

static int replace_rename(const struct aio__replace *replace)
{
    unsigned flags = replace->keep_old ? RENAME_NOREPLACE : 0;
    int rc = aio__fs_result(
        renameat2(replace->at, replace->temporary, replace->at, replace->path, flags));
    return rc == -EINVAL && replace->keep_old ? replace_link(replace) : rc;
}

/* To rename over a directory that a path ends in by "." or a slash has other errors. */
static int replace_error(const struct aio__replace *replace, int rc)
{
    struct stat status;
    bool odd = rc == -EBUSY || rc == -ENOTDIR;
    if (odd && fstatat(replace->at, replace->path, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(status.st_mode))
        return -EISDIR;
    return rc;
}

static int replace_close(struct aio__replace *replace)
{
    int rc = aio__fs_result(close(replace->fd));
    replace->fd = -1;
    return rc;
}

/* It is closed before, for a close may say that the bytes have not arrived. */
static int replace_finish_named(struct aio__replace *replace)
{
    int rc = replace_close(replace);
    if (rc == 0)
        rc = replace_rename(replace);
    if (rc < 0)
        (void)unlinkat(replace->at, replace->temporary, 0);
    return rc;
}

/* Closed it would be gone. Closing another descriptor of it says the same. */
static int replace_finish_nameless(struct aio__replace *replace)
{
    bool refused = false;
    int other = aio__fs_result(fcntl(replace->fd, F_DUPFD_CLOEXEC, 0));
    int rc = other < 0 ? other : aio__fs_result(close(other));
    if (rc == 0)
        rc = aio__temporary_publish(replace->fd, replace->at, replace->path, replace->keep_old,
                                    &refused);
    (void)replace_close(replace);
    if (!refused)
        return rc;
    if (rc != -ENOENT || access("/proc/self/fd", X_OK) < 0) /* it is not just the directory */
        replace_refused = true;
    replace->named = true;
    return AIO__REPLACE_AGAIN;
}

int aio__replace_finish(struct aio__replace *replace)
{
    int rc = replace->lasting ? aio__fs_result(fsync(replace->fd)) : 0;
    if (rc < 0)
        aio__replace_abandon(replace);
    else if (replace->nameless)
        rc = replace_finish_nameless(replace);
    else
        rc = replace_finish_named(replace);
    if (rc < 0)
        return replace_error(replace, rc);
    return rc == 0 && replace->lasting ? replace_sync_directory(replace) : rc;
}

void aio__replace_abandon(struct aio__replace *replace)
{
    if (replace->fd < 0)
        return;
    (void)replace_close(replace);
    if (!replace->nameless)
        (void)unlinkat(replace->at, replace->temporary, 0);
}
