/*
 * Removing a tree: what is in a directory goes first, then the directory. A directory is read from
 * its start again whenever something was removed from it, so no place in it has to be remembered
 * on the way down; most of what stands there then are directories with something in them.
 */
#include "fs/batch.h"
#include "fs/call.h"
#include "fs/chain.h"
#include "fs/directory.h"

#include "core/alloc.h"

#include <aio/path.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* System calls in a call of the pool, and levels that one may go down. */
#define REMOVE_CALLS 256
#define REMOVE_LEVELS 16
#define REMOVE_BATCH_BYTES 8192

struct removal {
    int at;
    const char *path;
    struct aio__chain chain;
    struct aio__batch batch;
    bool changed; /* the last directory has to be read from its start once more */
    bool done;
};

/* Removing by name; that it is gone already is as good. */
static int removal_unlink(int at, const char *name, int flags)
{
    return unlinkat(at, name, flags) == 0 || errno == ENOENT ? 0 : -errno;
}

static int removal_first(void *arg)
{
    const struct removal *removal = arg;
    return aio__fs_result(unlinkat(removal->at, removal->path, 0));
}

static int removal_last(void *arg)
{
    const struct removal *removal = arg;
    return aio__fs_result(unlinkat(removal->at, removal->path, AT_REMOVEDIR));
}

static int removal_open(void *arg)
{
    const struct removal *removal = arg;
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    return aio__fs_result(openat(removal->at, removal->path, flags));
}

/* Goes on with another directory, or with the same one from its start. */
static void removal_restart(struct removal *removal)
{
    aio__batch_clear(&removal->batch);
    removal->changed = false;
}

/* Returns 0; 1 when the chain has no room; -ENOTDIR when it is none any more. */
static int removal_directory(struct removal *removal, const char *name)
{
    int rc = removal_unlink(removal->chain.fd, name, AT_REMOVEDIR);
    if (rc != -ENOTEMPTY && rc != -EEXIST)
        return rc;
    if (aio__chain_full(&removal->chain))
        return 1;
    rc = aio__chain_enter(&removal->chain, name, false);
    if (rc == 0)
        removal_restart(removal);
    if (rc == -ELOOP) /* a symlink in its place, as other kernels say it */
        return -ENOTDIR;
    return rc == -ENOENT ? 0 : rc;
}

/* The last directory has been read to its end. */
static int removal_leave(struct removal *removal)
{
    struct aio__chain *chain = &removal->chain;
    if (removal->changed) {
        removal_restart(removal);
        return aio__fs_result(lseek(chain->fd, 0, SEEK_SET) < 0 ? -1 : 0);
    }
    if (chain->depth == 0) {
        removal->done = true;
        return 0;
    }
    size_t end = aio__chain_last(chain)->path_length;
    aio__chain_leave(chain);
    if (chain->fd < 0)
        return chain->fd;
    size_t begin = aio__chain_last(chain)->path_length + (chain->depth > 0 ? 1 : 0);
    chain->path[end] = '\0';
    removal_restart(removal);
    removal->changed = chain->depth == 0; /* the others were opened anew */
    int rc = removal_unlink(chain->fd, chain->path + begin, AT_REMOVEDIR);
    return rc == -ENOTDIR ? 0 : rc; /* something else is in its place, which will be met */
}

/* What the directory said the entry is may not be true any more. If it is neither, it is changing:
 * it will be met again. */
static int removal_entry(struct removal *removal, const struct dirent64 *entry)
{
    int rc = entry->d_type == DT_DIR ? removal_directory(removal, entry->d_name) : -EISDIR;
    if (rc == -ENOTDIR || rc == -EISDIR)
        rc = removal_unlink(removal->chain.fd, entry->d_name, 0);
    if (rc == -EISDIR)
        rc = removal_directory(removal, entry->d_name);
    return rc == -ENOTDIR ? 0 : rc;
}

static int removal_step(struct removal *removal)
{
    const struct dirent64 *entry = aio__batch_peek(&removal->batch);
    if (entry == NULL)
        return removal->batch.ended ? removal_leave(removal)
                                    : aio__batch_read(&removal->batch, removal->chain.fd);
    int rc = removal_entry(removal, entry);
    if (rc == 0 && removal->batch.used > 0) {
        (void)aio__batch_next(&removal->batch);
        removal->changed = true;
    }
    return rc;
}

static int removal_some(void *arg)
{
    struct removal *removal = arg;
    int rc = 0;
    for (int i = 0; i < REMOVE_CALLS && rc == 0 && !removal->done; i++)
        rc = removal_step(removal);
    return rc < 0 ? rc : 0;
}

/* With the tree's directory open. */
static int removal_run(struct removal *removal, int root)
{
    char *bytes = aio__alloc(REMOVE_BATCH_BYTES);
    int rc = bytes == NULL ? -ENOMEM : aio__chain_open(&removal->chain, root);
    if (rc < 0) {
        aio__free(bytes);
        return rc;
    }
    removal->batch = (struct aio__batch){.bytes = bytes, .size = REMOVE_BATCH_BYTES};
    while (rc == 0 && !removal->done) {
        rc = aio__chain_reserve(&removal->chain, REMOVE_LEVELS);
        if (rc == 0)
            rc = aio__fs_call(removal_some, removal);
    }
    aio__chain_close(&removal->chain);
    aio__free(bytes);
    return rc < 0 ? rc : aio__fs_call(removal_last, removal);
}

/* A slash at the end would follow a symlink. Returns 0; -EINVAL for a path that ends in dots. */
static int removal_trim(char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        path[--length] = '\0';
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    return *name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? -EINVAL : 0;
}

/* Whatever it is when it is looked at. */
static int removal_begin(struct removal *removal)
{
    int rc, root;
    do {
        rc = aio__fs_call(removal_first, removal);
        if (rc != -EISDIR)
            return rc;
        root = aio__fs_call(removal_open, removal);
        if (root == -EACCES) { /* as within a tree: what is empty need not be read */
            rc = aio__fs_call(removal_last, removal);
            root = rc == -ENOTDIR ? rc : root;
            if (rc != -ENOTDIR && rc != -ENOTEMPTY && rc != -EEXIST)
                return rc;
        }
    } while (root == -ENOTDIR || root == -ELOOP);
    if (root < 0)
        return root;
    rc = removal_run(removal, root);
    (void)close(root);
    return rc;
}

int aio_path_remove(int at, const char *path)
{
    size_t size = strlen(path) + 1;
    char *trimmed = aio__alloc(size);
    if (trimmed == NULL)
        return -ENOMEM;
    memcpy(trimmed, path, size);
    struct removal removal = {.at = at, .path = trimmed};
    int rc = removal_trim(trimmed);
    if (rc == 0)
        rc = removal_begin(&removal);
    aio__free(trimmed);
    return rc;
}
