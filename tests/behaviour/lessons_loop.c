/*
 * What went wrong elsewhere, in the loop: rings that are full, signals that interrupt, operations
 * that never wait, forks, and frames that outlive nothing.
 */
#define SUITE "lessons_loop"
#include "tests/behaviour/tcp_support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CROWD = 300 };

/* Connections with a reader each. */
struct crowd {
    struct tcp_raw raws[CROWD];
    struct tcp_call calls[CROWD];
    char bytes[CROWD];
};

static struct crowd crowd;

static bool crowd_open(void)
{
    struct tcp_raw_server server;
    if (!tcp_raw_server_open(&server, 0))
        return false;
    for (int i = 0; i < CROWD; i++)
        if (!tcp_raw_server_connect(&server, &crowd.raws[i]))
            return false;
    tcp_raw_server_close(&server);
    return true;
}

static bool crowd_read(void)
{
    for (int i = 0; i < CROWD; i++) {
        crowd.bytes[i] = 0;
        crowd.calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = crowd.raws[i].stream, .buffer = &crowd.bytes[i], .size = 1};
        if (!tcp_call_start(&crowd.calls[i]))
            return false;
    }
    return true;
}

static void crowd_close(void)
{
    for (int i = 0; i < CROWD; i++)
        tcp_raw_close(&crowd.raws[i]);
}

/* Far more operations than the smallest ring has entries, submitted in one turn, completed in one
 * turn, and cancelled in one turn: none is dropped. */
BEHAVIOUR_WITH(small_ring, .ring_entries = 8)
{
    REQUIRE(crowd_open());
    for (int round = 0; round < 3; round++) {
        REQUIRE(crowd_read());
        if (round != 1)
            tcp_settle(); /* else they have not been handed to the kernel */
        for (int i = 0; i < CROWD; i++)
            REQUIRE(tcp_plain_send(crowd.raws[i].fd, "f", 1));
        for (int i = 0; i < CROWD; i++) {
            AIO_CHECK_EQ(tcp_call_join(&crowd.calls[i]), 1);
            AIO_CHECK_EQ(crowd.bytes[i], 'f');
        }
        REQUIRE(crowd_read());
        if (round != 1)
            tcp_settle();
        for (int i = 0; i < CROWD; i++)
            aio_task_cancel(crowd.calls[i].task);
        for (int i = 0; i < CROWD; i++)
            AIO_CHECK_ERROR(tcp_call_join(&crowd.calls[i]), -ECANCELED);
    }
    crowd_close();
}

/* Closing them all in one turn. */
BEHAVIOUR_WITH(small_ring_close, .ring_entries = 8)
{
    REQUIRE(crowd_open());
    REQUIRE(crowd_read());
    tcp_settle();
    for (int i = 0; i < CROWD; i++) {
        aio_stream_close(crowd.raws[i].stream);
        AIO_CHECK_ERROR(tcp_call_join(&crowd.calls[i]), -EBADF);
        close(crowd.raws[i].fd);
    }
}

/* Deadlines that all run out in one turn. */
BEHAVIOUR_WITH(small_ring_deadlines, .ring_entries = 8)
{
    REQUIRE(crowd_open());
    for (int i = 0; i < CROWD; i++) {
        crowd.calls[i] = (struct tcp_call){.kind = TCP_READ,
                                           .object = crowd.raws[i].stream,
                                           .buffer = &crowd.bytes[i],
                                           .size = 1,
                                           .timeout_ns = AIO_MS(5)};
        REQUIRE(tcp_call_start(&crowd.calls[i]));
    }
    for (int i = 0; i < CROWD; i++)
        AIO_CHECK_ERROR(tcp_call_join(&crowd.calls[i]), -ETIMEDOUT);
    crowd_close();
}

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

/* Signals every half millisecond, with a handler that does not restart calls. */
static void alarms_begin(struct sigaction *former, int flags)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    struct itimerval every = {{0, 500}, {0, 500}};
    alarms = 0;
    AIO_CHECK(sigaction(SIGALRM, &action, former) == 0);
    AIO_CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static void alarms_end(const struct sigaction *former)
{
    struct itimerval never = {{0, 0}, {0, 0}};
    AIO_CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    AIO_CHECK(sigaction(SIGALRM, former, NULL) == 0);
    AIO_CHECK(alarms > 5);
}

/* Signals neither end a wait nor make it longer, nor lose what comes. */
static void wait_under_signals(int flags)
{
    struct tcp_raw raw;
    struct sigaction former;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    alarms_begin(&former, flags);
    for (int i = 0; i < 3 || (i < 100 && alarms < 6); i++) { /* late ones are merged */
        int64_t start = aio_time_now();
        AIO_TIMEOUT(AIO_MS(10))
        {
            AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
        }
        int64_t passed = aio_time_now() - start;
        AIO_CHECK(passed >= AIO_MS(10));
        AIO_CHECK(passed < AIO_SEC(5) * test_slowness()); /* begun anew each time it has no end */
        struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(3)));
        AIO_CHECK(!call.ended);
        REQUIRE(tcp_plain_send(raw.fd, "s", 1));
        AIO_CHECK_EQ(tcp_call_join(&call), 1);
    }
    alarms_end(&former);
    tcp_raw_close(&raw);
}

BEHAVIOUR(signals)
{
    wait_under_signals(0);
}

BEHAVIOUR(signals_that_restart)
{
    wait_under_signals(SA_RESTART);
}

static int count_turns(void *arg)
{
    int *count = arg;
    while (*count >= 0) {
        ++*count;
        AIO_CHECK_OK(aio_task_yield());
    }
    return 0;
}

static int sleep_short(void *arg)
{
    AIO_CHECK_OK(aio_time_sleep(AIO_US(200)));
    *(bool *)arg = true;
    return 0;
}

/* A task whose reads always find something still lets others and timers have their turn. */
BEHAVIOUR(ready_io_starves_nobody)
{
    struct tcp_raw raw;
    struct aio_task *others[2];
    int turns = 0;
    bool slept = false;
    int64_t bytes = 0;
    char *block = calloc(1, 60000), byte;
    REQUIRE(block != NULL);
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_task_spawn(&others[0], count_turns, &turns, NULL));
    REQUIRE_OK(aio_task_spawn(&others[1], sleep_short, &slept, NULL));
    int64_t limit_ns = aio_time_now() + AIO_SEC(10) * test_slowness();
    while (!slept && aio_time_now() < limit_ns) {
        if (bytes == 0) {
            REQUIRE(send(raw.fd, block, 60000, MSG_NOSIGNAL) == 60000);
            bytes = 60000;
        }
        REQUIRE(aio_stream_read(raw.stream, &byte, 1) == 1);
        bytes--;
    }
    AIO_CHECK(slept);
    AIO_CHECK(turns > 1);
    turns = -1;
    AIO_CHECK_OK(aio_task_join(others[0], NULL));
    AIO_CHECK_OK(aio_task_join(others[1], NULL));
    tcp_raw_close(&raw);
    free(block);
}

/* A fork without exec, while operations are in flight: the parent's go on, the child's copies of
 * them do nothing. */
BEHAVIOUR(fork_in_a_task)
{
    struct tcp_raw raw;
    char bytes[3] = "";
    int status = -1;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {
        .kind = TCP_READ_EXACT, .object = raw.stream, .buffer = bytes, .size = 2};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    REQUIRE(child > 0);
    REQUIRE(tcp_plain_send(raw.fd, "o", 1));
    AIO_CHECK_EQ(waitpid(child, &status, 0), child);
    AIO_CHECK_EQ(status, 0);
    REQUIRE(tcp_plain_send(raw.fd, "k", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 2);
    AIO_CHECK_STR(bytes, "ok");
    tcp_raw_close(&raw);
}
