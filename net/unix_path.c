/*
 * The files that Unix sockets are bound to: their permissions, what a process that died has left,
 * and their removal.
 *
 * A path may mean another file from one call to the next, so no file is unlinked by a name that
 * others use. It is first moved aside, under a name of our own; if it is not the file that was
 * looked at, it goes back.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/unix.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATH_ASIDE_BYTES (AIO_UNIX_NAME_MAX + 48)
/* For how often, and for how long each time, another process's few calls are waited for. */
#define PATH_LOCK_TRIES 20
#define PATH_LOCK_PAUSE_NS 200000

struct aio__path {
    dev_t device;
    ino_t inode;
    char text[AIO_UNIX_NAME_MAX + 1];
};

/* Whether the file there is a socket of this process's user. */
static bool path_is_ours(const char *text, struct stat *status)
{
    return lstat(text, status) == 0 && S_ISSOCK(status->st_mode) && status->st_uid == geteuid();
}

/* The same file, and not another one that got its number. */
static bool path_same(const struct stat *left, const struct stat *right)
{
    return left->st_dev == right->st_dev && left->st_ino == right->st_ino &&
           left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           left->st_mtim.tv_nsec == right->st_mtim.tv_nsec;
}

/* Locks the folder of a path against others who replace or remove a socket's file there: between
 * the look at a file and its removal somebody might put a new one in its place. Returns a
 * descriptor for path_unlock; or -1 where that is not possible, or somebody keeps the folder
 * locked: then it is done without. */
static int path_lock(const char *text)
{
    static const struct timespec pause = {.tv_nsec = PATH_LOCK_PAUSE_NS};
    char folder[AIO_UNIX_NAME_MAX + 3];
    const char *slash = strrchr(text, '/');
    snprintf(folder, sizeof folder, "%.*s.", slash == NULL ? 0 : (int)(slash + 1 - text), text);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < PATH_LOCK_TRIES && fd >= 0; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if (errno != EWOULDBLOCK)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (fd >= 0)
        (void)close(fd); /* tidy: allow close: no op has used it */
    return -1;
}

/* A child that was forked meanwhile may have the descriptor too. */
static void path_unlock(int lock)
{
    if (lock < 0)
        return;
    (void)flock(lock, LOCK_UN);
    (void)close(lock); /* tidy: allow close: no op has used it */
}

/* Unlinks the file that was looked at, or nothing. */
static void path_unlink(const char *text, const struct stat *seen)
{
    static unsigned counter;
    char aside[PATH_ASIDE_BYTES];
    struct stat moved;
    unsigned number = __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
    snprintf(aside, sizeof aside, "%s.%ld-%u.aside", text, (long)getpid(), number);
    if (rename(text, aside) < 0)
        return;
    if (lstat(aside, &moved) == 0 && path_same(seen, &moved))
        (void)unlink(aside);
    else /* unless there is a new one already: then it stays aside */
        (void)renameat2(AT_FDCWD, aside, AT_FDCWD, text, RENAME_NOREPLACE);
}

/*
 * Whether no process has the socket there any more. Asked by a socket for datagrams, which connects
 * to one of its kind unnoticed, and is told that others are of another kind, whether they listen
 * already or not.
 */
static bool path_is_stale(const struct aio_address *address)
{
    int fd = aio__socket_open(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return false;
    int rc = connect(fd, &address->any, address->length); /* tidy: allow connect: non-blocking */
    bool refused = rc < 0 && errno == ECONNREFUSED;
    (void)close(fd); /* tidy: allow close: no op has used it */
    return refused;
}

/* Binding again after the path was found taken: -EADDRINUSE unless what is there is stale. */
static int path_replace(int fd, const char *text, const struct aio_address *address)
{
    struct stat seen;
    int lock = path_lock(text), rc = -EADDRINUSE;
    if (path_is_ours(text, &seen) && path_is_stale(address)) {
        path_unlink(text, &seen);
        rc = aio__socket_bind(fd, address);
    }
    path_unlock(lock);
    return rc;
}

/* The mode of the descriptor's file is that of the path's, less the umask; what the umask took away
 * is given back afterwards. Never is the file more open than asked for. */
static int path_bind_mode(int fd, const char *text, const struct aio_address *address,
                          const struct aio_unix_options *options)
{
    if (options->mode != 0 && fchmod(fd, options->mode) < 0)
        return -errno;
    int rc = aio__socket_bind(fd, address);
    if (rc == -EADDRINUSE && options->replace)
        rc = path_replace(fd, text, address);
    return rc;
}

static int path_set_mode(const char *text, mode_t mode, const struct stat *status)
{
    if (mode == 0 || (status->st_mode & 07777) == mode)
        return 0;
    return fchmodat(AT_FDCWD, text, mode, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int aio__path_bind(struct aio__path **path, int fd, const struct aio_address *address,
                   const struct aio_unix_options *options)
{
    const struct sockaddr_un *name = (const struct sockaddr_un *)(const void *)&address->storage;
    *path = NULL;
    if (name->sun_path[0] == '\0')
        return aio__socket_bind(fd, address);
    struct aio__path *made = aio__alloc_zero(sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    struct stat status;
    memcpy(made->text, name->sun_path, strnlen(name->sun_path, AIO_UNIX_NAME_MAX));
    int rc = path_bind_mode(fd, made->text, address, options);
    if (rc < 0) {
        aio__free(made);
        return rc;
    }
    if (path_is_ours(made->text, &status)) {
        made->device = status.st_dev;
        made->inode = status.st_ino;
        rc = path_set_mode(made->text, options->mode, &status);
    }
    if (rc < 0)
        aio__path_remove(made);
    else
        *path = made;
    return rc;
}

void aio__path_free(struct aio__path *path)
{
    aio__free(path);
}

/* While the socket is open its file's number cannot be another file's. */
void aio__path_remove(struct aio__path *path)
{
    struct stat status;
    if (path == NULL)
        return;
    int lock = path_lock(path->text);
    if (path_is_ours(path->text, &status) && status.st_dev == path->device &&
        status.st_ino == path->inode)
        path_unlink(path->text, &status);
    path_unlock(lock);
    aio__free(path);
}
