/*
 * Signals that come while next to nothing is left of a task's stack: their handler has another one.
 * With sanitizers a task of the smallest stack has nothing left at all.
 */
#define SUITE "signal_stack"
#include "tests/behaviour/signal_tools.h"

#include <sys/syscall.h>

#if !UNDER_ASAN && !UNDER_TSAN

enum { STACK_BYTES = 16384, ROOM = 1024 }; /* less than the kernel's frame for a handler */

/* The lowest address of a task's stack, by a variable of its first page. */
static uintptr_t stack_base(const void *variable)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t top = ((uintptr_t)variable + page) / page * page;
    return top - (page > STACK_BYTES ? page : STACK_BYTES);
}

struct deep {
    uintptr_t base; /* of the stack */
    long pid;
    long tid;
};

/* Goes down to the end of the stack and signals the thread there. */
static __attribute__((noinline)) int descend(const struct deep *deep)
{
    volatile char frame[64];
    if ((uintptr_t)frame - deep->base > ROOM)
        frame[0] = (char)descend(deep);
    else
        frame[0] = (char)syscall(SYS_tgkill, deep->pid, deep->tid, SIGUSR1);
    return frame[0];
}

static int be_signalled(void *arg)
{
    char here = 0;
    struct deep *deep = arg;
    deep->base = stack_base(&here);
    deep->pid = syscall(SYS_getpid); /* which binds the function as well: that takes some stack */
    deep->tid = syscall(SYS_gettid);
    return descend(deep);
}

static void signal_at_the_end_of_a_stack(void)
{
    struct aio_task_options options = AIO_TASK_OPTIONS;
    struct aio_task *task;
    struct deep deep;
    int result = -1;
    struct aio_signal *signal = signal_of(SIGUSR1, 0);
    options.stack_bytes = STACK_BYTES;
    if (signal == NULL || !AIO_CHECK_OK(aio_task_spawn(&task, be_signalled, &deep, &options)))
        return;
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_EQ(result, 0);
    AIO_CHECK(signal_collect(signal, SIGUSR1, 1));
    aio_signal_close(signal);
}

BEHAVIOUR(end_of_a_stack)
{
    signal_at_the_end_of_a_stack();
}

/* Also where the library leaves SIGSEGV alone. */
BEHAVIOUR_WITH(end_of_a_stack_without_the_handler_of_faults,
               .flags = AIO_RUNTIME_NO_OVERFLOW_HANDLER)
{
    signal_at_the_end_of_a_stack();
}

#endif
