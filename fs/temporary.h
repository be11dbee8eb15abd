/*
 * Names nobody has, chosen at random. On the pool's threads.
 */
#ifndef AIO_FS_TEMPORARY_H
#define AIO_FS_TEMPORARY_H

#include <limits.h>
#include <stdbool.h>

/* The X's that a pattern ends with. */
#define AIO__TEMPORARY_MARKS 6

/*
 * Puts letters over the marks, and again as long as make(arg, path) finds the name taken (-EEXIST).
 * Returns what make did.
 */
int aio__temporary_name(char *path, char *marks, int (*make)(void *arg, const char *path),
                        void *arg);

/* Writes a pattern for a name in the directory of that path. Returns where its marks begin; NULL
 * when it does not fit. */
char *aio__temporary_beside(char out[PATH_MAX], const char *path);

/*
 * Gives a file without a name, of O_TMPFILE, that name: in place of who has it, or with `keep_old`
 * only if nobody has. Returns 0 or -errno; *refused tells whether it could not have any name there,
 * for want of /proc or of a right.
 */
int aio__temporary_publish(int fd, int at, const char *path, bool keep_old, bool *refused);

#endif
