/*
 * See file.h. The kernel itself sees to it that no path and no symbolic link leads out of the root.
 */
#include "examples/static/file.h"

#include "examples/static/http_date.h"
#include "examples/static/mime.h"

#include <aio/aio.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TABLE_SIZE 64 /* files that stay open, each in the one place that its name has */
#define KEPT_NS AIO_SEC(1)

static struct file *table[TABLE_SIZE];
static int root = -1;

static struct file **place_of(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return &table[(hash ^ hash >> 16) % TABLE_SIZE];
}

void file_close(struct file *file)
{
    if (--file->users > 0)
        return;
    (void)aio_file_close(file->handle);
    free(file->name);
    free(file);
}

/* Takes it out of the table. */
static void place_clear(struct file **place)
{
    struct file *file = *place;
    *place = NULL;
    if (file != NULL)
        file_close(file);
}

static int sweep(void *arg)
{
    (void)arg;
    while (aio_time_sleep(KEPT_NS) == 0)
        for (int i = 0; i < TABLE_SIZE; i++)
            if (table[i] != NULL && table[i]->until_ns <= aio_time_now())
                place_clear(&table[i]);
    return 0;
}

int file_serve(const char *path)
{
    root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? -errno : aio_task_spawn(NULL, sweep, NULL, NULL);
}

void file_end(void)
{
    for (int i = 0; i < TABLE_SIZE; i++)
        place_clear(&table[i]);
    (void)close(root);
}

static int status_of(int error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ENAMETOOLONG:
        return 404;
    case -EACCES:
    case -EPERM:
    case -ELOOP:
    case -EXDEV: /* out of the root */
    case -ENXIO: /* a socket, or a device that is not there */
        return 403;
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
        return 503;
    default:
        return 500;
    }
}

static bool is_version(const struct file *file, const struct aio_stat *stat)
{
    return file->size == (uint64_t)stat->size && file->modified.tv_sec == stat->modified.tv_sec &&
           file->modified.tv_nsec == stat->modified.tv_nsec;
}

/* Writes what is said of the file. */
static void describe(struct file *file, const struct aio_stat *stat)
{
    char date[HTTP_DATE_BYTES];
    int64_t now = time(NULL);
    file->size = (uint64_t)stat->size;
    file->modified = stat->modified;
    file->type = mime_type(file->name);
    http_date_format(date, stat->modified.tv_sec < now ? stat->modified.tv_sec : now);
    (void)snprintf(file->tag, sizeof file->tag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
                   stat->inode, file->size,
                   (uint64_t)stat->modified.tv_sec * 1000000000u +
                       (uint64_t)stat->modified.tv_nsec);
    (void)snprintf(file->about, sizeof file->about,
                   "Last-Modified: %s\r\nETag: %s\r\nAccept-Ranges: bytes\r\n", date, file->tag);
    (void)snprintf(file->length, sizeof file->length, "Content-Length: %" PRIu64 "\r\n\r\n",
                   file->size);
}

/* Returns as file_open, with a file that nobody else knows. */
static int open_anew(struct file *file)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    struct aio_stat stat;
    options.at = root;
    options.flags = O_RDONLY | O_NOCTTY;
    options.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    int rc = aio_file_open_with(&file->handle, file->name, &options);
    if (rc < 0)
        return status_of(rc);
    rc = aio_file_stat(file->handle, &stat);
    int status = rc < 0 ? status_of(rc) : S_ISDIR(stat.mode) ? 301 : 403;
    if (rc == 0 && S_ISREG(stat.mode)) {
        describe(file, &stat);
        return 200;
    }
    (void)aio_file_close(file->handle);
    return status;
}

/* One that is open already, and has not changed. */
static struct file *open_known(struct file **place, const char *name)
{
    struct file *file = *place;
    struct aio_stat stat;
    if (file == NULL || file->until_ns <= aio_time_now() || strcmp(file->name, name) != 0)
        return NULL;
    file->users++;
    if (aio_file_stat(file->handle, &stat) == 0 && is_version(file, &stat))
        return file;
    file_close(file);
    return NULL;
}

int file_open(struct file **out, const char *name)
{
    struct file **place = place_of(name);
    *out = open_known(place, name);
    if (*out != NULL)
        return 200;
    struct file *file = calloc(1, sizeof *file);
    char *copy = strdup(*name != '\0' ? name : ".");
    int status = 503;
    if (file != NULL && copy != NULL) {
        file->name = copy;
        status = open_anew(file);
    }
    if (status != 200) {
        free(file);
        free(copy);
        return status;
    }
    file->users = 2;
    file->until_ns = aio_time_now() + KEPT_NS;
    struct file *before = *place;
    *place = *out = file;
    if (before != NULL)
        file_close(before);
    return 200;
}
