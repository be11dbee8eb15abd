/*
 * Going to sleep, and being told from another thread; see sleeper.h.
 */
#include "core/sleeper.h"

#include "core/task.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

bool aio__sleeper_doze(struct aio__sleeper *sleeper)
{
    int awake = AIO__SLEEPER_AWAKE;
    return atomic_compare_exchange_strong(&sleeper->state, &awake, AIO__SLEEPER_ASLEEP);
}

void aio__sleeper_block(struct aio__sleeper *sleeper)
{
    while (atomic_load(&sleeper->state) == AIO__SLEEPER_ASLEEP)
        (void)syscall(SYS_futex, &sleeper->state, FUTEX_WAIT_PRIVATE, AIO__SLEEPER_ASLEEP, NULL,
                      NULL, 0);
}

/* From the exchange on a sleeper that is awake may be gone, and a thread that sleeps, too: its
 * address is then only a number, for which at worst somebody else wakes for nothing. */
void aio__sleeper_tell(struct aio__sleeper *sleeper)
{
    struct aio__core *core = sleeper->core;
    if (atomic_exchange(&sleeper->state, AIO__SLEEPER_TOLD) != AIO__SLEEPER_ASLEEP)
        return;
    if (core == NULL)
        (void)syscall(SYS_futex, &sleeper->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    else if (core == aio__core_current)
        aio__wake(&sleeper->wait, 0);
    else
        (void)aio__mailbox_post(core->mailbox, &sleeper->mail); /* open: a task waits there */
}

void aio__sleeper_deliver(struct aio__core *core, struct aio__mail *mail)
{
    (void)core;
    aio__wake(&AIO__CONTAINER(mail, struct aio__sleeper, mail)->wait, 0);
}
