/*
 * backup: copies a directory with all that is below, many files at a time.
 *
 * Usage: backup [-j TASKS] [-n] [-v] SOURCE TARGET
 *     -j TASKS   copy so many files at the same time (1 to 256, default 128; fewer where the limit
 *                of open files, ulimit -n, is too low: each takes four)
 *     -n         do not verify: else each copy is read again, and its CRC32C compared
 *     -v         name each file that was copied
 *
 * Files, directories, SOURCE itself too, and symlinks are copied with permissions, times and, as
 * root, owners; files and directories with extended attributes and access lists as well. A file of
 * several names becomes several. Other things are named and left out. A file stands in TARGET when
 * it is complete and verified, and not before; one that stands there with the size and time of its
 * source, as far as the file system keeps times, is taken for copied, and gets the permissions and
 * owner that its source has by now. So what was interrupted is continued by running it again. What
 * is only in TARGET stays there, but for names that begin with .backup-staging: they are its own.
 * File systems that are mounted within SOURCE are copied as well, and those that are mounted within
 * TARGET are copied to. Where a file system refuses permissions or times, the data are kept, and
 * that is told. Nothing is synced: before the disk is taken out, or where power may fail, sync(1)
 * is still to be run.
 *
 * Directories are held open while they are worked in, and symlinks never followed, but for those in
 * the names SOURCE and TARGET: nobody who replaces a directory meanwhile can lead root elsewhere.
 *
 * One run at a time for a TARGET: a second one would take away what the first has begun.
 *
 * Exit codes: 0; 1 something could not be read, written or verified, or it was interrupted, or
 * attributes were refused; 2 bad usage. What failed is on standard error.
 */
#include "examples/backup/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define TASKS_MAX 256
#define TASK_DESCRIPTORS 4
#define OTHER_DESCRIPTORS 40 /* of the runtime, the walk, and what its pool has open for a call */

static int usage(const char *wrong)
{
    if (wrong != NULL)
        (void)fprintf(stderr, "backup: %s\n", wrong);
    (void)fprintf(stderr, "usage: backup [-j TASKS] [-n] [-v] SOURCE TARGET\n");
    return 2;
}

static void sum_up(const struct backup *backup, int rc)
{
    double seconds = (double)(aio_time_now() - backup->begin_ns) / 1e9;
    if (rc == -ECANCELED)
        (void)fprintf(stderr, "backup: interrupted: run it again to go on\n");
    printf("backup: %llu copied, %llu already there, %llu failed, %lld bytes in %.1f s",
           (unsigned long long)backup->files_copied, (unsigned long long)backup->files_same,
           (unsigned long long)backup->failures, (long long)backup->bytes_done, seconds);
    if (backup->unkept > 0)
        printf("; %llu without all attributes", (unsigned long long)backup->unkept);
    (void)putchar('\n');
}

static int backup_main(void *arg)
{
    struct backup *backup = arg;
    int rc = aio_signal_shutdown();
    if (rc < 0)
        return aio_error_exit(rc, "backup");
    backup->begin_ns = aio_time_now();
    rc = backup_tree(backup);
    sum_up(backup, rc);
    return rc < 0 || backup->failures > 0 || backup->unkept > 0 ? 1 : 0;
}

static bool read_tasks(const char *text, uint32_t *out)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1 || value > TASKS_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Many tasks a thread: one that has copied a file finds the next one waiting, and need not sleep.
 * (20,000 small files on two processors, by the clock against cp -a: 0.73 with 4 threads for 128
 * tasks, 0.76 for 64, 0.82 for 32; with 8 threads 0.86, as more of them wait for the same
 * directory.) */
static uint32_t threads_for(uint32_t tasks)
{
    uint32_t threads = tasks / 32;
    if (threads < 4)
        threads = 4;
    return threads < tasks ? threads : tasks;
}

/* A task may have a file open, its copy and their folders. The limit is raised as far as may be;
 * under what is left of it fewer tasks work. */
static uint32_t tasks_with_descriptors(uint32_t tasks)
{
    const rlim_t wanted = (rlim_t)tasks * TASK_DESCRIPTORS + OTHER_DESCRIPTORS;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
        return tasks;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= wanted)
        return tasks;
    if (limit.rlim_cur < OTHER_DESCRIPTORS + TASK_DESCRIPTORS)
        return 1;
    return (uint32_t)((limit.rlim_cur - OTHER_DESCRIPTORS) / TASK_DESCRIPTORS);
}

int main(int argc, char **argv)
{
    struct backup backup = {
        .tasks = 128, .verify = true, .on_terminal = isatty(STDOUT_FILENO) == 1};
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    int option;
    while ((option = getopt(argc, argv, "j:nv")) != -1) {
        if (option == 'j' && !read_tasks(optarg, &backup.tasks))
            return usage("the number of tasks is 1 to 256");
        if (option == '?')
            return usage(NULL);
        backup.verify &= option != 'n';
        backup.verbose |= option == 'v';
    }
    if (argc - optind != 2)
        return usage("a source and a target are wanted");
    backup.source_path = argv[optind];
    backup.target_path = argv[optind + 1];
    backup.tasks = tasks_with_descriptors(backup.tasks);
    options.offload_threads = threads_for(backup.tasks);
    int rc = aio_runtime_run(&options, backup_main, &backup);
    return rc >= 0 ? rc : aio_error_exit(rc, "backup");
}
