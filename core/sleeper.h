/*
 * A sleeper: a task or a plain thread that waits for something another thread may bring.
 *
 * Whoever brings it has put it where the sleeper will look, and tells it, once. `state` decides
 * between that and its going to sleep: told while it is awake it does not go to sleep at all; told
 * while it sleeps, a plain thread is woken from a futex, a task by a mail to its core, and it stays
 * where it is until the mail has come.
 */
#ifndef AIO_CORE_SLEEPER_H
#define AIO_CORE_SLEEPER_H

#include "core/mailbox.h"
#include "core/wait.h"

enum aio__sleeper_state {
    AIO__SLEEPER_AWAKE, /* and looking; zero */
    AIO__SLEEPER_ASLEEP,
    AIO__SLEEPER_TOLD, /* it may be gone */
};

/* In the waiting one's frame; without a core it is a plain thread. A task parks in `wait` after it
 * has dozed off, and can be interrupted there by whoever makes sure that it is not told as well. */
struct aio__sleeper {
    struct aio__wait wait;
    struct aio__mail mail; /* deliver is aio__sleeper_deliver */
    struct aio__core *core;
    atomic_int state;
};

/* Returns false when it has been told: then there is nothing to wait for. */
bool aio__sleeper_doze(struct aio__sleeper *sleeper);

/* A plain thread that has dozed off sleeps until it is told. */
void aio__sleeper_block(struct aio__sleeper *sleeper);

/* From any thread. */
void aio__sleeper_tell(struct aio__sleeper *sleeper);
void aio__sleeper_deliver(struct aio__core *core, struct aio__mail *mail);

static inline bool aio__sleeper_told(struct aio__sleeper *sleeper)
{
    return atomic_load(&sleeper->state) == AIO__SLEEPER_TOLD;
}

#endif
