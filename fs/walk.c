/*
 * Walking a tree. A directory is read to its end, its files are given on the way, its directories
 * noted; then these are opened, one after the other, given, and read in the same way. So what is
 * kept of the way back is the names of directories that are still to come, and no place within any.
 *
 * A call of the pool leaves what is finished, opens the next directory and reads its first piece.
 */
#include "fs/batch.h"
#include "fs/call.h"
#include "fs/chain.h"
#include "fs/directory.h"
#include "fs/stat.h"

#include "core/handle.h"
#include "core/task.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_BATCH_BYTES 32768
/* With a stat for each entry; the shortest takes 24 bytes. */
#define WALK_STAT_BATCH_BYTES 8192
#define WALK_STATS_MAX (WALK_STAT_BATCH_BYTES / 24)

/* In d_type: it is that of what a symlink points to. */
#define WALK_LINKED 0x80

/* A directory that is still to come. */
struct walk_pending {
    size_t name; /* in names */
    uint64_t inode;
    uint32_t depth;
    bool link;
};

struct walk_stat {
    struct aio_stat stat;
    int error;
};

struct aio_walk {
    struct aio__handle handle; /* its descriptor is root's */
    struct aio__gate gate;
    struct aio__chain chain;
    struct aio__batch batch;
    int read_error; /* of the last read, not told yet */
    unsigned flags;
    uint32_t depth_limit;
    struct walk_stat *stats;      /* of the entries of the batch, in order */
    size_t entry_index;           /* of the next one */
    struct walk_pending *pending; /* the deepest last */
    size_t pending_count, pending_capacity;
    char *names;
    size_t names_used, names_capacity;
    struct walk_pending entered; /* the directory that the last call opened, or tried to */
    int enter_error;
    struct aio_stat enter_stat;
    bool skippable;
};

/* What symlinks point to, and statuses. "." and ".." are not counted. */
static void walk_look(struct aio_walk *walk)
{
    int fd = walk->chain.fd;
    struct dirent64 *entry;
    size_t i = 0;
    while ((entry = aio__batch_next(&walk->batch)) != NULL) {
        struct stat status;
        if ((walk->flags & AIO_WALK_FOLLOW) != 0 && entry->d_type == DT_LNK &&
            fstatat(fd, entry->d_name, &status, 0) == 0)
            entry->d_type = (unsigned char)(IFTODT(status.st_mode) | WALK_LINKED);
        if (walk->stats == NULL)
            continue;
        int flags = (entry->d_type & WALK_LINKED) != 0 ? 0 : AT_SYMLINK_NOFOLLOW;
        walk->stats[i].error = aio__stat_read(&walk->stats[i].stat, fd, entry->d_name, flags);
        i++;
    }
    walk->batch.at = 0;
    walk->entry_index = 0;
}

static int walk_read(void *arg)
{
    struct aio_walk *walk = arg;
    walk->read_error = aio__batch_read(&walk->batch, walk->chain.fd);
    if (walk->stats != NULL || (walk->flags & AIO_WALK_FOLLOW) != 0)
        walk_look(walk);
    return 0;
}

/* Whether its content is of no interest, though it can be opened. */
static bool walk_is_foreign(const struct aio_walk *walk)
{
    return (walk->flags & AIO_WALK_ONE_DEVICE) != 0 &&
           aio__chain_last(&walk->chain)->device != walk->chain.levels[0].device;
}

static int walk_enter(struct aio_walk *walk)
{
    const char *name = walk->names + walk->entered.name;
    if (walk->chain.depth + 1 >= walk->depth_limit)
        return -EOVERFLOW;
    int rc = aio__chain_enter(&walk->chain, name, walk->entered.link);
    if (rc < 0)
        return rc;
    if (walk->stats != NULL)
        rc = aio__stat_read(&walk->enter_stat, walk->chain.fd, "", AT_EMPTY_PATH);
    if (rc < 0 || walk_is_foreign(walk))
        return rc;
    (void)walk_read(walk);
    rc = walk->read_error;
    walk->read_error = 0;
    return rc;
}

/* Leaves what is finished and enters the directory that comes next; there is one. */
static int walk_advance(void *arg)
{
    struct aio_walk *walk = arg;
    walk->entered = walk->pending[walk->pending_count - 1];
    while (walk->chain.depth + 1 > walk->entered.depth)
        aio__chain_leave(&walk->chain);
    walk->pending_count--;
    walk->names_used = walk->entered.name;
    aio__batch_clear(&walk->batch);
    walk->batch.ended = true;
    walk->enter_error = walk_enter(walk);
    return 0;
}

/* Makes room for one more of what the pointer points to `capacity` of. */
static int walk_grow(void **block, size_t *capacity, size_t wanted, size_t size)
{
    if (wanted <= *capacity)
        return 0;
    size_t count = wanted + wanted / 2 + 16;
    void *grown = aio__alloc_resize(*block, count * size);
    if (grown == NULL)
        return -ENOMEM;
    *block = grown;
    *capacity = count;
    return 0;
}

static int walk_note(struct aio_walk *walk, const struct dirent64 *entry)
{
    size_t size = strlen(entry->d_name) + 1;
    void *names = walk->names, *pending = walk->pending;
    int rc = walk_grow(&names, &walk->names_capacity, walk->names_used + size, 1);
    if (rc == 0)
        rc = walk_grow(&pending, &walk->pending_capacity, walk->pending_count + 1,
                       sizeof *walk->pending);
    walk->names = names;
    walk->pending = pending;
    if (rc < 0)
        return rc;
    walk->pending[walk->pending_count++] = (struct walk_pending){
        .name = walk->names_used,
        .inode = entry->d_ino,
        .depth = walk->chain.depth + 1,
        .link = (entry->d_type & WALK_LINKED) != 0,
    };
    memcpy(walk->names + walk->names_used, entry->d_name, size);
    walk->names_used += size;
    return 0;
}

/* An entry that is no directory. */
static int walk_give_entry(struct aio_walk *walk, const struct dirent64 *entry, size_t index,
                           struct aio_walk_entry *out)
{
    const struct walk_stat *stat = walk->stats == NULL ? NULL : &walk->stats[index];
    const char *name = aio__chain_name(&walk->chain, entry->d_name);
    *out = (struct aio_walk_entry){
        .path = walk->chain.path,
        .name = name,
        .type = aio__entry_type(entry->d_type & ~(unsigned)WALK_LINKED),
        .error = stat == NULL ? 0 : stat->error,
        .depth = walk->chain.depth + 1,
        .inode = entry->d_ino,
        .stat = stat == NULL || stat->error < 0 ? NULL : &stat->stat,
        .at = walk->chain.fd,
    };
    return 1;
}

/* Gives the next entry of the batch that is no directory, and notes those that are. Returns 1; 0 at
 * its end; -ENOMEM. */
static int walk_take(struct aio_walk *walk, struct aio_walk_entry *out)
{
    const struct dirent64 *entry;
    while ((entry = aio__batch_peek(&walk->batch)) != NULL) {
        bool directory = (entry->d_type & ~WALK_LINKED) == DT_DIR;
        int rc = directory ? walk_note(walk, entry) : 0;
        if (rc < 0)
            return rc;
        (void)aio__batch_next(&walk->batch);
        size_t index = walk->entry_index++;
        if (!directory)
            return walk_give_entry(walk, entry, index, out);
    }
    return 0;
}

/* The directory that walk_advance has come to. */
static int walk_give_directory(struct aio_walk *walk, struct aio_walk_entry *out)
{
    bool inside = walk->chain.depth == walk->entered.depth;
    char *name;
    if (inside) {
        walk->chain.path[aio__chain_last(&walk->chain)->path_length] = '\0';
        name = strrchr(walk->chain.path, '/');
        name = name == NULL ? walk->chain.path : name + 1;
    } else {
        name = aio__chain_name(&walk->chain, walk->names + walk->entered.name);
    }
    *out = (struct aio_walk_entry){
        .path = walk->chain.path,
        .name = name,
        .type = AIO_ENTRY_DIRECTORY,
        .error = walk->enter_error,
        .depth = walk->entered.depth,
        .inode = walk->entered.inode,
        .stat = walk->stats == NULL || walk->enter_error < 0 ? NULL : &walk->enter_stat,
        .at = walk->chain.fd < 0 ? -1 : walk->chain.fd,
        .opened = inside,
    };
    walk->skippable = inside;
    return 1;
}

/* A directory could not be read to its end. */
static int walk_give_error(struct aio_walk *walk, struct aio_walk_entry *out)
{
    walk->entered.depth = walk->chain.depth;
    walk->entered.inode = aio__chain_last(&walk->chain)->inode;
    walk->enter_error = walk->read_error;
    walk->read_error = 0;
    return walk_give_directory(walk, out);
}

/* Returns as aio_walk_next. */
static int walk_go_on(struct aio_walk *walk, struct aio_walk_entry *out)
{
    walk->skippable = false;
    for (;;) {
        int rc = walk_take(walk, out);
        if (rc != 0)
            return rc;
        if (walk->read_error < 0)
            return walk_give_error(walk, out);
        bool ended = walk->batch.ended;
        if (ended && walk->pending_count == 0)
            return 0;
        rc = aio__chain_reserve(&walk->chain, 1);
        if (rc == 0)
            rc = aio__fs_call(ended ? walk_advance : walk_read, walk);
        if (rc < 0)
            return rc;
        if (ended)
            return walk_give_directory(walk, out);
    }
}

int aio_walk_next(struct aio_walk *walk, struct aio_walk_entry *out)
{
    (void)aio__handle_core(&walk->handle, __func__);
    AIO__REQUIRE(!walk->gate.busy, "aio_walk_next: task '%s' uses a walk that another task uses",
                 aio_task_name(aio_task_current()));
    int rc = aio__gate_enter(&walk->handle, &walk->gate);
    if (rc < 0)
        return rc;
    rc = walk_go_on(walk, out);
    return (int)aio__gate_leave(&walk->handle, &walk->gate, rc);
}

void aio_walk_skip(struct aio_walk *walk)
{
    (void)aio__handle_core(&walk->handle, __func__);
    if (!walk->skippable)
        return;
    aio__batch_clear(&walk->batch);
    walk->batch.ended = true;
    walk->read_error = 0;
}

static void walk_close(struct aio__handle *handle)
{
    aio_walk_close(AIO__CONTAINER(handle, struct aio_walk, handle));
}

static const struct aio__handle_kind walk_kind = {"walk", walk_close};

static void walk_free(struct aio_walk *walk)
{
    aio__chain_close(&walk->chain);
    aio__free(walk->names);
    aio__free(walk->pending);
    aio__free(walk->stats);
    aio__free(walk);
}

static struct aio_walk *walk_new(const struct aio_walk_options *options)
{
    bool stats = (options->flags & AIO_WALK_STAT) != 0;
    size_t size = stats ? WALK_STAT_BATCH_BYTES : WALK_BATCH_BYTES;
    struct aio_walk *walk = aio__alloc_zero(sizeof *walk + size);
    if (walk == NULL)
        return NULL;
    walk->batch = (struct aio__batch){.bytes = (char *)(walk + 1), .size = size};
    walk->flags = options->flags;
    walk->depth_limit = options->depth_limit;
    walk->stats = stats ? aio__alloc(WALK_STATS_MAX * sizeof *walk->stats) : NULL;
    if (!stats || walk->stats != NULL)
        return walk;
    aio__free(walk);
    return NULL;
}

static int walk_check(const struct aio_walk_options *options)
{
    const unsigned known = AIO_WALK_FOLLOW | AIO_WALK_STAT | AIO_WALK_ONE_DEVICE;
    return options->size == sizeof *options && (options->flags & ~known) == 0 &&
                   options->depth_limit > 0
               ? 0
               : -EINVAL;
}

int aio_walk_open(struct aio_walk **out, int at, const char *path,
                  const struct aio_walk_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    const struct aio_walk_options defaults = AIO_WALK_OPTIONS;
    if (options == NULL)
        options = &defaults;
    int rc = walk_check(options);
    if (rc < 0)
        return rc;
    struct aio_walk *walk = walk_new(options);
    if (walk == NULL)
        return -ENOMEM;
    int fd = aio__directory_open(at, path);
    rc = fd < 0 ? fd : aio__chain_open(&walk->chain, fd);
    if (rc < 0) {
        if (fd >= 0)
            (void)close(fd);
        walk->chain = (struct aio__chain){.fd = -1};
        walk_free(walk);
        return rc;
    }
    aio__handle_open(&walk->handle, core, fd, &walk_kind);
    *out = walk;
    return 0;
}

void aio_walk_close(struct aio_walk *walk)
{
    if (walk == NULL)
        return;
    (void)aio__handle_core(&walk->handle, __func__);
    struct aio__gate *const gates[] = {&walk->gate};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&walk->handle, gates, 1);
    aio__handle_finish(&walk->handle);
    aio_shield_leave(&shield);
    walk_free(walk);
}
