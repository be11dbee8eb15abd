/*
 * A receive into rented buffers that stays armed between calls: the stream op RENT of a handle,
 * what it has brought, and how a call inside the receiving gate waits for it. inbox.c has one for a
 * stream, packet_rent.c one for a socket of packets.
 */
#ifndef AIO_NET_INTAKE_H
#define AIO_NET_INTAKE_H

#include "core/handle.h"

struct aio__intake {
    struct aio__op op;
    struct aio__handle *handle;
    struct aio__feed feed;
    struct aio__wait *waiter; /* the call inside the gate, while it waits for op */
    int32_t error;            /* what op ended with, until a call has reported it */
    bool armed;               /* op has not ended since it was submitted */
    uint32_t watches;         /* selects that wait for what op brings */
};

/* Starts one, unarmed; the pool must be prepared. shape is NULL for a stream, see struct aio__op.
 */
void aio__intake_open(struct aio__intake *intake, struct aio__handle *handle,
                      const struct msghdr *shape, uint32_t limit);

/* Inside the gate: one wait for what the op brings, or with `stop` for its end. Returns 0 or why
 * the wait ended. */
int aio__intake_step(struct aio__intake *intake, struct aio__gate *gate, bool stop);

/* Inside the gate: ends the op. What it has brought, and what it brings until then, stays. Without
 * a gate, when the handle is being closed, nothing ends the wait early. */
int aio__intake_end(struct aio__intake *intake, struct aio__gate *gate);

/* Releases what was brought and nobody has taken. */
void aio__intake_clear(struct aio__intake *intake);

/* Tells those who watch the handle what they may want to know. */
void aio__intake_tell(struct aio__intake *intake);

/* Somebody waits for what the op brings without a call, or does so no more: it is asked for it, and
 * not left to bring what nobody waits for. */
void aio__intake_watch(struct aio__intake *intake);
void aio__intake_unwatch(struct aio__intake *intake);

/* Whether a call that receives from it would return at once. */
static inline bool aio__intake_has_more(const struct aio__intake *intake)
{
    return intake->feed.count > 0 || intake->error != 0;
}

/* What the op ended with, once: 0 for the end of a stream. */
static inline int aio__intake_report(struct aio__intake *intake)
{
    int error = intake->error;
    intake->error = 0;
    return error == AIO__STREAM_END ? 0 : error;
}

#endif
