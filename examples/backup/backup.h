/*
 * What the files of the backup example share.
 */
#ifndef EXAMPLES_BACKUP_BACKUP_H
#define EXAMPLES_BACKUP_BACKUP_H

#include <aio/aio.h>
#include <aio/directory.h>
#include <aio/file.h>
#include <aio/whole.h>

/* In the target: copies that are not verified yet. What a run leaves there when it is killed, the
 * next one removes. */
#define BACKUP_STAGING ".backup-staging"

/* Renaming does not lead from one mount, or subvolume, to another: there they stand beside what
 * they will replace, with such a name. */
#define BACKUP_STAGED BACKUP_STAGING "-unverified-XXXXXX"

/* A directory of the source and its copy. Both are held by descriptors while something in them is
 * copied, and what is in them is named by single names: so nobody who puts a symlink in the place
 * of a directory leads us elsewhere. Its attributes are set when all that is in it is written. */
struct folder {
    struct folder *next;
    uint32_t users;      /* the walk and jobs: the last one closes it */
    bool fresh;          /* this run has made it: there is nothing to look for */
    bool apart;          /* what is in the staging cannot be renamed into it */
    bool complete;       /* nothing is in it but its files: the last user sets its attributes */
    int from;            /* descriptors, while it has users */
    struct aio_file *to; /* NULL: it is closed */
    struct aio_stat stat;
    char path[]; /* from the top, whose own is empty */
};

/* A file that is being copied, by a task of its own. */
struct job {
    struct backup *backup;
    struct job *next; /* of those in progress */
    struct job *prev;
    struct folder *folder;
    const char *name; /* in the folder; the end of path */
    uint64_t number;
    bool unkept; /* the copy has not all attributes */
    struct aio_stat stat;
    int64_t copied;
    char path[];
};

struct backup {
    const char *source_path;
    const char *target_path;
    uint32_t tasks; /* that copy at the same time */
    bool verify;
    bool verbose;
    bool on_terminal;

    struct folder *top;       /* source and target themselves */
    struct aio_file *staging; /* NULL: nothing is verified */
    uint64_t target_device, target_inode;
    struct aio_scope scope;
    struct aio_semaphore slots;
    struct job *jobs;
    struct folder *folder;  /* that the walk is in */
    struct folder *folders; /* all but the top, the last one first */

    bool walked; /* the whole source: what was found is all */
    uint64_t files_found, files_copied, files_same, failures, unkept;
    int64_t bytes_found, bytes_done;
    int64_t begin_ns;
};

/* Copies the tree. Returns 0; -ECANCELED when it was interrupted; or why it could not begin. What
 * failed on the way is told, and counted in failures. */
int backup_tree(struct backup *backup);

/* Begins to copy a file of the folder that the walk is in, when one of the slots is free. Returns 0
 * or -errno. */
int backup_file(struct backup *backup, const struct aio_walk_entry *entry);

/* Opens the source and the target, which is made if need be, as backup->top. Returns 0 or -errno,
 * which is told. */
int top_open(struct backup *backup);
void top_close(struct backup *backup);

/* A folder with one user and nothing open, or NULL. */
struct folder *folder_new(const char *path, const struct aio_stat *stat);

/* Makes a directory in the target, or takes the one that is there, and goes into it. */
int folder_enter(struct backup *backup, const struct aio_walk_entry *entry);

/* Opens a directory by a single name; what is not one, or a symlink to one, is refused. */
int folder_open_name(struct aio_file **out, int at, const char *name, int more_flags);

/* To keep a folder open, and to have done with it. */
struct folder *folder_hold(struct folder *folder);
void folder_release(struct backup *backup, struct folder *folder);

/* The walk goes on elsewhere: complete when no directory in the folder is to come, or has come. */
void folder_leave(struct backup *backup, bool complete);

/* Sets the attributes of all folders that still want them, but the top, when none is used any more.
 * Returns 0 or -ECANCELED. */
int folder_finish_all(struct backup *backup);
int folder_finish_top(struct backup *backup);
void folder_forget_all(struct backup *backup);

/* Sets owner, permissions and times, and what else a directory has that from is open on, or -1. An
 * owner that may not be given is no error. After an error the others are set all the same. */
int attributes_set(struct aio_file *file, const struct aio_stat *wanted, int from);

/* Whether a copy that has been found is the file that is wanted, but for owner and permissions. */
bool attributes_of_same_file(const struct aio_stat *wanted, const struct aio_stat *found);

/* Whether it has the owner and permissions too, as far as we may give them. */
bool attributes_are_kept(const struct aio_stat *wanted, const struct aio_stat *found);

/* Whether a result says that an owner cannot be given; or other attributes. */
bool attributes_owner_refused(int rc);
bool attributes_refused(int rc);

/* Looks for a copy that was made by a run before, and sets its owner and permissions if only these
 * are others. Returns 1 when it is there, 0 when the file is to be copied, or -errno. */
int there_already(struct job *job);

/* Opens a copy to set its attributes: a regular file that has no other names. */
int there_open(struct aio_file **out, int at, const char *name);

/* Says something about a path. */
void backup_say(struct backup *backup, const char *path, const char *what);

/* Says what went wrong with a path, and counts it. */
void backup_complain(struct backup *backup, const char *path, const char *what);

/* Says that a copy has not all of its attributes, and counts it. */
void backup_complain_unkept(struct backup *backup, const char *path);

/* Compares two files by their checksums. Returns 0; -EILSEQ when they differ; or -errno. */
int verify_same(int a_at, const char *a, int b_at, const char *b);

/* A task: shows how far it is until it is cancelled. */
int progress_run(void *backup);

/* Makes room for a line of other text on a terminal. */
void progress_clear(const struct backup *backup);

#endif
