/*
 * Copies that a run before has made.
 */
#include "examples/backup/backup.h"

bool there_already(const struct job *job)
{
    struct aio_stat found;
    int rc = aio_path_stat(aio_file_fd(job->folder->to), job->name, AIO_PATH_NOFOLLOW, &found);
    return rc == 0 && attributes_of_same_file(&job->stat, &found);
}
