/*
 * A whole file into memory, and memory into a file, atomically.
 */
#include "fs/call.h"
#include "fs/replace.h"

#include "core/alloc.h"

#include <aio/whole.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of one call of the pool. */
#define WHOLE_PIECE_BYTES ((size_t)8 << 20)
/* To begin with, for files that do not tell their size, as those of /proc. */
#define LOAD_BYTES_MIN ((size_t)4096)

struct load {
    int at;
    const char *path;
    int fd;
    size_t expected;
    size_t limit;
    char *memory;
    size_t capacity;
    size_t size;
    bool ended;
};

static int load_close(void *arg)
{
    struct load *load = arg;
    (void)close(load->fd);
    load->fd = -1;
    return 0;
}

static int load_check(struct load *load)
{
    struct stat status;
    if (fstat(load->fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    if ((uint64_t)status.st_size > load->limit)
        return -EFBIG;
    load->expected = (size_t)status.st_size;
    return 0;
}

static int load_open(void *arg)
{
    struct load *load = arg;
    int rc = aio__fs_open(&load->fd, load->at, load->path, 0);
    if (rc != 0)
        return rc;
    rc = load_check(load);
    if (rc < 0)
        (void)load_close(load);
    return rc;
}

static int load_read(struct load *load)
{
    size_t room = load->capacity - load->size;
    size_t length = room < WHOLE_PIECE_BYTES ? room : WHOLE_PIECE_BYTES;
    ssize_t n = read(load->fd, load->memory + load->size, length);
    if (n < 0)
        return -errno;
    load->ended = n == 0;
    load->size += (size_t)n;
    return load->size > load->limit ? -EFBIG : 0;
}

static int load_some(void *arg)
{
    struct load *load = arg;
    int rc = load_read(load);
    if (rc < 0 || load->ended)
        (void)load_close(load);
    return rc;
}

/* Room for a byte more than there should be: then the end shows itself, and the NUL has a place. */
static int load_make_room(struct load *load)
{
    if (load->size < load->capacity)
        return 0;
    size_t wanted = load->capacity == 0 ? load->expected + 1 : load->capacity * 2;
    if (wanted < LOAD_BYTES_MIN)
        wanted = LOAD_BYTES_MIN;
    char *grown = aio__alloc_resize(load->memory, wanted);
    if (grown == NULL)
        return -ENOMEM;
    load->memory = grown;
    load->capacity = wanted;
    return 0;
}

int aio_file_load(int at, const char *path, void **memory, size_t *size, size_t limit)
{
    struct load load = {.at = at, .path = path, .fd = -1, .limit = limit};
    int rc = aio__fs_call_open(load_open, &load);
    while (rc == 0 && !load.ended) {
        rc = load_make_room(&load);
        if (rc == 0)
            rc = aio__fs_call(load_some, &load);
    }
    if (load.fd >= 0)
        aio__fs_clean(load_close, &load);
    if (rc < 0) {
        aio__free(load.memory);
        return rc;
    }
    load.memory[load.size] = '\0';
    *memory = load.memory;
    *size = load.size;
    return 0;
}

void aio_file_unload(void *memory)
{
    aio__free(memory);
}

struct store {
    struct aio__replace replace;
    const char *bytes;
    size_t left;
    mode_t mode;
    bool done;
};

static int store_write(struct store *store)
{
    size_t budget = WHOLE_PIECE_BYTES;
    while (store->left > 0 && budget > 0) {
        size_t length = store->left < budget ? store->left : budget;
        ssize_t n = write(store->replace.fd, store->bytes, length);
        if (n <= 0)
            return n < 0 ? -errno : -EIO; /* it takes nothing, and does not say why */
        store->bytes += n;
        store->left -= (size_t)n;
        budget -= (size_t)n;
    }
    return 0;
}

/* Writes a piece, and after the last one gives the file its name. */
static int store_some(void *arg)
{
    struct store *store = arg;
    int rc =
        store->replace.fd < 0 ? aio__replace_begin(&store->replace, store->mode, store->mode) : 0;
    if (rc == 0)
        rc = store_write(store);
    if (rc < 0)
        aio__replace_abandon(&store->replace);
    if (rc < 0 || store->left > 0)
        return rc;
    store->done = true;
    return aio__replace_finish(&store->replace);
}

static int store_abandon(void *arg)
{
    aio__replace_abandon(&((struct store *)arg)->replace);
    return 0;
}

int aio_file_store(int at, const char *path, const void *bytes, size_t size, mode_t mode)
{
    struct store store = {
        .replace = {.at = at, .path = path, .fd = -1, .lasting = true},
        .bytes = bytes,
        .left = size,
        .mode = mode,
    };
    int rc = 0;
    while (rc == 0 && !store.done)
        rc = aio__fs_call(store_some, &store);
    if (store.replace.fd >= 0)
        aio__fs_clean(store_abandon, &store);
    return rc;
}
