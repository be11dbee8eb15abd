/*
 * <aio/directory.h>: what is in a directory, and in all directories below it.
 *
 *     struct aio_walk *walk;
 *     struct aio_walk_entry entry;
 *     int rc = aio_walk_open(&walk, AT_FDCWD, "/etc", NULL);
 *     if (rc < 0)
 *         return rc;
 *     while ((rc = aio_walk_next(walk, &entry)) > 0)
 *         puts(entry.path);
 *     aio_walk_close(walk);
 *
 * Reading a directory waits for the disk: it is done by calls of the offload pool, each of which
 * brings as many entries as fit into a buffer, so that most calls of aio_directory_next and
 * aio_walk_next do not suspend.
 *
 * Names are bytes that end with a NUL, whatever is in them. "." and ".." are left out. What is
 * added or removed while a directory is read may be told or not, but what stays there is told once.
 */
#ifndef AIO_DIRECTORY_H
#define AIO_DIRECTORY_H

#include <aio/base.h>
#include <aio/path.h>

AIO_BEGIN_DECLS

struct aio_directory;
struct aio_walk;

enum aio_entry_type {
    AIO_ENTRY_UNKNOWN, /* it could not be found out: the entry is gone again */
    AIO_ENTRY_FILE,
    AIO_ENTRY_DIRECTORY,
    AIO_ENTRY_SYMLINK,
    AIO_ENTRY_FIFO,
    AIO_ENTRY_SOCKET,
    AIO_ENTRY_CHARACTER_DEVICE,
    AIO_ENTRY_BLOCK_DEVICE,
};

/* What a directory has. */
struct aio_directory_entry {
    const char *name; /* until the next call on the directory */
    enum aio_entry_type type;
    uint64_t inode;
};

/*
 * aio_directory_open opens a directory.
 *
 * Suspends:  until a thread of the pool has done it.
 * Context:   a task; the handle belongs to its core.
 * Lifetime:  until aio_directory_close, or the end of the runtime.
 * Returns:   0; -ENOTDIR; -ENOMEM; -ECANCELED, -ETIMEDOUT, -EAGAIN as aio_offload_call; or another
 *            -errno of open(2).
 */
AIO_API AIO_NODISCARD int aio_directory_open(struct aio_directory **out, int at, const char *path);

/*
 * aio_directory_next gives the next entry, in the order of the file system. Several tasks may share
 * a directory: each entry goes to one of them; but they must have done with its name before the
 * next call.
 *
 * Suspends:  when the entries that were read are used up, until a thread has read more.
 * Context:   a task of the directory's core.
 * Returns:   1 with *out set; 0 at the end; -EBADF once it is being closed; -ENOENT when the
 *            directory has been removed; -ECANCELED, -ETIMEDOUT, -EAGAIN as aio_offload_call, after
 *            which it can be called again; or another -errno of getdents(2).
 */
AIO_API AIO_NODISCARD int aio_directory_next(struct aio_directory *directory,
                                             struct aio_directory_entry *out);

/*
 * aio_directory_fd gives the descriptor, from which paths may start (<aio/path.h>).
 *
 * Suspends:  never.
 * Context:   a task of the directory's core.
 * Lifetime:  the descriptor is the directory's, and is closed with it.
 * Returns:   the descriptor.
 */
AIO_API int aio_directory_fd(const struct aio_directory *directory);

/*
 * aio_directory_close ends it. NULL is ignored.
 *
 * Suspends:  until every call on it has returned; shielded.
 * Context:   a task of the directory's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_directory_close(struct aio_directory *directory);

enum aio_walk_flags {
    AIO_WALK_FOLLOW = 1,     /* what symlinks point to stands in their place */
    AIO_WALK_STAT = 2,       /* each entry comes with its struct aio_stat */
    AIO_WALK_ONE_DEVICE = 4, /* directories of other file systems are told, but not read */
};

/* Directories below each other that a walk goes down by default. */
#define AIO_WALK_DEPTH 10000u

/* Options of a walk. Start from AIO_WALK_OPTIONS. */
struct aio_walk_options {
    size_t size;
    unsigned flags;       /* of enum aio_walk_flags */
    uint32_t depth_limit; /* of entries; 1: what is in the directory itself. AIO_WALK_DEPTH */
};

#define AIO_WALK_OPTIONS                                                                           \
    ((struct aio_walk_options){.size = sizeof(struct aio_walk_options),                            \
                               .depth_limit = AIO_WALK_DEPTH})

/* What a walk has come to. Texts, stat and descriptor are valid until the next call on the walk. */
struct aio_walk_entry {
    const char *path; /* from the directory where the walk began */
    const char *name; /* the last part of path */
    enum aio_entry_type type;
    int error;      /* 0, or why it is not all there, see aio_walk_next */
    uint32_t depth; /* 1: in the directory where the walk began */
    uint64_t inode;
    const struct aio_stat *stat; /* NULL without AIO_WALK_STAT, and with some errors */
    /* A descriptor that leads there whatever happens to the names above: of the directory that name
     * is in, or, of a directory that could be opened, its own. -1 when the directory above is out
     * of reach by now, for which error is the reason. */
    int at;
    bool opened; /* at is the entry's own, whatever error says; else name is in it */
};

/*
 * aio_walk_open begins a walk through a directory and all that is below. The directory itself is
 * not among the entries; a symlink that is named here is followed. options NULL means
 * AIO_WALK_OPTIONS.
 *
 * A walk has two descriptors open whatever the depth, and one for each symlink it is inside of. It
 * goes down by opening names relative to descriptors without following symlinks, and up by "..",
 * where it makes sure that it came to where it was; so it never leaves the tree, whatever is
 * renamed or replaced meanwhile.
 *
 * Suspends:  until a thread of the pool has opened the directory.
 * Context:   a task; the handle belongs to its core.
 * Lifetime:  until aio_walk_close, or the end of the runtime. options only during the call.
 * Returns:   0; -EINVAL for bad options; else as aio_directory_open.
 */
AIO_API AIO_NODISCARD int aio_walk_open(struct aio_walk **out, int at, const char *path,
                                        const struct aio_walk_options *options);

/*
 * aio_walk_next gives the next entry. A directory comes before what is in it, and after everything
 * else that is in the same directory as itself.
 *
 * What cannot be read is told, and the walk goes on. entry.error says for a directory why its
 * content is missing, or incomplete: -EACCES; -ENOENT when it was removed; -ENOTDIR when something
 * else took its place; -ELOOP when a symlink leads back to where the walk is; -EOVERFLOW when it
 * stands at the depth limit; -ESTALE when a directory above was moved away meanwhile; or another
 * -errno of open(2) and getdents(2). An error in the middle of reading a directory comes as a
 * second entry for it; for the directory where the walk began, with an empty path. For anything
 * else it is the -errno of statx(2), with AIO_WALK_STAT. With AIO_WALK_FOLLOW, a symlink that leads
 * nowhere comes as what it is.
 *
 * Suspends:  as aio_directory_next.
 * Context:   a task of the walk's core; one at a time.
 * Returns:   1 with *out set; 0 at the end; -EBADF once it is being closed; -ENOMEM, -ECANCELED,
 *            -ETIMEDOUT, -EAGAIN: nothing is lost, and it can be called again.
 */
AIO_API AIO_NODISCARD int aio_walk_next(struct aio_walk *walk, struct aio_walk_entry *out);

/*
 * aio_walk_skip leaves out what is in the directory that aio_walk_next gave last. After another
 * entry it does nothing.
 *
 * Suspends:  never.
 * Context:   a task of the walk's core.
 */
AIO_API void aio_walk_skip(struct aio_walk *walk);

/*
 * aio_walk_close ends a walk, anywhere. NULL is ignored.
 *
 * Suspends:  as aio_directory_close.
 * Context:   a task of the walk's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_walk_close(struct aio_walk *walk);

AIO_END_DECLS

#endif
