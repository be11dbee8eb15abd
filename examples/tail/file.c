/*
 * The files of a name: opening them, and printing what is added.
 */
#include "examples/tail/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

enum { BUFFER_BYTES = 65536 };

static char buffer[BUFFER_BYTES];

void say(const struct source *source, const char *what)
{
    fprintf(stderr, "tail: %s: %s\n", source->path, what);
}

void complain(const struct source *source, int error)
{
    char what[PATH_BYTES + 100];
    (void)snprintf(what, sizeof what, "tail: %s", source->path);
    (void)aio_error_exit(error, what);
}

int open_file(const char *path, struct file *file)
{
    struct stat status;
    int rc = aio_file_open(&file->open, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (rc < 0)
        return rc;
    if (fstat(aio_file_fd(file->open), &status) < 0)
        rc = -errno;
    else if (!S_ISREG(status.st_mode))
        rc = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    file->device = status.st_dev;
    file->number = status.st_ino;
    if (rc < 0) {
        (void)aio_file_close(file->open);
        file->open = NULL;
    }
    return rc;
}

/* The file itself, whatever its name is by now. */
int watch_file(struct tail *tail, struct file *file)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", aio_file_fd(file->open));
    file->id = aio_watch_add(tail->watch, path, IN_MODIFY);
    return file->id < 0 ? file->id : 0;
}

static bool is_watched(const struct tail *tail, int id)
{
    for (int i = 0; i < tail->count; i++)
        for (const struct file *file = tail->sources[i].files; file != NULL; file = file->next)
            if (file->open != NULL && file->id == id)
                return true;
    return false;
}

void close_file(struct tail *tail, struct file *file)
{
    if (file->open == NULL)
        return;
    (void)aio_file_close(file->open);
    file->open = NULL;
    if (!is_watched(tail, file->id)) /* another source may have the same file */
        (void)aio_watch_remove(tail->watch, file->id);
}

int seek_lines(struct file *file, long lines)
{
    struct stat status = {.st_size = 0};
    (void)fstat(aio_file_fd(file->open), &status);
    long found = 0;
    file->offset = lines > 0 ? 0 : status.st_size;
    for (int64_t at = status.st_size; lines > 0 && at > 0;) {
        size_t part = at < BUFFER_BYTES ? (size_t)at : BUFFER_BYTES;
        at -= (int64_t)part;
        ssize_t n = aio_file_read_exact_at(file->open, buffer, part, at, NULL);
        if (n != (ssize_t)part)
            return n == -ECANCELED ? -ECANCELED : 0; /* it has become shorter */
        for (int64_t i = n - 1; i >= 0; i--)
            if (buffer[i] == '\n' && at + i != status.st_size - 1 && ++found == lines) {
                file->offset = at + i + 1;
                return 0;
            }
    }
    return 0;
}

int print_header(struct tail *tail, const struct source *source)
{
    char header[PATH_BYTES + 100];
    if (tail->count == 1 || tail->shown == source)
        return 0;
    int length = snprintf(header, sizeof header, "%s==> %.*s <==\n",
                          tail->shown != NULL ? "\n" : "", PATH_BYTES, source->path);
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
static bool is_truncated(const struct file *file)
{
    struct stat status;
    return fstat(aio_file_fd(file->open), &status) == 0 && status.st_size < file->offset;
}

static int drain(struct tail *tail, const struct source *source, struct file *file)
{
    for (;;) {
        ssize_t n = aio_file_read_at(file->open, buffer, sizeof buffer, file->offset);
        if (n == 0 && is_truncated(file)) {
            say(source, "was truncated");
            file->offset = 0;
            continue;
        }
        if (n < 0 && n != -ECANCELED)
            complain(source, (int)n);
        if (n <= 0)
            return n == -ECANCELED ? (int)n : 0;
        int rc = print(tail, source, (size_t)n);
        if (rc < 0)
            return rc;
        file->offset += n;
    }
}

int drain_files(struct tail *tail, struct source *source)
{
    int rc = 0;
    source->grown = false;
    for (struct file *file = source->files; file != NULL && rc == 0; file = file->next)
        if (file->open != NULL)
            rc = drain(tail, source, file);
    return rc;
}
