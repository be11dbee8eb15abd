/*
 * The blocking forms of the ops on files, for the threads that run them where nothing else can; and
 * what a ring leaves undone.
 */
#ifndef AIO_CORE_FILE_OP_H
#define AIO_CORE_FILE_OP_H

#include "core/op.h"

#include <sys/stat.h>

struct aio__core;

/*
 * Whether what is asked of a file may have to be asked of a server. The file systems that are the
 * kernel's own are told by what they say of attributes: FUSE, on a device too, NFS and their like
 * say nothing. No server is asked for this.
 */
static inline bool aio__file_is_served(const struct statx *found)
{
    return (found->stx_attributes_mask & STATX_ATTR_IMMUTABLE) == 0;
}

/* What an open file is, as far as that is known without asking a server: its type, and whether it
 * is served. Returns 0 or -errno. */
int aio__file_look(int fd, struct statx *found);

/* Runs READ, WRITE, READV, WRITEV, OPEN, FSYNC or WRITE_SYNC. Returns the op's result; -EOPNOTSUPP
 * for others. */
int32_t aio__file_perform(struct aio__op *op);

/* The same as a job for a thread, which notes the op's result as well. */
int aio__file_perform_job(void *op);

/* Where a cursor stands before a transfer that may have to be mended; -1 where none has to be: the
 * backend moves it like read(2), and holds it meanwhile. */
int64_t aio__file_cursor(const struct aio__core *core, int fd);

/*
 * Sees to it that a cursor that stood at `before` has moved by what a READ or WRITE at the cursor
 * has moved. A ring leaves it where it was when an error cut a transfer short (seen on 6.18: ENOSPC
 * after the first bytes), and after each that the device does by itself, as with O_DIRECT. What
 * comes next would be from, or go to, the wrong place. With O_APPEND a write ends at the end of the
 * file, wherever the cursor stood; a read does not.
 */
void aio__file_mend_cursor(int fd, int64_t before, int32_t moved, bool reads);

#endif
