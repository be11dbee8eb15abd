/*
 * Folders: opened without following a symlink, made, kept open while they are used, and given their
 * attributes when all that is in them is written.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int folder_open_name(struct aio_file **out, int at, const char *name, int more_flags)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    options.at = at;
    options.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | more_flags;
    return aio_file_open_with(out, name, &options);
}

/* Name by name. */
static int open_by_steps(struct aio_file **out, int at, const char *path)
{
    struct aio_file *above = NULL;
    for (;;) {
        char name[PATH_MAX];
        size_t length = strcspn(path, "/");
        bool last = path[length] == '\0';
        (void)snprintf(name, sizeof name, "%.*s", (int)length, path);
        int rc =
            folder_open_name(out, above == NULL ? at : aio_file_fd(above), name, last ? 0 : O_PATH);
        (void)aio_file_close(above);
        if (rc < 0 || last)
            return rc;
        above = *out;
        path += length + 1;
    }
}

/* In one step where the kernel can do that, and takes so long a path. */
static int open_beneath(struct aio_file **out, int at, const char *path)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    options.at = at;
    options.flags = O_RDONLY | O_DIRECTORY;
    options.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    int rc = aio_file_open_with(out, path, &options);
    return rc == -ENOSYS || rc == -ENAMETOOLONG ? open_by_steps(out, at, path) : rc;
}

struct folder *folder_new(const char *path, const struct aio_stat *stat)
{
    size_t length = strlen(path) + 1;
    struct folder *folder = malloc(sizeof *folder + length);
    if (folder == NULL)
        return NULL;
    *folder = (struct folder){.users = 1, .from = -1, .stat = *stat};
    memcpy(folder->path, path, length);
    return folder;
}

struct folder *folder_hold(struct folder *folder)
{
    folder->users++;
    return folder;
}

static void complain(struct backup *backup, const char *path, int rc)
{
    if (attributes_refused(rc))
        backup_complain_unkept(backup, path);
    else if (rc < 0 && rc != -ECANCELED)
        backup_complain(backup, path, aio_error_text(rc));
}

/* Where nothing more comes into it, its attributes need not wait for the end of all. */
void folder_release(struct backup *backup, struct folder *folder)
{
    if (--folder->users > 0)
        return;
    if (folder->complete)
        complain(backup, folder->path, attributes_set(folder->to, &folder->stat, folder->from));
    if (folder->from >= 0)
        (void)close(folder->from);
    folder->from = -1;
    (void)aio_file_close(folder->to);
    folder->to = NULL;
}

/* A directory that we may not read can be opened for its attributes alone, and these set by way of
 * that descriptor. */
static int unlock(int at, const char *name)
{
    struct aio_file *file;
    struct aio_stat stat;
    char path[64];
    int rc = folder_open_name(&file, at, name, O_PATH);
    if (rc < 0)
        return rc;
    rc = aio_file_stat(file, &stat);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", aio_file_fd(file));
    if (rc == 0)
        rc = aio_path_chmod(AT_FDCWD, path, (stat.mode & 07777) | S_IRWXU);
    (void)aio_file_close(file);
    return rc;
}

/* Opens a directory of the target so that we can write into it. */
static int open_for_writing(struct aio_file **out, int at, const char *name)
{
    struct aio_stat stat;
    int rc = folder_open_name(out, at, name, 0);
    if (rc == -EACCES && unlock(at, name) == 0)
        rc = folder_open_name(out, at, name, 0);
    if (rc < 0)
        return rc;
    rc = aio_file_stat(*out, &stat);
    if (rc == 0 && (stat.mode & S_IRWXU) != S_IRWXU)
        rc = aio_file_chmod(*out, (stat.mode & 07777) | S_IRWXU);
    if (rc < 0) {
        (void)aio_file_close(*out);
        *out = NULL;
    }
    return rc;
}

/* Whether a directory is right in that folder. */
static bool is_in(const struct folder *folder, const struct aio_walk_entry *entry)
{
    size_t length = strlen(entry->path) - strlen(entry->name);
    length -= length > 0; /* the slash */
    return strlen(folder->path) == length && strncmp(folder->path, entry->path, length) == 0;
}

/* Opens the folder that a directory is in; the walk may have left it. */
static int open_above(struct backup *backup, const struct aio_walk_entry *entry,
                      struct folder **open, struct aio_file **opened)
{
    *open = is_in(backup->top, entry) ? backup->top : backup->folder;
    if (is_in(*open, entry))
        return 0;
    *open = NULL;
    char *path = strndup(entry->path, strlen(entry->path) - strlen(entry->name) - 1);
    if (path == NULL)
        return -ENOMEM;
    int rc = open_beneath(opened, aio_file_fd(backup->top->to), path);
    free(path);
    return rc;
}

/* Makes the directory if need be, and opens it. */
static int make(struct backup *backup, const struct aio_walk_entry *entry, struct folder *folder)
{
    struct folder *open;
    struct aio_file *opened = NULL;
    int rc = open_above(backup, entry, &open, &opened);
    if (rc < 0)
        return rc;
    int at = aio_file_fd(open == NULL ? opened : open->to);
    rc = aio_path_mkdir(at, entry->name, S_IRWXU);
    folder->fresh = rc == 0;
    if (rc == 0 || rc == -EEXIST)
        rc = open_for_writing(&folder->to, at, entry->name);
    (void)aio_file_close(opened);
    return rc;
}

static bool is_staged(const char *name)
{
    size_t length = strlen(BACKUP_STAGED);
    return strlen(name) == length && strncmp(name, BACKUP_STAGED, length - strlen("XXXXXX")) == 0;
}

/* Removes what a run that was killed has left there. Returns 0 or -errno. */
static int clear_staged(int at)
{
    struct aio_directory *directory;
    struct aio_directory_entry entry;
    int rc = aio_directory_open(&directory, at, ".");
    if (rc < 0)
        return rc;
    while ((rc = aio_directory_next(directory, &entry)) == 1) {
        if (entry.type == AIO_ENTRY_FILE && is_staged(entry.name))
            rc = aio_path_unlink(at, entry.name);
        if (rc < 0)
            break;
    }
    aio_directory_close(directory);
    return rc;
}

/* Finds out where its copies are staged: the kernel looks at the mounts before it looks for what is
 * to be renamed, which is not there. Returns 0 or -errno. */
static int find_staging(const struct backup *backup, struct folder *folder)
{
    int to = aio_file_fd(folder->to);
    if (!backup->verify)
        return 0;
    int rc = aio_path_rename(aio_file_fd(backup->staging), "none", to, "none", 0);
    folder->apart = rc == -EXDEV;
    if (!folder->apart)
        return rc == -ECANCELED ? rc : 0;
    return folder->fresh ? 0 : clear_staged(to);
}

int folder_enter(struct backup *backup, const struct aio_walk_entry *entry)
{
    struct folder *folder = folder_new(entry->path, entry->stat);
    if (folder == NULL)
        return -ENOMEM;
    folder->from = fcntl(entry->at, F_DUPFD_CLOEXEC, 0); /* the walk has it open, and closes it */
    int rc = folder->from < 0 ? -errno : make(backup, entry, folder);
    if (rc == 0)
        rc = find_staging(backup, folder);
    if (rc < 0) {
        folder_release(backup, folder);
        free(folder);
        return rc;
    }
    folder->next = backup->folders;
    backup->folders = folder;
    folder_leave(backup, !is_in(backup->folder, entry));
    backup->folder = folder;
    return 0;
}

void folder_leave(struct backup *backup, bool complete)
{
    backup->folder->complete = complete && backup->folder != backup->top;
    folder_release(backup, backup->folder);
}

/* Of a folder that was closed when the walk went on below. A source that is gone takes its extended
 * attributes along. */
static int finish(const struct backup *backup, const struct folder *folder)
{
    struct aio_file *to, *from = NULL;
    int rc = open_beneath(&to, aio_file_fd(backup->top->to), folder->path);
    if (rc < 0)
        return rc;
    rc = open_beneath(&from, backup->top->from, folder->path);
    int set = attributes_set(to, &folder->stat, rc < 0 ? -1 : aio_file_fd(from));
    if (rc == 0)
        (void)aio_file_close(from);
    (void)aio_file_close(to);
    return set < 0 ? set : rc;
}

/* From the deepest to the first: each is written into no more then. */
int folder_finish_all(struct backup *backup)
{
    int rc = 0;
    for (struct folder *folder = backup->folders; folder != NULL && rc != -ECANCELED;
         folder = folder->next) {
        rc = folder->complete ? 0 : finish(backup, folder);
        complain(backup, folder->path, rc);
    }
    return rc == -ECANCELED ? rc : 0;
}

/* The target may be somebody else's, who lets us write there. */
int folder_finish_top(struct backup *backup)
{
    const struct folder *top = backup->top;
    int rc = attributes_set(top->to, &top->stat, top->from);
    if (rc != -EPERM)
        complain(backup, backup->target_path, rc);
    return rc == -ECANCELED ? rc : 0;
}

void folder_forget_all(struct backup *backup)
{
    struct folder *next;
    for (struct folder *folder = backup->folders; folder != NULL; folder = next) {
        next = folder->next;
        free(folder);
    }
}
