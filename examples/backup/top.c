/*
 * The top: the source and the target that were named. What these names lead through is the user's
 * choice; of symlinks below nothing is followed.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* With *out NULL when it cannot be opened. */
static int open_named(struct aio_file **out, const char *path)
{
    int rc = aio_file_open(out, path, O_RDONLY | O_DIRECTORY, 0);
    if (rc < 0)
        *out = NULL;
    return rc;
}

/* Returns 0 or -errno, which is told. */
static int open_source(struct backup *backup)
{
    struct aio_file *source;
    struct aio_stat stat;
    int rc = open_named(&source, backup->source_path);
    if (rc == 0)
        rc = aio_file_stat(source, &stat);
    if (rc == 0)
        backup->top = folder_new("", &stat);
    if (rc == 0 && backup->top == NULL)
        rc = -ENOMEM;
    if (rc == 0)
        rc = backup->top->from = aio_file_release(source);
    else
        (void)aio_file_close(source);
    if (rc < 0)
        backup_complain(backup, backup->source_path, aio_error_text(rc));
    return rc < 0 ? rc : 0;
}

/* Returns 0 or -errno. Nobody looks into what is not complete, or not theirs to see. */
static int make_target(struct backup *backup, struct aio_stat *stat)
{
    struct folder *top = backup->top;
    top->fresh = aio_path_stat(AT_FDCWD, backup->target_path, 0, stat) == -ENOENT;
    int rc = aio_path_mkdirs(AT_FDCWD, backup->target_path, 0777);
    if (rc == 0)
        rc = open_named(&top->to, backup->target_path);
    if (rc == 0)
        rc = aio_file_stat(top->to, stat);
    if (rc == 0 && top->fresh)
        rc = aio_file_chmod(top->to, S_IRWXU);
    return rc;
}

static int open_target(struct backup *backup)
{
    const struct aio_stat *source = &backup->top->stat;
    struct aio_stat stat;
    int rc = make_target(backup, &stat);
    if (rc < 0) {
        backup_complain(backup, backup->target_path, aio_error_text(rc));
        return rc;
    }
    backup->target_device = stat.device;
    backup->target_inode = stat.inode;
    if (source->device != stat.device || source->inode != stat.inode)
        return 0;
    backup_complain(backup, backup->target_path, "this is the source");
    return -EINVAL;
}

int top_open(struct backup *backup)
{
    int rc = open_source(backup);
    if (rc < 0)
        return rc;
    rc = open_target(backup);
    if (rc < 0)
        top_close(backup);
    return rc;
}

void top_close(struct backup *backup)
{
    folder_release(backup, backup->top);
    free(backup->top);
}
