/*
 * Subscriptions to the signals that cores hold back on their threads, SIGPIPE and SIGXFSZ: those
 * that come to the process are heard, those that a core's own calls raise are not.
 */
#define SUITE "signal_held"
#include "tests/behaviour/signal_tools.h"

#include <aio/file.h>
#include <aio/pipe.h>
#include <pthread.h>
#include <sched.h>

/* What a core holds the signals back for. */
struct held {
    struct aio_stream *reader;
    struct aio_stream *writer;
    struct aio_file *file;
};

static bool held_open(struct held *held)
{
    return AIO_CHECK_OK(aio_pipe_open(&held->reader, &held->writer)) &&
           AIO_CHECK_OK(aio_file_open(&held->file, "/etc/passwd", O_RDONLY, 0));
}

static void held_close(struct held *held)
{
    aio_stream_close(held->reader);
    aio_stream_close(held->writer);
    AIO_CHECK_OK(aio_file_close(held->file));
}

BEHAVIOUR(those_of_the_process_are_heard)
{
    struct held held;
    REQUIRE(held_open(&held));
    struct aio_signal *signal = signal_of(SIGPIPE, SIGXFSZ);
    REQUIRE(signal != NULL);
    for (int i = 0; i < 10; i++) {
        int number = i % 2 == 0 ? SIGPIPE : SIGXFSZ;
        AIO_CHECK_EQ(kill(getpid(), number), 0);
        AIO_CHECK(signal_collect(signal, number, 1));
    }
    AIO_CHECK_EQ(aio_signal_close(signal), 0);
    held_close(&held);
}

/* One that came before anybody had subscribed has waited in the kernel, as all threads that may not
 * die of it have it blocked. */
BEHAVIOUR(one_that_has_waited_is_heard)
{
    struct held held;
    REQUIRE(held_open(&held));
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    struct aio_signal *signal = signal_of(SIGPIPE, 0);
    REQUIRE(signal != NULL);
    AIO_CHECK(signal_collect(signal, SIGPIPE, 1));
    aio_signal_close(signal);
    held_close(&held);
}

static atomic_int handled;

static void handle(int number)
{
    (void)number;
    atomic_fetch_add(&handled, 1);
}

static bool has_handled(void *unused)
{
    (void)unused;
    return handled > 0;
}

static int be_sent_both(void *unused)
{
    struct held held;
    struct aio_stream *reader, *writer;
    (void)unused;
    if (!held_open(&held) || !AIO_CHECK_OK(aio_pipe_open(&reader, &writer)))
        return 1;
    aio_stream_close(reader);
    AIO_CHECK_ERROR(aio_stream_write(writer, "x", 1), -EPIPE);
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    AIO_CHECK_ERROR(aio_stream_write(writer, "x", 1), -EPIPE);
    aio_stream_close(writer);
    held_close(&held);
    return 0;
}

/* Of what nobody has subscribed to, what the core has raised itself goes with it; what was sent to
 * the process comes when it is let through. */
BEHAVIOUR_OUTSIDE(one_sent_to_the_process_comes_at_the_end)
{
    struct sigaction former, counting = {.sa_handler = handle};
    handled = 0;
    REQUIRE(sigaction(SIGPIPE, &counting, &former) == 0);
    AIO_CHECK_EQ(test_run(be_sent_both, NULL), 0);
    AIO_CHECK(test_wait_outside(has_handled, NULL)); /* ThreadSanitizer delivers late */
    AIO_CHECK_EQ(handled, 1);
    AIO_CHECK_EQ(sigaction(SIGPIPE, &former, NULL), 0);
}

/* A write that is told of its error is told once. */
BEHAVIOUR(those_of_own_calls_are_not_heard)
{
    struct held held;
    struct aio_stream *reader, *writer;
    REQUIRE(held_open(&held));
    REQUIRE_OK(aio_pipe_open(&reader, &writer));
    struct aio_signal *signal = signal_of(SIGPIPE, SIGXFSZ);
    REQUIRE(signal != NULL);
    aio_stream_close(reader);
    for (int i = 0; i < 10; i++)
        AIO_CHECK_ERROR(aio_stream_write(writer, "x", 1), -EPIPE);
    AIO_CHECK_EQ(kill(getpid(), SIGXFSZ), 0);
    AIO_CHECK(signal_collect(signal, SIGXFSZ, 1));
    signal_drained(signal);
    aio_stream_close(writer);
    AIO_CHECK_EQ(aio_signal_close(signal), 0);
    held_close(&held);
}

/* Of two subscriptions each hears it, and the second one still does when the first is closed. */
BEHAVIOUR(every_subscription_hears_them)
{
    struct held held;
    REQUIRE(held_open(&held));
    struct aio_signal *first = signal_of(SIGPIPE, SIGUSR1), *second = signal_of(SIGPIPE, 0);
    REQUIRE(first != NULL && second != NULL);
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    AIO_CHECK(signal_collect(first, SIGPIPE, 1) && signal_collect(second, SIGPIPE, 1));
    aio_signal_close(first);
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    AIO_CHECK(signal_collect(second, SIGPIPE, 1));
    aio_signal_close(second);
    held_close(&held);
}

static atomic_bool stop_sending;

static void *send_without_end(void *unused)
{
    while (!stop_sending) {
        (void)kill(getpid(), SIGPIPE);
        (void)sched_yield();
    }
    return unused;
}

/* Its disposition is the default one between them: the process lives only if a signal that is
 * neither handled nor held back never gets to it. */
BEHAVIOUR(subscriptions_come_and_go_in_a_storm)
{
    enum { ROUNDS = 100 };
    struct held held;
    struct sigaction former, by_default = {.sa_handler = SIG_DFL},
                             ignored = {.sa_handler = SIG_IGN};
    pthread_t thread;
    if (UNDER_TSAN) {
        aio_test_skip("ThreadSanitizer delivers signals late");
        return;
    }
    REQUIRE(held_open(&held) && sigaction(SIGPIPE, &by_default, &former) == 0);
    stop_sending = false;
    REQUIRE(thread_start(&thread, send_without_end, NULL));
    for (int i = 0; i < ROUNDS; i++) {
        struct aio_signal_info info;
        struct aio_signal *signal = signal_of(SIGPIPE, 0);
        REQUIRE(signal != NULL);
        if (i % 4 == 0)
            AIO_CHECK_OK(aio_signal_wait(signal, &info));
        aio_signal_close(signal);
        AIO_CHECK(signal_handled_by(SIGPIPE, SIG_DFL));
    }
    stop_sending = true;
    thread_join(thread);
    AIO_CHECK_EQ(sigaction(SIGPIPE, &ignored, NULL), 0); /* and the last one is forgotten */
    AIO_CHECK_EQ(sigaction(SIGPIPE, &former, NULL), 0);
    held_close(&held);
}

static int hear_in_child(void *unused)
{
    struct held held;
    (void)unused;
    if (!held_open(&held))
        return 1;
    struct aio_signal *signal = signal_of(SIGPIPE, 0);
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    bool heard = signal != NULL && signal_collect(signal, SIGPIPE, 1);
    aio_signal_close(signal);
    held_close(&held);
    return heard ? 9 : 1;
}

/* The thread that lets the signals through is not in a child of fork(2), which may have its own. */
BEHAVIOUR(forked_child_hears_for_itself)
{
    struct held held;
    int status = -1;
    if (!child_may_have_threads())
        return;
    REQUIRE(held_open(&held));
    struct aio_signal *signal = signal_of(SIGPIPE, 0);
    REQUIRE(signal != NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(test_run(hear_in_child, NULL));
    AIO_CHECK_EQ(waitpid(pid, &status, 0), pid);
    AIO_CHECK(WIFEXITED(status) && AIO_CHECK_EQ(WEXITSTATUS(status), 9));
    signal_drained(signal);
    AIO_CHECK_EQ(kill(getpid(), SIGPIPE), 0);
    AIO_CHECK(signal_collect(signal, SIGPIPE, 1));
    aio_signal_close(signal);
    held_close(&held);
}
