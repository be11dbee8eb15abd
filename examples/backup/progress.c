/*
 * How far it is: a bar on a terminal, a line now and then elsewhere.
 */
#include "examples/backup/backup.h"

#include <stdio.h>

#define BAR_COLUMNS 30
#define BAR_INTERVAL_NS AIO_MS(100)
#define LINE_INTERVAL_NS AIO_SEC(5)

static int64_t bytes_done(const struct backup *backup)
{
    int64_t bytes = backup->bytes_done;
    for (const struct job *job = backup->jobs; job != NULL; job = job->next)
        bytes += job->copied;
    return bytes;
}

static void show_line(const struct backup *backup)
{
    printf("backup: %llu of %llu%s files, %lld of %lld bytes\n",
           (unsigned long long)(backup->files_copied + backup->files_same),
           (unsigned long long)backup->files_found, backup->walked ? "" : " or more",
           (long long)bytes_done(backup), (long long)backup->bytes_found);
}

static void show_bar(const struct backup *backup)
{
    static const char full[] = "##############################";
    int64_t done = bytes_done(backup), found = backup->bytes_found;
    double seconds = (double)(aio_time_now() - backup->begin_ns) / 1e9;
    double part = found > 0 ? (double)done / (double)found : 1;
    int columns = (int)(part * BAR_COLUMNS);
    printf("\r[%.*s%*s] %3d%%  %llu/%llu%s files  %.1f MiB/s\033[K", columns, full,
           BAR_COLUMNS - columns, "", (int)(part * 100),
           (unsigned long long)(backup->files_copied + backup->files_same),
           (unsigned long long)backup->files_found, backup->walked ? "" : "+",
           (double)done / (1 << 20) / (seconds + 1e-3));
}

int progress_run(void *arg)
{
    struct backup *backup = arg;
    int rc;
    while ((rc = aio_time_sleep(backup->on_terminal ? BAR_INTERVAL_NS : LINE_INTERVAL_NS)) >= 0) {
        if (backup->on_terminal)
            show_bar(backup);
        else
            show_line(backup);
        (void)fflush(stdout);
    }
    if (backup->on_terminal)
        show_bar(backup);
    return rc;
}

void progress_clear(const struct backup *backup)
{
    if (!backup->on_terminal)
        return;
    printf("\r\033[K");
    (void)fflush(stdout);
}
