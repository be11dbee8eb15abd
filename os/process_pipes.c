/*
 * Pipes to a child's standard streams. Ours do not block, the child's do; both are close-on-exec,
 * so that no other child gets them. Our ends are opened before the process's handle: at the end of
 * the runtime, which closes what is newest first, that one closes them.
 */
#include "os/process.h"

#include <fcntl.h>
#include <unistd.h>

/* Returns the child's end or -errno. */
static int pipes_make(struct aio_stream **ours, int child)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    int fd = child == STDIN_FILENO ? ends[1] : ends[0];
    int other = child == STDIN_FILENO ? ends[0] : ends[1];
    int rc = fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : aio_pipe_adopt(ours, fd);
    if (rc == 0)
        return other;
    (void)close(ends[0]);
    (void)close(ends[1]);
    return rc;
}

int aio__process_pipes_open(struct aio_process *process, struct aio__process_plan *plan)
{
    int output = STDOUT_FILENO;
    struct aio_process_fd *joined = NULL;
    for (size_t i = 0; i < plan->fd_count; i++) {
        struct aio_process_fd *fd = &plan->fds[i];
        if (fd->parent == AIO_PROCESS_JOIN)
            joined = fd;
        if (fd->parent == AIO_PROCESS_PIPE) {
            int end = pipes_make(&process->streams[fd->child], fd->child);
            if (end < 0)
                return end;
            fd->parent = plan->pipe_fds[fd->child] = end;
        }
        if (fd->child == STDOUT_FILENO)
            output = fd->parent;
    }
    if (joined != NULL)
        joined->parent = output;
    return 0;
}

void aio__process_pipes_given(const struct aio__process_plan *plan)
{
    for (int i = 0; i < AIO__PROCESS_PIPES; i++)
        if (plan->pipe_fds[i] >= 0)
            (void)close(plan->pipe_fds[i]);
}

void aio__process_pipes_close(struct aio_process *process)
{
    for (int i = 0; i < AIO__PROCESS_PIPES; i++) {
        aio_stream_close(process->streams[i]);
        process->streams[i] = NULL;
    }
}
