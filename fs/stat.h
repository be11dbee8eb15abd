/*
 * statx(2) into struct aio_stat.
 */
#ifndef AIO_FS_STAT_H
#define AIO_FS_STAT_H

#include <aio/stat.h>

/* The call, which may block. flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW. Returns 0 or -errno. */
int aio__stat_read(struct aio_stat *out, int at, const char *path, int flags);

#endif
