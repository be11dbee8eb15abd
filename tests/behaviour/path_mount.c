/*
 * File systems that are full, read-only, or do not know files without a name. Mounting them takes
 * root.
 */
#define SUITE "path_mount"
#include "tests/behaviour/folder_support.h"

#include <aio/whole.h>
#include <sys/mount.h>

/* Mounts a file system on "m" in the folder. */
static bool mount_on(const struct folder *folder, const char *type, unsigned long flags,
                     const char *options)
{
    char path[80];
    snprintf(path, sizeof path, "%s/m", folder->path);
    if (!folder_directory(folder, "m"))
        return false;
    if (mount("aio-test", path, type, flags, options) == 0)
        return true;
    AIO_CHECK(errno == EPERM || errno == EACCES || errno == ENODEV);
    aio_test_skip("mounting a file system takes root");
    return false;
}

static void unmount(const struct folder *folder)
{
    char path[80];
    snprintf(path, sizeof path, "%s/m", folder->path);
    AIO_CHECK_EQ(umount(path), 0);
}

BEHAVIOUR(of_a_read_only_file_system)
{
    struct folder folder;
    char pattern[] = "m/XXXXXX";
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "x");
    if (mount_on(&folder, "tmpfs", MS_RDONLY, NULL)) {
        int at = folder.fd;
        AIO_CHECK_ERROR(aio_path_mkdir(at, "m/x", 0755), -EROFS);
        AIO_CHECK_ERROR(aio_path_mkdirs(at, "m/x/y", 0755), -EROFS);
        AIO_CHECK_OK(aio_path_mkdirs(at, "m", 0755));
        AIO_CHECK_ERROR(aio_path_symlink("x", at, "m/x"), -EROFS);
        AIO_CHECK_ERROR(aio_path_access(at, "m", W_OK), -EROFS);
        AIO_CHECK_ERROR(aio_path_chmod(at, "m", 0700), -EROFS);
        AIO_CHECK_ERROR(aio_path_utime(at, "m", NULL, 0), -EROFS);
        AIO_CHECK_ERROR(aio_path_mkstemp(at, pattern), -EROFS);
        AIO_CHECK_ERROR(aio_path_mkdtemp(at, pattern), -EROFS);
        AIO_CHECK_ERROR(aio_path_tmpfile(at, "m", 0600), -EROFS);
        AIO_CHECK_ERROR(aio_file_store(at, "m/file", "x", 1, 0600), -EROFS);
        AIO_CHECK_ERROR(aio_file_copy(at, "file", at, "m/file", NULL), -EROFS);
        AIO_CHECK_ERROR(aio_path_remove(at, "m"), -EBUSY);
        unmount(&folder);
    }
    folder_close(&folder);
}

/* What fits neither is not begun to be seen, and leaves nothing. */
BEHAVIOUR(of_a_full_file_system)
{
    enum { SIZE = 1 << 20 };
    struct folder folder;
    char *bytes = calloc(1, SIZE);
    memset(bytes, 'x', SIZE);
    REQUIRE(folder_open(&folder));
    folder_file(&folder, "large", bytes, SIZE);
    if (mount_on(&folder, "tmpfs", 0, "size=256k")) {
        REQUIRE_OK(aio_file_store(folder.fd, "m/file", "old", 3, 0600));
        AIO_CHECK_ERROR(aio_file_store(folder.fd, "m/file", bytes, SIZE, 0600), -ENOSPC);
        AIO_CHECK_ERROR(aio_file_copy(folder.fd, "large", folder.fd, "m/file", NULL), -ENOSPC);
        AIO_CHECK(folder_says(&folder, "m/file", "old"));
        AIO_CHECK_EQ(folder_count(&folder, "m"), 1);
        AIO_CHECK_OK(aio_file_store(folder.fd, "m/file", bytes, SIZE / 8, 0600));
        AIO_CHECK(folder_holds(&folder, "m/file", bytes, SIZE / 8));
        unmount(&folder);
    }
    free(bytes);
    folder_close(&folder);
}

/* mqueue(7) makes files, but none without a name. */
BEHAVIOUR(without_nameless_files)
{
    struct folder folder;
    struct stat status;
    REQUIRE(folder_open(&folder));
    if (mount_on(&folder, "mqueue", 0, NULL)) {
        int fd = aio_path_tmpfile(folder.fd, "m", 0600);
        AIO_CHECK(fd >= 0 && fstat(fd, &status) == 0 && status.st_nlink == 0);
        AIO_CHECK_EQ(folder_count(&folder, "m"), 0);
        AIO_CHECK_ERROR(aio_path_publish(fd, folder.fd, "m/name", 0), -EPERM); /* it has no links */
        close(fd);
        unmount(&folder);
    }
    folder_close(&folder);
}

/* A mount within a tree is a part of it, and is not removed. */
BEHAVIOUR(below_a_tree)
{
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct aio_walk_options options = AIO_WALK_OPTIONS;
    REQUIRE(folder_open(&folder));
    if (mount_on(&folder, "tmpfs", 0, NULL)) {
        folder_text(&folder, "m/file", "x");
        for (int i = 0; i < 2; i++) {
            int count = 0;
            options.flags = i == 0 ? 0 : AIO_WALK_ONE_DEVICE;
            REQUIRE_OK(aio_walk_open(&walk, folder.fd, ".", &options));
            while (aio_walk_next(walk, &entry) == 1)
                count++;
            AIO_CHECK_EQ(count, 2 - i);
            aio_walk_close(walk);
        }
        AIO_CHECK_ERROR(aio_path_remove(folder.fd, "m"), -EBUSY);
        AIO_CHECK_EQ(folder_count(&folder, "m"), 0);
        unmount(&folder);
    }
    folder_close(&folder);
}
