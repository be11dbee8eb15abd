/*
 * Signals that come while their dispositions are being taken, which no test can time: sigaction(2)
 * is this file's own, and sends them when the kernel has the new disposition. Sanitizers have one
 * too, which they need, so they leave this out.
 */
#define SUITE "signal_taken"
#include "tests/behaviour/cores_tools.h"

#include <signal.h>

#if !UNDER_ASAN && !UNDER_TSAN

static int to_send;
static int former_calls;

int libc_sigaction(int number, const struct sigaction *action,
                   struct sigaction *before) __asm__("__sigaction");

/* As glibc's, which tells the caller what was before after the kernel's answer, and no sooner. */
int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
    struct sigaction former;
    int rc = libc_sigaction(number, action, &former);
    if (action != NULL && number == SIGTERM) {
        int count = to_send;
        to_send = 0; /* the handler comes by here as well */
        while (count-- > 0)
            (void)raise(SIGTERM);
    }
    if (before != NULL)
        *before = former;
    return rc;
}

static void on_former(int number)
{
    (void)number;
    former_calls++;
}

static int ask(void *unused)
{
    (void)unused;
    to_send = 2;
    AIO_CHECK_OK(aio_signal_shutdown());
    AIO_CHECK_ERROR(aio_time_sleep(AIO_FOREVER), -ECANCELED);
    return 0;
}

/* The first signal asks the runtime, the second one goes where signals went before. */
BEHAVIOUR_OUTSIDE(second_signal_while_the_first_is_taken)
{
    struct sigaction mine = {.sa_handler = on_former, .sa_flags = SA_RESTART}, before;
    former_calls = 0;
    REQUIRE(sigaction(SIGTERM, &mine, &before) == 0);
    AIO_CHECK_OK(cores_run(1, ask, NULL));
    AIO_CHECK_EQ(to_send, 0);
    AIO_CHECK_EQ(former_calls, 1);
    AIO_CHECK_EQ(sigaction(SIGTERM, &before, NULL), 0);
}

#endif
