/*
 * Preparing a child: options are checked, the program's possible paths and the descriptors written
 * down, while memory can still be had.
 */
#include "os/process.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLAN_PATH "/bin:/usr/bin" /* where there is no PATH */

static bool plan_is_io(int io)
{
    return io >= AIO_PROCESS_PIPE;
}

/* None of the child's descriptors is given twice; they are few. */
static int plan_check_fds(const struct aio_process_options *options)
{
    const int standard[AIO__PROCESS_PIPES] = {options->input, options->output, options->error};
    for (size_t i = 0; i < options->fd_count; i++) {
        const struct aio_process_fd *fd = &options->fds[i];
        if (fd->parent < 0)
            return -EBADF;
        if (fd->child < 0 || fd->child == INT_MAX)
            return -EINVAL;
        if (fd->child < AIO__PROCESS_PIPES && standard[fd->child] != AIO_PROCESS_INHERIT)
            return -EINVAL;
        for (size_t j = 0; j < i; j++)
            if (options->fds[j].child == fd->child)
                return -EINVAL;
    }
    return 0;
}

/* -1 and AT_FDCWD: ours. */
static bool plan_is_directory(int fd)
{
    return fd >= -1 || fd == AT_FDCWD;
}

/* An array without its elements. */
static bool plan_lacks_arrays(const struct aio_process_options *options)
{
    return (options->fds == NULL && options->fd_count > 0) ||
           (options->limits == NULL && options->limit_count > 0) ||
           (options->groups == NULL && options->group_count > 0);
}

static int plan_check(const char *const *argv, const struct aio_process_options *options)
{
    if (options->size != sizeof *options || argv == NULL || argv[0] == NULL)
        return -EINVAL;
    if (!plan_is_io(options->input) || !plan_is_io(options->output))
        return -EINVAL;
    if (!plan_is_io(options->error) && options->error != AIO_PROCESS_JOIN)
        return -EINVAL;
    if (options->group < -1 || (options->session && options->group > 0) || options->umask < -1 ||
        options->umask > 0777 || options->group_count > NGROUPS_MAX || plan_lacks_arrays(options))
        return -EINVAL;
    if (!plan_is_directory(options->directory_fd))
        return -EBADF;
    return plan_check_fds(options);
}

static void plan_add_fd(struct aio__process_plan *plan, int child, int parent)
{
    plan->fds[plan->fd_count++] = (struct aio_process_fd){child, parent};
}

static void plan_add_fds(struct aio__process_plan *plan)
{
    const struct aio_process_options *options = plan->options;
    if (options->input != AIO_PROCESS_INHERIT)
        plan_add_fd(plan, STDIN_FILENO, options->input);
    if (options->output != AIO_PROCESS_INHERIT)
        plan_add_fd(plan, STDOUT_FILENO, options->output);
    if (options->error != AIO_PROCESS_INHERIT)
        plan_add_fd(plan, STDERR_FILENO, options->error);
    for (size_t i = 0; i < options->fd_count; i++)
        plan_add_fd(plan, options->fds[i].child, options->fds[i].parent);
}

/* Empty: the program is not looked for but taken as it is. */
static const char *plan_search_path(const char *program)
{
    if (*program == '\0' || strchr(program, '/') != NULL)
        return "";
    const char *path = getenv("PATH");
    return path != NULL ? path : PLAN_PATH;
}

/* Enough for all that plan_add_programs writes, and the empty one behind. */
static size_t plan_programs_bytes(const char *program, const char *path)
{
    size_t parts = 1;
    for (const char *at = path; *at != '\0'; at++)
        parts += *at == ':';
    return strlen(path) + parts * (strlen(program) + 2) + 1;
}

/* The program in each part of the path; an empty part is the current directory. */
static void plan_add_programs(char *out, const char *program, const char *path)
{
    size_t bytes = strlen(program) + 1;
    while (path != NULL) {
        const char *end = strchrnul(path, ':');
        if (end > path) {
            memcpy(out, path, (size_t)(end - path));
            out += end - path;
            *out++ = '/';
        }
        memcpy(out, program, bytes);
        out += bytes;
        path = *end == ':' ? end + 1 : NULL;
    }
}

int aio__process_plan_open(struct aio__process_plan *plan, const char *const *argv,
                           const struct aio_process_options *options)
{
    int rc = plan_check(argv, options);
    if (rc < 0)
        return rc;
    const char *program = options->program != NULL ? options->program : argv[0];
    const char *path = plan_search_path(program);
    size_t fd_bytes = (AIO__PROCESS_PIPES + options->fd_count) * sizeof *plan->fds;
    size_t program_bytes = plan_programs_bytes(program, path);
    char *block = aio__alloc_zero(fd_bytes + program_bytes);
    if (block == NULL)
        return -ENOMEM;
    *plan = (struct aio__process_plan){
        .options = options,
        .argv = argv,
        .environment = options->environment != NULL ? options->environment : (void *)environ,
        .programs = block + fd_bytes,
        .fds = (struct aio_process_fd *)(void *)block,
        .directory_fd = options->directory_fd,
        .pipe_fds = {-1, -1, -1},
    };
    plan_add_fds(plan);
    plan_add_programs(block + fd_bytes, program, path);
    rc = aio__process_shares(options) ? 0 : aio__process_plan_copy(plan);
    if (rc < 0)
        aio__free(block);
    return rc;
}

void aio__process_plan_close(struct aio__process_plan *plan)
{
    aio__free(plan->copies);
    aio__free(plan->fds);
}
