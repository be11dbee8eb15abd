/*
 * A piece of a directory: entries as getdents64(2) packs them into a buffer.
 */
#ifndef AIO_FS_BATCH_H
#define AIO_FS_BATCH_H

#include <aio/directory.h>
#include <dirent.h>

struct aio__batch {
    char *bytes;
    size_t size;
    size_t used;
    size_t at;  /* of the next entry */
    bool ended; /* there is nothing after it */
};

/* Reads the next piece, with the types of all entries. On any thread. Returns 0 or -errno. */
int aio__batch_read(struct aio__batch *batch, int fd);

/* The next entry but "." and ".."; NULL when all are used up. */
struct dirent64 *aio__batch_next(struct aio__batch *batch);

/* The same, and does not take it. */
struct dirent64 *aio__batch_peek(struct aio__batch *batch);

/* Nothing is in it, and it has not ended. */
void aio__batch_clear(struct aio__batch *batch);

/* A type as readdir(3) gives it, DT_REG and so on. */
enum aio_entry_type aio__entry_type(unsigned type);

#endif
