/*
 * What the tests of files share: a folder of their own, files of the pattern in it, tasks that make
 * a call.
 */
#ifndef AIO_TESTS_BEHAVIOUR_FILE_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_FILE_SUPPORT_H

#include "tests/harness/harness.h"

#include <aio/file.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file_home {
    char path[64];
};

struct file_path {
    char text[128];
};

/* Makes a folder; and removes it with the files, but not the folders, in it. */
bool file_home_open(struct file_home *home);
void file_home_close(struct file_home *home);

struct file_path file_path_of(const struct file_home *home, const char *name);

/* Makes and opens a file of so many bytes of the pattern, for reading and writing. NULL after a
 * failure, which is recorded. */
struct aio_file *file_make(const struct file_home *home, const char *name, size_t size);

/* Closes a file, checked. */
void file_end(struct aio_file *file);

/* aio_file_open of what does not open. Returns the error. */
int file_refused(const char *path, int flags);

/* Checks bytes of the file against the pattern. */
void file_check(struct aio_file *file, int64_t offset, size_t size);

#endif
