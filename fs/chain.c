/*
 * See chain.h.
 */
#include "fs/chain.h"

#include "core/alloc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHAIN_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
/* With a slash and a NUL. NAME_MAX is what most file systems have; those of FUSE may have more. */
#define CHAIN_NAME_BYTES ((size_t)PATH_MAX + 1)

int aio__chain_open(struct aio__chain *chain, int root)
{
    struct stat status;
    *chain = (struct aio__chain){.root = root, .fd = root};
    if (fstat(root, &status) < 0)
        return -errno;
    int rc = aio__chain_reserve(chain, 1);
    if (rc == 0)
        chain->levels[0] =
            (struct aio__chain_level){.device = status.st_dev, .inode = status.st_ino, .above = -1};
    else
        aio__chain_close(chain);
    return rc;
}

int aio__chain_reserve(struct aio__chain *chain, uint32_t levels)
{
    uint32_t count = chain->depth + 1 + levels;
    if (count > chain->capacity) {
        count += count / 2;
        void *grown = aio__alloc_resize(chain->levels, count * sizeof *chain->levels);
        if (grown == NULL)
            return -ENOMEM;
        chain->levels = grown;
        chain->capacity = count;
    }
    size_t length = chain->path_capacity > 0 ? aio__chain_last(chain)->path_length : 0;
    size_t bytes = length + (levels + 1) * CHAIN_NAME_BYTES;
    if (bytes > chain->path_capacity) {
        bytes += bytes / 2;
        char *grown = aio__alloc_resize(chain->path, bytes);
        if (grown == NULL)
            return -ENOMEM;
        chain->path = grown;
        chain->path_capacity = bytes;
    }
    chain->reserved = chain->depth + levels;
    return 0;
}

char *aio__chain_name(struct aio__chain *chain, const char *name)
{
    char *end = chain->path + aio__chain_last(chain)->path_length;
    if (chain->depth > 0)
        *end++ = '/';
    memcpy(end, name, strlen(name) + 1);
    return end;
}

static bool chain_contains(const struct aio__chain *chain, const struct stat *status)
{
    for (uint32_t i = 0; i <= chain->depth; i++)
        if (chain->levels[i].device == status->st_dev && chain->levels[i].inode == status->st_ino)
            return true;
    return false;
}

/* Opens a directory and tells what it is. Returns a descriptor or -errno. */
static int chain_open_at(int at, const char *name, int flags, struct stat *status)
{
    int fd = openat(at, name, CHAIN_FLAGS | flags);
    if (fd < 0)
        return -errno;
    if (fstat(fd, status) == 0)
        return fd;
    int rc = -errno;
    (void)close(fd);
    return rc;
}

int aio__chain_enter(struct aio__chain *chain, const char *name, bool link)
{
    struct stat status = {.st_dev = 0};
    if (chain->fd < 0)
        return chain->fd;
    int fd = chain_open_at(chain->fd, name, link ? 0 : O_NOFOLLOW, &status);
    if (fd < 0)
        return fd;
    if (link && chain_contains(chain, &status)) {
        (void)close(fd);
        return -ELOOP;
    }
    size_t before = (size_t)(aio__chain_name(chain, name) - chain->path);
    int above = link ? chain->fd : -1;
    if (!link && chain->fd != chain->root)
        (void)close(chain->fd);
    chain->depth++;
    *aio__chain_last(chain) = (struct aio__chain_level){
        .device = status.st_dev,
        .inode = status.st_ino,
        .path_length = before + strlen(name),
        .above = above,
    };
    chain->fd = fd;
    return 0;
}

/* Opens what must be the directory of that level. Returns a descriptor or -errno. */
static int chain_open_level(const struct aio__chain *chain, int at, const char *name,
                            uint32_t depth)
{
    struct stat status = {.st_dev = 0};
    int fd = chain_open_at(at, name, O_NOFOLLOW, &status);
    const struct aio__chain_level *level = &chain->levels[depth];
    if (fd < 0 || (status.st_dev == level->device && status.st_ino == level->inode))
        return fd;
    (void)close(fd);
    return -ESTALE;
}

/* Comes to the last directory from above: from root, or the last one that is kept for a symlink. */
static int chain_come_down(const struct aio__chain *chain)
{
    uint32_t depth = chain->depth;
    while (depth > 0 && chain->levels[depth].above < 0)
        depth--;
    if (depth > 0) /* what a symlink led to cannot be told again from its name */
        return -ESTALE;
    int fd = chain->root;
    for (; depth < chain->depth && fd >= 0; depth++) {
        const struct aio__chain_level *level = &chain->levels[depth];
        char name[CHAIN_NAME_BYTES];
        size_t begin = level->path_length + (depth > 0 ? 1 : 0);
        size_t length = level[1].path_length - begin;
        memcpy(name, chain->path + begin, length);
        name[length] = '\0';
        int next = chain_open_level(chain, fd, name, depth + 1);
        if (fd != chain->root)
            (void)close(fd);
        fd = next;
    }
    return fd;
}

/* The directory above `below`, which is that of the last level now. */
static int chain_come_up(const struct aio__chain *chain, int below)
{
    int fd = below < 0 ? below : chain_open_level(chain, below, "..", chain->depth);
    return fd < 0 ? chain_come_down(chain) : fd;
}

void aio__chain_leave(struct aio__chain *chain)
{
    int below = chain->fd, above = aio__chain_last(chain)->above;
    chain->depth--;
    if (above >= 0)
        chain->fd = above;
    else
        chain->fd = chain->depth == 0 ? chain->root : chain_come_up(chain, below);
    if (below >= 0)
        (void)close(below);
}

void aio__chain_close(struct aio__chain *chain)
{
    if (chain->fd >= 0 && chain->fd != chain->root)
        (void)close(chain->fd);
    for (uint32_t i = 1; i <= chain->depth; i++)
        if (chain->levels[i].above >= 0 && chain->levels[i].above != chain->root)
            (void)close(chain->levels[i].above);
    aio__free(chain->levels);
    aio__free(chain->path);
}
