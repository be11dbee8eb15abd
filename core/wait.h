/*
 * A wait: what a parked task waits for, in its own frame. Exactly one of two things ends it:
 * aio__wake, called by whoever brings the result. A cancellation, a deadline or a close only
 * asks, through abort; that leads to aio__wake at once (the wait leaves its queue) or later (the
 * backend completes the op).
 */
#ifndef AIO_CORE_WAIT_H
#define AIO_CORE_WAIT_H

#include "core/heap.h"

#include <aio/sync.h>
#include <stdint.h>

struct aio__core;
struct aio_task;

struct aio__wait {
    struct aio_task *task;
    void (*abort)(struct aio__wait *wait); /* NULL: cannot be asked to end early */
    const char *what;                      /* for dumps: "read", "join" */
    int32_t result;
    int32_t interrupted;    /* 0, or why abort was called: -ECANCELED, -ETIMEDOUT, -EBADF */
    struct aio__wait *next; /* of the queue it stands in */
    struct aio__wait *prev;
};

/* struct aio__wait_queue, of <aio/sync.h>, is FIFO, and doubly linked because waits leave from the
 * middle. */
void aio__wait_enqueue(struct aio__wait_queue *queue, struct aio__wait *wait);
void aio__wait_unlink(struct aio__wait_queue *queue, struct aio__wait *wait);
struct aio__wait *aio__wait_dequeue(struct aio__wait_queue *queue);

/* Parks the calling task until aio__wake. Returns wait->result. */
int aio__park(struct aio__core *core, struct aio__wait *wait);

/* Makes the wait's task ready with this result. Once per park. */
void aio__wake(struct aio__wait *wait, int result);

/* Asks the wait to end early for the reason `code`. */
void aio__wait_interrupt(struct aio__wait *wait, int code);

/* What to return when an interrupted wait ended with -ECANCELED: the reason, noted on the deadline
 * at fault. */
int aio__wait_reason(struct aio__wait *wait);

#endif
