/*
 * File systems of tests/fuse, mounted for a test. Takes root and /dev/fuse.
 */
#ifndef AIO_TESTS_BEHAVIOUR_FUSE_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_FUSE_SUPPORT_H

#include "tests/behaviour/file_support.h"
#include "tests/behaviour/folder_support.h"

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

/* Of tests/fuse/steps_fs.c: puts a folder where the tools of folders expect one. */
bool steps_folder(struct folder *folder, const struct fuse_mount *mount, const char *name);

/* Whether the server waits in a struct folder, for test_wait(). */
bool steps_wait(void *folder);

/* Lets it go on, and the task that has asked it; it can wait again then. */
void steps_release(const struct folder *folder, struct aio_task *task);

#endif
