/*
 * One directory, read a piece at a time on the offload pool.
 */
#include "fs/directory.h"
#include "fs/batch.h"
#include "fs/call.h"

#include "core/handle.h"
#include "core/task.h"

#include <fcntl.h>
#include <unistd.h>

#define DIRECTORY_BATCH_BYTES 32768

struct aio_directory {
    struct aio__handle handle;
    struct aio__gate gate;
    struct aio__batch batch;
};

struct directory_open {
    int at;
    const char *path;
};

static int directory_open(void *arg)
{
    const struct directory_open *call = arg;
    return aio__fs_result(openat(call->at, call->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

int aio__directory_open(int at, const char *path)
{
    struct directory_open call = {.at = at, .path = path};
    return aio__fs_call(directory_open, &call);
}

static void directory_close(struct aio__handle *handle)
{
    aio_directory_close(AIO__CONTAINER(handle, struct aio_directory, handle));
}

static const struct aio__handle_kind directory_kind = {"directory", directory_close};

int aio_directory_open(struct aio_directory **out, int at, const char *path)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_directory *directory = aio__alloc_zero(sizeof *directory + DIRECTORY_BATCH_BYTES);
    if (directory == NULL)
        return -ENOMEM;
    int fd = aio__directory_open(at, path);
    if (fd < 0) {
        aio__free(directory);
        return fd;
    }
    aio__handle_open(&directory->handle, core, fd, &directory_kind);
    directory->batch =
        (struct aio__batch){.bytes = (char *)(directory + 1), .size = DIRECTORY_BATCH_BYTES};
    *out = directory;
    return 0;
}

static int directory_read(void *arg)
{
    struct aio_directory *directory = arg;
    return aio__batch_read(&directory->batch, directory->handle.fd);
}

static int directory_take(struct aio_directory *directory, struct aio_directory_entry *out)
{
    int rc = 0;
    struct dirent64 *entry;
    while ((entry = aio__batch_next(&directory->batch)) == NULL && !directory->batch.ended &&
           rc == 0)
        rc = aio__fs_call(directory_read, directory);
    if (entry == NULL)
        return rc;
    *out = (struct aio_directory_entry){
        .name = entry->d_name,
        .type = aio__entry_type(entry->d_type),
        .inode = entry->d_ino,
    };
    return 1;
}

int aio_directory_next(struct aio_directory *directory, struct aio_directory_entry *out)
{
    (void)aio__handle_core(&directory->handle, __func__);
    int rc = aio__gate_enter(&directory->handle, &directory->gate);
    if (rc < 0)
        return rc;
    rc = directory_take(directory, out);
    return (int)aio__gate_leave(&directory->handle, &directory->gate, rc);
}

int aio_directory_fd(const struct aio_directory *directory)
{
    (void)aio__handle_core(&directory->handle, __func__);
    return directory->handle.fd;
}

void aio_directory_close(struct aio_directory *directory)
{
    if (directory == NULL)
        return;
    (void)aio__handle_core(&directory->handle, __func__);
    struct aio__gate *const gates[] = {&directory->gate};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&directory->handle, gates, 1);
    aio__handle_finish(&directory->handle);
    aio_shield_leave(&shield);
    aio__free(directory);
}
