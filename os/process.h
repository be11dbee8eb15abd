/*
 * What the files of child processes share.
 */
#ifndef AIO_OS_PROCESS_H
#define AIO_OS_PROCESS_H

#include "core/handle.h"

#include <aio/process.h>

#define AIO__PROCESS_PIPES 3 /* standard streams */

struct aio_process {
    struct aio__handle handle; /* first member; its descriptor is the pidfd */
    struct aio__gate waiting;  /* one polls, the others queue */
    pid_t pid;
    bool leads; /* a process group, whose number is `pid` */
    bool detached;
    bool ended; /* `status` is valid, or `lost` says why not */
    int lost;   /* 0, or the error that came instead of a status */
    struct aio_process_status status;
    struct aio_stream *streams[AIO__PROCESS_PIPES]; /* our ends, until they are taken */
};

/* What a failed child tells, in memory that both have whether they share the rest or not. */
struct aio__process_report {
    int error; /* errno; 0: the program has been executed */
};

/* A child to be made: all that it needs, prepared beforehand, for it may allocate nothing. */
struct aio__process_plan {
    const struct aio_process_options *options;
    const char *const *argv;
    const char *const *environment;
    const char *programs; /* to be tried in turn, each with its NUL; an empty one ends them */
    struct aio_process_fd *fds;
    size_t fd_count;
    int directory_fd;
    int pipe_fds[AIO__PROCESS_PIPES]; /* the child's ends; -1 */
    struct aio__process_report *report;
    void *copies; /* of what all that points to, for a child that does not share our memory */
};

/* process_plan.c: checks and prepares. Returns 0; -EINVAL, -EBADF, -ENOMEM: nothing to close then.
 */
int aio__process_plan_open(struct aio__process_plan *plan, const char *const *argv,
                           const struct aio_process_options *options);
void aio__process_plan_close(struct aio__process_plan *plan);

/* process_copy.c: lets the plan point to copies. Returns 0 or -ENOMEM. */
int aio__process_plan_copy(struct aio__process_plan *plan);

/* process_pipes.c: makes the pipes, whose one ends are the plan's, the others the process's, and
 * closes either. Returns 0 or -errno: some may be open then. */
int aio__process_pipes_open(struct aio_process *process, struct aio__process_plan *plan);
void aio__process_pipes_given(const struct aio__process_plan *plan);
void aio__process_pipes_close(struct aio_process *process);

/* process_child.c: all that happens in the child, on a stack of its own. Does not return. */
int aio__process_child(void *plan);

/* process_clone.c: makes the child and waits until it executes its program. Blocks. Returns its pid
 * and *pidfd, or -errno: there is no child then. */
pid_t aio__process_clone(struct aio__process_plan *plan, int *pidfd);

/* process_clone.c: whether the child will share our memory. */
bool aio__process_shares(const struct aio_process_options *options);

/* Whether the kernel knows processes by descriptors: 0 or -ENOSYS. */
int aio__process_probe(void);

/* process.c: a handle for it; NULL: no memory. */
struct aio_process *aio__process_alloc(const struct aio_process_options *options);
void aio__process_begin(struct aio_process *process, struct aio__core *core, pid_t pid, int pidfd);

/* process.c: a signal to the process, or to its group if it leads one, while it has not ended.
 * Returns 0 or -errno. */
int aio__process_signal_all(const struct aio_process *process, int number);

/* process.c: waitid(2) of P_PIDFD, with the rusage. Returns 1 with *status set; 0 when the
 * process has not ended; -errno. */
int aio__process_look(int pidfd, int flags, struct aio_process_status *status);

/* process_reaper.c: takes over the pidfd of a process that nobody waits for any more. */
void aio__process_orphan(int pidfd);

#endif
