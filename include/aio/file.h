/*
 * <aio/file.h>: files: reading and writing them, at the cursor and at positions, making bytes last,
 * sizes, locks.
 *
 * How. On the ring, opening, reading, writing and syncing are the kernel's asynchronous operations.
 * With epoll, what stands in the page cache is read at once and all else is done by a thread of the
 * offload pool. The remaining calls (stat, truncate, allocate, advise, chmod, chown, utime, locks,
 * some of seeking) are made by such a thread with either backend, because a ring would only give
 * them to a thread of its own; of a file whose file system is on a local disk, status and size are
 * asked in place, as they are in memory. Where the file system may be that of a server (FUSE, NFS),
 * which the kernel may ask even for what it calls immediate, every call is made by a thread of the
 * pool with either backend; what the server says is told as it is, -EAGAIN and -EINTR too. A task
 * that is cancelled while a thread works for it waits for that thread; where none can be had, the
 * call is made in place.
 *
 * Reads and writes longer than 1 MiB that go through the page cache are done in pieces of 1 MiB, so
 * that no other task waits for a whole one.
 *
 * The cursor. A file has one, as with read(2); it is shared with whoever shares the descriptor.
 * Calls that use it serve tasks in the order in which they came, a whole call at a time. The _at
 * forms leave the cursor alone, and any number of them runs at the same time, in no order. Where
 * others may use the cursor as well (the descriptor was adopted, or asked for by aio_file_fd) a
 * thread of the pool makes the calls that do, as read(2) and write(2), so that no byte is lost to
 * them; a descriptor of O_WRONLY and O_APPEND has no need of that.
 *
 * Anything that has a descriptor can be such a file. Pipes, terminals and sockets have no positions
 * (-ESPIPE); they are read and written each in its own order, a read of them returns what is there,
 * and writing to a pipe nobody reads is -EPIPE; of SIGPIPE <aio/pipe.h> says what becomes.
 *
 * Writing beyond RLIMIT_FSIZE (setrlimit(2)) is -EFBIG, after what could be written. SIGXFSZ does
 * not come: a core that has files holds it back on its thread, from the first of them until the
 * runtime ends there, and so in what that thread starts with its mask (system(3), threads; not
 * processes of <aio/process.h>).
 *
 * Sizes beyond 4 GiB and any number of vectors are fine. A length over SSIZE_MAX is -EINVAL, and so
 * is a negative offset.
 *
 * All functions are called from tasks of the core that has opened the file; another caller aborts
 * with a message.
 */
#ifndef AIO_FILE_H
#define AIO_FILE_H

#include <aio/base.h>
#include <aio/stat.h>
#include <fcntl.h>
#include <sys/uio.h>

AIO_BEGIN_DECLS

struct aio_file;

/*
 * aio_file_open opens a file; flags and mode are those of open(2): O_RDONLY, O_WRONLY or O_RDWR,
 * with O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_TMPFILE, O_DIRECT, O_DIRECTORY, O_NOFOLLOW, O_PATH,
 * O_SYNC and so on. The file is close-on-exec. Flags that do not go together are refused, as by
 * openat2(2), also where open(2) ignores some: O_PATH goes with O_DIRECTORY and O_NOFOLLOW only,
 * and with O_CREAT or O_RDWR it is -EINVAL (from Linux 5.6, which brought openat2).
 *
 * It never waits for another program. A FIFO is opened for reading whether anybody writes or not,
 * and for writing only when somebody reads: -ENXIO; reading it then waits for somebody who writes.
 * To that end O_NONBLOCK is always in force while it is opened, and never after. A file under
 * somebody's lease (fcntl(2), F_SETLEASE) is opened when that has been given up.
 *
 * Suspends:  until the file is open. A success that comes later than a cancellation is a success.
 * Context:   a task; the file belongs to its core.
 * Lifetime:  path until the call returns.
 * Returns:   0; -EINVAL for unknown flags and bad combinations; -ENOMEM; -ECANCELED; -ETIMEDOUT;
 *            or another -errno of open(2), openat2(2).
 */
AIO_API AIO_NODISCARD int aio_file_open(struct aio_file **out, const char *path, int flags,
                                        mode_t mode);

/* How a file is opened. Start from AIO_FILE_OPTIONS. */
struct aio_file_options {
    size_t size;
    int at; /* the folder that a relative path begins at: AT_FDCWD, or a descriptor */
    int flags;
    mode_t mode;      /* of a file that is made; 0644 */
    uint64_t resolve; /* RESOLVE_BENEATH and so on of openat2(2), see <linux/openat2.h> */
};

#define AIO_FILE_OPTIONS                                                                           \
    ((struct aio_file_options){                                                                    \
        .size = sizeof(struct aio_file_options), .at = AT_FDCWD, .mode = 0644})

/*
 * aio_file_open_with is aio_file_open with a folder to begin at and limits to what a path may lead
 * through: RESOLVE_BENEATH refuses (-EXDEV) whatever leads out of the folder, RESOLVE_IN_ROOT takes
 * the folder for "/", RESOLVE_NO_SYMLINKS refuses every link (-ELOOP).
 *
 * Suspends:  as aio_file_open.
 * Context:   as aio_file_open.
 * Lifetime:  path and options until the call returns; the descriptor of the folder too.
 * Returns:   as aio_file_open; -EINVAL for another size or unknown bits; -ENOSYS for resolve where
 *            the kernel has no openat2 (before Linux 5.6); with RESOLVE_CACHED also -EAGAIN.
 */
AIO_API AIO_NODISCARD int aio_file_open_with(struct aio_file **out, const char *path,
                                             const struct aio_file_options *options);

/*
 * aio_file_adopt makes a file of a descriptor that came from elsewhere. It becomes close-on-exec,
 * unless it is 0, 1 or 2; what others see who share the file with it stays as it is. A regular file
 * or block device with O_NONBLOCK, of which a ring would read nothing that has to be waited for, is
 * read and written by threads of the pool.
 *
 * Suspends:  never.
 * Context:   a task; the file belongs to its core.
 * Lifetime:  after 0 the descriptor is the file's.
 * Returns:   0; -EBADF; -ENOMEM. After an error the descriptor is the caller's as before.
 */
AIO_API AIO_NODISCARD int aio_file_adopt(struct aio_file **out, int fd);

/*
 * aio_file_release gives the descriptor back and ends the handle without closing it. That a sync
 * has failed is forgotten: ask before, by aio_file_sync.
 *
 * Suspends:  never.
 * Context:   a task of the file's core.
 * Lifetime:  after a result of 0 or more the handle is gone and the descriptor is the caller's.
 * Returns:   the descriptor; -EBUSY while calls are in progress; -EBADF while it is being closed.
 */
AIO_API AIO_NODISCARD int aio_file_release(struct aio_file *file);

/*
 * aio_file_close ends the handle. Calls in progress return -EBADF, whatever they had reached; their
 * `done` tells. NULL is ignored.
 *
 * Where close(2) may wait, a thread of the pool makes the call: on file systems of a server (NFS,
 * FUSE), which is asked whether it has what was written; for devices; for what was cut (O_TRUNC,
 * aio_file_truncate) or adopted for writing, which some begin to write out then; and for a file of
 * more than 1 MiB that has no name any more, whose space is given back.
 *
 * Suspends:  until every call on the file has returned and it is closed; shielded.
 * Context:   a task of the file's core.
 * Lifetime:  the handle and the descriptor are gone after the call, whatever it returns.
 * Returns:   0; the error of a sync of this handle that has failed; or -errno of close(2), which on
 *            some file systems is the only word of bytes that could not be written.
 */
AIO_API int aio_file_close(struct aio_file *file);

/*
 * aio_file_fd tells the descriptor, which stays the file's. From then on calls that use the cursor
 * allow for others that do, see above.
 *
 * Suspends:  never.
 * Context:   a task of the file's core.
 * Returns:   the descriptor.
 */
AIO_API int aio_file_fd(const struct aio_file *file);

/*
 * aio_file_read reads up to size bytes at the cursor; see read(2). Of regular files and block
 * devices less than size is read only at the end, or when an error or an interruption comes after
 * the first bytes: then the next call tells it.
 *
 * Suspends:  until the bytes are there.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   bytes read; 0 at the end and for size 0; -EISDIR; -EINVAL, also for what O_DIRECT does
 *            not allow; -EIO; -ECANCELED; -ETIMEDOUT; -EBADF once the file is being closed or when
 *            it is not open for reading; or another -errno of read(2).
 */
AIO_API ssize_t aio_file_read(struct aio_file *file, void *buffer, size_t size);

/*
 * aio_file_read_at is aio_file_read at a position; see pread(2).
 *
 * Suspends:  as aio_file_read.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_file_read; -ESPIPE.
 */
AIO_API ssize_t aio_file_read_at(struct aio_file *file, void *buffer, size_t size, int64_t offset);

/*
 * aio_file_read_exact reads exactly size bytes at the cursor, or tells how far it came.
 *
 * Suspends:  until all are there, the end or an error.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   size; 0 when the end came before the first byte; -ENODATA when it came in the middle;
 *            else an error as of aio_file_read. *done, if done is not NULL, is what stands in
 *            buffer in every case.
 */
AIO_API ssize_t aio_file_read_exact(struct aio_file *file, void *buffer, size_t size, size_t *done);

/*
 * aio_file_read_exact_at is aio_file_read_exact at a position.
 *
 * Suspends:  as aio_file_read_exact.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_file_read_exact; -ESPIPE.
 */
AIO_API ssize_t aio_file_read_exact_at(struct aio_file *file, void *buffer, size_t size,
                                       int64_t offset, size_t *done);

/*
 * aio_file_readv is aio_file_read into several buffers, filled in order; see readv(2).
 *
 * Suspends:  as aio_file_read.
 * Context:   a task of the file's core.
 * Lifetime:  vectors, as they are, and their buffers until the call returns.
 * Returns:   as aio_file_read; -EINVAL for count < 0.
 */
AIO_API ssize_t aio_file_readv(struct aio_file *file, const struct iovec *vectors, int count);

/*
 * aio_file_readv_at is aio_file_readv at a position; see preadv(2).
 *
 * Suspends:  as aio_file_read.
 * Context:   a task of the file's core.
 * Lifetime:  vectors, as they are, and their buffers until the call returns.
 * Returns:   as aio_file_readv; -ESPIPE.
 */
AIO_API ssize_t aio_file_readv_at(struct aio_file *file, const struct iovec *vectors, int count,
                                  int64_t offset);

/*
 * aio_file_write writes up to size bytes at the cursor, or at the end with O_APPEND; see write(2).
 * To regular files and block devices less than size is written only when an error or an
 * interruption comes after the first bytes: then the next call tells it.
 *
 * Suspends:  until the kernel has the bytes; with O_DIRECT, O_SYNC and O_DSYNC until the device
 *            has.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   bytes written; 0 for size 0; -ENOSPC, -EDQUOT, -EFBIG, -EIO; -EINVAL, also for what
 *            O_DIRECT does not allow; -ECANCELED; -ETIMEDOUT; -EBADF once the file is being closed
 *            or when it is not open for writing; or another -errno of write(2).
 */
AIO_API ssize_t aio_file_write(struct aio_file *file, const void *buffer, size_t size);

/*
 * aio_file_write_at is aio_file_write at a position; see pwrite(2), also on O_APPEND, with which it
 * writes to the end all the same.
 *
 * Suspends:  as aio_file_write.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_file_write; -ESPIPE.
 */
AIO_API ssize_t aio_file_write_at(struct aio_file *file, const void *buffer, size_t size,
                                  int64_t offset);

/*
 * aio_file_write_all writes all size bytes at the cursor, or tells how far it came.
 *
 * Suspends:  until all are written, or an error.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   size; else an error as of aio_file_write. *done, if done is not NULL, is what was
 *            written in every case; where a device fails in the middle of a piece of 1 MiB, Linux
 *            tells a ring of the error alone, and more than that may be written.
 */
AIO_API ssize_t aio_file_write_all(struct aio_file *file, const void *buffer, size_t size,
                                   size_t *done);

/*
 * aio_file_write_all_at is aio_file_write_all at a position.
 *
 * Suspends:  as aio_file_write_all.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_file_write_all; -ESPIPE.
 */
AIO_API ssize_t aio_file_write_all_at(struct aio_file *file, const void *buffer, size_t size,
                                      int64_t offset, size_t *done);

/*
 * aio_file_writev is aio_file_write from several buffers, in order; see writev(2).
 *
 * Suspends:  as aio_file_write.
 * Context:   a task of the file's core.
 * Lifetime:  vectors, as they are, and their buffers until the call returns.
 * Returns:   as aio_file_write; -EINVAL for count < 0.
 */
AIO_API ssize_t aio_file_writev(struct aio_file *file, const struct iovec *vectors, int count);

/*
 * aio_file_writev_at is aio_file_writev at a position; see pwritev(2).
 *
 * Suspends:  as aio_file_write.
 * Context:   a task of the file's core.
 * Lifetime:  vectors, as they are, and their buffers until the call returns.
 * Returns:   as aio_file_writev; -ESPIPE.
 */
AIO_API ssize_t aio_file_writev_at(struct aio_file *file, const struct iovec *vectors, int count,
                                   int64_t offset);

/*
 * aio_file_append writes all size bytes to the end of the file, wherever that is, or tells how far
 * it came. The cursor stays. Calls of one handle write one after the other, each a whole; up to 1
 * MiB at a time nobody else's bytes come in between either. To what has no positions it is
 * aio_file_write_all.
 *
 * Suspends:  as aio_file_write_all.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   as aio_file_write_all; -EOPNOTSUPP before Linux 4.16, and of /proc and its like.
 */
AIO_API ssize_t aio_file_append(struct aio_file *file, const void *buffer, size_t size,
                                size_t *done);

/* What aio_file_sync may leave out. */
enum aio_file_sync_flag {
    AIO_FILE_DATA = 1, /* times and what else reading the bytes back does not need; fdatasync(2) */
};

/*
 * aio_file_sync waits until all that was written to the file is on its device; see fsync(2).
 *
 * A sync that has failed is never forgotten. The kernel tells of lost bytes once, and a second sync
 * may succeed although they are lost; so once a sync of this handle has failed, every later one
 * returns the same error, and so does aio_file_close. The failure of a write that is a sync as well
 * (aio_file_write_sync, O_SYNC, O_DSYNC) counts as one, unless it is of the arguments: the -ENOSPC
 * of such a write may be of bytes that were written before. What to do is to write the bytes to
 * another file. The handle keeps the error, not the descriptor: aio_file_release forgets it.
 *
 * Suspends:  until the device has it.
 * Context:   a task of the file's core. Calls on the file that have not returned may or may not be
 *            part of it.
 * Returns:   0; -EIO, -ENOSPC, -EDQUOT: bytes are lost; -EINVAL for unknown flags and what cannot
 *            be synced; -ECANCELED; -ETIMEDOUT; -EBADF once the file is being closed.
 */
AIO_API AIO_NODISCARD int aio_file_sync(struct aio_file *file, unsigned flags);

/*
 * aio_file_write_sync is aio_file_write_all_at followed by aio_file_sync with AIO_FILE_DATA for
 * these bytes, in one operation: a write with RWF_DSYNC of pwritev2(2). Above 1 MiB, and on file
 * systems of a server, a sync is linked to the last write: the kernel, or a thread of the offload
 * pool, begins it when that has written all. Overwriting 4 KiB on ext4 measured 0.08 ms with
 * RWF_DSYNC, and 0.43 ms with a write and a sync.
 *
 * Suspends:  until the device has the bytes.
 * Context:   a task of the file's core.
 * Lifetime:  buffer until the call returns.
 * Returns:   size; else an error as of aio_file_write_all_at or aio_file_sync. *done, if done is
 *            not NULL, is what was written in every case.
 */
AIO_API ssize_t aio_file_write_sync(struct aio_file *file, const void *buffer, size_t size,
                                    int64_t offset, size_t *done);

/*
 * aio_file_seek moves the cursor; see lseek(2) for whence: SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA,
 * SEEK_HOLE.
 *
 * Suspends:  while calls at the cursor that came earlier are busy, and while a place is looked for.
 * Context:   a task of the file's core.
 * Returns:   where the cursor is now; -EINVAL; -ENXIO; -ESPIPE; -ECANCELED; -ETIMEDOUT; -EBADF.
 */
AIO_API int64_t aio_file_seek(struct aio_file *file, int64_t offset, int whence);

/*
 * aio_file_truncate makes the file that long; see ftruncate(2).
 *
 * Suspends:  until it is done.
 * Context:   a task of the file's core.
 * Returns:   0; -EINVAL for a negative size and what has none; -EFBIG; -ECANCELED; -ETIMEDOUT;
 *            -EBADF; or another -errno of ftruncate(2).
 */
AIO_API int aio_file_truncate(struct aio_file *file, int64_t size);

/*
 * aio_file_allocate sees to it that there is space for a part of the file, or takes it away; mode
 * is 0 or FALLOC_FL_* of fallocate(2).
 *
 * Suspends:  until it is done.
 * Context:   a task of the file's core.
 * Returns:   0; -ENOSPC; -EOPNOTSUPP where the file system cannot; -EINVAL; -EFBIG; -ECANCELED;
 *            -ETIMEDOUT; -EBADF; or another -errno of fallocate(2).
 */
AIO_API int aio_file_allocate(struct aio_file *file, int mode, int64_t offset, int64_t length);

/*
 * aio_file_advise says how a part of the file will be used: POSIX_FADV_* of posix_fadvise(2);
 * length 0 is to the end.
 *
 * Suspends:  until the kernel knows; POSIX_FADV_WILLNEED may take as long as starting the reads
 *            does.
 * Context:   a task of the file's core.
 * Returns:   0; -EINVAL for a negative offset or length and an advice that is none; -ESPIPE;
 *            -ECANCELED; -ETIMEDOUT; -EBADF.
 */
AIO_API int aio_file_advise(struct aio_file *file, int64_t offset, int64_t length, int advice);

/*
 * aio_file_stat tells what is known of the file; see statx(2).
 *
 * Suspends:  until it is known; not at all on a local disk, whose files have it in memory.
 * Context:   a task of the file's core.
 * Returns:   0; -ECANCELED; -ETIMEDOUT; -EBADF; or another -errno of statx(2).
 */
AIO_API AIO_NODISCARD int aio_file_stat(struct aio_file *file, struct aio_stat *out);

/*
 * aio_file_size tells how many bytes a regular file has.
 *
 * Suspends:  as aio_file_stat.
 * Context:   a task of the file's core.
 * Returns:   the size; or an error as of aio_file_stat.
 */
AIO_API int64_t aio_file_size(struct aio_file *file);

/*
 * aio_file_chmod sets the permissions of the file; see fchmod(2).
 *
 * Suspends:  until it is done.
 * Context:   a task of the file's core.
 * Returns:   0; -EPERM; -EROFS; -ECANCELED; -ETIMEDOUT; -EBADF; or another -errno of fchmod(2).
 */
AIO_API AIO_NODISCARD int aio_file_chmod(struct aio_file *file, mode_t mode);

/*
 * aio_file_chown sets the owner and group of the file; AIO_PATH_SAME_ID of <aio/path.h> leaves one
 * as it is; see fchown(2).
 *
 * Suspends:  as aio_file_chmod.
 * Context:   as aio_file_chmod.
 * Returns:   as aio_file_chmod, of fchown(2).
 */
AIO_API AIO_NODISCARD int aio_file_chown(struct aio_file *file, uint32_t uid, uint32_t gid);

/*
 * aio_file_utime sets when the file was read and when it was changed last, as aio_path_utime does;
 * see futimens(2).
 *
 * Suspends:  as aio_file_chmod.
 * Context:   as aio_file_chmod.
 * Lifetime:  times until the call returns.
 * Returns:   as aio_file_chmod, of futimens(2).
 */
AIO_API AIO_NODISCARD int aio_file_utime(struct aio_file *file, const struct timespec times[2]);

/* Locks: any number of shared ones, or one exclusive one. */
enum aio_file_lock {
    AIO_FILE_SHARED,   /* the file must be open for reading */
    AIO_FILE_EXCLUSIVE /* and here for writing */
};

/*
 * aio_file_lock locks a part of the file against other open files, of this process and of others,
 * that lock it too; length 0 is to the end, wherever that will be. They are locks of the open file
 * description (fcntl(2), F_OFD_SETLK): another lock of the same handle replaces the first, and they
 * end with the last descriptor that shares the description.
 *
 * So they end with aio_file_close, unless somebody else has the description; but on the ring a
 * worker of the kernel may hold it for a moment after its last operation has ended, and others see
 * the locks released a moment after aio_file_close has returned. Who needs it sooner calls
 * aio_file_unlock first.
 *
 * While another one holds it the call tries again, after 1 ms, later every 50 ms: there is no order
 * among those who wait.
 *
 * Suspends:  until the lock is had.
 * Context:   a task of the file's core.
 * Returns:   0; -EBADF once the file is being closed or when it is not open for that; -EINVAL;
 *            -EOVERFLOW for a part that ends where no file can; -ENOLCK; -ECANCELED; -ETIMEDOUT:
 *            the lock is not held then.
 */
AIO_API AIO_NODISCARD int aio_file_lock(struct aio_file *file, enum aio_file_lock kind,
                                        int64_t offset, int64_t length);

/*
 * aio_file_trylock is aio_file_lock that does not wait for others.
 *
 * Suspends:  until the lock is had or not.
 * Context:   a task of the file's core.
 * Returns:   0; -EAGAIN when another one holds it; else as aio_file_lock.
 */
AIO_API AIO_NODISCARD int aio_file_trylock(struct aio_file *file, enum aio_file_lock kind,
                                           int64_t offset, int64_t length);

/*
 * aio_file_unlock gives up locks on a part of the file.
 *
 * Suspends:  until it is done; shielded.
 * Context:   a task of the file's core.
 * Returns:   0; -EINVAL; -EBADF once the file is being closed, which ends all locks.
 */
AIO_API int aio_file_unlock(struct aio_file *file, int64_t offset, int64_t length);

AIO_END_DECLS

#endif
