/*
 * tail: prints the last lines of files, and then what is added to them. Usage:
 *
 *     tail [-n LINES] FILE...
 *
 * A file is followed by its name, as by `tail -F`: one that is truncated is printed from its
 * beginning, one that is replaced (renamed and made anew, as logs are) is read to its end, and the
 * new one from its beginning. Who had the old one open may go on writing to it for a while, so it
 * is followed too, until the next one comes. A file that is not there is waited for. One that has
 * come and been replaced before tail gets to look, within a millisecond or so, is not seen, as the
 * name leads to it no more. Nothing is asked for again and again: the kernel tells what changes,
 * see <aio/watch.h>.
 */
#include <aio/aio.h>
#include <aio/file.h>
#include <aio/pipe.h>
#include <aio/watch.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BUFFER_BYTES = 65536, FILE_EVENTS = IN_MODIFY };
enum { OF_NO_EVENT = -2 };
enum { FOLDER_EVENTS = IN_CREATE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR };

/* A file that has, or had, the name. */
struct inode {
    struct aio_file *file; /* NULL: none */
    int id;                /* of its watch */
    dev_t device;
    ino_t number;
    int64_t offset; /* what comes before it has been printed */
};

struct source {
    const char *path;
    const char *name; /* the last part of path */
    int folder_id;
    struct inode current;
    struct inode previous;
    bool missing; /* the name stands for no file, which has been told */
};

struct tail {
    struct aio_watch *watch;
    struct aio_stream *out;
    struct source *sources;
    int count;
    const struct source *shown; /* whose bytes were printed last */
    long lines;
};

static char buffer[BUFFER_BYTES];

static void say(const struct source *source, const char *what)
{
    fprintf(stderr, "tail: %s: %s\n", source->path, what);
}

static void complain(const struct source *source, int error)
{
    char what[4200];
    (void)snprintf(what, sizeof what, "tail: %s", source->path);
    (void)aio_error_exit(error, what);
}

/* With several files, tells whose bytes follow. */
static int print_header(struct tail *tail, const struct source *source)
{
    char header[4200];
    if (tail->count == 1 || tail->shown == source)
        return 0;
    int length = snprintf(header, sizeof header, "%s==> %.4096s <==\n",
                          tail->shown != NULL ? "\n" : "", source->path);
    tail->shown = source;
    ssize_t rc = aio_stream_write_all(tail->out, header, (size_t)length, NULL);
    return rc < 0 ? (int)rc : 0;
}

static int print(struct tail *tail, const struct source *source, size_t bytes)
{
    int rc = print_header(tail, source);
    if (rc < 0)
        return rc;
    ssize_t n = aio_stream_write_all(tail->out, buffer, bytes, NULL);
    return n < 0 ? (int)n : 0;
}

/* Whether the file has become shorter than what was printed of it. */
static bool truncated(const struct inode *inode)
{
    struct stat status;
    return fstat(aio_file_fd(inode->file), &status) == 0 && status.st_size < inode->offset;
}

/* Prints what has been added. Returns 0; or why that cannot be printed. */
static int drain(struct tail *tail, const struct source *source, struct inode *inode)
{
    if (inode->file == NULL)
        return 0;
    for (;;) {
        ssize_t n = aio_file_read_at(inode->file, buffer, sizeof buffer, inode->offset);
        if (n == 0 && truncated(inode)) {
            say(source, "was truncated");
            inode->offset = 0;
            continue;
        }
        if (n < 0 && n != -ECANCELED)
            complain(source, (int)n);
        if (n <= 0)
            return n == -ECANCELED ? (int)n : 0;
        int rc = print(tail, source, (size_t)n);
        if (rc < 0)
            return rc;
        inode->offset += n;
    }
}

/* Where the last lines begin. Returns the offset, or -errno. */
static int64_t last_lines(struct aio_file *file, int64_t size, long lines)
{
    long found = 0;
    for (int64_t at = size; lines > 0 && at > 0;) {
        size_t part = at < BUFFER_BYTES ? (size_t)at : BUFFER_BYTES;
        at -= (int64_t)part;
        ssize_t n = aio_file_read_exact_at(file, buffer, part, at, NULL);
        if (n != (ssize_t)part)
            return n == -ECANCELED ? n : 0; /* it has become shorter */
        for (int64_t i = n - 1; i >= 0; i--)
            if (buffer[i] == '\n' && at + i != size - 1 && ++found == lines)
                return at + i + 1;
    }
    return lines > 0 ? 0 : size;
}

static bool same(const struct inode *left, const struct inode *right)
{
    return left->file != NULL && left->device == right->device && left->number == right->number;
}

static bool watched(const struct tail *tail, int id)
{
    for (int i = 0; i < tail->count; i++) {
        const struct source *source = &tail->sources[i];
        if ((source->current.file != NULL && source->current.id == id) ||
            (source->previous.file != NULL && source->previous.id == id))
            return true;
    }
    return false;
}

static void forget(struct tail *tail, struct inode *inode)
{
    if (inode->file == NULL)
        return;
    (void)aio_file_close(inode->file);
    inode->file = NULL;
    if (!watched(tail, inode->id)) /* another name may stand for the same file */
        (void)aio_watch_remove(tail->watch, inode->id);
}

/* Opens what the name stands for. Returns 0 or -errno. */
static int open_inode(const struct source *source, struct inode *inode)
{
    struct stat status;
    int rc = aio_file_open(&inode->file, source->path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (rc < 0)
        return rc;
    if (fstat(aio_file_fd(inode->file), &status) < 0)
        rc = -errno;
    else if (!S_ISREG(status.st_mode))
        rc = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    inode->device = status.st_dev;
    inode->number = status.st_ino;
    if (rc < 0) {
        (void)aio_file_close(inode->file);
        inode->file = NULL;
    }
    return rc;
}

/* From now on it is told when the file grows; the file itself, whatever its name is by now. */
static int watch_inode(struct tail *tail, struct inode *inode)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", aio_file_fd(inode->file));
    inode->id = aio_watch_add(tail->watch, path, FILE_EVENTS);
    return inode->id < 0 ? inode->id : 0;
}

/* The name stands for another file than before: goes on with that. */
static int replace(struct tail *tail, struct source *source, struct inode *next)
{
    if (same(&source->previous, next)) { /* which has its old name back */
        struct inode back = source->previous;
        (void)aio_file_close(next->file);
        source->previous = source->current;
        source->current = back;
        return 0;
    }
    int rc = watch_inode(tail, next);
    if (rc < 0) {
        (void)aio_file_close(next->file);
        return rc;
    }
    if (source->current.file != NULL) {
        forget(tail, &source->previous);
        source->previous = source->current;
    }
    source->current = *next;
    return 0;
}

/* Looks at what the name stands for now. Returns 0, or why tail ends. */
static int look_at_name(struct tail *tail, struct source *source)
{
    struct inode next = {.offset = 0};
    int rc = open_inode(source, &next);
    if (rc == -ECANCELED)
        return rc;
    if (rc == 0 && same(&source->current, &next)) {
        (void)aio_file_close(next.file);
        source->missing = false;
        return 0;
    }
    bool missed = source->missing || source->current.file == NULL;
    if (rc == 0)
        rc = replace(tail, source, &next);
    if (rc == 0)
        say(source, missed ? "has appeared" : "was replaced");
    else if (rc != -ECANCELED && !source->missing)
        complain(source, rc);
    source->missing = rc < 0;
    return rc == -ECANCELED ? rc : 0;
}

/* Prints all there is of the file, or the two, that a name stands for. */
static int drain_both(struct tail *tail, struct source *source)
{
    int rc = drain(tail, source, &source->previous);
    return rc == 0 ? drain(tail, source, &source->current) : rc;
}

static int look(struct tail *tail, struct source *source, bool name_changed)
{
    int rc = drain_both(tail, source);
    if (rc == 0 && name_changed)
        rc = look_at_name(tail, source);
    return rc == 0 && name_changed ? drain_both(tail, source) : rc;
}

static int handle_event(struct tail *tail, const struct aio_watch_event *event)
{
    bool all = (event->mask & IN_Q_OVERFLOW) != 0;
    int rc = 0;
    for (int i = 0; i < tail->count && rc == 0; i++) {
        struct source *source = &tail->sources[i];
        bool named = event->id == source->folder_id && strcmp(event->name, source->name) == 0;
        bool grown = event->id == source->current.id || event->id == source->previous.id;
        if (all || named || grown)
            rc = look(tail, source, all || named);
        if (event->id == source->folder_id && (event->mask & IN_IGNORED) != 0)
            say(source, "its folder is gone: only the open file is followed");
    }
    return rc;
}

static int watch_folder(struct tail *tail, struct source *source)
{
    const char *slash = strrchr(source->path, '/');
    source->name = slash != NULL ? slash + 1 : source->path;
    size_t length = slash == NULL ? 0 : slash == source->path ? 1 : (size_t)(slash - source->path);
    char *folder = slash != NULL ? strndup(source->path, length) : strdup(".");
    if (folder == NULL)
        return -ENOMEM;
    int id = aio_watch_add(tail->watch, folder, FOLDER_EVENTS);
    free(folder);
    if (id > 0)
        source->folder_id = id;
    return id < 0 ? id : 0;
}

/* Prints the last lines of a file. Returns 0; or why it cannot be followed. */
static int begin(struct tail *tail, struct source *source)
{
    struct stat status = {.st_size = 0};
    struct inode *inode = &source->current;
    int rc = watch_folder(tail, source);
    if (rc == 0)
        rc = open_inode(source, inode);
    if (rc < 0)
        return rc;
    if ((rc = watch_inode(tail, inode)) < 0) {
        (void)aio_file_close(inode->file);
        inode->file = NULL;
        return rc;
    }
    (void)fstat(aio_file_fd(inode->file), &status);
    inode->offset = last_lines(inode->file, status.st_size, tail->lines);
    if (inode->offset < 0)
        return (int)inode->offset;
    rc = print_header(tail, source);
    return rc == 0 ? drain(tail, source, inode) : rc;
}

/* Returns how many files there are to follow, those included that may yet come; or why tail ends.
 */
static int begin_all(struct tail *tail)
{
    int followed = 0;
    for (int i = 0; i < tail->count; i++) {
        struct source *source = &tail->sources[i];
        source->folder_id = source->current.id = source->previous.id = OF_NO_EVENT;
        int rc = begin(tail, source);
        if (rc == -ECANCELED || rc == -EPIPE)
            return rc;
        if (rc < 0)
            complain(source, rc);
        source->missing = source->current.file == NULL;
        followed += rc == 0 || (rc == -ENOENT && source->folder_id != OF_NO_EVENT);
    }
    return followed;
}

static int follow(struct tail *tail)
{
    struct aio_watch_event event;
    int rc = begin_all(tail);
    if (rc == 0) {
        fprintf(stderr, "tail: there is no file to follow\n");
        return -ENOENT;
    }
    while (rc >= 0 && (rc = aio_watch_next(tail->watch, &event)) == 0)
        rc = handle_event(tail, &event);
    return rc;
}

static int run(struct tail *tail)
{
    int rc = aio_stream_stdout(&tail->out);
    if (rc == 0 && (rc = aio_watch_open(&tail->watch)) == 0) {
        rc = follow(tail);
        for (int i = 0; i < tail->count; i++) {
            forget(tail, &tail->sources[i].current);
            forget(tail, &tail->sources[i].previous);
        }
        aio_watch_close(tail->watch);
    }
    aio_stream_close(tail->out);
    return rc == -ENOENT ? 1 : aio_error_exit(rc, "tail");
}

/* Reads "-n LINES" and "-nLINES". Returns the index of the first file; -1: bad. */
static int read_options(int argc, char **argv, long *lines)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1] != '\0'; at++) {
        if (strcmp(argv[at], "--") == 0)
            return at + 1;
        if (argv[at][1] != 'n')
            return -1;
        const char *text = argv[at][2] != '\0' ? argv[at] + 2 : argv[++at];
        char *end = NULL;
        errno = 0;
        *lines = text != NULL ? strtol(text, &end, 10) : -1;
        if (*lines < 0 || errno != 0 || end == text || *end != '\0')
            return -1;
    }
    return at;
}

AIO_MAIN(argc, argv)
{
    struct tail tail = {.lines = 10};
    int first = read_options(argc, argv, &tail.lines);
    if (first < 0 || first >= argc) {
        fprintf(stderr, "usage: tail [-n LINES] FILE...\n");
        return 1;
    }
    tail.count = argc - first;
    tail.sources = calloc((size_t)tail.count, sizeof *tail.sources);
    if (tail.sources == NULL)
        return aio_error_exit(-ENOMEM, "tail");
    for (int i = 0; i < tail.count; i++)
        tail.sources[i].path = argv[first + i];
    int rc = aio_signal_shutdown(); /* SIGINT and SIGTERM cancel this task */
    rc = rc == 0 ? run(&tail) : aio_error_exit(rc, "signals");
    free(tail.sources);
    return rc;
}
