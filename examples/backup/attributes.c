/*
 * Owner, permissions and times of a copy: whether they are those of the source, and setting them by
 * way of a descriptor, so that what they are set of is what was opened.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not ours to give away, or without a number in this user namespace, or not known there. */
bool attributes_owner_refused(int rc)
{
    return rc == -EPERM || rc == -EACCES || rc == -EINVAL || rc == -EOPNOTSUPP || rc == -ENOSYS;
}

bool attributes_refused(int rc)
{
    return rc == -EPERM || rc == -EOPNOTSUPP || rc == -ENOSYS;
}

/* Returns 0; -EPERM when the owner may not be given; or another -errno. */
static int set_owner(struct aio_file *file, const struct aio_stat *wanted)
{
    int rc = aio_file_chown(file, wanted->user, wanted->group);
    if (!attributes_owner_refused(rc))
        return rc;
    rc = aio_file_chown(file, AIO_PATH_SAME_ID, wanted->group); /* it may be a group of ours */
    return rc == 0 || attributes_owner_refused(rc) ? -EPERM : rc;
}

/* Bits that lend the owner's rights are not given with a file that has another one. */
static mode_t mode_for(const struct aio_stat *wanted, bool owned)
{
    mode_t mode = wanted->mode & 07777;
    return owned || !S_ISREG(wanted->mode) ? mode : mode & ~(mode_t)(S_ISUID | S_ISGID);
}

int attributes_set(struct aio_file *file, const struct aio_stat *wanted, int from)
{
    const struct timespec times[2] = {wanted->accessed, wanted->modified};
    int owned = set_owner(file, wanted);
    int rc = owned == -EPERM ? 0 : owned;
    if (rc == 0 && from >= 0)
        rc = aio_path_copy_xattrs(from, "", aio_file_fd(file), "");
    if (rc == 0) /* not without the access lists, which may give less */
        rc = aio_file_chmod(file, mode_for(wanted, owned == 0));
    int timed = aio_file_utime(file, times);
    return rc < 0 ? rc : timed;
}

bool attributes_are_kept(const struct aio_stat *wanted, const struct aio_stat *found)
{
    bool owned = found->user == wanted->user && found->group == wanted->group;
    return (owned || geteuid() != 0) && (found->mode & 07777) == mode_for(wanted, owned);
}

/* File systems keep times less exactly, and leave out the rest: NTFS has 100 ns, exFAT 10 ms, many
 * have seconds, and FAT has even ones. */
static bool is_same_time(struct timespec wanted, struct timespec found)
{
    static const long grains_ns[] = {100, 10000000, 1000000000};
    if (found.tv_sec == wanted.tv_sec && found.tv_nsec == wanted.tv_nsec)
        return true;
    for (size_t i = 0; i < sizeof grains_ns / sizeof *grains_ns; i++)
        if (found.tv_sec == wanted.tv_sec &&
            found.tv_nsec == wanted.tv_nsec - wanted.tv_nsec % grains_ns[i])
            return true;
    return wanted.tv_nsec != 0 && found.tv_nsec == 0 && found.tv_sec % 2 == 0 &&
           found.tv_sec + 1 == wanted.tv_sec;
}

bool attributes_of_same_file(const struct aio_stat *wanted, const struct aio_stat *found)
{
    return S_ISREG(found->mode) && found->size == wanted->size &&
           is_same_time(wanted->modified, found->modified);
}
