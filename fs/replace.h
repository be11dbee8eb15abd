/*
 * Replacing a file by another one that was written beside it, at once and only when it is complete.
 * The new one has no name until then, where the file system has such files; elsewhere it has one
 * that nobody else has. All of it runs on the pool's threads.
 */
#ifndef AIO_FS_REPLACE_H
#define AIO_FS_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct aio__replace {
    int at;
    const char *path;
    int fd; /* of the new file; -1: there is none */
    bool nameless;
    char temporary[PATH_MAX];
};

/* Makes the new file. When others could open it, it has the permissions of mode_named, so that they
 * cannot while it has not got its owner. Returns 0 or -errno. */
int aio__replace_begin(struct aio__replace *replace, mode_t mode, mode_t mode_named);

/*
 * Gives the new file its name, with `keep_old` only if nobody has it, with `lasting` so that both
 * survive a crash. Returns 0 or -errno: then the new file is gone, unless it had its name already.
 */
int aio__replace_finish(struct aio__replace *replace, bool keep_old, bool lasting);

/* Removes the new file. */
void aio__replace_abandon(struct aio__replace *replace);

#endif
