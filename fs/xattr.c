/*
 * See xattr.h; and of files by their paths.
 */
#include "fs/xattr.h"

#include "fs/call.h"

#include <aio/path.h>
#include <linux/limits.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel allocates as much as it is asked for: most files have less than this. */
#define XATTR_USUAL_BYTES 512

/* The limits are the kernel's. On the stack of a thread of the pool. */
struct xattr_copy {
    int from;
    int to;
    ssize_t length; /* of names */
    char names[XATTR_LIST_MAX];
    char value[XATTR_SIZE_MAX];
};

static bool xattr_is_left_out(int error)
{
    return error == EOPNOTSUPP || error == EPERM || error == EACCES || error == ENODATA ||
           error == EINVAL; /* it means nothing there */
}

static int xattr_copy_one(struct xattr_copy *copy, const char *name)
{
    ssize_t n = fgetxattr(copy->from, name, copy->value, XATTR_USUAL_BYTES);
    if (n < 0 && errno == ERANGE)
        n = fgetxattr(copy->from, name, copy->value, sizeof copy->value);
    if (n >= 0 && fsetxattr(copy->to, name, copy->value, (size_t)n, 0) == 0)
        return 0;
    return xattr_is_left_out(errno) ? 0 : -errno;
}

static int xattr_copy_all(struct xattr_copy *copy)
{
    int rc = 0;
    for (const char *name = copy->names; name < copy->names + copy->length && rc == 0;
         name += strlen(name) + 1)
        rc = xattr_copy_one(copy, name);
    return rc;
}

/* Only where there is any attribute to be taken away. */
int aio__xattr_drop_lists(int fd)
{
    static const char *const lists[] = {"system.posix_acl_access", "system.posix_acl_default"};
    if (flistxattr(fd, NULL, 0) <= 0)
        return 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (fremovexattr(fd, lists[i]) < 0 && !xattr_is_left_out(errno))
            return -errno;
    return 0;
}

int aio__xattr_copy(int from, int to)
{
    struct xattr_copy copy;
    copy.from = from;
    copy.to = to;
    copy.length = flistxattr(from, copy.names, XATTR_USUAL_BYTES);
    if (copy.length < 0 && errno == ERANGE)
        copy.length = flistxattr(from, copy.names, sizeof copy.names);
    if (copy.length < 0 && !xattr_is_left_out(errno))
        return -errno;
    int rc = aio__xattr_drop_lists(to);
    return rc == 0 ? xattr_copy_all(&copy) : rc;
}

struct xattr_call {
    int from_at;
    const char *from;
    int to_at;
    const char *to;
};

/* An empty path is the descriptor itself. */
static int xattr_open(int *fd, int at, const char *path)
{
    if (*path != '\0')
        return aio__fs_open(fd, at, path, O_NOFOLLOW);
    *fd = fcntl(at, F_DUPFD_CLOEXEC, 0);
    return *fd < 0 ? -errno : 0;
}

static int xattr_call(void *arg)
{
    const struct xattr_call *call = arg;
    int from, to;
    int rc = xattr_open(&from, call->from_at, call->from);
    if (rc != 0)
        return rc;
    rc = xattr_open(&to, call->to_at, call->to);
    if (rc == 0) {
        rc = aio__xattr_copy(from, to);
        (void)close(to);
    }
    (void)close(from);
    return rc;
}

int aio_path_copy_xattrs(int from_at, const char *from, int to_at, const char *to)
{
    struct xattr_call call = {from_at, from, to_at, to};
    return aio__fs_call_open(xattr_call, &call);
}
