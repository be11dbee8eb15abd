/*
 * See batch.h.
 */
#include "fs/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static bool batch_is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

struct dirent64 *aio__batch_peek(struct aio__batch *batch)
{
    while (batch->at < batch->used) {
        struct dirent64 *entry = (struct dirent64 *)(void *)(batch->bytes + batch->at);
        if (!batch_is_dots(entry->d_name))
            return entry;
        batch->at += entry->d_reclen;
    }
    return NULL;
}

struct dirent64 *aio__batch_next(struct aio__batch *batch)
{
    struct dirent64 *entry = aio__batch_peek(batch);
    if (entry != NULL)
        batch->at += entry->d_reclen;
    return entry;
}

void aio__batch_clear(struct aio__batch *batch)
{
    batch->used = batch->at = 0;
    batch->ended = false;
}

/* Some file systems do not keep types in their directories. */
static void batch_find_types(struct aio__batch *batch, int fd)
{
    struct dirent64 *entry;
    struct stat status;
    while ((entry = aio__batch_next(batch)) != NULL)
        if (entry->d_type == DT_UNKNOWN &&
            fstatat(fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
            entry->d_type = IFTODT(status.st_mode);
    batch->at = 0;
}

int aio__batch_read(struct aio__batch *batch, int fd)
{
    ssize_t n = getdents64(fd, batch->bytes, batch->size);
    batch->at = 0;
    batch->used = n > 0 ? (size_t)n : 0;
    batch->ended = n <= 0;
    batch_find_types(batch, fd);
    return n < 0 ? -errno : 0;
}

enum aio_entry_type aio__entry_type(unsigned type)
{
    switch (type) {
    case DT_REG:
        return AIO_ENTRY_FILE;
    case DT_DIR:
        return AIO_ENTRY_DIRECTORY;
    case DT_LNK:
        return AIO_ENTRY_SYMLINK;
    case DT_FIFO:
        return AIO_ENTRY_FIFO;
    case DT_SOCK:
        return AIO_ENTRY_SOCKET;
    case DT_CHR:
        return AIO_ENTRY_CHARACTER_DEVICE;
    case DT_BLK:
        return AIO_ENTRY_BLOCK_DEVICE;
    default:
        return AIO_ENTRY_UNKNOWN;
    }
}
