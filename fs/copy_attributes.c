/*
 * See copy_attributes.h.
 */
#include "fs/copy_attributes.h"

#include "fs/call.h"
#include "fs/xattr.h"

#include <aio/whole.h>
#include <unistd.h>

/* Some servers say EACCES; and users of a namespace may have no number there. */
static bool copy_owner_is_refused(int error)
{
    return error == EPERM || error == EACCES || error == EINVAL || error == EOPNOTSUPP ||
           error == ENOSYS;
}

/* Others may own what is not ours to give: -EPERM then, though the group may be one of ours. */
static int copy_owner(int fd, const struct stat *status)
{
    if (fchown(fd, status->st_uid, status->st_gid) == 0)
        return 0;
    if (!copy_owner_is_refused(errno))
        return -errno;
    int rc = fchown(fd, (uid_t)-1, status->st_gid);
    return rc == 0 || copy_owner_is_refused(errno) ? -EPERM : -errno;
}

/* Access lists too, or else what the directory gave of them is taken away: permissions are those of
 * the source. */
static int copy_xattrs(int from, int to, unsigned flags)
{
    if ((flags & AIO_FILE_COPY_XATTRS) != 0)
        return aio__xattr_copy(from, to);
    return (flags & AIO_FILE_COPY_KEEP) != 0 ? aio__xattr_drop_lists(to) : 0;
}

/* Bits that lend our rights are not given with a file that is still ours. What is right already is
 * left alone: each of these is a change to the file system. */
static int copy_keep(int from, int to, const struct stat *status, unsigned flags)
{
    const struct timespec times[2] = {status->st_atim, status->st_mtim};
    mode_t mode = status->st_mode & 07777;
    struct stat made;
    if (fstat(to, &made) < 0)
        return -errno;
    bool same = made.st_uid == status->st_uid && made.st_gid == status->st_gid;
    int owned = same ? 0 : copy_owner(to, status);
    if (owned < 0 && owned != -EPERM)
        return owned;
    if (owned < 0)
        mode &= (mode_t) ~(S_ISUID | S_ISGID);
    int rc = copy_xattrs(from, to, flags);
    if (rc == 0 && !(same && (made.st_mode & 07777) == mode))
        rc = aio__fs_result(fchmod(to, mode));
    return rc == 0 ? aio__fs_result(futimens(to, times)) : rc;
}

/* With the permissions that it has, but for those that the attributes took, see copy.c. */
static int copy_xattrs_alone(int from, int to, const struct stat *status, unsigned flags)
{
    struct stat made;
    int rc = copy_xattrs(from, to, flags);
    if (rc < 0 || (status->st_mode & S_IWUSR) != 0)
        return rc;
    if (fstat(to, &made) < 0)
        return -errno;
    return aio__fs_result(fchmod(to, made.st_mode & 07777 & ~(mode_t)S_IWUSR));
}

int aio__copy_attributes(int from, int to, const struct stat *status, unsigned flags)
{
    return (flags & AIO_FILE_COPY_KEEP) != 0 ? copy_keep(from, to, status, flags)
                                             : copy_xattrs_alone(from, to, status, flags);
}
