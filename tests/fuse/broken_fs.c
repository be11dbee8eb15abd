/*
 * A FUSE file system that fails: for tests of what a failing disk looks like.
 *
 *     broken_fs FOLDER        until SIGTERM; the folder then has two files of 1 MiB, "file" and
 *                             "slow"
 *
 * Its first 64 KiB can be read and written; beyond them both fail with EIO. The first sync fails
 * with EIO, those after it succeed, as those of a kernel that has dropped what it could not write
 * do; of "slow" it fails with ETIMEDOUT. A file that is made there takes no bytes: each write of it
 * returns 0. What "stale", "gone" and "late" are cannot be asked: ESTALE, ENODEV, ETIMEDOUT.
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { FILE_BYTES = 1 << 20, SOUND_BYTES = 65536 };

static char sound[SOUND_BYTES];
static bool sync_failed[2];
static char made[256]; /* the name of the file that was made; empty when there is none */

static bool is_slow(const char *path)
{
    return strcmp(path, "/slow") == 0;
}

static bool is_made(const char *path)
{
    return made[0] != '\0' && strcmp(path, made) == 0;
}

/* Of a name that cannot even be looked up. */
static int lookup_error(const char *path)
{
    if (strcmp(path, "/late") == 0)
        return -ETIMEDOUT;
    if (strcmp(path, "/gone") == 0)
        return -ENODEV;
    return strcmp(path, "/stale") == 0 ? -ESTALE : 0;
}

static void *broken_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    config->direct_io = 1; /* every read and write is asked for as it was made */
    return NULL;
}

static int broken_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    int error = lookup_error(path);
    (void)info;
    if (error < 0)
        return error;
    memset(status, 0, sizeof *status);
    status->st_nlink = 1;
    status->st_mode = S_IFDIR | 0755;
    if (strcmp(path, "/") == 0)
        return 0;
    status->st_mode = S_IFREG | 0644;
    status->st_size = is_made(path) ? 0 : FILE_BYTES;
    return strcmp(path, "/file") == 0 || is_slow(path) || is_made(path) ? 0 : -ENOENT;
}

static int broken_open(const char *path, struct fuse_file_info *info)
{
    (void)path;
    (void)info;
    return 0;
}

/* How much of a transfer can be done; as much as is sound. */
static int broken_part(size_t size, off_t offset)
{
    if (offset >= SOUND_BYTES)
        return -EIO;
    size_t left = (size_t)(SOUND_BYTES - offset);
    return (int)(size < left ? size : left);
}

static int broken_read(const char *path, char *buffer, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    int part = broken_part(size, offset);
    (void)path;
    (void)info;
    if (part > 0)
        memcpy(buffer, sound + offset, (size_t)part);
    return part;
}

static int broken_write(const char *path, const char *buffer, size_t size, off_t offset,
                        struct fuse_file_info *info)
{
    int part = is_made(path) ? 0 : broken_part(size, offset);
    (void)info;
    if (part > 0)
        memcpy(sound + offset, buffer, (size_t)part);
    return part;
}

static int broken_fsync(const char *path, int data, struct fuse_file_info *info)
{
    bool slow = is_slow(path);
    int rc = slow ? -ETIMEDOUT : -EIO;
    (void)data;
    (void)info;
    if (sync_failed[slow])
        return 0;
    sync_failed[slow] = true;
    return rc;
}

static int broken_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)mode;
    (void)info;
    (void)snprintf(made, sizeof made, "%s", path);
    return 0;
}

static int broken_unlink(const char *path)
{
    if (!is_made(path))
        return -EPERM;
    made[0] = '\0';
    return 0;
}

static const struct fuse_operations operations = {
    .init = broken_init,
    .getattr = broken_getattr,
    .open = broken_open,
    .read = broken_read,
    .write = broken_write,
    .fsync = broken_fsync,
    .create = broken_create,
    .unlink = broken_unlink,
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: broken_fs FOLDER\n");
        return 2;
    }
    char foreground[] = "-f", one_thread[] = "-s";
    char *words[] = {argv[0], foreground, one_thread, argv[1], NULL};
    return fuse_main(4, words, &operations, NULL);
}
