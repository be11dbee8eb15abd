/*
 * <aio/whole.h>: whole files: into memory, from memory, from another file.
 *
 * What is written appears under its name when it is complete, and in place of what was there
 * before. A copy is written to a file without a name (O_TMPFILE of open(2)), which gets it at the
 * end; where that cannot be, or what is written shall last, to one with another name in the same
 * directory, which is renamed. Whoever opens the name sees the old bytes or the new ones, never a
 * part. After an error, a cancellation or a deadline the old file is as it was, and the new one is
 * gone; only a crash may leave one, if it had a name: ".aio-" and six letters.
 *
 * Like the calls of <aio/path.h>, these take the descriptor of a directory first, from which a
 * relative path starts, or AT_FDCWD, and run on the offload pool: a small file in one call, a large
 * one in pieces, between which the call can be cancelled.
 */
#ifndef AIO_WHOLE_H
#define AIO_WHOLE_H

#include <aio/base.h>
#include <fcntl.h>

AIO_BEGIN_DECLS

/*
 * aio_file_load reads a regular file. A NUL follows the last byte in memory. One that somebody has
 * a lease on is waited for, as by aio_file_open.
 *
 * Suspends:  until the bytes are there.
 * Context:   a task.
 * Lifetime:  after 0 the memory is the caller's, until aio_file_unload.
 * Returns:   0 with *memory and *size set; -EFBIG when it has more than limit bytes; -EISDIR;
 *            -EINVAL for another kind of file; -ENOMEM; -ECANCELED, -ETIMEDOUT, -EAGAIN as
 *            aio_offload_call; or -errno of open(2) and read(2).
 */
AIO_API AIO_NODISCARD int aio_file_load(int at, const char *path, void **memory, size_t *size,
                                        size_t limit);

/* aio_file_unload gives back the memory of aio_file_load. NULL is ignored. Never suspends; any
 * thread. */
AIO_API void aio_file_unload(void *memory);

/*
 * aio_file_store makes a file of size bytes that lasts: when it returns 0, the bytes and the name
 * are on the disk. A symlink of that name is replaced, not followed. The file is the caller's, with
 * the permissions of mode less the umask, whatever the old one had.
 *
 * Suspends:  until it is done.
 * Context:   a task.
 * Lifetime:  bytes until the call returns.
 * Returns:   0; -EISDIR when the path is a directory; -ENOSPC, -EDQUOT, -EIO; -ENAMETOOLONG;
 *            -ECANCELED, -ETIMEDOUT, -EAGAIN as aio_offload_call; or another -errno of open(2),
 *            write(2), fsync(2), rename(2). The old file is there then, but for one case: an error
 *            of the last step, to make the new name last, comes when the name is new already.
 */
AIO_API AIO_NODISCARD int aio_file_store(int at, const char *path, const void *bytes, size_t size,
                                         mode_t mode);

enum aio_file_copy_flags {
    AIO_FILE_COPY_KEEP = 1,      /* permissions and times; the owner where that is permitted */
    AIO_FILE_COPY_NOREPLACE = 2, /* -EEXIST when there is such a file already */
    AIO_FILE_COPY_NOFOLLOW = 4,  /* -ELOOP when the source is a symlink */
    AIO_FILE_COPY_SYNC = 8,      /* it lasts, as of aio_file_store */
    AIO_FILE_COPY_XATTRS = 16, /* extended attributes and access lists, see aio_path_copy_xattrs */
};

/* Options of a copy. Start from AIO_FILE_COPY_OPTIONS. */
struct aio_file_copy_options {
    size_t size;
    unsigned flags;  /* of enum aio_file_copy_flags */
    int64_t *copied; /* set to the bytes done so far, as it goes on; other tasks may look. NULL */
};

#define AIO_FILE_COPY_OPTIONS                                                                      \
    ((struct aio_file_copy_options){.size = sizeof(struct aio_file_copy_options)})

/*
 * aio_file_copy copies a regular file: by sharing its blocks where the file system can (reflinks of
 * btrfs and xfs), else within the kernel (copy_file_range(2); from one file system to another
 * sendfile(2), which splices pages), else by reading and writing. Holes stay holes. Without
 * AIO_FILE_COPY_KEEP the copy has the permissions of the source less the umask. options NULL means
 * AIO_FILE_COPY_OPTIONS.
 *
 * A file of up to 8 MiB is one call of the pool, a larger one is a call for each 8 MiB. It is
 * copied with the size it has at the beginning; a source that is written to meanwhile gives a
 * mixture, one that is cut short meanwhile a copy that may be shorter, which is no error: *copied
 * tells. One that is removed or replaced meanwhile is copied all the same. A source that somebody
 * has a lease on is waited for, as by aio_file_open.
 *
 * Suspends:  until it is done.
 * Context:   a task.
 * Lifetime:  options only during the call.
 * Returns:   0; -EINVAL for bad options or a source that is no regular file; -EISDIR; -EEXIST;
 *            -ELOOP; else as aio_file_store, or -errno of read(2), fchmod(2), utimensat(2).
 */
AIO_API AIO_NODISCARD int aio_file_copy(int from_at, const char *from, int to_at, const char *to,
                                        const struct aio_file_copy_options *options);

AIO_END_DECLS

#endif
