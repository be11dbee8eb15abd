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
    sigset_t set = sigpipe_set(), before;
    if (core->sigpipe_held)
        return;
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    core->sigpipe_held = sigismember(&before, SIGPIPE) == 0;
}

void aio__sigpipe_release(struct aio__core *core)
{
    static const struct timespec now = {0, 0};
    sigset_t set = sigpipe_set();
    if (!core->sigpipe_held)
        return;
    while (sigtimedwait(&set, NULL, &now) == SIGPIPE)
        ;
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    core->sigpipe_held = false;
}
