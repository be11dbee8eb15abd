/*
 * Files below the root that are served.
 */
#ifndef STATIC_FILE_H
#define STATIC_FILE_H

#include <stdint.h>

struct file {
    int fd;
    uint64_t size;
    uint64_t inode;
    int64_t changed_s;
    int64_t changed_ns;
};

/* Opens the folder that is served; for ever. Returns 0 or -errno. */
int file_root(const char *path);

/* Opens a regular file. Returns 200; 301 when it is a folder; 403, 404, 500 or 503. Only after 200
 * is there something to be closed. */
int file_open(struct file *out, const char *name);

void file_close(struct file *file);

#endif
