/*
 * What the files of the epoll backend share. This header and those files are the only place that
 * sees <ev.h>.
 *
 * How an op runs. Its opcode's row (perform.c) names a function that tries the op without ever
 * blocking, and answers with its result or with one of three verdicts: it must wait, it must be
 * tried again a little later, or it can only run on a thread. submit tries at once; an op that
 * waits stands in a queue of its descriptor until libev reports the descriptor ready, and is then
 * tried again. Readiness is only ever a hint: the system call decides the result.
 *
 * File by file:
 *   open.c     opening, closing, wake-ups, what is said to explain
 *   turn.c     submit, cancel, poll: where an op goes, and what an event does
 *   fdtab.c    what is known of each descriptor, and its watchers
 *   perform.c  the rows, and the socket ops
 *   file.c     READ and WRITE of anything
 *   accept.c   the stream op ACCEPT
 *   rent.c     the stream op RENT
 *   poll.c     POLL, on an epoll of its own
 *   timer.c    deadlines, and ops that are tried again later
 *   epollfd.c  libev's epoll descriptor, which libev does not tell
 */
#ifndef AIO_BACKENDS_EV_PRIVATE_H
#define AIO_BACKENDS_EV_PRIVATE_H

#include <ev.h>
#include <stdatomic.h>

#include "core/backend.h"

/* Answers of a perform function that are not results. */
enum aio__ev_verdict {
    AIO__EV_WAIT = INT32_MIN,        /* when the descriptor is ready */
    AIO__EV_LATER = INT32_MIN + 1,   /* in a moment: no event will tell */
    AIO__EV_OFFLOAD = INT32_MIN + 2, /* nothing but a thread can do it */
    AIO__EV_STARVED = INT32_MIN + 3, /* when there is a free buffer in the pool */
    AIO__EV_VERDICT_LAST = AIO__EV_STARVED,
};

/* Where an op is between submit and done: kept in op->flags, so that cancel finds it. */
enum aio__ev_place {
    AIO__EV_IN_NO_QUEUE,
    AIO__EV_IN_READ_QUEUE,
    AIO__EV_IN_WRITE_QUEUE,
    AIO__EV_IN_POLL_QUEUE,
    AIO__EV_IN_LATER_QUEUE,
    AIO__EV_IN_STARVED_QUEUE,
    AIO__EV_IN_OFFLOAD,
    AIO__EV_IN_OFFLOAD_CANCELLED,
};

/* What is known of a descriptor. All of it is forgotten with the descriptor. */
enum aio__ev_fd_flag {
    AIO__EV_FD_READ_SET = 1 << 0,  /* the read watcher is initialised */
    AIO__EV_FD_WRITE_SET = 1 << 1, /* the write watcher is initialised */
    AIO__EV_FD_POLL_SET = 1 << 2,  /* registered with the epoll of POLL */
    AIO__EV_FD_DRAINED = 1 << 3,   /* the last read left nothing: do not try before an event */

    AIO__EV_FD_TYPED = 1 << 4,  /* the next bit is valid */
    AIO__EV_FD_STREAM = 1 << 5, /* a stream socket: a short read means that it is empty */

    AIO__EV_FD_SOCKET = 1 << 6, /* one of these three, once a READ or WRITE needed to know */
    AIO__EV_FD_FILE = 1 << 7,   /* epoll refuses it: a thread must do it */
    AIO__EV_FD_READY = 1 << 8,  /* pipe, terminal, eventfd: it has readiness */

    AIO__EV_FD_PIPE = 1 << 9,      /* READY, and a pipe */
    AIO__EV_FD_NO_RWF = 1 << 10,   /* READY or FILE, but refuses RWF_NOWAIT */
    AIO__EV_FD_NONBLOCK = 1 << 11, /* O_NONBLOCK is set */
    AIO__EV_FD_DIRECT = 1 << 13,   /* FILE, and O_DIRECT is set */
    AIO__EV_FD_BULK = 1 << 12,     /* the last RENT filled a buffer: the next takes several */
};

#define AIO__EV_FD_KIND (AIO__EV_FD_SOCKET | AIO__EV_FD_FILE | AIO__EV_FD_READY)
#define AIO__EV_FD_ARMED (AIO__EV_FD_READ_SET | AIO__EV_FD_WRITE_SET)

enum aio__ev_side_index {
    AIO__EV_READ_SIDE,
    AIO__EV_WRITE_SIDE,
};

/* Ops that wait for one direction of a descriptor, oldest first; the head is the one tried. */
struct aio__ev_side {
    struct aio__op_list queue;
    ev_io watcher;
};

struct aio__ev_fd {
    uint32_t flags;
    int32_t fd;
    struct aio__ev_side sides[2];
    struct aio__op_list polls; /* in no order: each is matched against every event */
};

enum {
    AIO__EV_CHUNK_SHIFT = 8,
    AIO__EV_CHUNK_FDS = 1 << AIO__EV_CHUNK_SHIFT,
};

/* Entries of AIO__EV_CHUNK_FDS descriptors. Chunks never move: libev points into them. */
struct aio__ev_chunk {
    struct aio__ev_fd fds[AIO__EV_CHUNK_FDS];
};

struct aio__ev_backend {
    struct aio__backend base;
    struct ev_loop *loop;
    struct aio__ev_chunk **chunks; /* by the high bits of the descriptor; NULL where none */
    uint32_t chunk_count;
    uint32_t waiting; /* ops in queues; ops given to the offload port do not count */
    uint32_t caps;
    bool rearmed;        /* a watcher was started since the last poll */
    bool epoll_replaced; /* by libev: epoll_fd must be found again */
    int epoll_fd;        /* libev's own, or -1 */
    int watch_fd;        /* the epoll that libev's is in, or -1 */
    int poll_fd;   /* the epoll of POLL; also asked whether a descriptor can be polled at all */
    int wake_fd;   /* an eventfd */
    int timer_fd;  /* a timerfd */
    bool expired;  /* timer_fd is readable and stays so until it is set or read */
    int64_t armed; /* what timer_fd is set to; AIO_FOREVER: not set */
    struct aio__op_list later;
    struct aio__op_list starved; /* of buffers */
    struct aio__buffers *buffers;
    struct aio__offload_port *offload;
    atomic_bool woken; /* wake_fd is, or is about to be, readable */
    ev_io wake_watcher;
    ev_io timer_watcher;
    ev_io poll_watcher;
    ev_timer later_watcher;
    ev_fork fork_watcher;
};

/* turn.c */
void aio__ev_submit(struct aio__backend *base, struct aio__op *op);
void aio__ev_cancel(struct aio__backend *base, struct aio__op *op);
int aio__ev_poll(struct aio__backend *base, int64_t deadline_ns);

/* Finishes op, or puts it where it waits, as result says; op is in no queue. */
void aio__ev_settle(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op,
                    int32_t result);
void aio__ev_read_event(struct ev_loop *loop, ev_io *watcher, int events);
void aio__ev_write_event(struct ev_loop *loop, ev_io *watcher, int events);

/* fdtab.c */

/* Finds or makes the entry of fd. Returns 0, -EBADF or -ENOMEM. */
int aio__ev_fd_get(struct aio__ev_backend *self, int fd, struct aio__ev_fd **out);

/* Starts the watcher of a side, unless it runs. */
void aio__ev_fd_arm(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                    enum aio__ev_side_index index);

/* Drops all that is kept for fd. */
void aio__ev_fd_forget(struct aio__ev_backend *self, int fd);
void aio__ev_fd_free_all(struct aio__ev_backend *self);

/* The flag that says that a side's watcher is initialised. */
static inline uint32_t aio__ev_fd_set_flag(enum aio__ev_side_index index)
{
    return index == AIO__EV_READ_SIDE ? AIO__EV_FD_READ_SET : AIO__EV_FD_WRITE_SET;
}

static inline struct aio__ev_fd *aio__ev_fd_find(struct aio__ev_backend *self, int fd)
{
    uint32_t chunk = (uint32_t)fd >> AIO__EV_CHUNK_SHIFT;

    if (chunk >= self->chunk_count || self->chunks[chunk] == NULL)
        return NULL;
    return &self->chunks[chunk]->fds[fd & (AIO__EV_CHUNK_FDS - 1)];
}

/* perform.c */

/* Tries op without blocking. Returns its result, or a verdict. */
typedef int32_t aio__ev_perform_fn(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                                   struct aio__op *op);

struct aio__ev_row {
    aio__ev_perform_fn *perform;
    uint8_t place; /* the queue that the op waits in */
};

extern const struct aio__ev_row aio__ev_rows[AIO__OP_COUNT];

static inline size_t aio__ev_transfer_bytes(size_t length)
{
    return length < AIO__TRANSFER_BYTES_MAX ? length : AIO__TRANSFER_BYTES_MAX;
}

/* What a receive of `wanted` bytes returned, as a result or a verdict; notes when it left nothing.
 */
int32_t aio__ev_received(struct aio__ev_backend *self, struct aio__ev_fd *entry, ssize_t got,
                         size_t wanted, int flags);

/* A system call's return value as a result or a verdict. */
int32_t aio__ev_returned(ssize_t value);

/* file.c, accept.c, rent.c, poll.c */
aio__ev_perform_fn aio__ev_read, aio__ev_write, aio__ev_accept, aio__ev_rent, aio__ev_poll_now;

/* Makes an op that found the pool empty wait for a buffer; tries those that do again. */
void aio__ev_starved_add(struct aio__ev_backend *self, struct aio__op *op);
void aio__ev_starved_serve(struct aio__ev_backend *self);

/* Makes an op that poll_now told to wait wait. Returns 0 or -errno. */
int aio__ev_poll_park(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op);
void aio__ev_poll_unpark(struct aio__ev_backend *self, struct aio__ev_fd *entry,
                         struct aio__op *op);
void aio__ev_poll_event(struct ev_loop *loop, ev_io *watcher, int events);

/* timer.c */

/* Shows a loop that is somebody else's when the ops to be tried again are due: libev's timer ends
 * only waits of its own. */
void aio__ev_later_show(struct aio__ev_backend *self);

/* Makes the wait that follows end at deadline_ns at the latest, and not for an older deadline that
 * has been served. */
void aio__ev_deadline_set(struct aio__ev_backend *self, int64_t deadline_ns);
void aio__ev_deadline_event(struct ev_loop *loop, ev_io *watcher, int events);
void aio__ev_later_add(struct aio__ev_backend *self, struct aio__op *op);
void aio__ev_later_event(struct ev_loop *loop, ev_timer *watcher, int events);

/* epollfd.c */

/* Finds libev's epoll descriptor. Runs the loop once, so events may be served. */
void aio__ev_epoll_find(struct aio__ev_backend *self);

/* Puts libev's epoll into another one, for good. Returns 0 or -errno. */
int aio__ev_watch(struct aio__backend *base, int epoll_fd);
void aio__ev_epoll_replaced(struct ev_loop *loop, ev_fork *watcher, int events);

#endif
