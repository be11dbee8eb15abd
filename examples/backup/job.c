/*
 * One file: copied beside, verified, renamed.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STAGED_BYTES = sizeof BACKUP_STAGED };

_Static_assert(STAGED_BYTES > 20, "or a number");

/* Names may hold what a terminal would obey. */
static void print_name(FILE *file, const char *name)
{
    for (; *name != '\0'; name++)
        (void)putc((unsigned char)*name < ' ' || *name == 127 ? '?' : *name, file);
}

void backup_say(struct backup *backup, const char *path, const char *what)
{
    progress_clear(backup);
    (void)fputs("backup: ", stderr);
    print_name(stderr, path);
    (void)fprintf(stderr, ": %s\n", what);
}

void backup_complain(struct backup *backup, const char *path, const char *what)
{
    backup->failures++;
    backup_say(backup, path, what);
}

void backup_complain_unkept(struct backup *backup, const char *path)
{
    backup->unkept++;
    backup_say(backup, path, "its owner, permissions or times cannot be kept there");
}

static void job_enter(struct job *job)
{
    struct backup *backup = job->backup;
    job->next = backup->jobs;
    if (job->next != NULL)
        job->next->prev = job;
    backup->jobs = job;
}

static void job_leave(struct job *job)
{
    if (job->next != NULL)
        job->next->prev = job->prev;
    if (job->prev != NULL)
        job->prev->next = job->next;
    else
        job->backup->jobs = job->next;
}

/* The data are worth more than the attributes; what can be set of these is. */
static int job_copy_plain(struct job *job, int at, const char *name)
{
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    struct aio_file *file;
    options.flags = AIO_FILE_COPY_NOFOLLOW;
    options.copied = &job->copied;
    int rc = aio_file_copy(job->folder->from, job->name, at, name, &options);
    if (rc < 0)
        return rc;
    job->unkept = true;
    if (there_open(&file, at, name) == 0) {
        (void)attributes_set(file, &job->stat, -1);
        (void)aio_file_close(file);
    }
    return 0;
}

static int job_copy_to(struct job *job, int at, const char *name)
{
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    options.flags = AIO_FILE_COPY_KEEP | AIO_FILE_COPY_XATTRS | AIO_FILE_COPY_NOFOLLOW;
    options.copied = &job->copied;
    int rc = aio_file_copy(job->folder->from, job->name, at, name, &options);
    return attributes_refused(rc) ? job_copy_plain(job, at, name) : rc;
}

/* Finds a name for the copy until it is verified. Returns its folder's descriptor or -errno. */
static int job_stage(const struct job *job, char name[STAGED_BYTES])
{
    int to = aio_file_fd(job->folder->to);
    if (!job->folder->apart) {
        (void)snprintf(name, STAGED_BYTES, "%" PRIu64, job->number);
        return aio_file_fd(job->backup->staging);
    }
    (void)snprintf(name, STAGED_BYTES, "%s", BACKUP_STAGED);
    int fd = aio_path_mkstemp(to, name);
    struct aio_file *file;
    int rc = fd < 0 ? fd : aio_file_adopt(&file, fd);
    if (rc == 0)
        rc = aio_file_close(file); /* which may wait for a server */
    else if (fd >= 0)
        (void)close(fd);
    return rc < 0 ? rc : to;
}

static int job_copy_staged(struct job *job)
{
    const struct folder *folder = job->folder;
    char staged[STAGED_BYTES];
    int staging = job_stage(job, staged);
    if (staging < 0)
        return staging;
    int rc = job_copy_to(job, staging, staged);
    if (rc == 0)
        rc = verify_same(folder->from, job->name, staging, staged);
    if (rc == 0)
        rc = aio_path_rename(staging, staged, aio_file_fd(folder->to), job->name, 0);
    if (rc < 0)
        AIO_SHIELD
        {
            (void)aio_path_unlink(staging, staged);
        }
    return rc;
}

/* A rename may be refused within a mount as well: from one subvolume or quota to another. */
static int job_copy_verified(struct job *job)
{
    bool apart = job->folder->apart;
    int rc = job_copy_staged(job);
    if (rc != -EXDEV || apart)
        return rc;
    job->folder->apart = true;
    return job_copy_staged(job);
}

static int job_copy(struct job *job)
{
    struct backup *backup = job->backup;
    int rc = job->folder->fresh ? 0 : there_already(job);
    if (rc == 1)
        backup->files_same++;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = backup->verify ? job_copy_verified(job)
                        : job_copy_to(job, aio_file_fd(job->folder->to), job->name);
    if (rc < 0)
        return rc;
    backup->files_copied++;
    if (backup->verbose && !backup->on_terminal) {
        print_name(stdout, job->path);
        (void)putchar('\n');
    }
    return 0;
}

static void job_free(struct job *job)
{
    folder_release(job->backup, job->folder);
    aio_semaphore_release(&job->backup->slots, 1);
    free(job);
}

static int job_run(void *arg)
{
    struct job *job = arg;
    struct backup *backup = job->backup;
    job_enter(job);
    int rc = job_copy(job);
    job_leave(job);
    if (rc == 0)
        backup->bytes_done += job->stat.size;
    if (rc == 0 && job->unkept)
        backup_complain_unkept(backup, job->path);
    if (rc == -EILSEQ)
        backup_complain(backup, job->path, "the copy differs, or the file was changed meanwhile");
    else if (rc < 0 && rc != -ECANCELED)
        backup_complain(backup, job->path, aio_error_text(rc));
    job_free(job);
    return rc == -ECANCELED ? rc : 0;
}

static struct job *job_new(struct backup *backup, const struct aio_walk_entry *entry)
{
    size_t length = strlen(entry->path);
    struct job *job = malloc(sizeof *job + length + 1);
    if (job == NULL)
        return NULL;
    *job = (struct job){
        .backup = backup,
        .folder = folder_hold(backup->folder),
        .name = job->path + length - strlen(entry->name),
        .number = backup->files_found,
        .stat = *entry->stat,
    };
    memcpy(job->path, entry->path, length + 1);
    return job;
}

int backup_file(struct backup *backup, const struct aio_walk_entry *entry)
{
    int64_t size = entry->stat->size;
    int rc = aio_semaphore_acquire(&backup->slots, 1);
    if (rc < 0)
        return rc;
    struct job *job = job_new(backup, entry);
    if (job == NULL) {
        aio_semaphore_release(&backup->slots, 1);
        return -ENOMEM;
    }
    rc = aio_scope_spawn(&backup->scope, job_run, job);
    if (rc < 0) {
        job_free(job);
        return rc;
    }
    backup->files_found++;
    backup->bytes_found += size;
    return 0;
}
