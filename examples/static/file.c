/*
 * Opening, see file.h. The kernel itself sees to it that no path and no symbolic link leads out of
 * the root.
 */
#include "examples/static/file.h"

#include <aio/aio.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int root = -1;

/* Without waiting for the other end of a FIFO, or for a device. */
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

struct opening {
    const char *name;
    uint64_t resolve;
};

static int open_below(void *arg)
{
    const struct opening *opening = arg;
    const struct open_how how = {.flags = OPEN_FLAGS, .resolve = opening->resolve};
    int fd = (int)syscall(SYS_openat2, root, opening->name, &how, sizeof how);
    return fd < 0 ? -errno : fd;
}

static int open_name(const char *name)
{
    struct opening opening = {name, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_CACHED};
    int fd = open_below(&opening);
    if (fd != -EAGAIN)
        return fd;
    opening.resolve &= ~(uint64_t)RESOLVE_CACHED;
    int rc = aio_offload_call(open_below, &opening, &fd);
    return rc < 0 ? rc : fd;
}

static int status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
        return 404;
    case -EACCES:
    case -EPERM:
    case -ELOOP:
    case -EXDEV: /* out of the root */
    case -ENXIO: /* a socket */
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return 503;
    default:
        return 500;
    }
}

int file_root(const char *path)
{
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -errno : 0;
}

int file_open(struct file *out, const char *name)
{
    struct stat status;
    int fd = open_name(*name != '\0' ? name : ".");
    if (fd < 0)
        return status_of(fd);
    int rc = fstat(fd, &status) < 0 ? 500 : S_ISDIR(status.st_mode) ? 301 : 403;
    if (rc != 403 || !S_ISREG(status.st_mode)) {
        (void)close(fd);
        return rc;
    }
    *out = (struct file){fd, (uint64_t)status.st_size, status.st_ino, status.st_mtim.tv_sec,
                         status.st_mtim.tv_nsec};
    return 200;
}

void file_close(struct file *file)
{
    (void)close(file->fd);
}
