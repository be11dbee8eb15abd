/*
 * What the files of fs/ share.
 */
#ifndef AIO_FS_PRIVATE_H
#define AIO_FS_PRIVATE_H

#include "core/handle.h"
#include "core/op_run.h"
#include "core/task.h"

#include <aio/file.h>

/* What goes through the page cache goes in pieces of this: a task that hits it all the time holds
 * the others up for as long as the copying of one takes. */
#define AIO__FILE_PIECE_BYTES ((size_t)1 << 20)

struct aio_file {
    struct aio__handle handle; /* first member */
    struct aio__gate cursor;   /* calls that use it; without positions, those that read */
    struct aio__gate
        writing;    /* without positions, calls that write; with them, those that append */
    bool regular;   /* short transfers mean nothing */
    bool seekable;  /* has positions */
    bool direct;    /* O_DIRECT */
    bool threaded;  /* a thread makes every call: a server is asked, or O_NONBLOCK is set */
    bool shared;    /* others may use the cursor, or hold it: a thread makes calls that do */
    bool appends;   /* O_WRONLY and O_APPEND: where the cursor is does not matter */
    bool lasting;   /* O_DSYNC or O_SYNC: writes are syncs as well */
    bool served;    /* the file system may be that of a server, which is asked for everything */
    bool local;     /* its status is in memory: its file system is on a device */
    bool lingers;   /* its close(2) may wait */
    int sync_error; /* of the first sync that failed */
};

/*
 * A call on a file: in a gate, as calls on streams are, or beside all others. Either way a close
 * finds what it waits for.
 */
struct aio__file_call {
    struct aio_file *file;
    struct aio__gate *gate;    /* NULL: beside all others */
    struct aio__wait **inside; /* where a close looks */
    struct aio__watch watch;   /* of a call without a gate */
    struct aio__wait *waits;   /* likewise: what it waits for */
};

/* file_sync.c: a sync, or a write that is one as well, has ended so; its first failure is kept. */
void aio__file_note_sync(struct aio_file *file, int result);

/* Begins a call. Returns 0; -ECANCELED, -ETIMEDOUT, -EBADF, with nothing begun. */
int aio__file_enter(struct aio__file_call *call, struct aio_file *file, struct aio__gate *gate);

/* Ends it. Returns result; -EBADF when the file is being closed. */
ssize_t aio__file_leave(struct aio__file_call *call, ssize_t result);

/* Runs an op of the call; of a file that is threaded, by a thread. Returns its result or -errno. */
int aio__file_run(struct aio__file_call *call, struct aio__op_frame *frame, const char *what);

/* The same by a thread of the offload pool, whatever the file is. */
int aio__file_run_threaded(struct aio__file_call *call, struct aio__op *op);

/* Runs fn(arg) for the call on a thread of the offload pool; in place when there is none to be had.
 * Returns what fn did, or -errno. */
int aio__file_offload(struct aio__file_call *call, int (*fn)(void *arg), void *arg);

/* A whole call that is nothing but that. */
int aio__file_job(struct aio_file *file, int (*fn)(void *arg), void *arg);

/* Sleeps. Returns 0 or why it ended early. */
int aio__file_pause(struct aio__file_call *call, int64_t length_ns);

/* Bytes from or to vectors, from a position or at the cursor. */
struct aio__file_transfer {
    struct aio_file *file;
    bool reads;
    int flags;      /* RWF_*, of writes */
    int64_t offset; /* -1: the cursor; less: -EINVAL */
    const struct iovec *vectors;
    int count;
    bool syncs;   /* a sync follows the last piece, which is of one buffer */
    int synced;   /* its result; -ECANCELED: there was none */
    size_t total; /* bytes in vectors */
    size_t done;
    int index;   /* of the vector that comes next */
    size_t skip; /* bytes of it that are done */
};

/*
 * Moves as much as it can, in as many pieces as that takes: all, up to the end of the file, an
 * error or an interruption; one piece of what is no regular file unless `all`. Returns
 * transfer->done or, when `all` or nothing was done, what ended it.
 */
ssize_t aio__file_transfer(struct aio__file_transfer *transfer, bool all);

/* All of it; *done, if done is not NULL, is set in every case. */
ssize_t aio__file_transfer_all(struct aio__file_transfer *transfer, size_t *done);

/* The gate of calls that use the cursor. */
static inline struct aio__gate *aio__file_gate(struct aio_file *file, bool reads)
{
    return file->seekable || reads ? &file->cursor : &file->writing;
}

#endif
