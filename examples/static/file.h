/*
 * Files below the root that are served. Those that were asked for last stay open for a second, with
 * what is said of them; they are looked at again each time, so that only another file under the
 * same name can be noticed late.
 */
#ifndef STATIC_FILE_H
#define STATIC_FILE_H

#include <aio/file.h>
#include <stdbool.h>
#include <stdint.h>

struct file {
    struct aio_file *handle;
    uint64_t size;
    struct timespec modified;
    char tag[64];     /* by which its version is known, with its quotes; it is a strong one */
    char about[320];  /* lines of an answer's head: version, type */
    char length[64];  /* the last lines of an answer that has all of it */
    const char *type; /* see mime.h */
    unsigned users;   /* the table of open files is one */
    int64_t until_ns; /* how long the table may have it */
    char *name;
};

/* Opens the folder that is served, and lets go of files that nobody asks for. Returns 0 or -errno.
 */
int file_serve(const char *path);

/* Closes everything, when nobody uses a file any more. */
void file_end(void);

/* Opens a regular file. Returns 200; 301 when it is a folder; 403, 404, 500 or 503. Only after 200
 * is there something to be closed. */
int file_open(struct file **out, const char *name);

void file_close(struct file *file);

#endif
