/*
 * What the files of the tail example share.
 */
#ifndef EXAMPLES_TAIL_TAIL_H
#define EXAMPLES_TAIL_TAIL_H

#include <aio/aio.h>
#include <aio/file.h>
#include <aio/watch.h>
#include <sys/types.h>

enum { LINKS_MAX = 16, PATH_BYTES = 4096 };
enum { FILES_KEPT = 4 };       /* open ones of a name: its own, and those that had it before */
enum { EVENTS_MAX = 20000 };   /* more than the kernel queues, as a rule */
enum { EVENTS_AT_ONCE = 256 }; /* before what has been added is printed */

/* A file that has, or had, the name. */
struct file {
    struct file *next;     /* which has come after it */
    struct aio_file *open; /* NULL: it has not been looked at */
    int id;                /* of its watch */
    dev_t device;
    ino_t number;
    int64_t offset;  /* what comes before it has been printed */
    unsigned serial; /* differs from that of all others */
    uint32_t cookie; /* of the rename that it is on; 0 */
    char *name;      /* in the folder, as far as has been told; NULL: not there */
    bool renamed;    /* since somebody began to look at it */
    bool awaits;     /* something else to happen before it is looked at again */
    bool unfit;      /* to be followed, whatever happens to it */
    bool gone;       /* for good, and nobody has seen it */
};

/* Where a name stands: in a folder that is watched. */
struct place {
    int folder_id; /* of its watch; 0: there is no such folder, or none that can be watched */
    char folder[PATH_BYTES];
    char name[PATH_BYTES];
};

/* What is to be followed. */
struct source {
    const char *path;
    struct place *places; /* of the path, and what it leads to as a symlink; the last is the file's,
                           * or the reason why there is none */
    int place_count;
    struct file *files; /* the oldest first */
    unsigned told;      /* the serial of the file that was last told to have the name; 0: none */
    int error;          /* why nothing has the name that could be followed; 0 */
    int complaint;      /* the error that has been told last; 0: there is a file */
    bool fresh;         /* nothing has been printed of it */
    bool missing;       /* the name stands for no file, which has been told */
    bool grown;         /* a file may have more to print */
    bool changed;       /* so may the name stand for another one */
    bool relinked;      /* so may a symlink on the way to it, or a folder */
};

struct tail {
    struct aio_watch *watch;
    struct aio_stream *out;
    struct source *sources;
    int count;
    int64_t looked_ns;          /* when the places were looked at last */
    unsigned serial;            /* the last one given */
    const struct source *shown; /* whose bytes were printed last */
    long lines;
};

/* main.c: takes what the watch has to tell, at most so many events; waits for the first if there is
 * none. Returns 0 or -ECANCELED. */
int take_events(struct tail *tail, int most, int64_t wait_ns);

/* place.c: finds where the path leads, and watches the folders of all names on the way. Returns 0;
 * or why it leads nowhere, which only another call finds to have changed. */
int find_places(struct tail *tail, struct source *source);

/* place.c: whether the path of the file's folder still is that of the one that is watched. Returns
 * 0; or -errno, and the source is relinked. */
int confirm_place(struct tail *tail, struct source *source);

/* place.c: where the file stands. */
const struct place *last_place(const struct source *source);

/* file.c: messages on standard error. */
void say(const struct source *source, const char *what);
void complain(const struct source *source, int error);

/* file.c: opens and begins to watch; nothing of the file has been printed then. Return 0 or -errno.
 */
int open_file(const char *path, struct file *file);
int watch_file(struct tail *tail, struct file *file);
void close_file(struct tail *tail, struct file *file);

/* file.c: the last lines are those that will be printed. Returns 0 or -errno. */
int seek_lines(struct file *file, long lines);

/* file.c: with several sources, tells whose bytes follow. Returns 0 or -errno. */
int print_header(struct tail *tail, const struct source *source);

/* file.c: prints what has been added to the source's files. Returns 0; or why that cannot be
 * printed. */
int drain_files(struct tail *tail, struct source *source);

/* event.c: writes down what an event means for a source. */
void note_event(struct tail *tail, struct source *source, const struct aio_watch_event *event);

/* event.c: a file that is to be looked at, the newest from now on. Returns NULL without memory. */
struct file *add_file(struct tail *tail, struct source *source, const char *name);

/* event.c: it has that name from now on; NULL: none. Without memory it has none either. */
void name_file(struct file *file, const char *name);

/* event.c: makes a file the newest. */
void make_newest(struct source *source, struct file *file);

/* event.c: which file has a name, if any is known to. */
struct file *file_named(const struct source *source, const char *name);

/* settle.c: acts on what was written down. Returns 0 or why tail ends. */
int settle(struct tail *tail, struct source *source);

/* settle.c: whether an error means that what has the name will never be a file that can be
 * followed. */
bool is_unfit(int error);

/* settle.c: closes and frees all. */
void close_source(struct tail *tail, struct source *source);

#endif
