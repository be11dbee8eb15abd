/*
 * Replacing a file by another one that was written beside it, at once and only when it is complete.
 *
 * Where the file system has such files and it need not last, the new one has no name until then: a
 * crash leaves nothing of it, and its directory is changed once. One that shall last has a name
 * that nobody else has: without a journal nothing but another fsync(2) would keep a name given
 * after the first. All of it runs on the pool's threads.
 */
#ifndef AIO_FS_REPLACE_H
#define AIO_FS_REPLACE_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* The new file could not have a name after all: it is to be made once more, and will have one. */
#define AIO__REPLACE_AGAIN 1

struct aio__replace {
    int at;
    const char *path;
    int fd;        /* of the new file; -1: there is none */
    bool keep_old; /* it gets its name only if nobody has it */
    bool lasting;  /* both survive a crash */
    bool named;    /* in any case; set by AIO__REPLACE_AGAIN */
    bool nameless;
    char temporary[PATH_MAX];
};

/* Makes the new file. When others could open it, it has the permissions of mode_named, so that they
 * cannot while it has not got its owner. Returns 0 or -errno. */
int aio__replace_begin(struct aio__replace *replace, mode_t mode, mode_t mode_named);

/* Gives the new file its name. Returns 0, AIO__REPLACE_AGAIN or -errno: then the new file is gone,
 * unless it had its name already. */
int aio__replace_finish(struct aio__replace *replace);

/* Removes the new file. */
void aio__replace_abandon(struct aio__replace *replace);

#endif
