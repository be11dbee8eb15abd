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

int aio__replace_begin(struct aio__replace *replace, mode_t mode)
{
    struct replace_make make = {replace->at, mode};
    char *marks = aio__temporary_beside(replace->temporary, replace->path);
    if (marks == NULL)
        return -ENAMETOOLONG;
    int fd = aio__temporary_name(replace->temporary, marks, replace_make, &make);
    replace->fd = fd < 0 ? -1 : fd;
    return fd < 0 ? fd : 0;
}

/* The directory of both names. Returns a descriptor or -errno. */
static int replace_directory(struct aio__replace *replace)
{
    char *slash = strrchr(replace->temporary, '/');
    char *end = slash == NULL ? replace->temporary : slash + 1;
    char first = *end; /* the temporary name is used no more, but by a removal */
    *end = '\0';
    const char *path = slash == NULL ? "." : replace->temporary;
    int fd = aio__fs_result(openat(replace->at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    *end = first;
    return fd;
}

static int replace_sync_directory(struct aio__replace *replace)
{
    int fd = replace_directory(replace);
    if (fd < 0)
        return fd;
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

static int replace_rename(const struct aio__replace *replace, bool keep_old)
{
    unsigned flags = keep_old ? RENAME_NOREPLACE : 0;
    int rc = aio__fs_result(
        renameat2(replace->at, replace->temporary, replace->at, replace->path, flags));
    return rc == -EINVAL && keep_old ? replace_link(replace) : rc;
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

int aio__replace_finish(struct aio__replace *replace, bool keep_old, bool lasting)
{
    int rc = lasting ? aio__fs_result(fsync(replace->fd)) : 0;
    int closed = aio__fs_result(close(replace->fd));
    replace->fd = -1;
    if (rc == 0)
        rc = closed;
    if (rc == 0)
        rc = replace_rename(replace, keep_old);
    if (rc < 0) {
        (void)unlinkat(replace->at, replace->temporary, 0);
        return replace_error(replace, rc);
    }
    return lasting ? replace_sync_directory(replace) : 0;
}

void aio__replace_abandon(struct aio__replace *replace)
{
    if (replace->fd < 0)
        return;
    (void)close(replace->fd);
    replace->fd = -1;
    (void)unlinkat(replace->at, replace->temporary, 0);
}
