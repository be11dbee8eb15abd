/*
 * What the files of the io_uring backend share.
 *
 * user_data of a completion is the op's address, with a tag in the low bits: 0 for the op itself,
 * CANCEL for the request that cancels it, SYNC for the second of two linked ones; WAKE and RUNG
 * alone for what other threads wake us by.
 *
 * How an op stands is in its flags:
 *   BACKLOG          waits for a free submission entry; the kernel does not know it
 *   IN_KERNEL        the kernel has a request with its address
 *   NOTIFIES         the request has its result, which op->result keeps; the kernel will say when
 *                    it needs the buffer no more
 *   WAITS_READY      that request is a poll; the op itself is tried again after it
 *   STARVED          a RENT that waits for a free buffer; the kernel does not know it
 *   QUIET            its request posts no completion unless it fails; on the list of those
 *   TOLD             a QUIET op whose request did fail; its result stands in the op
 *   LOUD             a lazy op that could not be had at once: no more QUIET
 *   WROTE            a WRITE_SYNC whose write is over; op->result keeps its result
 *   SYNCED           a WRITE_SYNC whose sync is over
 *   UNLINKED         that sync may have been before the write's end, so it says nothing
 *   CANCEL_WANTED    core called cancel
 *   CANCEL_BACKLOG   the cancel waits for a free submission entry
 *   CANCEL_IN_KERNEL the cancel's own completion is still to come
 * An op is put on `done` only when neither IN_KERNEL nor CANCEL_IN_KERNEL is set, so its address
 * may recur.
 */
#ifndef AIO_BACKENDS_URING_PRIVATE_H
#define AIO_BACKENDS_URING_PRIVATE_H

#include "backends/caps.h"
#include "core/backend.h"

#include <liburing.h>
#include <stdbool.h>

/* UAPI that liburing 2.3 does not know. */
#ifndef IORING_ENTER_NO_IOWAIT
#define IORING_ENTER_NO_IOWAIT (1u << 7) /* Linux 6.15 */
#endif
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT (1u << 17)
#endif

#ifndef IORING_FEAT_MIN_TIMEOUT
#define IORING_FEAT_MIN_TIMEOUT (1u << 15) /* Linux 6.12 */
#endif

/* struct io_uring_getevents_arg, whose third field has no name before liburing 2.8. */
struct uring_wait_argument {
    uint64_t sigmask;
    uint32_t sigmask_bytes;
    uint32_t min_wait_us;
    uint64_t timeout;
};

enum uring_flag {
    URING_BACKLOG = 1u << 0,
    URING_IN_KERNEL = 1u << 1,
    URING_WAITS_READY = 1u << 2,
    URING_CANCEL_WANTED = 1u << 3,
    URING_CANCEL_BACKLOG = 1u << 4,
    URING_CANCEL_IN_KERNEL = 1u << 5,
    URING_STARVED = 1u << 6,
    URING_QUIET = 1u << 7,
    URING_TOLD = 1u << 8,
    URING_LOUD = 1u << 9,
    URING_NOTIFIES = 1u << 10,
    /* Of a WRITE_SYNC, which is never told late. */
    URING_WROTE = URING_TOLD,
    URING_SYNCED = URING_LOUD,
    URING_UNLINKED = 1u << 11,
};

#define URING_TAG_MASK 7u
#define URING_TAG_CANCEL 1u
#define URING_TAG_SYNC 2u
#define URING_DATA_WAKE 2u /* the eventfd was read */
#define URING_DATA_RUNG 4u /* a message from another thread */

/* Rented buffers, see rent.c. */
struct uring_rent {
    struct aio__buffers *pool;
    struct io_uring_buf_ring *ring; /* NULL: there is none */
    uint32_t entries;
    uint32_t target; /* buffers to be lent to the kernel */
    bool opened;
    struct aio__op_list starved; /* of buffers */
};

/* Pieces of pinned memory, see pin.c. */
#define URING_PINS 32u
/* Files that are used with them, see fixed.c. */
#define URING_FIXED 64u

enum uring_fixed_state { URING_FIXED_UNTRIED, URING_FIXED_OPEN, URING_FIXED_REFUSED };

struct uring {
    struct aio__backend base;
    struct io_uring ring;
    uint32_t caps;
    uint32_t enter_flags; /* of every io_uring_enter */
    struct aio__op_list backlog;
    struct aio__op_list quiet; /* sends that are over unless the kernel says otherwise */
    struct uring_rent rent;
    struct aio__op *cancel_backlog; /* by backend_link: a stream op may stand on `done` as well */
    bool inline_send;               /* the next send may be tried at once, see submit.c */
    unsigned batch;                 /* completions to wait a moment for, see poll.c */
    unsigned files;                 /* reads and writes at an offset that are under way */
    bool files_only;                /* the last completions were of such alone */
    unsigned linked;                /* WRITE_SYNC that the ring has */
    unsigned pinned;                /* of pins, such as are not empty */
    bool pins_opened;
    struct iovec pins[URING_PINS];
    enum uring_fixed_state fixed_state;
    int fixed[URING_FIXED]; /* descriptors; -1: none */
    int wake_fd;
    uint64_t wake_value;
    bool wake_armed;
    int watch_fd; /* tells somebody else's loop of completions; -1: the loop is ours */
    bool closing;
};

/* A free submission entry, after a flush if need be; NULL when the kernel takes no more now. */
struct io_uring_sqe *aio__uring_sqe(struct uring *uring);

/* Gives the kernel what the ring holds; what it does not take goes with a later call. */
void aio__uring_flush(struct uring *uring);

/* Makes the entries written so far visible to the kernel. Returns how many it has not taken yet. */
unsigned aio__uring_publish(struct uring *uring);

/* The turn's system call, without a wait. Returns 0 or -errno. */
int aio__uring_enter(struct uring *uring, unsigned to_submit);

/* wake.c: the eventfd's read is put into the ring, if it is not there; and given to the kernel; and
 * taken out for good. Whether the kernel takes messages for a ring from any thread. */
void aio__uring_wake_arm(struct uring *uring);
int aio__uring_wake_arm_now(struct uring *uring);
void aio__uring_wake_close(struct uring *uring);
bool aio__uring_wake_probe(const struct uring *uring);

/* Hands the op to the kernel, or to the backlog. */
void aio__uring_issue(struct uring *uring, struct aio__op *op);

/* Waits for readiness first, then issues the op again: it answered EAGAIN. scratch counts how often
 * it did. */
void aio__uring_issue_poll(struct uring *uring, struct aio__op *op);

/* Ops that are no entries of the ring but plain calls, see batch.c. */
static inline bool aio__uring_is_call(unsigned opcode)
{
    const uint32_t calls = 1u << AIO__OP_RECVMMSG | 1u << AIO__OP_SENDMMSG |
                           1u << AIO__OP_SPLICE_IN | 1u << AIO__OP_SPLICE_OUT;
    return ((calls >> opcode) & 1u) != 0;
}

/* Reads and writes at an offset, of which many are awaited together: see poll.c. */
static inline bool aio__uring_is_file(const struct aio__op *op)
{
    const uint32_t single = 1u << AIO__OP_READ | 1u << AIO__OP_WRITE;
    const uint32_t vectored = 1u << AIO__OP_READV | 1u << AIO__OP_WRITEV;
    if ((((single | vectored) >> op->opcode) & 1u) == 0)
        return false;
    return (((single >> op->opcode) & 1u) != 0 ? op->file.offset : op->vectored.offset) >= 0;
}

/* Tries an op of those that are calls, or waits for readiness. */
void aio__uring_batch(struct uring *uring, struct aio__op *op);

/* Sends the op's cancel, or keeps it until there is room. */
void aio__uring_send_cancel(struct uring *uring, struct aio__op *op);

/* The op's request is over: a cancel that still waits for room has nothing to cancel. */
void aio__uring_drop_cancel(struct uring *uring, struct aio__op *op);

/* Fills in an entry for the op: one row per opcode. */
void aio__uring_prep(const struct uring *uring, struct io_uring_sqe *sqe, const struct aio__op *op);

/* Tells memory checkers what the kernel wrote for a completed op. */
void aio__uring_mark_written(const struct aio__op *op, int32_t result);

/* Puts an op that found the ring full into the backlog. */
void aio__uring_keep(struct uring *uring, struct aio__op *op);

/* pin.c: PIN and UNPIN, their results; and the piece that all of a buffer lies in, or -1. */
int32_t aio__uring_pin(struct uring *uring, const struct aio__op *op);
int32_t aio__uring_unpin(struct uring *uring, const struct aio__op *op);
int aio__uring_pin_find(const struct uring *uring, const char *buffer, size_t length);

/* fixed.c: lets an entry that uses pinned memory name its file by the ring's table, where it can
 * be; and takes a descriptor out of that, if it is in it. */
void aio__uring_fix(struct uring *uring, struct io_uring_sqe *sqe);
void aio__uring_unfix(struct uring *uring, int fd);

/* link.c: gives a WRITE_SYNC to the kernel, or to the backlog; before each call to the kernel,
 * looks whether it has taken one without the other; and one of the two is over. Returns true when
 * both are, and with them the op's request. */
void aio__uring_link_issue(struct uring *uring, struct aio__op *op);
void aio__uring_link_check(const struct uring *uring);
bool aio__uring_link_completed(struct uring *uring, struct aio__op *op, bool sync, int32_t result);

/* open.c: whether an OPEN would wait in the ring's own attempt, so that a thread of the kernel's
 * has to make it. Waits for nothing. */
bool aio__uring_open_waits(const struct aio__op *op);

/* A stream op's side of submit, cancel and completion, in stream.c and a file for each. */
void aio__uring_stream_submit(struct uring *uring, struct aio__op *op);
void aio__uring_stream_settle(struct uring *uring, struct aio__op *op);
void aio__uring_stream_disarm(struct uring *uring, struct aio__op *op);
void aio__uring_stream_poll(struct uring *uring, struct aio__op *op);
void aio__uring_accept_completed(struct uring *uring, struct aio__op *op, int32_t result,
                                 uint32_t cqe_flags);
void aio__uring_rent_completed(struct uring *uring, struct aio__op *op, int32_t result,
                               uint32_t cqe_flags);
void aio__uring_rent_issue(struct uring *uring, struct aio__op *op);

/* Lends buffers to the kernel, as many as it should have. */
void aio__uring_rent_refill(struct uring *uring);

/* Gives buffers to the ops that starve, as far as there are any; and takes one off their list. */
void aio__uring_rent_serve(struct uring *uring);
void aio__uring_rent_unstarve(struct uring *uring, struct aio__op *op);
void aio__uring_rent_close(struct uring *uring);

/* The vtable's functions. */
void aio__uring_submit(struct aio__backend *self, struct aio__op *op);
void aio__uring_cancel(struct aio__backend *self, struct aio__op *op);
int aio__uring_poll(struct aio__backend *self, int64_t deadline_ns);
void aio__uring_wakeup(struct aio__backend *self);
int aio__uring_watch(struct aio__backend *self, int epoll_fd);
void aio__uring_watch_clear(struct uring *uring);
void aio__uring_watch_set(struct uring *uring);

static inline struct uring *aio__uring_of(struct aio__backend *backend)
{
    return (struct uring *)(void *)backend;
}

/* The length of a transfer, cut so that its result fits. */
static inline unsigned aio__uring_length(size_t length)
{
    return (unsigned)(length < AIO__TRANSFER_BYTES_MAX ? length : AIO__TRANSFER_BYTES_MAX);
}

/* Nothing in the kernel or on a list names the op. */
static inline bool aio__uring_at_rest(const struct aio__op *op)
{
    return (op->flags &
            (URING_BACKLOG | URING_IN_KERNEL | URING_CANCEL_IN_KERNEL | URING_STARVED)) == 0;
}

#endif
