/*
 * See stat.h.
 */
#include "fs/stat.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

static struct timespec stat_time(const struct statx_timestamp *from)
{
    return (struct timespec){.tv_sec = from->tv_sec, .tv_nsec = from->tv_nsec};
}

static void stat_fill(struct aio_stat *out, const struct statx *from)
{
    *out = (struct aio_stat){
        .mode = from->stx_mode,
        .links = from->stx_nlink,
        .user = from->stx_uid,
        .group = from->stx_gid,
        .device = makedev(from->stx_dev_major, from->stx_dev_minor),
        .inode = from->stx_ino,
        .special = makedev(from->stx_rdev_major, from->stx_rdev_minor),
        .size = (int64_t)from->stx_size,
        .used = (int64_t)from->stx_blocks * 512,
        .block_bytes = from->stx_blksize,
        .attributes = (uint32_t)from->stx_attributes,
        .accessed = stat_time(&from->stx_atime),
        .modified = stat_time(&from->stx_mtime),
        .changed = stat_time(&from->stx_ctime),
        .created = stat_time(&from->stx_btime),
    };
}

int aio__stat_read(struct aio_stat *out, int at, const char *path, int flags)
{
    struct statx found;
    if (statx(at, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found) < 0)
        return -errno;
    stat_fill(out, &found);
    return 0;
}
