/*
 * <aio/path.h>: what is done to files by their names: asking, renaming, linking, removing, making.
 *
 * Every call takes the descriptor of a directory first, at, from which a relative path starts:
 * AT_FDCWD, the working directory, or any open directory (aio_directory_fd). With a directory that
 * is held open a program cannot be led elsewhere by somebody who renames what lies above it.
 *
 * How. No kernel does these calls without waiting, and a ring would hand each of them to a thread
 * of its own, so on both backends they run on the offload pool (<aio/offload.h>), and what is said
 * there of its calls holds for these: one that no thread has begun ends at once when it is
 * cancelled or its deadline passes, and has done nothing; one that runs is awaited, and what it did
 * or opened is returned. Where that is not all, it is said.
 *
 * Paths are bytes that end with a NUL; nothing is made of their encoding. They, and what else a
 * call is given, stay as they are until it returns.
 */
#ifndef AIO_PATH_H
#define AIO_PATH_H

#include <aio/base.h>
#include <aio/stat.h>
#include <fcntl.h>
#include <time.h>

AIO_BEGIN_DECLS

enum aio_path_flags {
    AIO_PATH_NOFOLLOW = 1,  /* a symlink at the end of the path is itself what is meant */
    AIO_PATH_NOREPLACE = 2, /* -EEXIST when the new name is taken */
    AIO_PATH_EXCHANGE = 4,  /* both names exist, and swap what they stand for */
};

/*
 * aio_path_stat tells what a path stands for, see statx(2). flags: AIO_PATH_NOFOLLOW.
 *
 * Suspends:  until a thread of the pool has done it.
 * Context:   a task.
 * Returns:   0 with *out set; -EINVAL for other flags; -ECANCELED, -ETIMEDOUT, -EAGAIN as
 *            aio_offload_call; or -errno of statx(2).
 */
AIO_API AIO_NODISCARD int aio_path_stat(int at, const char *path, unsigned flags,
                                        struct aio_stat *out);

/*
 * aio_path_access tells whether the process may read (R_OK), write (W_OK), execute (X_OK) what a
 * path stands for, or whether it exists (F_OK), by its effective user; see access(2). What it told
 * may have changed by the time it is used.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0 if so; -EACCES, -EROFS; else as aio_path_stat, or -errno of access(2).
 */
AIO_API AIO_NODISCARD int aio_path_access(int at, const char *path, int mode);

/*
 * aio_path_rename gives a file or directory another name, atomically, in place of what had that
 * name before; see renameat2(2). flags: AIO_PATH_NOREPLACE or AIO_PATH_EXCHANGE.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EXDEV across file systems; -EINVAL for other flags, or where the file system does
 *            not know them; else as aio_path_stat, or -errno of renameat2(2).
 */
AIO_API AIO_NODISCARD int aio_path_rename(int from_at, const char *from, int to_at, const char *to,
                                          unsigned flags);

/*
 * aio_path_link gives a file another name as well; see link(2). A symlink is not followed.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EEXIST; -EXDEV; else as aio_path_stat, or -errno of link(2).
 */
AIO_API AIO_NODISCARD int aio_path_link(int from_at, const char *from, int to_at, const char *to);

/*
 * aio_path_symlink makes a symlink that says target; see symlink(2).
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EEXIST; else as aio_path_stat, or -errno of symlink(2).
 */
AIO_API AIO_NODISCARD int aio_path_symlink(const char *target, int at, const char *path);

/*
 * aio_path_readlink reads what a symlink says, with a NUL at its end.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   the length without the NUL; -ENAMETOOLONG when size bytes are too few, as 0 always
 *            are; -EINVAL for what is no symlink; else as aio_path_stat, or -errno of readlink(2).
 */
AIO_API AIO_NODISCARD ssize_t aio_path_readlink(int at, const char *path, char *buffer,
                                                size_t size);

/*
 * aio_path_unlink removes the name of anything but a directory; see unlink(2).
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EISDIR; else as aio_path_stat, or -errno of unlink(2).
 */
AIO_API int aio_path_unlink(int at, const char *path);

/*
 * aio_path_mkdir makes a directory; see mkdir(2). The process's umask applies to mode.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EEXIST; else as aio_path_stat, or -errno of mkdir(2).
 */
AIO_API AIO_NODISCARD int aio_path_mkdir(int at, const char *path, mode_t mode);

/*
 * aio_path_mkdirs makes a directory and those above it that are missing. That they exist already
 * is no error. Directories above get the owner's rights to write and search besides mode.
 *
 * Suspends:  as aio_path_stat; all of it is one call of the pool.
 * Context:   a task.
 * Returns:   0 when there is such a directory now; -EEXIST when the path is something else;
 *            -ENOTDIR when something above it is; -ENAMETOOLONG; else as aio_path_mkdir. What was
 *            made before an error stays.
 */
AIO_API AIO_NODISCARD int aio_path_mkdirs(int at, const char *path, mode_t mode);

/*
 * aio_path_rmdir removes an empty directory; see rmdir(2).
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -ENOTEMPTY; -ENOTDIR; else as aio_path_stat, or -errno of rmdir(2).
 */
AIO_API int aio_path_rmdir(int at, const char *path);

/*
 * aio_path_remove removes whatever a path stands for: a directory with all that is in it. Symlinks
 * are removed and never followed, also when somebody puts one in a directory's place meanwhile:
 * nothing outside of the tree is touched. What becomes a file or a directory within it meanwhile is
 * removed as what it is. A directory that may not be read is removed if it is empty. Trees may be
 * of any depth; no more than three descriptors are open at once.
 *
 * Suspends:  for a call of the pool for each few hundred entries; between them it can be cancelled.
 * Context:   a task.
 * Returns:   0; -EINVAL when path is empty or ends in "." or ".."; -ENOENT when there is nothing
 *            at the start; -ENOTEMPTY when somebody fills it faster than it is emptied; -ESTALE
 *            when a part of it is moved away meanwhile; -ENOTDIR when in the end the path stands
 *            for something else; -ENOMEM; else as aio_path_stat, or -errno of openat(2),
 *            getdents(2) or unlinkat(2). After an error a part may be gone.
 */
AIO_API int aio_path_remove(int at, const char *path);

/*
 * aio_path_chmod sets the permissions of what a path stands for; see chmod(2).
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; else as aio_path_stat, or -errno of chmod(2).
 */
AIO_API AIO_NODISCARD int aio_path_chmod(int at, const char *path, mode_t mode);

/* For aio_path_chown: leave it as it is. */
#define AIO_PATH_SAME_ID UINT32_MAX

/*
 * aio_path_chown sets the owner and group of what a path stands for; see chown(2). flags:
 * AIO_PATH_NOFOLLOW.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EPERM; else as aio_path_stat, or -errno of chown(2).
 */
AIO_API AIO_NODISCARD int aio_path_chown(int at, const char *path, uint32_t uid, uint32_t gid,
                                         unsigned flags);

/*
 * aio_path_utime sets when what a path stands for was read and when it was changed last; see
 * utimensat(2). A tv_nsec of UTIME_NOW means the present, UTIME_OMIT leaves a time as it is. flags:
 * AIO_PATH_NOFOLLOW.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; else as aio_path_stat, or -errno of utimensat(2).
 */
AIO_API AIO_NODISCARD int aio_path_utime(int at, const char *path, const struct timespec times[2],
                                         unsigned flags);

/*
 * aio_path_copy_xattrs gives a file or directory the extended attributes that another one has, and
 * its access lists, which are such; access lists that only the second one has are taken away. See
 * xattr(7), acl(5). Those that the caller may not set, or the file system does not know, are left
 * out; who owns a file and may not write it may set none that begins with "user.". An empty path is
 * the descriptor itself. Set the owner before, which takes capabilities away, and the permissions
 * after it.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task that may read both.
 * Returns:   0; -ELOOP for a symlink; -ENOSPC, -EDQUOT, -E2BIG; else as aio_path_stat, or -errno of
 *            open(2), listxattr(2), getxattr(2) or setxattr(2). After an error a part may be set.
 */
AIO_API AIO_NODISCARD int aio_path_copy_xattrs(int from_at, const char *from, int to_at,
                                               const char *to);

/*
 * aio_path_mkstemp makes a file with a name nobody has, and opens it for reading and writing, for
 * the owner alone. pattern is a path that ends with XXXXXX; these are replaced by what was chosen.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Lifetime:  the descriptor, which is close-on-exec, and the file are the caller's.
 * Returns:   the descriptor; -EINVAL for a bad pattern; -EEXIST when no free name was found; else
 *            as aio_path_stat, or -errno of open(2).
 */
AIO_API AIO_NODISCARD int aio_path_mkstemp(int at, char *pattern);

/*
 * aio_path_mkdtemp makes a directory with a name nobody has, for the owner alone, likewise.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; else as aio_path_mkstemp, or -errno of mkdir(2).
 */
AIO_API AIO_NODISCARD int aio_path_mkdtemp(int at, char *pattern);

/*
 * aio_path_tmpfile opens a file without a name for reading and writing, on the file system of a
 * directory: it is gone when its last descriptor is, also after a crash. aio_path_publish can give
 * it a name, where the file system knows O_TMPFILE (ext4, xfs, btrfs, tmpfs; overlayfs since Linux
 * 6.3). Elsewhere it is made with a name that is removed at once, and can have no other.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Lifetime:  the descriptor, which is close-on-exec, is the caller's.
 * Returns:   the descriptor; else as aio_path_stat, or -errno of open(2).
 */
AIO_API AIO_NODISCARD int aio_path_tmpfile(int at, const char *directory, mode_t mode);

/*
 * aio_path_publish gives the file of a descriptor a name, of aio_path_tmpfile in particular. What
 * had the name before is replaced, atomically, unless flags has AIO_PATH_NOREPLACE. Needs /proc.
 *
 * Suspends:  as aio_path_stat.
 * Context:   a task.
 * Returns:   0; -EEXIST; -EXDEV when the name is on another file system; -ENOENT when the file has
 *            lost its last name, or was made where O_TMPFILE is not known; else as aio_path_stat,
 *            or -errno of link(2).
 */
AIO_API AIO_NODISCARD int aio_path_publish(int fd, int at, const char *path, unsigned flags);

AIO_END_DECLS

#endif
