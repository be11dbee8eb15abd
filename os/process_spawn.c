/*
 * aio_process_spawn: prepares on the task's side, makes the child on a thread of the pool.
 */
#include "os/process.h"

#include "core/offload.h"

#include <aio/offload.h>
#include <fcntl.h>
#include <unistd.h>

struct spawn {
    struct aio__process_plan plan;
    int pidfd;
};

/* Gives the standard streams that are to be /dev/null the descriptor of it. */
static int spawn_open_null(struct aio__process_plan *plan)
{
    int null_fd = -1;
    for (size_t i = 0; i < plan->fd_count; i++) {
        if (plan->fds[i].parent != AIO_PROCESS_NULL)
            continue;
        if (null_fd < 0)
            null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null_fd < 0)
            return -errno;
        plan->fds[i].parent = null_fd;
    }
    return null_fd;
}

/* On a thread of the pool, which to the kernel is the child's parent: a child that wants a signal
 * when that dies, see PR_SET_PDEATHSIG of prctl(2), means this process. Returns the pid or -errno.
 */
static int spawn_run(void *arg)
{
    struct spawn *spawn = arg;
    int rc = aio__process_probe();
    if (rc < 0)
        return rc;
    int null_fd = spawn_open_null(&spawn->plan);
    if (null_fd < -1)
        return null_fd;
    rc = aio__process_clone(&spawn->plan, &spawn->pidfd);
    if (rc >= 0)
        aio__offload_keep_thread();
    if (null_fd >= 0)
        (void)close(null_fd);
    return rc;
}

/* Returns the pid or -errno. */
static int spawn_offload(struct spawn *spawn)
{
    int pid = 0;
    int rc = aio_offload_call(spawn_run, spawn, &pid);
    return rc < 0 ? rc : pid;
}

/* With a plan. */
static int spawn_process(struct spawn *spawn, struct aio_process *process, struct aio__core *core)
{
    int rc = aio__process_pipes_open(process, &spawn->plan);
    if (rc == 0)
        rc = spawn_offload(spawn);
    aio__process_pipes_given(&spawn->plan);
    if (rc < 0) {
        aio__process_pipes_close(process);
        return rc;
    }
    aio__process_begin(process, core, rc, spawn->pidfd);
    return 0;
}

int aio_process_spawn(struct aio_process **out, const char *const *argv,
                      const struct aio_process_options *options)
{
    const struct aio_process_options defaults = AIO_PROCESS_OPTIONS;
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct spawn spawn = {.pidfd = -1};
    if (options == NULL)
        options = &defaults;
    int rc = aio__process_plan_open(&spawn.plan, argv, options);
    if (rc < 0)
        return rc;
    struct aio_process *process = aio__process_alloc(options);
    rc = process != NULL ? spawn_process(&spawn, process, core) : -ENOMEM;
    aio__process_plan_close(&spawn.plan);
    if (rc < 0)
        aio__free(process);
    else
        *out = process;
    return rc;
}
