/*
 * One file: copied beside, verified, renamed.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* What a run that came before has completed. */
static bool job_is_done(const struct job *job)
{
    struct aio_stat stat;
    return aio_path_stat(job->backup->to, job->path, AIO_PATH_NOFOLLOW, &stat) == 0 &&
           S_ISREG(stat.mode) && stat.size == job->size &&
           stat.modified.tv_sec == job->modified.tv_sec &&
           stat.modified.tv_nsec == job->modified.tv_nsec;
}

static int job_copy_verified(struct job *job, const struct aio_file_copy_options *options)
{
    const struct backup *backup = job->backup;
    char staged[sizeof BACKUP_STAGING + 24];
    (void)snprintf(staged, sizeof staged, BACKUP_STAGING "/%" PRIu64, job->number);
    int rc = aio_file_copy(backup->from, job->path, backup->to, staged, options);
    if (rc < 0)
        return rc;
    rc = verify_same(backup->from, job->path, backup->to, staged);
    if (rc == 0)
        rc = aio_path_rename(backup->to, staged, backup->to, job->path, 0);
    if (rc < 0)
        AIO_SHIELD
        {
            (void)aio_path_unlink(backup->to, staged);
        }
    return rc;
}

static int job_copy(struct job *job)
{
    struct backup *backup = job->backup;
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    options.flags = AIO_FILE_COPY_KEEP | AIO_FILE_COPY_XATTRS | AIO_FILE_COPY_NOFOLLOW;
    options.copied = &job->copied;
    if (!job->fresh && job_is_done(job)) {
        backup->files_same++;
        return 0;
    }
    int rc = backup->verify
                 ? job_copy_verified(job, &options)
                 : aio_file_copy(backup->from, job->path, backup->to, job->path, &options);
    if (rc < 0)
        return rc;
    backup->files_copied++;
    if (backup->verbose && !backup->on_terminal) {
        print_name(stdout, job->path);
        (void)putchar('\n');
    }
    return 0;
}

static int job_run(void *arg)
{
    struct job *job = arg;
    struct backup *backup = job->backup;
    job_enter(job);
    int rc = job_copy(job);
    job_leave(job);
    if (rc == 0)
        backup->bytes_done += job->size;
    else if (rc == -EILSEQ)
        backup_complain(backup, job->path, "the copy differs, or the file was changed meanwhile");
    else if (rc != -ECANCELED)
        backup_complain(backup, job->path, aio_error_text(rc));
    aio_semaphore_release(&backup->slots, 1);
    free(job);
    return rc == -ECANCELED ? rc : 0;
}

static struct job *job_new(struct backup *backup, const char *path, const struct aio_stat *stat)
{
    size_t length = strlen(path) + 1;
    struct job *job = malloc(sizeof *job + length);
    if (job == NULL)
        return NULL;
    *job = (struct job){
        .backup = backup,
        .number = backup->files_found,
        .size = stat->size,
        .modified = stat->modified,
    };
    memcpy(job->path, path, length);
    return job;
}

int backup_file(struct backup *backup, const char *path, const struct aio_stat *stat, bool fresh)
{
    int rc = aio_semaphore_acquire(&backup->slots, 1);
    if (rc < 0)
        return rc;
    struct job *job = job_new(backup, path, stat);
    if (job != NULL)
        job->fresh = fresh;
    rc = job == NULL ? -ENOMEM : aio_scope_spawn(&backup->scope, job_run, job);
    if (rc < 0) {
        free(job);
        aio_semaphore_release(&backup->slots, 1);
        return rc;
    }
    backup->files_found++;
    backup->bytes_found += stat->size;
    return 0;
}
