/*
 * A task whose stack overflows: the process dies with a message that names it, and the program's
 * own handlers get their turn. Each in a process of its own.
 */
#define SUITE "overflow"
#include "tests/behaviour/task_tools.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int depth_limit = 1 << 28;

/* Each frame is touched, as -fstack-clash-protection would see to. */
static __attribute__((noinline)) int recurse(int depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    if (depth < depth_limit)
        frame[1] = (char)recurse(depth + 1);
    return frame[0] + frame[1];
}

static int overflow(void *unused)
{
    (void)unused;
    return recurse(0);
}

static int overflow_with(size_t stack_bytes, const char *name)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_task *task;
    options.name = name;
    options.stack_bytes = stack_bytes;
    if (!AIO_CHECK_OK(aio_task_spawn(&task, overflow, NULL, &options)))
        return 1;
    return aio_task_join(task, NULL);
}

static int overflow_512_kib(void *unused)
{
    (void)unused;
    return overflow_with((size_t)512 << 10, "glutton");
}

/* Died of the fault: by SIGSEGV, or, under a sanitizer that catches it, by its own exit. */
static void child_faulted(const struct child *child)
{
#if UNDER_ASAN || UNDER_TSAN
    AIO_CHECK(child->status != 0);
#else
    child_killed(child, SIGSEGV);
#endif
}

/* The message names the task, the size of its stack and the address. */
BEHAVIOUR_OUTSIDE(message_names_task_size_and_address)
{
    struct child child;
    REQUIRE(child_run_task(&child, overflow_512_kib, NULL));
    child_faulted(&child);
    child_said(&child, "stack overflow in task 'glutton'");
    child_said(&child, "524288 bytes");
    child_said(&child, "fault at 0x");
}

static int overflow_pooled(void *unused)
{
    (void)unused;
    return overflow_with(0, "pooled");
}

/* So it does for a stack of the usual size, below which another task's stack stands. */
BEHAVIOUR_OUTSIDE(overflow_of_a_pooled_stack)
{
    struct child child;
    REQUIRE(child_run_task(&child, overflow_pooled, NULL));
    child_faulted(&child);
    child_said(&child, "stack overflow in task 'pooled'");
}

/* And for the first task. */
BEHAVIOUR_OUTSIDE(overflow_of_the_first_task)
{
    struct child child;
    REQUIRE(child_run_task(&child, overflow, NULL));
    child_faulted(&child);
    child_said(&child, "stack overflow in task 'main'");
}

static void *run_overflow(void *unused)
{
    (void)test_run(overflow_512_kib, unused);
    return NULL;
}

static int overflow_on_a_thread(void *unused)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_overflow, unused) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 0;
}

/* On whatever thread the runtime runs. */
BEHAVIOUR_OUTSIDE(overflow_on_another_thread)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run(&child, overflow_on_a_thread, NULL));
    child_faulted(&child);
    child_said(&child, "stack overflow in task 'glutton'");
}

static void on_fault(int number, siginfo_t *info, void *context)
{
    static const char text[] = "my own handler\n";
    (void)number, (void)context;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit((uintptr_t)info->si_addr > 4096 ? 42 : 43);
}

static void on_plain_fault(int number)
{
    (void)number;
    _exit(44);
}

static int overflow_with_handler(void *unused)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    return test_run(overflow_512_kib, unused);
}

/* The program's own handler is called after the message, with what the kernel said. */
BEHAVIOUR_OUTSIDE(own_handler_is_chained)
{
    struct child child;
    REQUIRE(child_run(&child, overflow_with_handler, NULL));
    child_exited(&child, 42);
    child_said(&child, "stack overflow in task 'glutton'");
    child_said(&child, "my own handler\n");
}

static int overflow_with_plain_handler(void *unused)
{
    signal(SIGSEGV, on_plain_fault); /* tidy: allow signal: the old form is what is tested */
    return test_run(overflow_512_kib, unused);
}

/* So is one of the old form. */
BEHAVIOUR_OUTSIDE(plain_handler_is_chained)
{
    struct child child;
    REQUIRE(child_run(&child, overflow_with_plain_handler, NULL));
    child_exited(&child, 44);
}

/* In the first page, where nothing is; not NULL, which a sanitizer checks for beforehand. */
static char *volatile nowhere = (char *)16;

static int write_nowhere(void *unused)
{
    (void)unused;
    *nowhere = 1;
    return 0;
}

static int fault_with_handler(void *unused)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigaction(SIGSEGV, &action, NULL);
    return test_run(write_nowhere, unused);
}

/* Another fault is no overflow: no message, and the way it would have taken. */
BEHAVIOUR_OUTSIDE(other_faults)
{
    struct child child;
    REQUIRE(child_run_task(&child, write_nowhere, NULL));
    child_faulted(&child);
    AIO_CHECK(strstr(child.text, "stack overflow") == NULL);
    REQUIRE(child_run(&child, fault_with_handler, NULL));
    child_exited(&child, 43);
    AIO_CHECK(strstr(child.text, "stack overflow") == NULL);
}

static int send_segv(void *unused)
{
    (void)unused;
    kill(getpid(), SIGSEGV);
    (void)!aio_time_sleep(AIO_SEC(2));
    return 0;
}

/* A SIGSEGV that somebody sends, which does not repeat like a fault, ends the process too. */
BEHAVIOUR_OUTSIDE(sent_signal)
{
    struct child child;
    REQUIRE(child_run_task(&child, send_segv, NULL));
    child_faulted(&child);
}

/* What libc adds to a disposition that passes through it. */
#define RESTORER 0x04000000

static bool same_action(const struct sigaction *left, const struct sigaction *right)
{
    return ((left->sa_flags ^ right->sa_flags) & ~RESTORER) == 0 &&
           left->sa_sigaction == right->sa_sigaction;
}

static int look_at_action(void *arg)
{
    return sigaction(SIGSEGV, NULL, arg);
}

/* With AIO_RUNTIME_NO_OVERFLOW_HANDLER the disposition of SIGSEGV is left alone; without it, it
 * comes back when the runtime ends. */
BEHAVIOUR_OUTSIDE(disposition)
{
    struct sigaction before, inside, after;
    struct aio_runtime_options options = test_options();
    REQUIRE(sigaction(SIGSEGV, NULL, &before) == 0);
    AIO_CHECK_OK(aio_runtime_run(&options, look_at_action, &inside));
    AIO_CHECK(!same_action(&before, &inside));
    REQUIRE(sigaction(SIGSEGV, NULL, &after) == 0);
    AIO_CHECK(same_action(&before, &after));
    options.flags = AIO_RUNTIME_NO_OVERFLOW_HANDLER;
    AIO_CHECK_OK(aio_runtime_run(&options, look_at_action, &inside));
    AIO_CHECK(same_action(&before, &inside));
}

static int overflow_unhandled(void *unused)
{
    struct aio_runtime_options options = test_options();
    options.flags = AIO_RUNTIME_NO_OVERFLOW_HANDLER;
    return aio_runtime_run(&options, overflow_512_kib, unused);
}

/* Then an overflow says nothing of ours, and still does not go unnoticed. */
BEHAVIOUR_OUTSIDE(overflow_without_the_handler)
{
    struct child child;
    REQUIRE(child_run(&child, overflow_unhandled, NULL));
    child_faulted(&child);
    AIO_CHECK(strstr(child.text, "aio: fatal") == NULL);
}

struct overlap {
    pthread_barrier_t barrier;
};

static int stay_until_met(void *arg)
{
    struct overlap *overlap = arg;
    pthread_barrier_wait(&overlap->barrier);
    pthread_barrier_wait(&overlap->barrier);
    return 0;
}

static void *run_overlapping(void *arg)
{
    (void)test_run(stay_until_met, arg);
    return NULL;
}

static int start_first_end_first(void *arg)
{
    struct overlap *overlap = arg;
    pthread_barrier_wait(&overlap->barrier); /* the other one started meanwhile */
    return 0;
}

/* Two runtimes share the handler; the last to end restores what the first found. */
BEHAVIOUR_OUTSIDE(two_runtimes_share_the_handler)
{
    struct sigaction before, between, after;
    struct overlap overlap;
    pthread_t thread;
    REQUIRE(sigaction(SIGSEGV, NULL, &before) == 0);
    REQUIRE(pthread_barrier_init(&overlap.barrier, NULL, 2) == 0);
    REQUIRE(pthread_create(&thread, NULL, run_overlapping, &overlap) == 0);
    AIO_CHECK_OK(test_run(start_first_end_first, &overlap));
    REQUIRE(sigaction(SIGSEGV, NULL, &between) == 0);
    AIO_CHECK(!same_action(&before, &between));
    pthread_barrier_wait(&overlap.barrier);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&overlap.barrier);
    REQUIRE(sigaction(SIGSEGV, NULL, &after) == 0);
    AIO_CHECK(same_action(&before, &after));
}
