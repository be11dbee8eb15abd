/*
 * Copies that a run before has made. Such a one is left alone, or gets the owner and permissions
 * that its source has by now.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/xattr.h>

static int open_plain(struct aio_file **out, int at, const char *name)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    options.at = at;
    options.flags = O_RDONLY | O_NOFOLLOW;
    return aio_file_open_with(out, name, &options);
}

/* With another name it may be somebody else's file, which was linked here in the place of ours. */
int there_open(struct aio_file **out, int at, const char *name)
{
    struct aio_stat stat;
    int rc = open_plain(out, at, name);
    if (rc < 0)
        return rc;
    rc = aio_file_stat(*out, &stat);
    if (rc == 0 && (!S_ISREG(stat.mode) || stat.links != 1))
        rc = -EMLINK;
    if (rc < 0)
        (void)aio_file_close(*out);
    return rc;
}

static bool has_more(int fd)
{
    return fgetxattr(fd, "system.posix_acl_access", NULL, 0) > 0 ||
           fgetxattr(fd, "security.capability", NULL, 0) > 0;
}

/* On a thread of the pool. */
static int either_has_more(void *arg)
{
    const int *fds = arg;
    return has_more(fds[0]) || has_more(fds[1]);
}

/* Whether there is more to permissions than a mode: access lists, of which the mode tells a part,
 * and capabilities, which a change of the owner takes away. Then it is copied again. */
static bool is_simple(const struct job *job, struct aio_file *copy)
{
    struct aio_file *source;
    int more = 1;
    if (open_plain(&source, job->folder->from, job->name) < 0)
        return false;
    int fds[2] = {aio_file_fd(source), aio_file_fd(copy)};
    if (aio_offload_call(either_has_more, fds, &more) < 0)
        more = 1;
    (void)aio_file_close(source);
    return more == 0;
}

/* Returns 1; 0 when it has to be copied; or -errno. */
static int set_again(struct job *job)
{
    struct aio_file *copy;
    if (there_open(&copy, aio_file_fd(job->folder->to), job->name) < 0)
        return 0;
    int rc = 0;
    bool simple = is_simple(job, copy);
    if (simple)
        rc = attributes_set(copy, &job->stat, -1);
    (void)aio_file_close(copy);
    job->unkept = attributes_refused(rc);
    if (rc < 0 && !job->unkept)
        return rc;
    return simple ? 1 : 0;
}

int there_already(struct job *job)
{
    struct aio_stat found;
    int rc = aio_path_stat(aio_file_fd(job->folder->to), job->name, AIO_PATH_NOFOLLOW, &found);
    if (rc < 0 || !attributes_of_same_file(&job->stat, &found))
        return 0;
    return attributes_are_kept(&job->stat, &found) ? 1 : set_again(job);
}
