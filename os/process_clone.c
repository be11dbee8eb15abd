/*
 * Making a child. As with vfork(2) it shares our memory and this thread waits until it has executed
 * its program or ended: nothing is copied, which is what makes fork(2) slow. It has a stack of its
 * own, and no signal handler of ours can run in it.
 *
 * Memory is not shared where that would do harm: with a child that changes its user, as others of
 * that user could get at it, and the kernel would treat our whole memory as a secret; and under the
 * sanitizers, which keep books of it. So its error is told through a page that is shared in any
 * case, as the stack is, which stands in the same mapping.
 */
#include "os/process.h"

#include "core/sanitize.h"

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(AIO__ASAN) || defined(AIO__TSAN)
#define CLONE_SHARES_MEMORY false
#else
#define CLONE_SHARES_MEMORY true
#endif

#define CLONE_STACK_BYTES ((size_t)64 * 1024)

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* The report at its beginning, the child's stack growing down from its end. */
static void *clone_map(void)
{
    void *map = mmap(NULL, CLONE_STACK_BYTES, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return map == MAP_FAILED ? NULL : map;
}

bool aio__process_shares(const struct aio_process_options *options)
{
    return CLONE_SHARES_MEMORY && options->uid == (uid_t)-1 && options->gid == (gid_t)-1;
}

static int clone_flags(const struct aio_process_options *options)
{
    return CLONE_VFORK | CLONE_PIDFD | SIGCHLD | (aio__process_shares(options) ? CLONE_VM : 0);
}

/* With every signal blocked, those that libc keeps for itself included. */
static pid_t clone_quietly(struct aio__process_plan *plan, char *stack, int *pidfd)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t before;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof all);
    pid_t pid = clone(aio__process_child, stack, clone_flags(plan->options), plan, pidfd);
    int rc = pid < 0 ? -errno : pid;
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
    return rc;
}

pid_t aio__process_clone(struct aio__process_plan *plan, int *pidfd)
{
    char *map = clone_map();
    if (map == NULL)
        return -ENOMEM;
    plan->report = (struct aio__process_report *)(void *)map;
    pid_t pid = clone_quietly(plan, map + CLONE_STACK_BYTES, pidfd);
    int error = plan->report->error;
    (void)munmap(map, CLONE_STACK_BYTES);
    if (pid < 0 || error == 0)
        return pid;
    (void)aio__process_look(*pidfd, 0, NULL);
    (void)close(*pidfd);
    return -error;
}

/* Our own process is none that can be waited for, but a kernel without P_PIDFD would not come so
 * far as to say so. */
static int probe_kernel(void)
{
    siginfo_t info;
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd < 0)
        return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ENOSYS;
    int rc = waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG);
    rc = rc < 0 && errno == ECHILD ? 0 : -ENOSYS;
    (void)close(fd);
    return rc;
}

int aio__process_probe(void)
{
    static atomic_bool known;
    if (atomic_load_explicit(&known, memory_order_relaxed))
        return 0;
    int rc = probe_kernel();
    if (rc == 0)
        atomic_store_explicit(&known, true, memory_order_relaxed);
    return rc;
}
