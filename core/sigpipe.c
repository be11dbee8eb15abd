/*
 * Holding SIGPIPE back, see sigpipe.h.
 */
#include "core/sigpipe.h"

#include "core/core.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

static sigset_t sigpipe_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

void aio__sigpipe_hold(struct aio__core *core)
{
    sigset_t set = sigpipe_set(), before, pending;
    if (core->sigpipe_held)
        return;
    sigemptyset(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    core->sigpipe_ours = sigismember(&before, SIGPIPE) == 0;
    if (!core->sigpipe_ours)
        (void)sigpending(&pending);
    core->sigpipe_pending = sigismember(&pending, SIGPIPE) == 1;
    core->sigpipe_held = true;
}

void aio__sigpipe_release(struct aio__core *core)
{
    static const struct timespec now = {0, 0};
    sigset_t set = sigpipe_set();
    if (!core->sigpipe_held)
        return;
    while (!core->sigpipe_pending && sigtimedwait(&set, NULL, &now) == SIGPIPE)
        ;
    if (core->sigpipe_ours)
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    core->sigpipe_held = false;
}
