/*
 * The mailbox: how other threads and signal handlers reach a core. Posting is lock-free and wakes
 * the core with a system call only when it sleeps.
 *
 * Sleeping. The core announces its sleep, then looks at the list once more, then sleeps. A poster
 * pushes, then looks at the announcement; if it finds one it takes it back and calls the
 * backend's wakeup. Both look after they have written, with sequentially consistent order, so at
 * least one of them sees the other.
 *
 * Idling. A core that sleeps with nothing but mail to wait for announces AIO__IDLE and leaves the
 * runtime's count of what is busy: cores that are not idle, and those outside who may post. Whoever
 * takes that announcement back, a poster or the core itself, counts it in again, and does so before
 * it takes it back, or the count could be 0 in between; where there was nothing to take back it
 * counts it out, and a poster that brings the count to 0 by that wakes the core to look again. So
 * when a core brings the count to 0, none runs, none has mail, and nobody can send any: a deadlock,
 * which core/quiet.h deals with.
 *
 * Closing. A mailbox closes when it is empty; posting then fails. A poster that had looked at the
 * announcement before may still call wakeup: closing waits until it has. A mailbox's memory is
 * never returned, as a poster may look at the announcement after the core has ended.
 *
 * tests/model/mailbox.pml is the model of all three.
 */
#ifndef AIO_CORE_MAILBOX_H
#define AIO_CORE_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct aio__backend;
struct aio__core;

/* One message; it stays in place until deliver is called, on the core's thread, in the loop's
 * context. */
struct aio__mail {
    struct aio__mail *next;
    void (*deliver)(struct aio__core *core, struct aio__mail *mail);
};

enum aio__mailbox_state {
    AIO__AWAKE,
    AIO__ASLEEP,
    AIO__IDLE,
};

struct aio__mailbox {
    _Atomic(struct aio__mail *) top; /* newest first */
    atomic_int state;                /* of enum aio__mailbox_state */
    atomic_int rousing;              /* threads that may be about to call wakeup */
    struct aio__backend *backend;
    atomic_int *busy; /* the runtime's count */
    struct aio__mailbox *next_free;
};

/* Gives an open mailbox without a backend; NULL when there is no memory. */
struct aio__mailbox *aio__mailbox_open(atomic_int *busy);

/* For a mailbox that was closed, or that nobody else has known. */
void aio__mailbox_free(struct aio__mailbox *mailbox);

/* In a child of fork(2): nobody else is there. */
void aio__mailbox_forked(void);

/* From any thread, also from a signal handler. Returns false, with the mail still the caller's,
 * when the mailbox is closed. */
bool aio__mailbox_post(struct aio__mailbox *mailbox, struct aio__mail *mail);

/* Wakes the core, if it sleeps, without mail. From any thread. */
void aio__mailbox_rouse(struct aio__mailbox *mailbox);

/* Delivers what has come, oldest first. */
void aio__mailbox_drain(struct aio__core *core, struct aio__mailbox *mailbox);

/* Whether there is mail. */
bool aio__mailbox_full(const struct aio__mailbox *mailbox);

/*
 * Announces that the core is about to sleep, as ASLEEP or IDLE. Returns false when there is mail:
 * do not sleep. *last tells whether nothing is busy any more.
 */
bool aio__mailbox_sleep(struct aio__mailbox *mailbox, enum aio__mailbox_state state, bool *last);

/* The core is awake. */
void aio__mailbox_awake(struct aio__mailbox *mailbox);

/* Closes an empty mailbox of a core that is awake. Returns false when there is mail. */
bool aio__mailbox_close(struct aio__mailbox *mailbox);

#endif
