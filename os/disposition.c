/*
 * Taking signals and giving them back, see disposition.h.
 */
#include "os/disposition.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

static struct {
    pthread_mutex_t lock;
    sigset_t mask; /* of the thread that forks, while it does */
    atomic_uint phase;
    atomic_int inside[2]; /* handlers at work, by the phase in which they began */
    struct {
        aio__signal_handler *handler;
        uint32_t users;
        struct sigaction before;
    } of[AIO__SIGNALS];
} disposition_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

bool aio__disposition_allowed(int number)
{
    switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTTIN: /* the kernel restarts the call of a background process for ever */
    case SIGTTOU:
        return false;
    default: /* those below SIGRTMIN are libc's own */
        return number > 0 && number <= AIO__SIGNALS && (number < 32 || number >= SIGRTMIN);
    }
}

/* Takes the lowest signal out of the set and returns it. */
static int disposition_next(uint64_t *set)
{
    int number = __builtin_ctzll(*set) + 1;
    *set &= *set - 1;
    return number;
}

void aio__disposition_restore(uint64_t set)
{
    while (set != 0) {
        int number = disposition_next(&set);
        (void)sigaction(number, &disposition_state.of[number - 1].before, NULL);
    }
}

/* Until the child has the former dispositions a signal would find handlers that nobody listens to
 * there: it waits. */
static void disposition_before_fork(void)
{
    sigset_t all, before;
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    aio__disposition_lock();
    disposition_state.mask = before;
}

static void disposition_after_fork(void)
{
    sigset_t before = disposition_state.mask;
    aio__disposition_unlock();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* The child has one thread, no handler at work, and nobody who would hear of a signal. */
static void disposition_forked(void)
{
    for (int i = 0; i < AIO__SIGNALS; i++) {
        if (disposition_state.of[i].users > 0)
            aio__disposition_restore(aio__signal_bit(i + 1));
        disposition_state.of[i].users = 0;
    }
    atomic_store(&disposition_state.inside[0], 0);
    atomic_store(&disposition_state.inside[1], 0);
    aio__shutdown_forked();
    aio__signal_forked();
    pthread_mutex_init(&disposition_state.lock, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &disposition_state.mask, NULL);
}

static void disposition_watch_forks(void)
{
    (void)pthread_atfork(disposition_before_fork, disposition_after_fork, disposition_forked);
}

void aio__disposition_lock(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, disposition_watch_forks);
    pthread_mutex_lock(&disposition_state.lock);
}

void aio__disposition_unlock(void)
{
    pthread_mutex_unlock(&disposition_state.lock);
}

/*
 * While a handler is at work no other interrupts it: a storm takes one frame. That stands on the
 * thread's signal stack if it has one, as cores' threads do (core/overflow.h): with the registers
 * of some processors it is larger than what a task's stack has left. The former disposition is
 * known before the handler can be called, which may have to restore it.
 */
static int disposition_take_one(int number, aio__signal_handler *handler)
{
    struct sigaction action = {.sa_sigaction = handler,
                               .sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK};
    sigfillset(&action.sa_mask);
    if (disposition_state.of[number - 1].users == 0 &&
        (sigaction(number, NULL, &disposition_state.of[number - 1].before) < 0 ||
         sigaction(number, &action, NULL) < 0))
        return -errno;
    disposition_state.of[number - 1].handler = handler;
    disposition_state.of[number - 1].users++;
    return 0;
}

static bool disposition_busy(uint64_t set, aio__signal_handler *handler)
{
    bool busy = false;
    while (set != 0) {
        int number = disposition_next(&set);
        busy = busy || (disposition_state.of[number - 1].users > 0 &&
                        disposition_state.of[number - 1].handler != handler);
    }
    return busy;
}

int aio__disposition_take(uint64_t set, aio__signal_handler *handler)
{
    uint64_t taken = 0;
    if (disposition_busy(set, handler))
        return -EBUSY;
    while (set != 0) {
        int number = disposition_next(&set);
        int rc = disposition_take_one(number, handler);
        if (rc < 0) {
            (void)aio__disposition_give(taken);
            return rc;
        }
        taken |= aio__signal_bit(number);
    }
    return 0;
}

uint64_t aio__disposition_give(uint64_t set)
{
    uint64_t free = 0;
    while (set != 0) {
        int number = disposition_next(&set);
        if (--disposition_state.of[number - 1].users == 0)
            free |= aio__signal_bit(number);
    }
    aio__disposition_restore(free);
    return free;
}

unsigned aio__handler_enter(void)
{
    unsigned phase = atomic_load(&disposition_state.phase) & 1;
    atomic_fetch_add(&disposition_state.inside[phase], 1);
    return phase;
}

void aio__handler_leave(unsigned phase)
{
    atomic_fetch_sub(&disposition_state.inside[phase], 1);
}

/* New ones count in the other phase, so that a storm of signals does not keep us; twice, as one
 * that has read the phase may be slow to count itself in it. */
void aio__handler_await(void)
{
    for (int i = 0; i < 2; i++) {
        unsigned phase = atomic_fetch_add(&disposition_state.phase, 1) & 1;
        while (atomic_load(&disposition_state.inside[phase]) > 0)
            (void)sched_yield();
    }
}
