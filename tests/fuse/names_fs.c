/*
 * A FUSE file system in memory whose names are as long as the kernel takes them, beyond NAME_MAX:
 *
 *     names_fs FOLDER     until SIGTERM; one folder, for some small files
 */
#define FUSE_USE_VERSION 31
#include <fuse.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 64, FILE_BYTES = 4096 };

struct file {
    char *path; /* NULL: there is none */
    char bytes[FILE_BYTES];
    size_t size;
};

static struct file files[FILES];

static struct file *find(const char *path)
{
    for (int i = 0; i < FILES; i++)
        if (files[i].path != NULL && strcmp(files[i].path, path) == 0)
            return &files[i];
    return NULL;
}

static void forget(struct file *file)
{
    if (file == NULL)
        return;
    free(file->path);
    file->path = NULL;
}

static int names_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    (void)info;
    memset(status, 0, sizeof *status);
    status->st_nlink = 1;
    status->st_mode = S_IFDIR | 0755;
    if (strcmp(path, "/") == 0)
        return 0;
    const struct file *file = find(path);
    status->st_mode = S_IFREG | 0644;
    status->st_size = file != NULL ? (off_t)file->size : 0;
    return file != NULL ? 0 : -ENOENT;
}

static int names_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                         struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)path, (void)offset, (void)info, (void)flags;
    (void)fill(buffer, ".", NULL, 0, 0);
    (void)fill(buffer, "..", NULL, 0, 0);
    for (int i = 0; i < FILES; i++)
        if (files[i].path != NULL)
            (void)fill(buffer, files[i].path + 1, NULL, 0, 0);
    return 0;
}

static int names_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    (void)mode, (void)info;
    for (int i = 0; i < FILES; i++) {
        if (files[i].path != NULL)
            continue;
        files[i].path = strdup(path);
        files[i].size = 0;
        return files[i].path != NULL ? 0 : -ENOMEM;
    }
    return -ENOSPC;
}

static int names_open(const char *path, struct fuse_file_info *info)
{
    (void)path;
    info->direct_io = 1; /* what others have written is there at once */
    return 0;
}

static int names_read(const char *path, char *buffer, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    (void)info;
    const struct file *file = find(path);
    size_t left = file != NULL && offset < (off_t)file->size ? file->size - (size_t)offset : 0;
    size_t part = size < left ? size : left;
    if (part > 0)
        memcpy(buffer, file->bytes + offset, part);
    return (int)part;
}

static int names_write(const char *path, const char *buffer, size_t size, off_t offset,
                       struct fuse_file_info *info)
{
    (void)info;
    struct file *file = find(path);
    if (file == NULL || offset + (off_t)size > FILE_BYTES)
        return file == NULL ? -ENOENT : -ENOSPC;
    memcpy(file->bytes + offset, buffer, size);
    if (file->size < (size_t)offset + size)
        file->size = (size_t)offset + size;
    return (int)size;
}

static int names_rename(const char *from, const char *to, unsigned flags)
{
    struct file *file = find(from);
    char *path = flags == 0 && file != NULL ? strdup(to) : NULL;
    if (path == NULL)
        return flags != 0 ? -EINVAL : file == NULL ? -ENOENT : -ENOMEM;
    forget(find(to));
    forget(file);
    file->path = path;
    return 0;
}

static int names_unlink(const char *path)
{
    struct file *file = find(path);
    forget(file);
    return file != NULL ? 0 : -ENOENT;
}

static const struct fuse_operations operations = {
    .getattr = names_getattr,
    .readdir = names_readdir,
    .create = names_create,
    .open = names_open,
    .read = names_read,
    .write = names_write,
    .rename = names_rename,
    .unlink = names_unlink,
};

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: names_fs FOLDER\n");
        return 2;
    }
    char foreground[] = "-f", one_thread[] = "-s";
    char *words[] = {argv[0], foreground, one_thread, argv[1], NULL};
    return fuse_main(4, words, &operations, NULL);
}
