/*
 * The tree: directories and symlinks are made as the walk comes to them, files by tasks of a scope.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Remembers a directory for set_attributes. */
static int remember(struct backup *backup, const struct aio_walk_entry *entry)
{
    size_t length = strlen(entry->path) + 1;
    struct folder *folder = malloc(sizeof *folder + length);
    if (folder == NULL)
        return -ENOMEM;
    folder->stat = *entry->stat;
    memcpy(folder->path, entry->path, length);
    folder->next = backup->folders;
    backup->folders = folder;
    return 0;
}

/* It is there already; a symlink in its place would lead elsewhere. */
static int use_directory(struct backup *backup, const char *path)
{
    struct aio_stat stat;
    int rc = aio_path_stat(backup->to, path, AIO_PATH_NOFOLLOW, &stat);
    if (rc == 0 && !S_ISDIR(stat.mode))
        rc = -ENOTDIR;
    if (rc == 0 && (stat.mode & S_IRWXU) != S_IRWXU)
        rc = aio_path_chmod(backup->to, path, (stat.mode & 07777) | S_IRWXU);
    return rc;
}

static int make_directory(struct backup *backup, const struct aio_walk_entry *entry, bool *fresh)
{
    int rc = aio_path_mkdir(backup->to, entry->path, S_IRWXU);
    *fresh = rc == 0;
    if (rc == -EEXIST)
        rc = use_directory(backup, entry->path);
    return rc == 0 ? remember(backup, entry) : rc;
}

/* A symlink has no permissions. */
static int set_link_attributes(const struct backup *backup, const struct aio_walk_entry *entry)
{
    const struct aio_stat *stat = entry->stat;
    const struct timespec times[2] = {stat->accessed, stat->modified};
    int rc = aio_path_chown(backup->to, entry->path, stat->user, stat->group, AIO_PATH_NOFOLLOW);
    if (rc == 0 || rc == -EPERM)
        rc = aio_path_utime(backup->to, entry->path, times, AIO_PATH_NOFOLLOW);
    return rc;
}

/* Whether the target has that symlink. */
static bool has_symlink(const struct backup *backup, const char *path, const char *wanted)
{
    char found[PATH_MAX];
    ssize_t n = aio_path_readlink(backup->to, path, found, sizeof found);
    return n >= 0 && strcmp(found, wanted) == 0;
}

static int make_symlink(struct backup *backup, const struct aio_walk_entry *entry)
{
    char wanted[PATH_MAX];
    ssize_t n = aio_path_readlink(backup->from, entry->path, wanted, sizeof wanted);
    if (n < 0)
        return (int)n;
    int rc = aio_path_symlink(wanted, backup->to, entry->path);
    if (rc == -EEXIST && !has_symlink(backup, entry->path, wanted)) {
        rc = aio_path_unlink(backup->to, entry->path);
        if (rc == 0)
            rc = aio_path_symlink(wanted, backup->to, entry->path);
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

/* Returns 0 or -errno; *fresh is for the files that follow. */
static int copy_entry(struct backup *backup, struct aio_walk *walk,
                      const struct aio_walk_entry *entry, bool *fresh)
{
    int rc = entry->error;
    if (rc == 0 && entry->type == AIO_ENTRY_DIRECTORY && is_target(backup, entry)) {
        aio_walk_skip(walk);
        return 0;
    }
    if (rc == 0 && entry->type == AIO_ENTRY_DIRECTORY)
        rc = make_directory(backup, entry, fresh);
    else if (rc == 0 && entry->type == AIO_ENTRY_SYMLINK)
        rc = make_symlink(backup, entry);
    else if (rc == 0 && entry->type == AIO_ENTRY_FILE)
        rc = backup_file(backup, entry->path, entry->stat, *fresh);
    else if (rc == 0)
        backup_say(backup, entry->path, "a device, socket or FIFO: left out");
    if (rc < 0 && entry->type == AIO_ENTRY_DIRECTORY)
        aio_walk_skip(walk);
    return rc;
}

static int copy_all(struct backup *backup, struct aio_walk *walk, bool fresh)
{
    struct aio_walk_entry entry;
    int rc;
    while ((rc = aio_walk_next(walk, &entry)) == 1) {
        rc = copy_entry(backup, walk, &entry, &fresh);
        if (rc == -ECANCELED)
            break;
        if (rc < 0)
            backup_complain(backup, entry.path, aio_error_text(rc));
    }
    backup->walked = rc == 0;
    return rc;
}

static int set_attributes(const struct backup *backup, const char *path,
                          const struct aio_stat *stat)
{
    const struct timespec times[2] = {stat->accessed, stat->modified};
    int rc = aio_path_chown(backup->to, path, stat->user, stat->group, 0);
    if (rc == 0 || rc == -EPERM)
        rc = aio_path_copy_xattrs(backup->from, path, backup->to, path);
    if (rc == 0)
        rc = aio_path_chmod(backup->to, path, stat->mode & 07777);
    return rc < 0 ? rc : aio_path_utime(backup->to, path, times, 0);
}

/* From the deepest to the first: each is written into no more then. */
static int finish_folders(struct backup *backup)
{
    int rc = 0;
    for (struct folder *folder = backup->folders; folder != NULL && rc != -ECANCELED;
         folder = folder->next) {
        rc = set_attributes(backup, folder->path, &folder->stat);
        if (rc < 0 && rc != -ECANCELED)
            backup_complain(backup, folder->path, aio_error_text(rc));
    }
    return rc == -ECANCELED ? rc : 0;
}

/* The target may be somebody else's, who lets us write there. */
static int finish_target(struct backup *backup)
{
    int rc = set_attributes(backup, ".", &backup->top);
    if (rc < 0 && rc != -EPERM && rc != -ECANCELED)
        backup_complain(backup, backup->target_path, aio_error_text(rc));
    return rc == -ECANCELED ? rc : 0;
}

static void forget_folders(struct backup *backup)
{
    struct folder *next;
    for (struct folder *folder = backup->folders; folder != NULL; folder = next) {
        next = folder->next;
        free(folder);
    }
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
static int walk_source(struct backup *backup, bool fresh)
{
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    struct aio_scope_options collect = AIO_SCOPE_OPTIONS;
    struct aio_walk *walk;
    struct aio_task *progress = NULL;
    options.flags = AIO_WALK_STAT;
    int rc = aio_walk_open(&walk, backup->from, ".", &options);
    if (rc < 0)
        return rc;
    collect.flags = AIO_SCOPE_COLLECT;
    backup->slots = (struct aio_semaphore)AIO_SEMAPHORE_INIT(backup->tasks);
    (void)aio_scope_open(&backup->scope, &collect);
    if (aio_task_spawn(&progress, progress_run, backup, NULL) < 0)
        progress = NULL; /* then without */
    rc = copy_all(backup, walk, fresh);
    int joined = aio_scope_join(&backup->scope);
    rc = rc < 0 ? rc : joined;
    if (rc == 0)
        rc = finish_folders(backup);
    aio_walk_close(walk);
    forget_folders(backup);
    if (progress != NULL)
        end_progress(progress);
    progress_clear(backup);
    return rc;
}

static int stage_and_walk(struct backup *backup, bool fresh)
{
    int rc = aio_path_remove(backup->to, BACKUP_STAGING);
    if (rc == 0 || rc == -ENOENT)
        rc = aio_path_mkdir(backup->to, BACKUP_STAGING, S_IRWXU);
    if (rc < 0) {
        backup_complain(backup, BACKUP_STAGING, aio_error_text(rc));
        return rc;
    }
    rc = walk_source(backup, fresh);
    AIO_SHIELD
    {
        (void)aio_path_remove(backup->to, BACKUP_STAGING);
    }
    return rc;
}

static int open_target(struct backup *backup, bool *fresh)
{
    struct aio_stat stat = {.device = 0};
    *fresh = aio_path_stat(AT_FDCWD, backup->target_path, 0, &stat) == -ENOENT;
    int rc = aio_path_mkdirs(AT_FDCWD, backup->target_path, 0777);
    if (rc == 0)
        rc = aio_directory_open(&backup->target, AT_FDCWD, backup->target_path);
    if (rc == 0)
        rc = aio_path_stat(aio_directory_fd(backup->target), ".", 0, &stat);
    if (rc == 0)
        rc = aio_path_stat(aio_directory_fd(backup->source), ".", 0, &backup->top);
    if (rc == 0 && *fresh) /* nobody looks into what is not complete, or not theirs to see */
        rc = aio_path_chmod(aio_directory_fd(backup->target), ".", S_IRWXU);
    backup->target_device = stat.device;
    backup->target_inode = stat.inode;
    if (rc < 0)
        backup_complain(backup, backup->target_path, aio_error_text(rc));
    else if (backup->top.device == stat.device && backup->top.inode == stat.inode) {
        backup_complain(backup, backup->target_path, "this is the source");
        return -EINVAL;
    }
    return rc;
}

int backup_tree(struct backup *backup)
{
    bool fresh = false;
    int rc = aio_directory_open(&backup->source, AT_FDCWD, backup->source_path);
    if (rc < 0)
        backup_complain(backup, backup->source_path, aio_error_text(rc));
    else
        rc = open_target(backup, &fresh);
    if (rc == 0) {
        backup->from = aio_directory_fd(backup->source);
        backup->to = aio_directory_fd(backup->target);
        rc = backup->verify ? stage_and_walk(backup, fresh) : walk_source(backup, fresh);
        if (rc == 0)
            rc = finish_target(backup);
    }
    aio_directory_close(backup->target);
    aio_directory_close(backup->source);
    return rc;
}
