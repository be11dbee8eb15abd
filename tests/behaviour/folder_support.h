/*
 * What the tests of files and directories share: a folder of their own, made and looked at by plain
 * system calls.
 */
#ifndef AIO_TESTS_BEHAVIOUR_FOLDER_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_FOLDER_SUPPORT_H

#include "tests/behaviour/task_tools.h"

#include <aio/directory.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An empty folder in memory, or under /tmp. Paths of tests are relative to its descriptor. */
struct folder {
    int fd;
    char path[64];
};

bool folder_open(struct folder *folder);

/* Removes it with what is left in it. */
void folder_close(struct folder *folder);

/* Makes something there; each records a failure. */
bool folder_file(const struct folder *folder, const char *path, const void *bytes, size_t size);
bool folder_text(const struct folder *folder, const char *path, const char *text);
bool folder_pattern(const struct folder *folder, const char *path, size_t size);
bool folder_directory(const struct folder *folder, const char *path);
bool folder_link(const struct folder *folder, const char *path, const char *target);

/* Makes `levels` directories "d", each in the one before, and a file "end" in the last. */
bool folder_deep(const struct folder *folder, int levels);

/* Whether something has that name; a symlink counts by itself. */
bool folder_has(const struct folder *folder, const char *path);

/* Whether that is the whole content of a file. */
bool folder_holds(const struct folder *folder, const char *path, const void *bytes, size_t size);

/* Whether the file is that text. */
bool folder_says(const struct folder *folder, const char *path, const char *text);

/* Checks that a file has so many bytes, those of the pattern. */
void folder_check_pattern(int at, const char *path, size_t size);

/* A free name on another file system than the folder's; NULL when there is no other. */
const char *folder_elsewhere(const struct folder *folder);

/* How much is in it, not counting what is in its directories. */
int folder_count(const struct folder *folder, const char *path);

/*
 * Runs entry(arg) as the first task of a runtime on the row in a forked process that is an ordinary
 * user's, so that permissions mean something, and checks that it returns 0. To be called outside a
 * runtime.
 */
bool folder_as_user(int (*entry)(void *arg), void *arg);

#endif
