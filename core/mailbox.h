/*
 * The mailbox: how other threads and signal handlers reach a core. Posting is lock-free and wakes
 * the core with a system call only when it sleeps.
 *
 * The protocol. The core announces its sleep (sleeping = 1), then looks at the list once more,
 * then sleeps. A poster pushes, then looks at `sleeping`; if it finds 1 it sets 0 and calls the
 * backend's wakeup. Both look after they have written, with sequentially consistent order, so at
 * least one of them sees the other.
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

struct aio__mailbox {
    _Atomic(struct aio__mail *) top; /* newest first */
    atomic_int sleeping;
    struct aio__backend *backend;
};

/* From any thread, also from a signal handler. */
void aio__mailbox_post(struct aio__mailbox *mailbox, struct aio__mail *mail);

/* Delivers what has come, oldest first. */
void aio__mailbox_drain(struct aio__core *core, struct aio__mailbox *mailbox);

/* Announces that the core is about to sleep. Returns false when there is mail: do not sleep. */
bool aio__mailbox_sleep(struct aio__mailbox *mailbox);

/* The core is awake. */
void aio__mailbox_awake(struct aio__mailbox *mailbox);

#endif
