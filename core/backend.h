/*
 * The seam: what core asks of a backend. Core owns this interface; a backend implements it for
 * one way of reaching the kernel. Ops go down, a list of completed ops comes up; no callback
 * crosses the seam.
 *
 * The contract. tests/contract/ has a test per number, run on every backend.
 *
 *  1. submit cannot fail and completes to nobody: an error or an instant success is put on the
 *     `done` list with state DONE. Nothing of core runs inside it.
 *  2. Each submitted op appears on `done` exactly once, and the backend does not touch it
 *     afterwards (a stream op's deliveries excepted, see below).
 *  3. From submit to done, the op and the buffers it names stay where they are.
 *  4. cancel is a request. The op completes with -ECANCELED, or with its true result if that came
 *     first: success beats cancel. A cancelled op reaches `done` only when nothing in the kernel
 *     can name it any more (on a
 *     ring: after its own completion and its cancel's), because its address recurs. Cancelling an
 *           op that is not SUBMITTED, or twice, does nothing.
 *  5. poll submits all that is queued, waits for one completion, the absolute deadline or a
 *     wake-up, and collects everything ready. One system call per turn where the kernel allows
 *     it. It does not wait when `done` is not empty or the deadline has passed (deadline_ns 0:
 *     never waits; AIO_FOREVER: no deadline). EINTR and ETIME are not errors. It may return early
 *     with nothing done, but does not spin.
 *  6. wakeup is the only call made from other threads and from signal handlers: it makes the poll
 *     in progress, or the next one, return. May be spurious, may coalesce, is never lost.
 *  7. A full ring, CQ overflow, EBUSY, ENOBUFS, a multishot that ends are the backend's own: it
 *     keeps the op and retries. Above all for cancels.
 *  8. Short transfers are normal. One at the cursor of a regular file that an error cut short may
 *     leave the cursor where it was.
 *  9. Results are normalised: EINTR, EAGAIN, EINPROGRESS, ETIME, ERESTARTSYS never escape; but
 *     EAGAIN of OPEN, FSYNC and WRITE_SYNC does.
 * 10. Core submits at most one op per descriptor and direction at a time (POLL and positioned
 *     file ops excepted), and closes a descriptor only after all its ops are done and FORGET was
 *     submitted.
 * 11. Capabilities change speed, never meaning; params->caps masks them.
 * 12. close is called with nothing in flight: the kernel owns a buffer until its completion is
 *     seen, so core drains first.
 *
 * Stream ops (ACCEPT, RENT) stay armed across completions without bending clause 2. submit asks for
 * news: the op appears on `done` with result 0 when its deliveries are not empty (at once, if
 * they are not empty now), or with -errno when it has ended with an error and its deliveries are
 * empty. Between `done` and the next submit the backend may stay armed and push more deliveries,
 * up to about their limit; it disarms while they are full and re-arms at a submit that finds
 * room. To end one: submit it, cancel it, and wait for a result < 0 (if deliveries came instead,
 * take them and do it again). After a result < 0 nothing is armed, and the op may be submitted
 * afresh or forgotten.
 *
 * RENT delivers buffers of params->buffers that hold received bytes, in the order of the stream;
 * at its end the result is AIO__STREAM_END. With a shape each buffer holds a packet, as
 * core/packet.h says, and an empty packet is no end. While the pool is empty a submitted RENT
 * waits, without spinning: the backend looks at the pool in each poll. No more than half of the
 * pool is lent to the kernel or delivered by ops that nobody waits for, so that the other half
 * serves those that somebody does wait for.
 *
 * A lazy SEND or SENDMSG may reach `done` later than it is over: a poll that waits may wait for
 * something else first. When the caller needs to know, it sets base->hurry: the next poll tells of
 * every lazy op that the kernel does not keep waiting.
 */
#ifndef AIO_CORE_BACKEND_H
#define AIO_CORE_BACKEND_H

#include "core/feed.h"
#include "core/op.h"

struct aio__backend;

struct aio__backend_vtable {
    const char *name;
    void (*close)(struct aio__backend *self);
    void (*submit)(struct aio__backend *self, struct aio__op *op);
    void (*cancel)(struct aio__backend *self, struct aio__op *op);
    /* Returns 0, or -errno when the kernel refuses to serve this backend at all (not retryable). */
    int (*poll)(struct aio__backend *self, int64_t deadline_ns);
    void (*wakeup)(struct aio__backend *self);
    /*
     * From now on epoll_fd, which is core's, is readable while a poll would find something; no poll
     * leaves anything for the next one to arm. For a core whose loop is not ours. Returns 0 or
     * -errno.
     */
    int (*watch)(struct aio__backend *self, int epoll_fd);
};

/*
 * What every backend begins with. A wrapper (the tests' fault shim) is a backend whose inner one
 * is called through its vtable and whose own `done` it fills.
 */
struct aio__backend {
    const struct aio__backend_vtable *vtable;
    struct aio__op_list done;
    bool hurry;        /* set by core, cleared by poll */
    bool batches;      /* ops cost less when several go down before a poll */
    bool moves_cursor; /* READ and WRITE at the cursor move it in every case, see file_op.h */
};

/* Where work goes that no readiness or ring can make asynchronous. Implemented by core. */
struct aio__offload_port {
    struct aio__backend *backend; /* whose `done` the ops go to; set when the backend is open */
    /* Runs op's blocking form on a thread; the op appears on `done` in a later turn. */
    void (*submit)(struct aio__offload_port *port, struct aio__op *op);
    /* Asks for the end of an op given to submit: it completes with -ECANCELED if it had not
     * started. */
    void (*cancel)(struct aio__offload_port *port, struct aio__op *op);
};

/* Text that a backend adds to aio_runtime_explain: lines of "name: text\n", cut at the end of the
 * buffer. */
struct aio__explain {
    char text[3072];
    size_t length;
};

void aio__explain_add(struct aio__explain *explain, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct aio__backend_params {
    uint32_t ring_entries;
    uint32_t ring_workers; /* see aio_runtime_options; 0: as many as the kernel likes */
    const char *caps;      /* a list that the registry has checked, see aio__caps_parse */
    struct aio__offload_port *offload;
    struct aio__buffers *buffers; /* for RENT; prepared before the first */
    struct aio__explain
        *explain; /* features used, masked and refused; the reason when open fails */
};

/* Opens a backend on the core's own thread. Returns 0, or -errno with the reason in
 * params->explain. */
typedef int aio__backend_open_fn(struct aio__backend **out,
                                 const struct aio__backend_params *params);

/* An optional kernel feature that a backend can do without. */
struct aio__cap {
    const char *name;
    uint32_t bit;
};

/*
 * Reads a capability list against a table that ends with a NULL name: "all" or "none" set a start
 * (the default is all, but none when the list begins with a plain name), "name" adds one, "-name"
 * removes one. Names that the table does not have belong to another backend and are passed over;
 * the registry has refused the ones that nobody has.
 */
uint32_t aio__caps_parse(const char *text, const struct aio__cap *table);

static inline void aio__backend_finish(struct aio__backend *backend, struct aio__op *op,
                                       int32_t result)
{
    op->result = result;
    op->state = AIO__OP_DONE;
    aio__op_list_append(&backend->done, op);
}

/* The choice made at start. `why` of each candidate passed over stands in explain. */
int aio__backend_choose(struct aio__backend **out, const char *wanted,
                        const struct aio__backend_params *params);

/* Tests put a wrapper around every backend opened in this process. NULL: none. */
extern struct aio__backend *(*aio__backend_wrap)(struct aio__backend *inner);

#endif
