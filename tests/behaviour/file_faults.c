/*
 * File systems that are full or read-only. Mounting them takes root.
 */
#define SUITE "file_faults"
#include "tests/behaviour/file_support.h"

#include <sys/mount.h>

static bool mount_small(const struct file_home *home, unsigned long flags)
{
    if (mount("aio-test", home->path, "tmpfs", flags, "size=256k") == 0)
        return true;
    AIO_CHECK(errno == EPERM || errno == EACCES);
    aio_test_skip("mounting a file system takes root");
    return false;
}

BEHAVIOUR(file_of_a_full_file_system)
{
    enum { SIZE = 1 << 20 };
    struct file_home home;
    size_t done = 0;
    char *block = malloc(SIZE);
    REQUIRE(file_home_open(&home));
    test_pattern_fill(block, SIZE, 0);
    if (mount_small(&home, 0)) {
        struct aio_file *file = file_make(&home, "file", 0);
        AIO_CHECK_ERROR(aio_file_write_all(file, block, SIZE, &done), -ENOSPC);
        AIO_CHECK(done > 0 && done <= 256 * 1024);
        AIO_CHECK_EQ(aio_file_size(file), done);
        AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), done);
        file_check(file, 0, done);
        AIO_CHECK_ERROR(aio_file_write(file, block, SIZE), -ENOSPC);
        AIO_CHECK_ERROR(aio_file_append(file, block, SIZE, NULL), -ENOSPC);
        AIO_CHECK_ERROR(aio_file_allocate(file, 0, 0, SIZE), -ENOSPC);
        AIO_CHECK_OK(aio_file_truncate(file, 0));
        ssize_t n = aio_file_write(file, block, SIZE); /* as far as it goes */
        AIO_CHECK(n > 0 && n <= 256 * 1024);
        file_end(file);
        AIO_CHECK_EQ(umount(home.path), 0);
    }
    free(block);
    file_home_close(&home);
}

BEHAVIOUR(file_of_a_read_only_file_system)
{
    struct file_home home;
    REQUIRE(file_home_open(&home));
    if (mount_small(&home, MS_RDONLY)) {
        struct file_path path = file_path_of(&home, "file");
        AIO_CHECK_ERROR(file_refused(path.text, O_RDWR | O_CREAT), -EROFS);
        AIO_CHECK_ERROR(file_refused(path.text, O_RDONLY), -ENOENT);
        AIO_CHECK_EQ(umount(home.path), 0);
    }
    file_home_close(&home);
}
