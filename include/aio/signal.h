/*
 * <aio/signal.h>: signals as something to wait for, and stopping a server by signal.
 *
 *     struct aio_signal *signals;
 *     struct aio_signal_info info;
 *     int rc = aio_signal_open(&signals, (const int[]){SIGHUP, SIGUSR1}, 2);
 *     while ((rc = aio_signal_wait(signals, &info)) == 0)
 *         if (info.number == SIGHUP)
 *             reload();
 *     aio_signal_close(signals);
 *
 * A subscription hears every signal of its list that comes to the process or to one of its threads
 * from the moment aio_signal_open has returned. Subscriptions do not take signals from one another:
 * however many there are, on whichever cores and in whichever runtimes, each hears all of them.
 *
 * As long as a signal is subscribed to its disposition is AIO's: a handler of the program's own is
 * not called, and the default action does not happen. With the last subscription to it the former
 * disposition comes back; a signal that arrives while that goes on takes the former way. What had
 * arrived before and nobody has fetched is dropped with the subscription.
 *
 * Standard signals coalesce while nobody fetches them: one report per number, which says how often
 * it came (as far as the kernel tells: it too delivers one that is pending already only once) and
 * who sent the latest. Real-time signals are reported one by one, with what sigqueue(3) sent along,
 * in the order in which the kernel gave them to the process's threads; when several threads take
 * signals at once, neighbours may change places. Of these AIO_SIGNAL_QUEUE may wait in a
 * subscription; what comes beyond coalesces as well, so no count is lost.
 *
 * SIGPIPE and SIGXFSZ, which cores hold back on their threads (<aio/pipe.h>, <aio/file.h>), are let
 * through by a thread of the library's own while somebody subscribes to them. Those that a core's
 * own calls raise, and those sent to such a thread alone, as by raise(3), are not heard.
 *
 * The library's handlers run on the thread's signal stack, see sigaltstack(2): the threads of cores
 * have one, so that a task's stack need not have room for them. A handler of the program's own does
 * so with SA_ONSTACK only.
 *
 * Any other signal that every thread has blocked waits in the kernel. A child of fork(2) has the
 * former dispositions, and no subscriptions. Signals do not mix with signalfd(2), sigwait(3) or
 * sigaction(2) of the program's own for the same number.
 */
#ifndef AIO_SIGNAL_H
#define AIO_SIGNAL_H

#include <aio/base.h>
#include <signal.h>

AIO_BEGIN_DECLS

/* A subscription to signals. It belongs to the core it was opened on. */
struct aio_signal;

/* Real-time signals that a subscription keeps one by one until they are fetched. */
#define AIO_SIGNAL_QUEUE 512

/* What a sender has sent along: one or the other; union sigval, which C11 alone does not have. */
union aio_signal_value {
    int number;
    void *pointer;
};

/* What came. Of several that have coalesced, all but `number` and `count` are the latest's. */
struct aio_signal_info {
    int number;
    int code;       /* si_code of sigaction(2) */
    uint64_t count; /* deliveries that this report stands for, at least 1 */
    pid_t pid;      /* of the sender, or of the child with SIGCHLD; 0: the kernel sent it */
    uid_t uid;      /* the same */
    union aio_signal_value value; /* of sigqueue(3), timer_create(2) or mq_notify(3); else 0 */
};

/*
 * aio_signal_open subscribes to `count` signals.
 *
 * Suspends:  never.
 * Context:   a task.
 * Lifetime:  numbers until the call returns; the subscription until aio_signal_close, or until its
 *            core ends.
 * Returns:   0; -EINVAL for an empty list, a number that is no signal's, for SIGKILL and SIGSTOP,
 *            which cannot be caught, for SIGSEGV, SIGBUS, SIGFPE and SIGILL, after which a thread
 *            cannot just go on, and for SIGTTIN and SIGTTOU: a background process that catches
 *            them is not stopped, and its call to the terminal is begun anew for ever, which holds
 *            the core; -EBUSY for SIGINT and SIGTERM while they are aio_signal_shutdown's; -EAGAIN
 *            when there is no thread to be had for SIGPIPE or SIGXFSZ; -ENOMEM; -errno of
 *            sigaction(2).
 */
AIO_API AIO_NODISCARD int aio_signal_open(struct aio_signal **out, const int *numbers,
                                          size_t count);

/*
 * aio_signal_wait waits for the next signal of the subscription. Tasks that wait for the same one
 * are served first in, first out, each report to one of them. When several numbers are there they
 * take turns; real-time signals come first.
 *
 * Suspends:  until there is one; after one that was there, now and then to let others run. A
 *            runtime in which a task waits for a signal is never taken for deadlocked.
 * Context:   a task of the subscription's core.
 * Lifetime:  info until the call returns; it is written with 0 only.
 * Returns:   0; -EBADF when the subscription is closed meanwhile; -ECANCELED; -ETIMEDOUT. After an
 *            error no report was taken.
 */
AIO_API AIO_NODISCARD int aio_signal_wait(struct aio_signal *signal, struct aio_signal_info *info);

/*
 * aio_signal_close ends a subscription; tasks that wait get -EBADF. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   a task of the subscription's core.
 * Returns:   how many signals had come that nobody fetched.
 */
AIO_API uint64_t aio_signal_close(struct aio_signal *signal);

/*
 * aio_signal_shutdown makes SIGINT and SIGTERM cancel the calling task, usually the first one:
 * its accept returns -ECANCELED, it closes its listener, waits for what it wants to wait for
 * inside a shield, and returns. A second signal ends the process as if this had never been
 * called. The former dispositions come back when the cores that have asked end; a signal that came
 * before, but when none of their tasks was there to be cancelled any more, is sent again then. See
 * sigaction(2). Both are taken also where they were ignored, as SIGINT is in what a shell without
 * job control starts with &: a server is to stop when it is told to.
 *
 * In a runtime of several cores each core's task asks for itself, and a signal cancels all of them;
 * a task that asks after it has come is cancelled at once.
 *
 * The two signals are either this call's or subscriptions', not both; subscriptions to others are
 * none of its business.
 *
 * Suspends:  never.
 * Context:   a task; one of each core at a time, and of one runtime of the process.
 * Returns:   0; -EBUSY when another task of this core, or another runtime, has asked, or one of the
 *            two is subscribed to; -errno of sigaction(2).
 */
AIO_API AIO_NODISCARD int aio_signal_shutdown(void);

AIO_END_DECLS

#endif
