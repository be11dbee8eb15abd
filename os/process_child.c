/*
 * The child, between clone and exec. It may share all memory with us, its thread's errno included,
 * which is fine as long as the thread that made it waits: so here are only system calls, made
 * directly. (libc's functions for user and group would change those of all our threads.)
 */
#include "os/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CHILD_SIGNALS 64      /* of the kernel */
#define CHILD_CLOSE_ON_EXEC 4 /* CLOSE_RANGE_CLOEXEC, which libc's headers may not have */

/* A disposition and a set of signals as the kernel has them. */
struct child_action {
    void (*handler)(int number);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

/* The system call's result or -errno. */
#define CHILD_CALL(...) child_result(syscall(__VA_ARGS__))

static int child_result(long result)
{
    return result < 0 ? -errno : (int)result;
}

/* Exec would do so with handlers, but a signal that comes once the mask is empty would still find
 * ours. Two signals have no disposition, which is an error to ignore. */
static void child_reset_signals(const struct aio_process_options *options)
{
    for (int number = 1; number <= CHILD_SIGNALS; number++) {
        struct child_action action = {.handler = SIG_DFL};
        if (options->keep_ignored &&
            CHILD_CALL(SYS_rt_sigaction, number, NULL, &action, sizeof action.mask) == 0 &&
            action.handler == SIG_IGN)
            continue;
        action = (struct child_action){.handler = SIG_DFL};
        (void)CHILD_CALL(SYS_rt_sigaction, number, &action, NULL, sizeof action.mask);
    }
}

static int child_unblock_signals(void)
{
    const uint64_t none = 0;
    return CHILD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof none);
}

static int child_set_group(const struct aio_process_options *options)
{
    if (options->session)
        return CHILD_CALL(SYS_setsid); /* which makes a group too, and lets no other be made */
    return options->group >= 0 ? CHILD_CALL(SYS_setpgid, 0, options->group) : 0;
}

/* The kernel's getpriority gives 20 less the value. */
static int child_set_nice(int more)
{
    int now = CHILD_CALL(SYS_getpriority, PRIO_PROCESS, 0);
    return now < 0 ? now : CHILD_CALL(SYS_setpriority, PRIO_PROCESS, 0, 20 - now + more);
}

static int child_set_resources(const struct aio_process_options *options)
{
    int rc = 0;
    if (options->umask >= 0)
        (void)CHILD_CALL(SYS_umask, options->umask);
    if (options->nice != 0)
        rc = child_set_nice(options->nice);
    for (size_t i = 0; i < options->limit_count && rc >= 0; i++)
        rc = CHILD_CALL(SYS_prlimit64, 0, options->limits[i].resource, &options->limits[i].limit,
                        NULL);
    return rc;
}

/* What getdents64(2) writes. */
struct child_entry {
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* Those in a listing of /proc/self/fd become close-on-exec: all whose names are numbers. */
static void child_seal_listed(const char *listing, int bytes)
{
    const struct child_entry *entry;
    for (int at = 0; at < bytes; at += entry->size) {
        entry = (const void *)(listing + at);
        int fd = 0;
        for (const char *digit = entry->name; *digit >= '0' && *digit <= '9'; digit++)
            fd = 10 * fd + (*digit - '0');
        if (fd > STDERR_FILENO)
            (void)CHILD_CALL(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    }
}

static int child_seal_by_list(void)
{
    _Alignas(struct child_entry) char listing[2048];
    int fd = CHILD_CALL(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;
    if (fd < 0)
        return fd;
    while ((rc = CHILD_CALL(SYS_getdents64, fd, listing, sizeof listing)) > 0)
        child_seal_listed(listing, rc);
    (void)CHILD_CALL(SYS_close, fd);
    return rc;
}

/* All but the standard ones become close-on-exec. Linux before 5.11, and some containers, refuse
 * to do that at once. */
static int child_seal_fds(void)
{
    int rc = CHILD_CALL(SYS_close_range, 3, ~0U, CHILD_CLOSE_ON_EXEC);
    return rc < 0 ? child_seal_by_list() : rc;
}

/* Whether one of the first so many overwrites that descriptor. */
static bool child_overwrites(const struct aio__process_plan *plan, size_t count, int fd)
{
    for (size_t i = 0; i < count; i++)
        if (plan->fds[i].child == fd && plan->fds[i].parent != fd)
            return true;
    return false;
}

/* A descriptor that is overwritten before its turn is kept where nothing will be. */
static int child_park(const struct aio__process_plan *plan, size_t turn, int *fd)
{
    if (!child_overwrites(plan, turn, *fd))
        return 0;
    for (int least = STDERR_FILENO + 1;;) {
        int rc = CHILD_CALL(SYS_fcntl, *fd, F_DUPFD_CLOEXEC, least);
        if (rc < 0)
            return rc == -EINVAL ? -EMFILE : rc; /* no place is left below the limit */
        if (!child_overwrites(plan, plan->fd_count, rc)) {
            *fd = rc;
            return 0;
        }
        (void)CHILD_CALL(SYS_close, rc);
        least = rc + 1;
    }
}

static int child_park_fds(struct aio__process_plan *plan)
{
    int rc = plan->directory_fd < 0 ? 0 : child_park(plan, plan->fd_count, &plan->directory_fd);
    for (size_t i = 0; i < plan->fd_count && rc >= 0; i++)
        rc = child_park(plan, i, &plan->fds[i].parent);
    return rc;
}

static int child_set_fds(struct aio__process_plan *plan)
{
    int rc = plan->options->inherit_fds ? 0 : child_seal_fds();
    if (rc >= 0)
        rc = child_park_fds(plan);
    for (size_t i = 0; i < plan->fd_count && rc >= 0; i++) {
        const struct aio_process_fd *fd = &plan->fds[i];
        if (fd->parent == fd->child)
            rc = CHILD_CALL(SYS_fcntl, fd->child, F_SETFD, 0);
        else
            rc = CHILD_CALL(SYS_dup3, fd->parent, fd->child, 0);
    }
    return rc;
}

static int child_set_user(const struct aio_process_options *options)
{
    int rc = 0;
    if (options->uid != (uid_t)-1 || options->gid != (gid_t)-1)
        rc = CHILD_CALL(SYS_setgroups, options->group_count, options->groups);
    if (rc >= 0 && options->gid != (gid_t)-1)
        rc = CHILD_CALL(SYS_setresgid, options->gid, options->gid, options->gid);
    if (rc >= 0 && options->uid != (uid_t)-1)
        rc = CHILD_CALL(SYS_setresuid, options->uid, options->uid, options->uid);
    return rc;
}

static int child_set_directory(const struct aio__process_plan *plan)
{
    int rc = 0;
    if (plan->directory_fd >= 0)
        rc = CHILD_CALL(SYS_fchdir, plan->directory_fd);
    if (rc >= 0 && plan->options->directory != NULL)
        rc = CHILD_CALL(SYS_chdir, plan->options->directory);
    return rc;
}

/* Errors after which execvp(3) goes on along PATH: it is not there, and neither may be the file
 * system it would be on. */
static bool child_passes_over(int rc)
{
    return rc == -ENOENT || rc == -ENOTDIR || rc == -EACCES || rc == -ESTALE || rc == -ENODEV ||
           rc == -ETIMEDOUT;
}

/* Along PATH as execvp(3); that one may not be executed is told only if no other can be. */
static int child_execute(const struct aio__process_plan *plan)
{
    int rc = -ENOENT;
    bool refused = false;
    for (const char *program = plan->programs; *program != '\0'; program++) {
        rc = CHILD_CALL(SYS_execve, program, plan->argv, plan->environment);
        refused = refused || rc == -EACCES;
        if (!child_passes_over(rc))
            return rc;
        while (*program != '\0')
            program++;
    }
    return refused ? -EACCES : rc;
}

int aio__process_child(void *arg)
{
    struct aio__process_plan *plan = arg;
    const struct aio_process_options *options = plan->options;
    child_reset_signals(options);
    int rc = child_set_group(options);
    if (rc >= 0)
        rc = child_set_fds(plan);
    if (rc >= 0)
        rc = child_set_resources(options);
    if (rc >= 0)
        rc = child_set_user(options);
    if (rc >= 0)
        rc = child_set_directory(plan);
    if (rc >= 0)
        rc = child_unblock_signals();
    if (rc >= 0)
        rc = child_execute(plan);
    plan->report->error = -rc;
    for (;;)
        (void)syscall(SYS_exit_group, 127);
}
