/*
 * <aio/process.h>: child processes: starting them, waiting for their end, ending them.
 *
 *     struct aio_process *process;
 *     struct aio_process_status status;
 *     int rc = aio_process_spawn(&process, AIO_ARGV("make", "-C", folder), NULL);
 *     if (rc < 0)
 *         return rc;
 *     rc = aio_process_wait(process, &status);
 *     aio_process_close(process);
 *
 * What a child gets. Its signals all have their default dispositions and none is blocked, whatever
 * holds here. It has the descriptors 0, 1 and 2, those of options.fds, and no others. Its
 * environment, directory, groups, limits are ours unless options say otherwise.
 *
 * What becomes of it. A process is a handle of its core. It is known to the kernel by a descriptor
 * (pidfd), never by its number, so no call here can hit a process that has got the number since;
 * nobody's SIGCHLD is used, and no child that somebody else has started is touched.
 * aio_process_close ends a child that is still running, and so does the end of the runtime, unless
 * options.detached is set. Every child is reaped. A program must not do that itself, nor ignore
 * SIGCHLD: the status is lost then (-ECHILD). Programs inherit that signals are ignored, so one
 * that may be started by such a program sets SIGCHLD to its default.
 *
 * To the kernel a child's parent is the thread that made it, one of the offload pool, which then
 * ends with the runtime. So a child that asks for a signal at its parent's death (PR_SET_PDEATHSIG
 * of prctl(2), setpriv --pdeathsig, bwrap --die-with-parent) gets it when the core it was spawned
 * on ends, even if it is detached, and not before.
 *
 * Needs Linux 5.4.
 */
#ifndef AIO_PROCESS_H
#define AIO_PROCESS_H

#include <aio/base.h>
#include <aio/pipe.h>
#include <sys/resource.h>

AIO_BEGIN_DECLS

struct aio_process;

/* The words of a command, as aio_process_spawn takes them. */
#define AIO_ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* What a standard stream of the child is, if not a descriptor (>= 0) of ours. */
enum aio_process_io {
    AIO_PROCESS_INHERIT = -1, /* the same as ours */
    AIO_PROCESS_NULL = -2,    /* /dev/null */
    AIO_PROCESS_PIPE = -3,    /* a pipe, whose other end aio_process_take gives */
    AIO_PROCESS_JOIN = -4,    /* of error only: the same as the child's output */
};

/* The child's descriptor `child` is our descriptor `parent`. */
struct aio_process_fd {
    int child;
    int parent;
};

/* A limit of the child, see setrlimit(2). */
struct aio_process_limit {
    int resource; /* RLIMIT_NOFILE and so on */
    struct rlimit limit;
};

/* Options of a process. Start from AIO_PROCESS_OPTIONS. */
struct aio_process_options {
    size_t size;
    /* The file to execute; NULL: argv[0]. A name without a slash is looked for along PATH (ours, as
     * execvp(3) does it), any other from the child's directory. */
    const char *program;
    const char *const *environment; /* "NAME=value" each, then NULL; NULL: ours as it is */
    int directory_fd;               /* the directory to be in; -1, AT_FDCWD: ours */
    const char *directory;          /* the same by name, relative to that one; NULL */

    int input; /* descriptors 0, 1, 2: of enum aio_process_io, or a descriptor of ours */
    int output;
    int error;
    /* Further ones. All are set up at once, so that they may be swapped; none may be given twice.
     */
    const struct aio_process_fd *fds;
    size_t fd_count;
    bool inherit_fds; /* also what is open here without close-on-exec; nothing of AIO's own is */

    bool session;      /* a session of its own, see setsid(2): without terminal, leads a group */
    pid_t group;       /* the process group to be in; 0: one of its own, -1: ours */
    bool keep_ignored; /* signals that are ignored here are so in the child */
    int umask;         /* 0 to 0777; -1: ours */
    int nice;          /* added to ours, see nice(2) */
    const struct aio_process_limit *limits;
    size_t limit_count;
    /*
     * Whom it runs as: (uid_t)-1, (gid_t)-1: ourselves. With either of them given, its
     * supplementary groups are those of `groups` and no others. The directory is entered, and the
     * program executed, with these rights.
     */
    uid_t uid;
    gid_t gid;
    const gid_t *groups;
    size_t group_count;

    bool
        detached; /* close, and the end of the runtime, let it live on; it is reaped all the same */
};

#define AIO_PROCESS_OPTIONS                                                                        \
    ((struct aio_process_options){.size = sizeof(struct aio_process_options),                      \
                                  .directory_fd = -1,                                              \
                                  .input = AIO_PROCESS_INHERIT,                                    \
                                  .output = AIO_PROCESS_INHERIT,                                   \
                                  .error = AIO_PROCESS_INHERIT,                                    \
                                  .group = -1,                                                     \
                                  .umask = -1,                                                     \
                                  .uid = (uid_t)-1,                                                \
                                  .gid = (gid_t)-1})

/* How a process ended. */
struct aio_process_status {
    int code;   /* what it exited with; -1 when a signal ended it */
    int signal; /* that did; 0 */
    bool dumped;
    struct rusage usage; /* of it and of the children it has waited for */
};

/*
 * aio_process_spawn starts a program: argv[0] with the arguments argv, up to a NULL. options NULL
 * means AIO_PROCESS_OPTIONS. The child is made and executes the program on a thread of the offload
 * pool, so a slow file system holds up no task. It does not share this process's memory for longer
 * than until then, and not at all when it changes its user.
 *
 * A program that was just written and closed may be -ETXTBSY all the same: other children that are
 * being made at the time, by whatever thread of the process, have all our descriptors, also the one
 * it was written by, until they execute their programs. It passes: try again after a moment.
 *
 * Suspends:  until the program has been executed, or could not be.
 * Context:   a task; the process belongs to its core.
 * Lifetime:  all texts and arrays until the call returns; the environment, if it is ours, must not
 *            be changed meanwhile. The process lives until aio_process_close.
 * Returns:   0; -EINVAL for an empty argv or bad options; -ENOENT when there is no such program or
 *            directory; -EACCES when it may not be executed, or is a directory; -ENOEXEC for a file
 *            of no known format (a script without "#!"); -E2BIG; -ENOTDIR; -EBADF for a bad
 *            descriptor in options; -EPERM for user, group or limits; -EAGAIN at the limit of
 *            processes or when the pool has no thread; -ETXTBSY for a program that somebody has
 *            open for writing, see above; -EMFILE, -ENFILE, -ENOMEM; -ENOSYS before Linux 5.4;
 *            -ECANCELED, -ETIMEDOUT; or another -errno of clone(2), execve(2) and the calls that
 *            the options stand for. After an error there is no child, and there has been none that
 *            executed anything.
 */
AIO_API AIO_NODISCARD int aio_process_spawn(struct aio_process **out, const char *const *argv,
                                            const struct aio_process_options *options);

/*
 * aio_process_take gives our end of the child's standard stream fd (0, 1 or 2), if that is
 * AIO_PROCESS_PIPE: the child's input is written to, its output and error are read from. The end of
 * a child's output comes when all who have inherited it have closed it, the child's own children
 * included. An end that was not taken is closed by aio_process_close.
 *
 * Suspends:  never.
 * Context:   a task of the process's core.
 * Lifetime:  the stream is the caller's, to be closed by aio_stream_close.
 * Returns:   the stream; NULL when there is no such pipe, or it was taken before.
 */
AIO_API AIO_NODISCARD struct aio_stream *aio_process_take(struct aio_process *process, int fd);

/*
 * aio_process_wait waits for the process's end, and tells it as often as it is asked. Several tasks
 * may wait. What the process has started itself may live on.
 *
 * Suspends:  until it has ended, and whoever debugs it (ptrace(2)) has let go of it.
 * Context:   a task of the process's core.
 * Returns:   0 with *status (which may be NULL) set; -ECANCELED; -ETIMEDOUT; -EBADF once the
 *            process is being closed; -ECHILD when somebody else has taken the status.
 */
AIO_API AIO_NODISCARD int aio_process_wait(struct aio_process *process,
                                           struct aio_process_status *status);

/*
 * aio_process_kill sends a signal to the process; 0 only asks whether that is allowed. See kill(2).
 *
 * Suspends:  never.
 * Context:   a task of the process's core.
 * Returns:   0, also when it has ended and nobody has waited for it yet; -ESRCH after that; -EPERM;
 *            -EINVAL for what is not a signal.
 */
AIO_API int aio_process_kill(struct aio_process *process, int number);

/*
 * aio_process_killpg sends a signal to all processes of the group that the process leads, by
 * options.group = 0 or options.session. They may have outlived it: the group's number is kept from
 * being used again until aio_process_close. See killpg(3).
 *
 * Suspends:  never.
 * Context:   a task of the process's core.
 * Returns:   0, also when nobody is left; -EINVAL when it leads no group, or for what is not a
 *            signal; -EPERM; -ESRCH when somebody else has taken its status.
 */
AIO_API int aio_process_killpg(struct aio_process *process, int number);

/*
 * aio_process_stop ends the process: it sends SIGTERM, waits for grace_ns, and sends SIGKILL if
 * that was not enough. Both go to the whole group if the process leads one. With grace_ns <= 0,
 * SIGKILL is sent at once. What of a group outlives its leader has had its SIGTERM, and is left
 * alone.
 *
 * Suspends:  until the process has ended; shielded, so neither cancellation nor a deadline cuts it
 *            short.
 * Context:   a task of the process's core.
 * Returns:   0 with *status (which may be NULL) set, also when it had ended before; -EPERM when it
 *            may not be sent SIGTERM or, later, SIGKILL, because it has changed its user: it is not
 *            awaited then; -EBADF; -ECHILD.
 */
AIO_API int aio_process_stop(struct aio_process *process, int64_t grace_ns,
                             struct aio_process_status *status);

/*
 * aio_process_close gives the handle back. A process that has not ended is sent SIGKILL, its whole
 * group if it leads one, and awaited; with options.detached, or if it may not be sent signals, it
 * lives on and is reaped when it ends. (A thread of its own does that, which is there as long as
 * there are such processes.) Calls that wait for the process return -EBADF. NULL is ignored.
 *
 * Suspends:  until those calls have returned and the process has ended; shielded, so neither
 *            cancellation nor a deadline cuts it short.
 * Context:   a task of the process's core.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_process_close(struct aio_process *process);

/*
 * aio_process_pid tells the process's number, for messages: after its end another one may have it.
 *
 * Suspends:  never.
 * Context:   a task of the process's core.
 * Returns:   the number.
 */
AIO_API pid_t aio_process_pid(const struct aio_process *process);

/*
 * aio_process_pidfd tells the process's descriptor, see pidfd_open(2): it becomes readable when the
 * process has ended, for aio_poll_wait.
 *
 * Suspends:  never.
 * Context:   a task of the process's core.
 * Lifetime:  the descriptor is the handle's, until aio_process_close.
 * Returns:   the descriptor.
 */
AIO_API int aio_process_pidfd(const struct aio_process *process);

/* Options of aio_process_run. Start from AIO_RUN_OPTIONS. */
struct aio_run_options {
    size_t size;
    /*
     * Of the process; NULL: AIO_PROCESS_OPTIONS. What is AIO_PROCESS_INHERIT there becomes, of the
     * output and of the error, a pipe that is collected; of the input, a pipe that has the bytes
     * below, or /dev/null if they are NULL. Anything else stays as it is.
     */
    const struct aio_process_options *process;
    const void *input;
    size_t input_bytes;
    size_t output_limit; /* bytes that are kept; what comes beyond is read and dropped */
    size_t error_limit;
    bool stop_beyond;  /* a process that writes more than is kept is sent SIGKILL */
    int64_t grace_ns;  /* between SIGTERM and SIGKILL, see aio_process_stop */
    int64_t linger_ns; /* see aio_process_run */
};

#define AIO_RUN_OPTIONS                                                                            \
    ((struct aio_run_options){.size = sizeof(struct aio_run_options),                              \
                              .output_limit = (size_t)1 << 20,                                     \
                              .error_limit = (size_t)1 << 20,                                      \
                              .grace_ns = AIO_SEC(2),                                              \
                              .linger_ns = AIO_SEC(1)})

/* What a process has written to one of its streams. */
struct aio_process_text {
    char *bytes; /* with a NUL behind them; NULL: there are none */
    size_t size;
    bool truncated; /* there were more */
};

/* What became of a process that was run. */
struct aio_process_result {
    struct aio_process_status status;
    struct aio_process_text output;
    struct aio_process_text error;
    bool lingered; /* somebody who has inherited its streams held them open beyond linger_ns */
};

/*
 * aio_process_run runs a program to its end, feeds its input and collects what it writes. argv as
 * in aio_process_spawn; options NULL means AIO_RUN_OPTIONS. A process that does not read all its
 * input has not failed.
 *
 * A process may leave others behind that hold its streams open. After its end they are awaited for
 * linger_ns at most; all that the process itself has written is in the result then.
 *
 * When the call is cancelled, or its deadline passes, the process is ended as by aio_process_stop
 * with grace_ns, and reaped. If it led a group, what is left of that is sent SIGKILL then, once the
 * others have been awaited.
 *
 * Suspends:  until the process has ended, and the others, see above. Once it has ended, or is being
 *            ended, neither cancellation nor a deadline cuts the call short.
 * Context:   a task.
 * Lifetime:  all that is handed over, until the call returns. *result is written in every case;
 *            give it back with aio_result_free.
 * Returns:   0 when the process has ended by itself or by stop_beyond, whatever its status; an
 *            error as of aio_process_spawn: it was not started then; -ECANCELED, -ETIMEDOUT,
 *            -ENOMEM, or another -errno of its streams: it was ended, and *result has its status
 *            and what was collected; -ECHILD; -EPERM when the call was cancelled or late and the
 *            process may not be sent signals: it is left to itself. One that is to be ended for its
 *            streams or by stop_beyond, and may not, is awaited until then.
 */
AIO_API AIO_NODISCARD int aio_process_run(struct aio_process_result *result,
                                          const char *const *argv,
                                          const struct aio_run_options *options);

/*
 * aio_result_free gives the memory of a result back, and empties it. One that is zero is fine.
 *
 * Suspends:  never.
 * Context:   anywhere.
 */
AIO_API void aio_result_free(struct aio_process_result *result);

AIO_END_DECLS

#endif
