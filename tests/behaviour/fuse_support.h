/*
 * File systems of tests/fuse, mounted for a test. Takes root and /dev/fuse.
 */
#ifndef AIO_TESTS_BEHAVIOUR_FUSE_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_FUSE_SUPPORT_H

#include "tests/behaviour/file_support.h"

#include <sys/types.h>

struct fuse_mount {
    struct file_home home;
    pid_t process;
    dev_t before;
};

/* Runs the program of that name and waits until it serves its folder. Returns false when it cannot
 * be had, which is told as a reason to skip, or has failed, which is recorded. */
bool fuse_open(struct fuse_mount *mount, const char *name);

void fuse_close(struct fuse_mount *mount);

#endif
