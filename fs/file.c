/*
 * Opening and closing files.
 */
#include "fs/private.h"

#include "fs/call.h"

#include "core/alloc.h"
#include "core/file_op.h"

#include <linux/openat2.h>
#include <unistd.h>

/* To free the blocks of so much is work for a thread. */
#define FILE_UNNAMED_BYTES ((off_t)1 << 20)

static void file_close_handle(struct aio__handle *handle)
{
    (void)aio_file_close((struct aio_file *)(void *)handle);
}

static const struct aio__handle_kind file_kind = {"file", file_close_handle};

/*
 * What the descriptor is. Nothing is asked of a server for it. Of what is neither file nor device,
 * as eventfds, lseek(2) may say that it has positions. Devices linger until they have written.
 */
static void file_learn(struct aio_file *file, int fd)
{
    struct statx found;
    unsigned mode = 0;
    if (aio__file_look(fd, &found) == 0) {
        mode = found.stx_mode;
        file->served = S_ISREG(mode) && aio__file_is_served(&found);
        file->local = S_ISREG(mode) && !file->served && found.stx_dev_major != 0;
    }
    file->lingers = file->served || S_ISBLK(mode) || S_ISCHR(mode);
    file->regular = S_ISREG(mode) || S_ISBLK(mode);
    file->seekable =
        file->regular || S_ISDIR(mode) || (S_ISCHR(mode) && lseek(fd, 0, SEEK_CUR) >= 0);
}

/* Whether it may have been: close(2) of what was cut and written anew begins to write it out, on
 * ext4 (auto_da_alloc) and others. */
static bool file_was_cut(int flags, bool ours)
{
    return ours ? (flags & O_TRUNC) != 0 : (flags & O_ACCMODE) != O_RDONLY;
}

/* flags: of the open file. O_NONBLOCK goes if it is ours. */
static void file_start(struct aio_file *file, struct aio__core *core, int fd, int flags, bool ours)
{
    file_learn(file, fd);
    file->direct = (flags & O_DIRECT) != 0;
    file->lasting = (flags & O_DSYNC) != 0; /* O_SYNC has that bit as well */
    aio__held_take(core, file->regular ? AIO__HELD_XFSZ : AIO__HELD_PIPE);
    if ((flags & O_NONBLOCK) != 0 && ours)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    file->threaded = file->served || ((flags & O_NONBLOCK) != 0 && !ours && file->regular);
    file->shared = !ours;
    file->appends = (flags & (O_ACCMODE | O_APPEND)) == (O_WRONLY | O_APPEND);
    file->lingers = file->lingers || file_was_cut(flags, ours);
    aio__handle_open(&file->handle, core, fd, &file_kind);
    file->handle.served = file->served;
}

static int file_open_op(struct aio__core *core, const char *path, int at,
                        const struct open_how *how)
{
    struct aio__op_frame frame;
    struct aio__sleep pause = {.wait = {.what = "lease"}};
    for (;;) {
        frame.op.opcode = AIO__OP_OPEN;
        frame.op.fd = at;
        frame.op.open.path = path;
        frame.op.open.how = how;
        int rc = aio__op_run(core, &frame, "open");
        if (rc != -EAGAIN || (how->resolve & RESOLVE_CACHED) != 0)
            return rc;
        rc = aio__sleep_until(core, &pause, aio__time_after(AIO__FS_LEASE_PAUSE_NS));
        if (rc < 0)
            return rc;
    }
}

int aio_file_open_with(struct aio_file **out, const char *path,
                       const struct aio_file_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (options->size != sizeof *options)
        return -EINVAL;
    int flags = options->flags | O_CLOEXEC;
    bool makes = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
    if ((flags & O_PATH) == 0)
        flags |= O_NONBLOCK;
    const struct open_how how = {
        .flags = (uint32_t)flags,
        .mode = makes ? options->mode & 07777 : 0,
        .resolve = options->resolve,
    };
    struct aio_file *file = aio__alloc_zero(sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    int fd = file_open_op(core, path, options->at, &how);
    if (fd < 0) {
        aio__free(file);
        return fd;
    }
    file_start(file, core, fd, flags, true);
    *out = file;
    return 0;
}

int aio_file_open(struct aio_file **out, const char *path, int flags, mode_t mode)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    options.flags = flags;
    options.mode = mode;
    return aio_file_open_with(out, path, &options);
}

int aio_file_adopt(struct aio_file **out, int fd)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    struct aio_file *file = aio__alloc_zero(sizeof *file);
    if (file == NULL)
        return -ENOMEM;
    (void)aio__handle_seal(fd);
    file_start(file, core, fd, flags, false);
    *out = file;
    return 0;
}

int aio_file_release(struct aio_file *file)
{
    (void)aio__handle_core(&file->handle, __func__);
    int rc = aio__handle_release(&file->handle);
    if (rc < 0)
        return rc;
    int fd = file->handle.fd;
    aio__free(file);
    return fd;
}

struct file_closing {
    int fd;
    int result;
};

static int file_close_fd(void *arg)
{
    struct file_closing *closing = arg;
    closing->result = close(closing->fd) < 0 && errno != EINTR ? -errno : 0;
    return 0;
}

/* Whether close(2) may wait, so that a thread has to: for a server, a device, for what was written
 * after a cut, or for the blocks of what has no name any more. */
static bool file_lingers(const struct aio_file *file)
{
    struct stat status;
    return file->lingers || (file->regular && fstat(file->handle.fd, &status) == 0 &&
                             status.st_nlink == 0 && status.st_size > FILE_UNNAMED_BYTES);
}

int aio_file_close(struct aio_file *file)
{
    if (file == NULL)
        return 0;
    (void)aio__handle_core(&file->handle, __func__);
    struct aio__gate *const gates[] = {&file->cursor, &file->writing};
    struct aio_shield shield;
    aio_shield_enter(&shield);
    aio__handle_expel(&file->handle, gates, 2);
    struct file_closing closing = {.fd = file->handle.fd};
    bool lingers = file_lingers(file);
    aio__handle_part(&file->handle);
    if (lingers)
        aio__fs_clean(file_close_fd, &closing);
    else
        (void)file_close_fd(&closing);
    aio_shield_leave(&shield);
    int rc = file->sync_error < 0 ? file->sync_error : closing.result;
    aio__free(file);
    return rc;
}

/* Who knows it may share the cursor: which is no change of the file, for its user. */
int aio_file_fd(const struct aio_file *file)
{
    (void)aio__handle_core(&file->handle, __func__);
    ((struct aio_file *)(uintptr_t)file)->shared = true;
    return file->handle.fd;
}
