/*
 * Opening files. A ring opens in place what it can name without asking anybody, and calls the file
 * system all the same: one that asks a server (FUSE, NFS), and the driver of a device, then hold up
 * the core. So it is looked first what the name stands for, and only what is surely the kernel's
 * own is opened in place.
 */
#include "backends/uring/private.h"
#include "core/file_op.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Came with Linux 5.12, which is older than any ring here; older headers lack it. */
#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

/* Names it without opening it, if that needs no waiting. Returns a descriptor or -errno. */
static int open_name(const struct aio__op *op)
{
    const struct open_how how = {
        .flags = O_PATH | O_CLOEXEC | (op->open.how->flags & (O_NOFOLLOW | O_DIRECTORY)),
        .resolve = op->open.how->resolve | RESOLVE_CACHED,
    };
    long fd = syscall(SYS_openat2, op->fd, op->open.path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

static bool open_is_local(int fd)
{
    struct statx found;
    if (aio__file_look(fd, &found) < 0)
        return false;
    return !S_ISCHR(found.stx_mode) && !S_ISBLK(found.stx_mode) && !aio__file_is_served(&found);
}

/* What makes or cuts a file the ring gives to a thread by itself. */
bool aio__uring_open_waits(const struct aio__op *op)
{
    if ((op->open.how->flags & (O_CREAT | O_TRUNC | O_PATH)) != 0)
        return false;
    int fd = open_name(op);
    if (fd < 0)
        return fd != -ENOENT; /* which is then found out without waiting */
    bool local = open_is_local(fd);
    (void)close(fd);
    return !local;
}
