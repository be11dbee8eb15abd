/*
 * A child process as a handle: waiting for it, signals, its end.
 *
 * Who waits polls the pidfd inside the gate, and takes the status; those behind find it there. A
 * process that leads a group is left a zombie until the close, as only that keeps the group's
 * number from being used again.
 */
#include "os/process.h"

#include "core/op_run.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

#define PROCESS_PAUSE_NS AIO_MS(20)

static void process_close_handle(struct aio__handle *handle)
{
    aio_process_close((struct aio_process *)(void *)handle);
}

static const struct aio__handle_kind process_kind = {"process", process_close_handle};

struct aio_process *aio__process_alloc(const struct aio_process_options *options)
{
    struct aio_process *process = aio__alloc_zero(sizeof *process);
    if (process == NULL)
        return NULL;
    process->leads = options->session || options->group == 0;
    process->detached = options->detached;
    return process;
}

void aio__process_begin(struct aio_process *process, struct aio__core *core, pid_t pid, int pidfd)
{
    process->pid = pid;
    aio__handle_open(&process->handle, core, pidfd, &process_kind);
}

static void process_note(struct aio_process_status *status, const siginfo_t *info)
{
    bool exited = info->si_code == CLD_EXITED;
    status->code = exited ? info->si_status : -1;
    status->signal = exited ? 0 : info->si_status;
    status->dumped = info->si_code == CLD_DUMPED;
}

int aio__process_look(int pidfd, int flags, struct aio_process_status *status)
{
    siginfo_t info = {.si_pid = 0};
    struct rusage usage;
    long rc;
    do {
        rc = syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | flags, &usage);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0)
        return -errno;
    if (info.si_pid == 0)
        return 0;
    if (status != NULL) {
        process_note(status, &info);
        status->usage = usage;
    }
    return 1;
}

/* Takes the status if there is one, and nobody has yet. */
static void process_look(struct aio_process *process)
{
    if (process->ended)
        return;
    int flags = WNOHANG | (process->leads ? WNOWAIT : 0);
    int rc = aio__process_look(process->handle.fd, flags, &process->status);
    process->ended = rc != 0;
    process->lost = rc < 0 ? rc : 0;
}

/* The descriptor is readable. If there is no status all the same, a debugger has to see it first,
 * and nothing tells when that one lets go: the caller looks again after a while. */
static int process_look_or_pause(struct aio_process *process)
{
    process_look(process);
    return process->ended ? 0 : aio_time_sleep(PROCESS_PAUSE_NS);
}

static struct aio__op_frame process_poll(const struct aio_process *process)
{
    return (struct aio__op_frame){
        .op = {.opcode = AIO__OP_POLL, .fd = process->handle.fd, .poll.events = POLLIN}};
}

/* Inside the gate. Returns 0 or why not. */
static int process_await(struct aio_process *process)
{
    while (!process->ended) {
        struct aio__op_frame frame = process_poll(process);
        int rc = aio__gate_run(&process->handle, &process->waiting, &frame, "process");
        process->waiting.inside = NULL; /* its frame is gone */
        if (rc >= 0)
            rc = process_look_or_pause(process);
        if (rc < 0)
            return rc;
    }
    return process->lost;
}

int aio_process_wait(struct aio_process *process, struct aio_process_status *status)
{
    (void)aio__handle_core(&process->handle, __func__);
    int rc = aio__gate_enter(&process->handle, &process->waiting);
    if (rc < 0)
        return rc;
    rc = (int)aio__gate_leave(&process->handle, &process->waiting, process_await(process));
    if (rc == 0 && status != NULL)
        *status = process->status;
    return rc;
}

static int process_send(const struct aio_process *process, int number)
{
    long rc = syscall(SYS_pidfd_send_signal, process->handle.fd, number, NULL, 0);
    return rc < 0 ? -errno : 0;
}

static int process_signal(const struct aio_process *process, int number)
{
    return process->ended ? -ESRCH : process_send(process, number); /* a zombie takes some still */
}

/* The number is that of the group as long as its leader has not been reaped, which the close does;
 * somebody else may have done it, and the descriptor knows. */
static int process_signal_group(const struct aio_process *process, int number)
{
    if (!process->leads)
        return -EINVAL;
    if (process_send(process, 0) == -ESRCH)
        return -ESRCH;
    return kill(-process->pid, number) < 0 ? -errno : 0;
}

int aio_process_kill(struct aio_process *process, int number)
{
    (void)aio__handle_core(&process->handle, __func__);
    return process_signal(process, number);
}

int aio_process_killpg(struct aio_process *process, int number)
{
    (void)aio__handle_core(&process->handle, __func__);
    return process_signal_group(process, number);
}

/* A leader may have left its group, which may be empty then. */
int aio__process_signal_all(const struct aio_process *process, int number)
{
    int rc = process->leads && !process->ended ? process_signal_group(process, number) : -ESRCH;
    return rc < 0 || number == SIGKILL ? process_signal(process, number) : rc;
}

/* Returns 0, or -EPERM when it lives and may not be sent the signal, so that nothing says when it
 * ends. Of one that has ended the kernel may say so too. */
static int process_demand(struct aio_process *process, int number)
{
    if (aio__process_signal_all(process, number) != -EPERM)
        return 0;
    process_look(process);
    return process->ended ? 0 : -EPERM;
}

/* Returns 0 when it has ended; why it has not been awaited. It may have changed its user, by a
 * setuid program, between the two signals. */
static int process_stop(struct aio_process *process, int64_t grace_ns)
{
    int rc = process_demand(process, grace_ns > 0 ? SIGTERM : SIGKILL);
    if (rc < 0)
        return rc;
    rc = -ETIMEDOUT;
    if (grace_ns > 0)
        AIO_TIMEOUT(grace_ns)
        {
            rc = aio_process_wait(process, NULL);
        }
    if (rc != -ETIMEDOUT)
        return rc;
    rc = process_demand(process, SIGKILL);
    return rc < 0 ? rc : aio_process_wait(process, NULL);
}

int aio_process_stop(struct aio_process *process, int64_t grace_ns,
                     struct aio_process_status *status)
{
    int rc = 0;
    (void)aio__handle_core(&process->handle, __func__);
    AIO_SHIELD
    {
        rc = process_stop(process, grace_ns);
    }
    if (rc == 0 && status != NULL)
        *status = process->status;
    return rc;
}

/* With no call in progress: sees to it that the process ends, and reaps it. Returns false when that
 * is left to the reaper. */
static bool process_bury(struct aio_process *process)
{
    process_look(process);
    if (!process->ended && (process->detached || process_demand(process, SIGKILL) < 0))
        return false;
    while (!process->ended) {
        struct aio__op_frame frame = process_poll(process);
        if (aio__op_run(process->handle.core, &frame, "close") < 0)
            return false;
        (void)process_look_or_pause(process);
    }
    if (process->leads)
        (void)aio__process_look(process->handle.fd, WNOHANG, NULL);
    return true;
}

void aio_process_close(struct aio_process *process)
{
    if (process == NULL)
        return;
    (void)aio__handle_core(&process->handle, __func__);
    struct aio__gate *gates[] = {&process->waiting};
    AIO_SHIELD
    {
        aio__handle_expel(&process->handle, gates, 1);
        aio__process_pipes_close(process);
        bool buried = process_bury(process);
        int fd = process->handle.fd;
        aio__handle_part(&process->handle);
        if (buried)
            (void)close(fd);
        else
            aio__process_orphan(fd);
    }
    aio__free(process);
}

struct aio_stream *aio_process_take(struct aio_process *process, int fd)
{
    (void)aio__handle_core(&process->handle, __func__);
    if (fd < 0 || fd >= AIO__PROCESS_PIPES)
        return NULL;
    struct aio_stream *stream = process->streams[fd];
    process->streams[fd] = NULL;
    return stream;
}

pid_t aio_process_pid(const struct aio_process *process)
{
    (void)aio__handle_core(&process->handle, __func__);
    return process->pid;
}

int aio_process_pidfd(const struct aio_process *process)
{
    (void)aio__handle_core(&process->handle, __func__);
    return process->handle.fd;
}
