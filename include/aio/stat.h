/*
 * <aio/stat.h>: what is known of a file besides its bytes; see statx(2), inode(7).
 */
#ifndef AIO_STAT_H
#define AIO_STAT_H

#include <aio/base.h>
#include <sys/stat.h>
#include <time.h>

AIO_BEGIN_DECLS

/* Times are of CLOCK_REALTIME. */
struct aio_stat {
    uint32_t mode; /* type and permissions: S_ISREG(mode) and so on of inode(7) */
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint64_t device; /* that it is on; together with inode this tells which file it is */
    uint64_t inode;
    uint64_t special;     /* the device that it stands for, if it is one */
    int64_t size;         /* bytes */
    int64_t used;         /* bytes of storage: less than size for a file with holes */
    uint32_t block_bytes; /* a good size of transfers */
    uint32_t attributes;  /* STATX_ATTR_* of statx(2), as far as the file system tells */
    struct timespec accessed;
    struct timespec modified;
    struct timespec changed;
    struct timespec created; /* zero where the file system does not keep it */
};

AIO_END_DECLS

#endif
