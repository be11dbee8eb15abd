/*
 * Temporary files and directories: names nobody has, files without a name, and a name for them.
 */
#include "fs/temporary.h"

#include "fs/call.h"

#include <aio/path.h>
#include <aio/time.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_TRIES 100

struct temporary {
    int at;
    char *pattern;
    const char *path;
    mode_t mode;
};

/* Names must differ, not be secret: O_EXCL and its like settle who has one. So the kernel is asked
 * once a thread. */
static uint64_t temporary_random(void)
{
    static __thread uint64_t state;
    if (state == 0 && getrandom(&state, sizeof state, GRND_NONBLOCK) < 0)
        state = (uint64_t)aio_time_now();
    state += 0x9e3779b97f4a7c15; /* splitmix64 */
    uint64_t mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

static void temporary_choose(char *marks)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    uint64_t random = temporary_random();
    for (int i = 0; i < AIO__TEMPORARY_MARKS; i++) {
        marks[i] = letters[random % (sizeof letters - 1)];
        random /= sizeof letters - 1;
    }
}

int aio__temporary_name(char *path, char *marks, int (*make)(void *arg, const char *path),
                        void *arg)
{
    int rc = -EEXIST;
    for (int i = 0; i < TEMPORARY_TRIES && rc == -EEXIST; i++) {
        temporary_choose(marks);
        rc = make(arg, path);
    }
    return rc;
}

char *aio__temporary_beside(char out[PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    int before = slash == NULL ? 0 : (int)(slash + 1 - path);
    int length = snprintf(out, PATH_MAX, "%.*s.aio-XXXXXX", before, path);
    return length < PATH_MAX ? out + length - AIO__TEMPORARY_MARKS : NULL;
}

/* NULL when the pattern does not end as it should. */
static char *temporary_marks(char *pattern)
{
    size_t length = strlen(pattern);
    if (length < AIO__TEMPORARY_MARKS)
        return NULL;
    char *marks = pattern + length - AIO__TEMPORARY_MARKS;
    return strcmp(marks, "XXXXXX") == 0 ? marks : NULL;
}

/* Runs the call with a pattern, which is as before when it fails. */
static int temporary_call(int (*fn)(void *arg), struct temporary *call)
{
    char *marks = temporary_marks(call->pattern);
    if (marks == NULL)
        return -EINVAL;
    int rc = aio__fs_call(fn, call);
    if (rc < 0)
        memset(marks, 'X', AIO__TEMPORARY_MARKS);
    return rc;
}

static int temporary_make_file(void *arg, const char *path)
{
    const struct temporary *call = arg;
    return aio__fs_result(
        openat(call->at, path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, call->mode));
}

static int temporary_make_directory(void *arg, const char *path)
{
    const struct temporary *call = arg;
    return aio__fs_result(mkdirat(call->at, path, call->mode));
}

static int temporary_file(void *arg)
{
    struct temporary *call = arg;
    return aio__temporary_name(call->pattern, temporary_marks(call->pattern), temporary_make_file,
                               call);
}

static int temporary_directory(void *arg)
{
    struct temporary *call = arg;
    return aio__temporary_name(call->pattern, temporary_marks(call->pattern),
                               temporary_make_directory, call);
}

int aio_path_mkstemp(int at, char *pattern)
{
    struct temporary call = {.at = at, .pattern = pattern, .mode = S_IRUSR | S_IWUSR};
    return temporary_call(temporary_file, &call);
}

int aio_path_mkdtemp(int at, char *pattern)
{
    struct temporary call = {.at = at, .pattern = pattern, .mode = S_IRWXU};
    return temporary_call(temporary_directory, &call);
}

/* Where O_TMPFILE is not known: EOPNOTSUPP of the file system, EISDIR of an old kernel. */
static int temporary_unlinked(struct temporary *call)
{
    char inside[PATH_MAX], path[PATH_MAX];
    int length = snprintf(inside, sizeof inside, "%s/", call->path);
    char *marks = length < PATH_MAX ? aio__temporary_beside(path, inside) : NULL;
    if (marks == NULL)
        return -ENAMETOOLONG;
    int fd = aio__temporary_name(path, marks, temporary_make_file, call);
    if (fd >= 0 && unlinkat(call->at, path, 0) < 0) {
        int rc = -errno;
        (void)close(fd);
        return rc;
    }
    return fd;
}

static int temporary_nameless(void *arg)
{
    struct temporary *call = arg;
    int fd =
        aio__fs_result(openat(call->at, call->path, O_TMPFILE | O_RDWR | O_CLOEXEC, call->mode));
    return fd == -EOPNOTSUPP || fd == -EISDIR ? temporary_unlinked(call) : fd;
}

int aio_path_tmpfile(int at, const char *directory, mode_t mode)
{
    struct temporary call = {.at = at, .path = directory, .mode = mode};
    return aio__fs_call(temporary_nameless, &call);
}

struct publish {
    int fd;
    int at;
    const char *path;
    bool keep_old;
    bool refused;
};

static bool publish_is_refused(int rc)
{
    return rc == -ENOENT || rc == -EPERM || rc == -EACCES || rc == -EXDEV || rc == -EOPNOTSUPP ||
           rc == -EINVAL;
}

/* By the descriptor itself, which takes a privilege (before Linux 6.10) or to have opened it; the
 * kernel says ENOENT to others. By way of /proc it is anybody's, and a copy of small files
 * spends 1.6 times as long in the call. */
static int publish_link(void *arg, const char *path)
{
    struct publish *publish = arg;
    char source[64];
    int rc = aio__fs_result(linkat(publish->fd, "", publish->at, path, AT_EMPTY_PATH));
    if (rc == -ENOENT) {
        (void)snprintf(source, sizeof source, "/proc/self/fd/%d", publish->fd);
        rc = aio__fs_result(linkat(AT_FDCWD, source, publish->at, path, AT_SYMLINK_FOLLOW));
    }
    publish->refused = publish_is_refused(rc);
    return rc;
}

/* A link never replaces: the file gets another name beside the one that is taken, and that is
 * renamed. */
static int publish_replace(struct publish *publish)
{
    char path[PATH_MAX];
    char *marks = aio__temporary_beside(path, publish->path);
    if (marks == NULL)
        return -ENAMETOOLONG;
    int rc = aio__temporary_name(path, marks, publish_link, publish);
    if (rc < 0)
        return rc;
    rc = aio__fs_result(renameat(publish->at, path, publish->at, publish->path));
    (void)unlinkat(publish->at, path, 0); /* still there after an error, or if both were one file */
    return rc;
}

static int publish_call(void *arg)
{
    struct publish *publish = arg;
    int rc = publish_link(publish, publish->path);
    return rc == -EEXIST && !publish->keep_old ? publish_replace(publish) : rc;
}

int aio__temporary_publish(int fd, int at, const char *path, bool keep_old, bool *refused)
{
    struct publish publish = {.fd = fd, .at = at, .path = path, .keep_old = keep_old};
    int rc = publish_call(&publish);
    *refused = publish.refused;
    return rc;
}

int aio_path_publish(int fd, int at, const char *path, unsigned flags)
{
    struct publish publish = {.fd = fd, .at = at, .path = path};
    if ((flags & ~(unsigned)AIO_PATH_NOREPLACE) != 0)
        return -EINVAL;
    publish.keep_old = (flags & AIO_PATH_NOREPLACE) != 0;
    return aio__fs_call(publish_call, &publish);
}
