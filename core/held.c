/*
 * Holding signals back, see held.h.
 */
#include "core/held.h"

#include "core/core.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* One for all cores of the thread: another loop may turn several. */
static __thread struct {
    unsigned users;
    bool ours;    /* it was not blocked before */
    bool pending; /* there was one before */
} held_thread[AIO__HELD_COUNT];

static const int held_numbers[AIO__HELD_COUNT] = {
    [AIO__HELD_PIPE] = SIGPIPE,
    [AIO__HELD_XFSZ] = SIGXFSZ,
};

static sigset_t held_set(enum aio__held_kind kind)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, held_numbers[kind]);
    return set;
}

static void held_begin(enum aio__held_kind kind)
{
    sigset_t set = held_set(kind), before, pending;
    sigemptyset(&pending);
    (void)pthread_sigmask(SIG_BLOCK, &set, &before);
    bool ours = sigismember(&before, held_numbers[kind]) == 0;
    if (!ours)
        (void)sigpending(&pending);
    held_thread[kind].ours = ours;
    held_thread[kind].pending = sigismember(&pending, held_numbers[kind]) == 1;
}

void aio__held_take(struct aio__core *core, enum aio__held_kind kind)
{
    if (core->held[kind])
        return;
    core->held[kind] = true;
    if (held_thread[kind].users++ == 0)
        held_begin(kind);
}

static void held_end(enum aio__held_kind kind)
{
    static const struct timespec now = {0, 0};
    sigset_t set = held_set(kind);
    if (!held_thread[kind].pending) {
        /* One more is as good as none, and the thread's own comes before the process's. */
        (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* if a task has let it through */
        (void)raise(held_numbers[kind]);
        (void)sigtimedwait(&set, NULL, &now);
    }
    if (held_thread[kind].ours)
        (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void aio__held_give(struct aio__core *core)
{
    for (int kind = 0; kind < AIO__HELD_COUNT; kind++) {
        if (core->held[kind] && --held_thread[kind].users == 0)
            held_end((enum aio__held_kind)kind);
        core->held[kind] = false;
    }
}

void aio__held_forked(void)
{
    memset(held_thread, 0, sizeof held_thread);
}
