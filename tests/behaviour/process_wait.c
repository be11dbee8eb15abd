/*
 * Waiting for processes, and what becomes of those that nobody waits for.
 */
#define SUITE "process_wait"
#include "tests/behaviour/process_tools.h"

#include <aio/poll.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct waiter {
    struct aio_process *process;
    struct aio_process_status status;
    struct aio_task *task;
    int rc;
};

static int wait_run(void *arg)
{
    struct waiter *waiter = arg;
    waiter->rc = aio_process_wait(waiter->process, &waiter->status);
    return 0;
}

static void wait_start(struct waiter *waiter, struct aio_process *process, const char *name)
{
    *waiter = (struct waiter){.process = process, .rc = 1};
    waiter->task = task_named(name, wait_run, waiter);
    AIO_CHECK(task_wait_parked(name));
}

static int wait_join(struct waiter *waiter)
{
    AIO_CHECK_OK(aio_task_join(waiter->task, NULL));
    return waiter->rc;
}

BEHAVIOUR(status_is_kept)
{
    struct aio_process *process = shell_spawn("exit 9", NULL);
    struct aio_process_status status = {.code = 0};
    REQUIRE(process != NULL);
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_OK(aio_process_wait(process, &status));
        AIO_CHECK_EQ(status.code, 9);
        AIO_CHECK_EQ(status.signal, 0);
    }
    AIO_CHECK_OK(aio_process_wait(process, NULL));
    AIO_CHECK(status.usage.ru_maxrss > 0);
    AIO_CHECK_ERROR(aio_process_kill(process, SIGKILL), -ESRCH);
    AIO_CHECK_ERROR(aio_process_killpg(process, SIGKILL), -EINVAL);
    no_children();
    aio_process_close(process);
}

BEHAVIOUR(ended_by_a_signal)
{
    struct aio_process *process = endless_spawn();
    struct aio_process_status status;
    REQUIRE(process != NULL);
    AIO_CHECK_OK(aio_process_kill(process, 0));
    AIO_CHECK_ERROR(aio_process_kill(process, 999), -EINVAL);
    AIO_CHECK_OK(aio_process_kill(process, SIGUSR1));
    AIO_CHECK_OK(aio_process_wait(process, &status));
    AIO_CHECK_EQ(status.code, -1);
    AIO_CHECK_EQ(status.signal, SIGUSR1);
    AIO_CHECK(!status.dumped);
    aio_process_close(process);
}

BEHAVIOUR(several_wait)
{
    struct waiter waiters[3];
    struct aio_process *process = endless_spawn();
    REQUIRE(process != NULL);
    wait_start(&waiters[0], process, "first");
    wait_start(&waiters[1], process, "second");
    wait_start(&waiters[2], process, "third");
    aio_task_cancel(waiters[0].task); /* the others are not disturbed */
    AIO_CHECK_ERROR(wait_join(&waiters[0]), -ECANCELED);
    AIO_CHECK_OK(aio_process_kill(process, SIGTERM));
    for (int i = 1; i < 3; i++) {
        AIO_CHECK_OK(wait_join(&waiters[i]));
        AIO_CHECK_EQ(waiters[i].status.signal, SIGTERM);
    }
    aio_process_close(process);
}

BEHAVIOUR(cancel_and_deadline)
{
    struct aio_process *process = endless_spawn();
    struct waiter waiter;
    REQUIRE(process != NULL);
    for (int i = 0; i < 3; i++) {
        wait_start(&waiter, process, "waiter");
        aio_task_cancel(waiter.task);
        AIO_CHECK_ERROR(wait_join(&waiter), -ECANCELED);
        AIO_TIMEOUT(AIO_MS(2))
        {
            AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ETIMEDOUT);
        }
    }
    AIO_CHECK_OK(aio_process_kill(process, 0));
    AIO_CHECK_OK(aio_process_kill(process, SIGKILL));
    AIO_CHECK_EQ(process_end(process), -SIGKILL);
}

/* The end that comes in the moment of the cancellation is either told or still to be asked for. */
BEHAVIOUR(end_against_cancel)
{
    for (int i = 0; i < 8; i++) {
        struct aio_process *process = endless_spawn();
        struct waiter waiter;
        REQUIRE(process != NULL);
        wait_start(&waiter, process, "waiter");
        AIO_CHECK_OK(aio_process_kill(process, SIGKILL));
        for (int turns = i; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        aio_task_cancel(waiter.task);
        int rc = wait_join(&waiter);
        AIO_CHECK(rc == 0 || rc == -ECANCELED);
        AIO_CHECK_EQ(process_end(process), -SIGKILL);
    }
    no_children();
}

BEHAVIOUR(close_ends_waits_and_the_process)
{
    struct aio_process *process = endless_spawn();
    struct waiter waiters[2];
    REQUIRE(process != NULL);
    pid_t pid = aio_process_pid(process);
    wait_start(&waiters[0], process, "first");
    wait_start(&waiters[1], process, "second");
    aio_process_close(process);
    AIO_CHECK_ERROR(wait_join(&waiters[0]), -EBADF);
    AIO_CHECK_ERROR(wait_join(&waiters[1]), -EBADF);
    AIO_CHECK(kill(pid, 0) < 0 && errno == ESRCH);
    no_children();
    aio_process_close(NULL);
}

/* A descriptor for those who have a loop of their own. */
BEHAVIOUR(descriptor_becomes_readable)
{
    struct aio_process *process = shell_spawn("exit 1", NULL);
    REQUIRE(process != NULL);
    AIO_CHECK_EQ(aio_poll_wait(aio_process_pidfd(process), POLLIN) & POLLIN, POLLIN);
    AIO_CHECK_EQ(process_end(process), 1);
}

static pid_t left_pid;

static int leave_one(void *detached)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.detached = detached != NULL;
    struct aio_process *process = shell_spawn("exec sleep 1000", &options);
    left_pid = process == NULL ? 0 : aio_process_pid(process);
    return 0;
}

/* The end of the runtime ends what was left open. */
BEHAVIOUR_OUTSIDE(end_of_the_runtime)
{
    AIO_CHECK_EQ(test_run(leave_one, NULL), 0);
    AIO_CHECK(left_pid > 0 && kill(left_pid, 0) < 0 && errno == ESRCH);
    no_children();
}

static bool left_one_is_reaped(void *unused)
{
    (void)unused;
    return kill(left_pid, 0) < 0 && errno == ESRCH;
}

/* A detached one lives on, and is reaped when it ends, after the end of all runtimes. */
BEHAVIOUR_OUTSIDE(detached_outlives_the_runtime)
{
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_EQ(test_run(leave_one, &left_pid), 0);
        REQUIRE(left_pid > 0);
        AIO_CHECK_EQ(kill(left_pid, 0), 0);
        AIO_CHECK_EQ(kill(left_pid, SIGKILL), 0);
        AIO_CHECK(test_wait_outside(left_one_is_reaped, NULL));
    }
    no_children();
}

/* It may have ended already. */
BEHAVIOUR(detached_and_ended)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.detached = true;
    struct aio_process *process = shell_spawn("exit 0", &options);
    REQUIRE(process != NULL);
    AIO_CHECK(process_wait_gone(aio_process_pid(process)));
    aio_process_close(process);
    no_children();
}

static struct aio_process *detached_sleeper(void)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.detached = true;
    return shell_spawn("exec sleep 1000", &options);
}

static void kill_and_wait_reaped(pid_t pid)
{
    left_pid = pid;
    AIO_CHECK_EQ(kill(pid, SIGKILL), 0);
    AIO_CHECK(test_wait(left_one_is_reaped, NULL));
}

/* A process that has copies of all our descriptors keeps none of them alive for us. */
BEHAVIOUR(detached_beside_a_fork)
{
    enum { FDS = 8 };
    struct aio_process *first = detached_sleeper(), *second = detached_sleeper();
    REQUIRE(first != NULL && second != NULL);
    pid_t pids[2] = {aio_process_pid(first), aio_process_pid(second)};
    int fds[FDS];
    pid_t copy = fork();
    if (copy == 0) {
        (void)pause();
        _exit(0);
    }
    aio_process_close(first);
    aio_process_close(second);
    kill_and_wait_reaped(pids[0]);
    for (int i = 0; i < FDS; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    kill_and_wait_reaped(pids[1]);
    for (int i = 0; i < FDS; i++)
        AIO_CHECK_EQ(close(fds[i]), 0);
    AIO_CHECK_EQ(kill(copy, SIGKILL), 0);
    AIO_CHECK_EQ(waitpid(copy, NULL, 0), copy);
    no_children();
}

/* It is reaped also when there is no descriptor for that. */
BEHAVIOUR(detached_without_descriptors)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct rlimit before, none;
    options.detached = true;
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps RLIMIT_NOFILE from the kernel");
        return;
    }
    struct aio_process *process = shell_spawn("exec sleep 1000", &options);
    REQUIRE(process != NULL);
    left_pid = aio_process_pid(process);
    int next = dup(0);
    close(next);
    AIO_CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)next;
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
    aio_process_close(process);
    AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    AIO_CHECK_EQ(kill(left_pid, SIGKILL), 0);
    AIO_CHECK(test_wait(left_one_is_reaped, NULL));
    no_children();
}

/* Somebody else takes what is ours. */
BEHAVIOUR(status_taken_by_somebody)
{
    struct aio_process *process = shell_spawn("exit 0", NULL);
    REQUIRE(process != NULL);
    AIO_CHECK_EQ(waitpid(aio_process_pid(process), NULL, 0), aio_process_pid(process));
    AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ECHILD);
    AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ECHILD);
    AIO_CHECK_ERROR(aio_process_stop(process, AIO_MS(1), NULL), -ECHILD);
    AIO_CHECK_ERROR(aio_process_kill(process, SIGTERM), -ESRCH);
    aio_process_close(process);
}

/* Starts somebody who debugs the process and never looks. Returns 0 where that is forbidden. */
static pid_t debugger_start(pid_t pid)
{
    int ready[2];
    char byte = 'n';
    if (!AIO_CHECK_EQ(pipe(ready), 0))
        return 0;
    pid_t debugger = fork();
    if (debugger == 0) {
        alarm(20);
        byte = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? 'y' : 'n';
        (void)!write(ready[1], &byte, 1);
        for (;;)
            (void)pause();
    }
    AIO_CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    if (byte == 'y')
        return debugger;
    kill(debugger, SIGKILL);
    (void)waitpid(debugger, NULL, 0);
    aio_test_skip("this system lets nobody debug");
    return 0;
}

/* The end that a debugger has to see first is awaited, and not asked for again and again; the wait
 * is interrupted as any other. */
BEHAVIOUR(debugger_keeps_the_status)
{
    struct waiter waiters[2];
    struct aio_process *process = endless_spawn();
    REQUIRE(process != NULL);
    pid_t debugger = debugger_start(aio_process_pid(process));
    AIO_CHECK_OK(aio_process_kill(process, SIGKILL));
    if (debugger > 0) {
        AIO_CHECK_EQ(aio_poll_wait(aio_process_pidfd(process), POLLIN) & POLLIN, POLLIN);
        uint64_t ops = task_stats().ops;
        AIO_TIMEOUT(AIO_MS(30))
        {
            AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ETIMEDOUT);
        }
        AIO_CHECK(task_stats().ops - ops < 10);
        wait_start(&waiters[0], process, "first");
        wait_start(&waiters[1], process, "second");
        aio_task_cancel(waiters[0].task);
        AIO_CHECK_ERROR(wait_join(&waiters[0]), -ECANCELED);
        AIO_CHECK_EQ(kill(debugger, SIGKILL), 0);
        AIO_CHECK_EQ(waitpid(debugger, NULL, 0), debugger);
        AIO_CHECK_OK(wait_join(&waiters[1]));
    }
    AIO_CHECK_EQ(process_end(process), -SIGKILL);
    no_children();
}

/* A close waits for it too, and disturbs those who wait. */
BEHAVIOUR(debugger_keeps_the_status_from_a_close)
{
    struct waiter waiter;
    struct aio_process *process = endless_spawn();
    REQUIRE(process != NULL);
    pid_t debugger = debugger_start(aio_process_pid(process));
    AIO_CHECK_OK(aio_process_kill(process, SIGKILL));
    if (debugger > 0) {
        AIO_CHECK_EQ(aio_poll_wait(aio_process_pidfd(process), POLLIN) & POLLIN, POLLIN);
        wait_start(&waiter, process, "waiter");
        AIO_CHECK_EQ(kill(debugger, SIGKILL), 0);
        aio_process_close(process);
        AIO_CHECK_ERROR(wait_join(&waiter), -EBADF);
        AIO_CHECK_EQ(waitpid(debugger, NULL, 0), debugger);
    } else {
        aio_process_close(process);
    }
    no_children();
}

/* Nor does it keep the status of others from being taken. */
BEHAVIOUR(debugger_holds_up_no_others)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    options.detached = true;
    struct aio_process *held = shell_spawn("exec sleep 1000", &options);
    struct aio_process *other = shell_spawn("exec sleep 1000", &options);
    REQUIRE(held != NULL && other != NULL);
    pid_t debugger = debugger_start(aio_process_pid(held)), held_pid = aio_process_pid(held);
    AIO_CHECK_OK(aio_process_kill(held, SIGKILL));
    AIO_CHECK_EQ(aio_poll_wait(aio_process_pidfd(held), POLLIN) & POLLIN, POLLIN);
    left_pid = aio_process_pid(other);
    aio_process_close(held);
    aio_process_close(other);
    AIO_CHECK_EQ(kill(left_pid, SIGKILL), 0);
    AIO_CHECK(test_wait(left_one_is_reaped, NULL));
    if (debugger > 0) {
        AIO_CHECK_EQ(kill(held_pid, 0), 0);
        AIO_CHECK_EQ(kill(debugger, SIGKILL), 0);
        AIO_CHECK_EQ(waitpid(debugger, NULL, 0), debugger);
        left_pid = held_pid;
        AIO_CHECK(test_wait(left_one_is_reaped, NULL));
    }
    no_children();
}

/* Children of the program's own are left alone. */
BEHAVIOUR(other_children_are_not_touched)
{
    pid_t other = fork();
    if (other == 0)
        _exit(23);
    AIO_CHECK_EQ(process_end(shell_spawn("exit 2", NULL)), 2);
    int status = 0;
    AIO_CHECK_EQ(waitpid(other, &status, 0), other);
    AIO_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 23);
}
