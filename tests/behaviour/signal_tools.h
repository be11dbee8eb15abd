/*
 * What the tests of subscriptions to signals share.
 */
#ifndef AIO_TESTS_BEHAVIOUR_SIGNAL_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_SIGNAL_TOOLS_H

#include "tests/behaviour/cores_tools.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A subscription to these signals, up to the first 0; NULL, with a failure recorded. */
static inline struct aio_signal *signal_of(int first, int second)
{
    struct aio_signal *signal = NULL;
    const int numbers[] = {first, second};
    AIO_CHECK_OK(aio_signal_open(&signal, numbers, second == 0 ? 1 : 2));
    return signal;
}

/* Waits for so many deliveries of one number, in however many reports. */
static inline bool signal_collect(struct aio_signal *signal, int number, uint64_t count)
{
    struct aio_signal_info info;
    uint64_t seen = 0;
    while (seen < count) {
        if (!AIO_CHECK_OK(aio_signal_wait(signal, &info)) || !AIO_CHECK_EQ(info.number, number))
            return false;
        seen += info.count;
    }
    return AIO_CHECK_EQ(seen, count);
}

/*
 * Sends a signal of which each one is heard. ThreadSanitizer holds signals back and merges them but
 * for those that a thread sends to itself, so that is what it gets.
 */
static inline int signal_send(int number)
{
    return UNDER_TSAN ? pthread_kill(pthread_self(), number) : kill(getpid(), number);
}

/* Nothing is left in it. */
static inline void signal_drained(struct aio_signal *signal)
{
    struct aio_signal_info info;
    struct aio_select_case of = aio_select_signal(signal, &info);
    AIO_CHECK_ERROR(aio_select_try(&of, 1), -EAGAIN);
}

/* Whether the disposition of a signal is that handler. */
static inline bool signal_handled_by(int number, void (*handler)(int))
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == handler;
}

#endif
