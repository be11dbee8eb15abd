/*
 * A chain of directories, each in the one before, of which only the first and the last are open: a
 * tree of any depth costs no more descriptors.
 *
 * The way down is a name without a symlink, relative to the last directory; the way up is "..", and
 * what that leads to must be the file that was seen on the way down. So nobody who renames or
 * replaces directories leads it out of the tree.
 *
 * Everything but aio__chain_reserve and _close runs on any thread, and allocates nothing.
 */
#ifndef AIO_FS_CHAIN_H
#define AIO_FS_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aio__chain_level {
    uint64_t device;
    uint64_t inode;
    size_t path_length; /* up to and with its name */
    int above;          /* the directory above, kept where the way down was a symlink; or -1 */
};

struct aio__chain {
    int root;
    int fd;            /* of the last directory; it may be root; -errno: it is out of reach */
    uint32_t depth;    /* of the last directory; root's is 0 */
    uint32_t reserved; /* the depth for which there is room */
    uint32_t capacity;
    struct aio__chain_level *levels; /* root's first */
    char *path;                      /* of the last directory from root, without a NUL */
    size_t path_capacity;
};

/* Begins with an open directory, which becomes the chain's. Returns 0; -ENOMEM or another -errno:
 * the descriptor is the caller's. */
int aio__chain_open(struct aio__chain *chain, int root);

/* Makes room to go down so many levels, and for one name more. Returns 0; -ENOMEM. */
int aio__chain_reserve(struct aio__chain *chain, uint32_t levels);

static inline bool aio__chain_full(const struct aio__chain *chain)
{
    return chain->depth >= chain->reserved;
}

/*
 * Goes down. With `link` the name may be a symlink, which must not lead to a directory of the chain
 * (-ELOOP). Returns 0 or -errno: the chain is as before.
 */
int aio__chain_enter(struct aio__chain *chain, const char *name, bool link);

/* Goes up. The directory above may be out of reach, which its fd says; depth > 0. */
void aio__chain_leave(struct aio__chain *chain);

/* Puts a name behind the path of the last directory, with a NUL, without going there. Returns where
 * the name begins. */
char *aio__chain_name(struct aio__chain *chain, const char *name);

static inline struct aio__chain_level *aio__chain_last(const struct aio__chain *chain)
{
    return &chain->levels[chain->depth];
}

/* Closes all but root, and frees. */
void aio__chain_close(struct aio__chain *chain);

#endif
