/*
 * The tree: directories and symlinks are made as the walk comes to them, files by tasks of a scope.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A symlink has no permissions. */
static int set_link_attributes(const struct backup *backup, const struct aio_walk_entry *entry)
{
    const struct aio_stat *stat = entry->stat;
    const struct timespec times[2] = {stat->accessed, stat->modified};
    int to = aio_file_fd(backup->folder->to);
    int rc = aio_path_chown(to, entry->name, stat->user, stat->group, AIO_PATH_NOFOLLOW);
    if (rc == 0 || attributes_owner_refused(rc))
        rc = aio_path_utime(to, entry->name, times, AIO_PATH_NOFOLLOW);
    return rc;
}

/* Whether there is that symlink. */
static bool has_symlink(int at, const char *name, const char *wanted)
{
    char found[PATH_MAX];
    ssize_t n = aio_path_readlink(at, name, found, sizeof found);
    return n >= 0 && strcmp(found, wanted) == 0;
}

static int make_symlink(const struct backup *backup, const struct aio_walk_entry *entry)
{
    char wanted[PATH_MAX];
    int to = aio_file_fd(backup->folder->to);
    ssize_t n = aio_path_readlink(backup->folder->from, entry->name, wanted, sizeof wanted);
    if (n < 0)
        return (int)n;
    int rc = aio_path_symlink(wanted, to, entry->name);
    if (rc == -EEXIST && !has_symlink(to, entry->name, wanted)) {
        rc = aio_path_unlink(to, entry->name);
        if (rc == 0)
            rc = aio_path_symlink(wanted, to, entry->name);
    }
    return rc == 0 || rc == -EEXIST ? set_link_attributes(backup, entry) : rc;
}

/* Whether the walk has come to the target, within the source; or to what a run before has left in a
 * target, which is the source now. */
static bool is_target(const struct backup *backup, const struct aio_walk_entry *entry)
{
    return (entry->stat->device == backup->target_device &&
            entry->stat->inode == backup->target_inode) ||
           strcmp(entry->path, BACKUP_STAGING) == 0;
}

/* Returns 0 or -errno. */
static int copy_entry(struct backup *backup, struct aio_walk *walk,
                      const struct aio_walk_entry *entry)
{
    int rc = entry->error;
    if (rc == 0 && entry->type == AIO_ENTRY_DIRECTORY && is_target(backup, entry)) {
        aio_walk_skip(walk);
        return 0;
    }
    if (rc == 0 && entry->type == AIO_ENTRY_DIRECTORY)
        rc = folder_enter(backup, entry);
    else if (rc == 0 && entry->type == AIO_ENTRY_SYMLINK)
        rc = make_symlink(backup, entry);
    else if (rc == 0 && entry->type == AIO_ENTRY_FILE)
        rc = backup_file(backup, entry);
    else if (rc == 0)
        backup_say(backup, entry->path, "a device, socket or FIFO: left out");
    if (rc < 0 && entry->type == AIO_ENTRY_DIRECTORY)
        aio_walk_skip(walk);
    return rc;
}

static int copy_all(struct backup *backup, struct aio_walk *walk)
{
    struct aio_walk_entry entry;
    int rc;
    backup->folder = folder_hold(backup->top);
    while ((rc = aio_walk_next(walk, &entry)) == 1) {
        rc = copy_entry(backup, walk, &entry);
        if (rc == -ECANCELED)
            break;
        if (rc < 0)
            backup_complain(backup, entry.path, aio_error_text(rc));
    }
    folder_leave(backup, rc == 0);
    backup->walked = rc == 0;
    return rc;
}

static void end_progress(struct aio_task *progress)
{
    aio_task_cancel(progress);
    AIO_SHIELD
    {
        if (aio_task_join(progress, NULL) < 0)
            abort(); /* in a shield it cannot be interrupted */
    }
}

/* With both directories open. */
static int walk_source(struct backup *backup)
{
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    struct aio_scope_options collect = AIO_SCOPE_OPTIONS;
    struct aio_walk *walk;
    struct aio_task *progress = NULL;
    options.flags = AIO_WALK_STAT;
    int rc = aio_walk_open(&walk, backup->top->from, ".", &options);
    if (rc < 0)
        return rc;
    collect.flags = AIO_SCOPE_COLLECT;
    backup->slots = (struct aio_semaphore)AIO_SEMAPHORE_INIT(backup->tasks);
    (void)aio_scope_open(&backup->scope, &collect);
    if (aio_task_spawn(&progress, progress_run, backup, NULL) < 0)
        progress = NULL; /* then without */
    rc = copy_all(backup, walk);
    int joined = aio_scope_join(&backup->scope);
    rc = rc < 0 ? rc : joined;
    if (rc == 0)
        rc = folder_finish_all(backup);
    aio_walk_close(walk);
    folder_forget_all(backup);
    if (progress != NULL)
        end_progress(progress);
    progress_clear(backup);
    return rc;
}

static int open_staging(struct backup *backup)
{
    int to = aio_file_fd(backup->top->to);
    int rc = aio_path_remove(to, BACKUP_STAGING);
    if (rc == 0 || rc == -ENOENT)
        rc = aio_path_mkdir(to, BACKUP_STAGING, S_IRWXU);
    if (rc == 0)
        rc = folder_open_name(&backup->staging, to, BACKUP_STAGING, 0);
    if (rc < 0)
        backup_complain(backup, BACKUP_STAGING, aio_error_text(rc));
    return rc;
}

static int stage_and_walk(struct backup *backup)
{
    int rc = open_staging(backup);
    if (rc < 0)
        return rc;
    rc = walk_source(backup);
    (void)aio_file_close(backup->staging);
    AIO_SHIELD
    {
        (void)aio_path_remove(aio_file_fd(backup->top->to), BACKUP_STAGING);
    }
    return rc;
}

int backup_tree(struct backup *backup)
{
    int rc = top_open(backup);
    if (rc < 0)
        return rc;
    rc = backup->verify ? stage_and_walk(backup) : walk_source(backup);
    if (rc == 0)
        rc = folder_finish_top(backup);
    top_close(backup);
    return rc;
}
