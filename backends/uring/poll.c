/*
 * The turn's one system call, and the reading of completions.
 */
#include "backends/uring/private.h"

#include <aio/time.h>
#include <errno.h>
#include <poll.h>

#define POLL_BATCH_MIN 8u
#define POLL_BATCH_MAX 32u
#define POLL_BATCH_WAIT_US 50u
#define POLL_FILES_MIN 16u
#define POLL_FILES_WAIT_US 400u

/* What had found the ring full, cancels first. */
static void poll_retry_backlog(struct uring *uring)
{
    struct aio__op *op, *next = uring->cancel_backlog;
    uring->cancel_backlog = NULL;
    while ((op = next) != NULL) {
        next = op->backend_link;
        op->flags &= (uint16_t)~URING_CANCEL_BACKLOG;
        aio__uring_send_cancel(uring, op);
    }
    struct aio__op_list backlog = uring->backlog;
    uring->backlog = (struct aio__op_list){NULL, NULL};
    while ((op = aio__op_list_pop(&backlog)) != NULL) {
        op->flags &= (uint16_t)~URING_BACKLOG;
        aio__uring_issue(uring, op);
    }
}

/* The ring reports a peer's end (POLLRDHUP) to those who did not ask for it as well: not for them,
 * and as it stays, they look again only now and then. */
static int32_t poll_wanted(const struct aio__op *op, int32_t events)
{
    int32_t wanted = events & (int32_t)(op->poll.events | POLLERR | POLLHUP);
    return wanted != 0 ? wanted : -EAGAIN;
}

/* Whether EAGAIN is the result: nothing will become ready. Of an open it means a lease, of a sync
 * that the file system has said so. */
static bool poll_is_final(const struct aio__op *op)
{
    return op->opcode == AIO__OP_OPEN || op->opcode == AIO__OP_FSYNC ||
           op->opcode == AIO__OP_WRITE_SYNC;
}

/* The op's own request is over: settle its result, or try again what only looked like one. */
static void poll_op_completed(struct uring *uring, struct aio__op *op, int32_t result)
{
    bool canceled = (op->flags & URING_CANCEL_WANTED) != 0;
    bool polled = (op->flags & URING_WAITS_READY) != 0;
    op->flags &= (uint16_t) ~(URING_IN_KERNEL | URING_WAITS_READY);
    uring->files -= !polled && aio__uring_is_file(op);
    if (op->opcode == AIO__OP_POLL && !polled && result > 0)
        result = poll_wanted(op, result);
    if (polled || result == -EINTR || (result == -EAGAIN && !poll_is_final(op))) {
        if (!canceled && !polled && result == -EAGAIN) {
            aio__uring_issue_poll(uring, op);
            return;
        }
        if (!canceled) {
            aio__uring_issue(uring, op);
            return;
        }
        result = -ECANCELED;
    }
    aio__uring_mark_written(op, result);
    aio__uring_drop_cancel(uring, op);
    if ((op->flags & URING_CANCEL_IN_KERNEL) != 0)
        op->result = result; /* kept until the cancel's own completion has come */
    else
        aio__backend_finish(&uring->base, op, result);
}

/* Not with every socket, and it takes memory that may be locked: then it is a plain send. */
static bool poll_lacks_zerocopy(int32_t result)
{
    return result == -EOPNOTSUPP || result == -EINVAL || result == -ENOMEM || result == -ENOBUFS;
}

/* A zero-copy send completes twice: with its result, and when the buffer is free. */
static void poll_zerocopy_completed(struct uring *uring, struct aio__op *op,
                                    const struct io_uring_cqe *cqe)
{
    if ((cqe->flags & IORING_CQE_F_NOTIF) == 0)
        op->result = cqe->res;
    if ((cqe->flags & IORING_CQE_F_MORE) != 0) {
        op->flags |= URING_NOTIFIES;
        return;
    }
    op->flags &= (uint16_t)~URING_NOTIFIES;
    bool lacks = poll_lacks_zerocopy(op->result);
    if (lacks)
        op->opcode = AIO__OP_SEND;
    poll_op_completed(uring, op, lacks ? -EINTR : op->result);
}

/*
 * A cancel's answer says nothing that the op's own completion does not say better. Only when the
 * kernel did not find an op that it has, between two of its states, the cancel is sent once more.
 */
static void poll_cancel_completed(struct uring *uring, struct aio__op *op, int32_t result)
{
    op->flags &= (uint16_t)~URING_CANCEL_IN_KERNEL;
    if (result == -ENOENT && (op->flags & (URING_IN_KERNEL | URING_NOTIFIES)) == URING_IN_KERNEL) {
        aio__uring_send_cancel(uring, op);
        return;
    }
    if (aio__op_is_stream(op))
        aio__uring_stream_settle(uring, op);
    else if ((op->flags & URING_IN_KERNEL) == 0)
        aio__backend_finish(&uring->base, op, op->result);
}

/* A quiet send that fell short: it stays on its list until all of the turn's are looked at. */
static void poll_quiet_told(struct aio__op *op, int32_t result)
{
    op->flags |= URING_TOLD;
    op->result = result;
}

static void poll_linked_completed(struct uring *uring, struct aio__op *op,
                                  const struct io_uring_cqe *cqe)
{
    bool sync = (cqe->user_data & URING_TAG_SYNC) != 0;
    if (aio__uring_link_completed(uring, op, sync, cqe->res))
        poll_op_completed(uring, op, op->result);
}

static void poll_completed(struct uring *uring, const struct io_uring_cqe *cqe)
{
    uint64_t data = cqe->user_data;
    if (data == URING_DATA_WAKE || data == URING_DATA_RUNG) {
        uring->wake_armed = uring->wake_armed && data != URING_DATA_WAKE;
        return;
    }
    struct aio__op *op = (struct aio__op *)(uintptr_t)(data & ~(uint64_t)URING_TAG_MASK);
    if ((data & URING_TAG_CANCEL) != 0)
        poll_cancel_completed(uring, op, cqe->res);
    else if (__builtin_expect(op->opcode == AIO__OP_WRITE_SYNC, 0))
        poll_linked_completed(uring, op, cqe);
    else if (op->opcode == AIO__OP_RENT)
        aio__uring_rent_completed(uring, op, cqe->res, cqe->flags);
    else if (__builtin_expect(op->opcode == AIO__OP_ACCEPT, 0))
        aio__uring_accept_completed(uring, op, cqe->res, cqe->flags);
    else if (__builtin_expect(op->opcode == AIO__OP_SEND_ZC, 0) &&
             (op->flags & URING_WAITS_READY) == 0)
        poll_zerocopy_completed(uring, op, cqe);
    else if ((op->flags & URING_QUIET) != 0)
        poll_quiet_told(op, cqe->res);
    else
        poll_op_completed(uring, op, cqe->res);
}

/*
 * When many completions came at once, many more are on their way: the next wait is for half as
 * many, or a moment, whichever is first. It halves the system calls of a loaded server whose
 * clients are as fast as itself, and delays a lone completion by the moment, once.
 */
static unsigned poll_next_batch(const struct uring *uring, unsigned reaped)
{
    if (reaped < POLL_BATCH_MIN || (uring->caps & AIO__URING_MIN_WAIT) == 0)
        return 1;
    return reaped / 2 < POLL_BATCH_MAX ? reaped / 2 : POLL_BATCH_MAX;
}

static void poll_reap(struct uring *uring)
{
    struct io_uring *ring = &uring->ring;
    unsigned head = *ring->cq.khead;
    unsigned tail = io_uring_smp_load_acquire(ring->cq.ktail);
    unsigned mask = *ring->cq.kring_mask;
    unsigned files = uring->files, reaped = tail - head;
    uring->batch = poll_next_batch(uring, reaped);
    uring->inline_send = tail - head <= 1 && (uring->caps & AIO__URING_INLINE_SEND) != 0;
    for (; head != tail; head++)
        poll_completed(uring, &ring->cq.cqes[head & mask]);
    io_uring_smp_store_release(ring->cq.khead, head);
    uring->files_only = reaped > 0 && files - uring->files == reaped;
}

static unsigned poll_cq_count(const struct uring *uring)
{
    const struct io_uring_cq *cq = &uring->ring.cq;
    return io_uring_smp_load_acquire(cq->ktail) - *cq->khead;
}

static int32_t poll_send_length(const struct aio__op *op)
{
    if (op->opcode == AIO__OP_SEND)
        return (int32_t)aio__uring_length(op->transfer.length);
    size_t length = 0;
    for (size_t i = 0; i < op->message.header->msg_iovlen; i++)
        length += op->message.header->msg_iov[i].iov_len;
    return (int32_t)length;
}

/* The quiet sends that the kernel has had by now; none if it has not taken every entry. */
static struct aio__op_list poll_take_quiet(struct uring *uring)
{
    struct aio__op_list quiet = uring->quiet;
    if (aio__uring_publish(uring) > 0)
        return (struct aio__op_list){NULL, NULL};
    uring->quiet = (struct aio__op_list){NULL, NULL};
    uring->base.hurry = false;
    return quiet;
}

/* Those that fell short have been told of before anything else: the others are over. */
static void poll_finish_quiet(struct uring *uring, struct aio__op_list *quiet)
{
    struct aio__op *op;
    while ((op = aio__op_list_pop(quiet)) != NULL) {
        int32_t result = (op->flags & URING_TOLD) != 0 ? op->result : poll_send_length(op);
        op->flags &= (uint16_t) ~(URING_QUIET | URING_TOLD);
        if (result == -EAGAIN) {
            op->flags |= URING_LOUD; /* the kernel shall wait for room */
            result = -EINTR;
        }
        poll_op_completed(uring, op, result);
    }
}

/* Without waiting: is there anything an io_uring_enter would do? Only TASKRUN_FLAG lets us know. */
static bool poll_has_work(const struct uring *uring, unsigned to_submit)
{
    if (to_submit > 0 || (uring->caps & AIO__URING_TASKRUN_FLAG) == 0)
        return true;
    unsigned flags = IO_URING_READ_ONCE(*uring->ring.sq.kflags);
    return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/* What to wait for: so many completions; after that time, if it is not 0, for one; to the end of
 * the timeout for any. */
struct poll_wait {
    unsigned count;
    unsigned min_us;
    int64_t timeout_ns;
};

static int poll_enter(struct uring *uring, unsigned to_submit, const struct poll_wait *wait)
{
    struct __kernel_timespec ts = {wait->timeout_ns / 1000000000, wait->timeout_ns % 1000000000};
    struct uring_wait_argument argument = {
        .sigmask_bytes = _NSIG / 8,
        .min_wait_us = wait->min_us,
        .timeout = wait->timeout_ns == AIO_FOREVER ? 0 : (uint64_t)(uintptr_t)&ts,
    };
    int rc = io_uring_enter2((unsigned)uring->ring.enter_ring_fd, to_submit, wait->count,
                             uring->enter_flags | IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                             (sigset_t *)(void *)&argument, sizeof argument);
    switch (-rc) {
    case EINTR:
    case ETIME:
    case EAGAIN: /* out of memory for requests, or */
    case EBUSY:  /* completions have to be reaped first: the entries stay in the ring */
        return 0;
    default:
        return rc < 0 ? rc : 0;
    }
}

int aio__uring_enter(struct uring *uring, unsigned to_submit)
{
    return poll_enter(uring, to_submit, &(struct poll_wait){0, 0, 0});
}

static int64_t poll_timeout(int64_t deadline_ns)
{
    if (deadline_ns == AIO_FOREVER || deadline_ns == 0)
        return deadline_ns;
    int64_t timeout_ns = deadline_ns - aio_time_now();
    return timeout_ns > 0 ? timeout_ns : 0;
}

/*
 * A device does best with many requests at a time, and each message to it costs: so when there is
 * nothing but reads and writes of files, half of them are awaited together, for no longer than
 * that. What the page cache had is complete as soon as it is submitted, and waits for nothing. (4
 * KiB with O_DIRECT, 32 at a time, on virtio: 10 % more of them, each for a quarter less CPU.)
 */
static bool poll_gathers(const struct uring *uring, int64_t timeout_ns)
{
    return uring->files_only && uring->files >= POLL_FILES_MIN &&
           (uring->caps & AIO__URING_MIN_WAIT) != 0 && timeout_ns > 2 * AIO_US(POLL_FILES_WAIT_US);
}

static int poll_gather(struct uring *uring, unsigned to_submit, int64_t timeout_ns)
{
    int rc = to_submit > 0 ? aio__uring_enter(uring, to_submit) : 0;
    if (rc < 0 ||
        aio__uring_publish(uring) > 0) /* it has not taken all: what it has may be little */
        return rc;
    if (to_submit > 0 && poll_cq_count(uring) >= (to_submit + 1) / 2)
        return 0;
    unsigned half = uring->files / 2;
    return poll_enter(uring, 0,
                      &(struct poll_wait){half < POLL_BATCH_MAX ? half : POLL_BATCH_MAX,
                                          POLL_FILES_WAIT_US, timeout_ns});
}

/* Waits for one completion when the deadline is nearer than the moment. */
static int poll_await(struct uring *uring, unsigned to_submit, int64_t timeout_ns)
{
    if (__builtin_expect(poll_gathers(uring, timeout_ns), 0))
        return poll_gather(uring, to_submit, timeout_ns);
    unsigned count = timeout_ns > 2 * AIO_US(POLL_BATCH_WAIT_US) ? uring->batch : 1;
    return poll_enter(uring, to_submit,
                      &(struct poll_wait){count, count > 1 ? POLL_BATCH_WAIT_US : 0, timeout_ns});
}

static bool poll_stuck(const struct uring *uring)
{
    return !aio__op_list_empty(&uring->backlog) || uring->cancel_backlog != NULL;
}

/* Completions that found the queue full come with the next enter; quiet sends cannot be judged
 * before. */
static int poll_reap_overflow(struct uring *uring)
{
    int rc = 0;
    while (rc == 0 && (IO_URING_READ_ONCE(*uring->ring.sq.kflags) & IORING_SQ_CQ_OVERFLOW) != 0) {
        rc = aio__uring_enter(uring, 0);
        poll_reap(uring);
    }
    return rc;
}

/* What was late for lack of room or buffers. Returns false if some of it still is. */
static bool poll_catch_up(struct uring *uring)
{
    if (!aio__op_list_empty(&uring->rent.starved))
        aio__uring_rent_serve(uring);
    if (uring->rent.ring != NULL)
        aio__uring_rent_refill(uring);
    if (poll_stuck(uring))
        poll_retry_backlog(uring);
    return !poll_stuck(uring);
}

/* Whether somebody needs to know of quiet sends before anything else happens. */
static bool poll_hurries(const struct uring *uring)
{
    if (aio__op_list_empty(&uring->quiet))
        return false;
    return uring->base.hurry || !aio__op_list_empty(&uring->rent.starved) ||
           uring->rent.pool->waiters.head != NULL;
}

/* Nobody will poll again before there is something to see: what shows it must be armed, and what
 * found no room must be seen. */
static int poll_show(struct uring *uring)
{
    int rc = aio__uring_wake_arm_now(uring);
    if (poll_stuck(uring) || !aio__op_list_empty(&uring->quiet) ||
        (!uring->wake_armed && !uring->closing))
        aio__uring_watch_set(uring);
    return rc;
}

int aio__uring_poll(struct aio__backend *self, int64_t deadline_ns)
{
    struct uring *uring = aio__uring_of(self);
    if (uring->watch_fd >= 0)
        aio__uring_watch_clear(uring);
    aio__uring_wake_arm(uring);
    bool hurries = poll_hurries(uring);
    bool caught_up = poll_catch_up(uring);
    unsigned to_submit = aio__uring_publish(uring);
    int64_t timeout_ns = aio__op_list_empty(&self->done) ? poll_timeout(deadline_ns) : 0;
    bool wait = timeout_ns > 0 && caught_up && !hurries;
    bool reap_only = wait && to_submit == 0 && poll_cq_count(uring) > 0;
    int rc = 0;
    if (!reap_only && (wait || poll_has_work(uring, to_submit)))
        rc = wait ? poll_await(uring, to_submit, timeout_ns) : aio__uring_enter(uring, to_submit);
    struct aio__op_list quiet = poll_take_quiet(uring);
    poll_reap(uring);
    if (!aio__op_list_empty(&quiet)) {
        if (rc == 0)
            rc = poll_reap_overflow(uring);
        poll_finish_quiet(uring, &quiet);
    }
    return rc == 0 && uring->watch_fd >= 0 ? poll_show(uring) : rc;
}
