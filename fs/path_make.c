/*
 * A directory and those above it.
 */
#include "fs/call.h"

#include <aio/path.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

struct make {
    int at;
    const char *path;
    mode_t mode;
};

static bool make_is_directory(int at, const char *path)
{
    struct stat status;
    return fstatat(at, path, &status, 0) == 0 && S_ISDIR(status.st_mode);
}

/* For mkdir(2) it counts first that something is there, then that nothing may be written. */
static int make_one(int at, const char *path, mode_t mode)
{
    if (mkdirat(at, path, mode) == 0)
        return 0;
    int error = errno;
    return error == EEXIST && make_is_directory(at, path) ? 0 : -error;
}

/* From the top: each slash ends, for a moment, the path of a directory above. */
static int make_all(void *arg)
{
    const struct make *make = arg;
    char path[PATH_MAX];
    size_t length = strnlen(make->path, sizeof path);
    if (length == sizeof path)
        return -ENAMETOOLONG;
    memcpy(path, make->path, length + 1);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = '\0';
    int rc = make_one(make->at, path, make->mode);
    for (size_t i = 1; rc == -ENOENT && i < length; i++) {
        if (path[i] != '/' || path[i - 1] == '/')
            continue;
        path[i] = '\0';
        int above = make_one(make->at, path, make->mode | S_IWUSR | S_IXUSR);
        path[i] = '/';
        if (above < 0)
            return above == -EEXIST ? -ENOTDIR : above;
    }
    return rc == -ENOENT ? make_one(make->at, path, make->mode) : rc;
}

int aio_path_mkdirs(int at, const char *path, mode_t mode)
{
    struct make make = {.at = at, .path = path, .mode = mode};
    return aio__fs_call(make_all, &make);
}
