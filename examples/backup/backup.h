/*
 * What the files of the backup example share.
 */
#ifndef EXAMPLES_BACKUP_BACKUP_H
#define EXAMPLES_BACKUP_BACKUP_H

#include <aio/aio.h>
#include <aio/directory.h>
#include <aio/whole.h>

/* In the target: copies that are not verified yet. What a run leaves there when it is killed, the
 * next one removes. */
#define BACKUP_STAGING ".backup-staging"

/* A file that is being copied, by a task of its own. */
struct job {
    struct backup *backup;
    struct job *next; /* of those in progress */
    struct job *prev;
    uint64_t number;
    bool fresh; /* its directory was made by this run: there is nothing to look for */
    int64_t size;
    struct timespec modified;
    int64_t copied;
    char path[];
};

/* A directory, whose attributes are set when all that is in it is written. */
struct folder {
    struct folder *next;
    struct aio_stat stat;
    char path[];
};

struct backup {
    const char *source_path;
    const char *target_path;
    uint32_t tasks; /* that copy at the same time */
    bool verify;
    bool verbose;
    bool on_terminal;

    struct aio_directory *source;
    struct aio_directory *target;
    int from; /* their descriptors */
    int to;
    uint64_t target_device, target_inode;
    struct aio_stat top; /* of the source itself */
    struct aio_scope scope;
    struct aio_semaphore slots;
    struct job *jobs;
    struct folder *folders; /* the last one first */

    bool walked; /* the whole source: what was found is all */
    uint64_t files_found, files_copied, files_same, failures;
    int64_t bytes_found, bytes_done;
    int64_t begin_ns;
};

/* Copies the tree. Returns 0; -ECANCELED when it was interrupted; or why it could not begin. What
 * failed on the way is told, and counted in failures. */
int backup_tree(struct backup *backup);

/* Begins to copy a file when one of the slots is free. Returns 0 or -errno. */
int backup_file(struct backup *backup, const char *path, const struct aio_stat *stat, bool fresh);

/* Says something about a path. */
void backup_say(struct backup *backup, const char *path, const char *what);

/* Says what went wrong with a path, and counts it. */
void backup_complain(struct backup *backup, const char *path, const char *what);

/* Compares two files by their checksums. Returns 0; -EILSEQ when they differ; or -errno. */
int verify_same(int a_at, const char *a, int b_at, const char *b);

/* A task: shows how far it is until it is cancelled. */
int progress_run(void *backup);

/* Makes room for a line of other text on a terminal. */
void progress_clear(const struct backup *backup);

#endif
