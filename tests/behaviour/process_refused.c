/*
 * A kernel that does not know processes by descriptors, played by a seccomp filter.
 */
#define SUITE "process_refused"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { NO_FILTER = 77 };

/* Lets a system call fail as one that does not exist. */
static bool refuse(unsigned number)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof program / sizeof program[0], program};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

static int spawn_refused(void *number)
{
    struct aio_process *process = NULL;
    if (!refuse(*(unsigned *)number))
        return NO_FILTER;
    int rc = aio_process_spawn(&process, AIO_ARGV("true"), NULL);
    no_children();
    return rc == -ENOSYS && process == NULL ? 0 : 1;
}

/* Nothing is started that could not be waited for. */
BEHAVIOUR_OUTSIDE(kernel_without_pidfds)
{
    unsigned numbers[] = {SYS_pidfd_open, SYS_waitid};
    struct child child;
    if (!child_may_have_threads())
        return;
    for (int i = 0; i < 2; i++) {
        REQUIRE(child_run_task(&child, spawn_refused, &numbers[i]));
        if (child.status == NO_FILTER << 8)
            aio_test_skip("this system takes no seccomp filter");
        else
            AIO_CHECK(child_exited(&child, 0));
    }
}

static int spawn_without_close_range(void *unused)
{
    (void)unused;
    if (!refuse(SYS_close_range))
        return NO_FILTER;
    return process_end(shell_spawn("exit 0", NULL));
}

/* What is only belt and braces may be missing. */
BEHAVIOUR_OUTSIDE(kernel_without_close_range)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, spawn_without_close_range, NULL));
    if (child.status == NO_FILTER << 8)
        aio_test_skip("this system takes no seccomp filter");
    else
        AIO_CHECK(child_exited(&child, 0));
}
