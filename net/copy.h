/*
 * One direction of a copy, in the frame of the task that runs it.
 */
#ifndef AIO_NET_COPY_H
#define AIO_NET_COPY_H

#include "core/pipe.h"
#include "net/private.h"

#include <aio/copy.h>

/* What the directions of a relay share; a copy has it for itself. */
struct aio__copy_shared {
    int64_t idle_ns;
    int64_t stall_ns;
    bool stopped; /* by an error of the other direction */
};

struct aio__copy;

/* A close of either stream ends the wait for the other one. */
struct aio__copy_watch {
    struct aio__watch watch;
    struct aio__copy *copy;
};

struct aio__copy {
    struct aio__stream_call reading;
    struct aio__stream_call writing;
    struct aio__copy_watch watches[2];
    struct aio__copy_shared *shared;
    struct aio__copy *other;   /* the other direction of a relay, or NULL */
    struct aio_deadline idle;  /* of the task that runs it; put off when bytes move either way */
    struct aio_deadline stall; /* the same; only while bytes wait to be written */
    uint64_t left;             /* bytes it may still read */
    struct aio_copy_done done;
    char *buffer; /* NULL: not needed yet */
    struct aio__pipe pipe;
    bool splicing;   /* pipe is one */
    bool refused;    /* splicing is not possible */
    unsigned streak; /* reads in a row that speak for the other way of doing it */
};

/* A gate that a copy holds. While it waits for one of several, the handles of the others are
 * watched: a close of theirs waits for it, and ends its wait. */
struct aio__hold {
    struct aio__handle *handle;
    struct aio__gate *gate;
    struct aio__watch watch;
    struct aio_task *task;
};

/* Enters all of them, in an order that is the same for every copy: two cannot wait for each other.
 * Returns 0; or as aio__gate_enter, with none held. */
int aio__holds_enter(struct aio__hold *holds, size_t count);

/* Leaves them. Returns result; -EBADF when one of the handles is being closed. */
int aio__holds_leave(struct aio__hold *holds, size_t count, int result);

/* 0; or -EINVAL. */
int aio__copy_check(const struct aio_copy_options *options);

void aio__copy_init(struct aio__copy *copy, struct aio_stream *to, struct aio_stream *from,
                    const struct aio_copy_options *options, struct aio__copy_shared *shared);

/* Ends the wait that it is in, and every one that it begins after that. */
void aio__copy_stop(struct aio__copy *copy);

/* Moves bytes until the end, the limit or an error, with both gates held; with pass_end it ends the
 * writing side then. Returns 0 or -errno. */
int aio__copy_run(struct aio__copy *copy, bool pass_end);

#endif
