/*
 * File systems that are full or read-only, and one that fails (tests/fuse). Mounting them takes
 * root.
 */
#define SUITE "file_faults"
#include "tests/behaviour/fuse_support.h"

#include <aio/pipe.h>
#include <aio/process.h>
#include <aio/whole.h>
#include <sys/mount.h>

static bool mount_small(const struct file_home *home, unsigned long flags)
{
    if (mount("aio-test", home->path, "tmpfs", flags, "size=256k") == 0)
        return true;
    AIO_CHECK(errno == EPERM || errno == EACCES);
    aio_test_skip("mounting a file system takes root");
    return false;
}

/* A worker of the ring may let go of a file a moment after it has told of the end of an op. */
static void unmount_small(const struct file_home *home)
{
    AIO_CHECK_EQ(umount2(home->path, MNT_DETACH), 0);
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
        unmount_small(&home);
    }
    free(block);
    file_home_close(&home);
}

/* As the standard output of a program may be. */
BEHAVIOUR(file_as_a_stream_of_a_full_file_system)
{
    enum { SIZE = 1 << 20 };
    struct file_home home;
    char *block = malloc(SIZE);
    REQUIRE(file_home_open(&home));
    test_pattern_fill(block, SIZE, 0);
    if (mount_small(&home, 0)) {
        struct aio_file *file = file_make(&home, "file", 0);
        struct aio_stream *stream;
        int fd = dup(aio_file_fd(file));
        REQUIRE_OK(aio_pipe_adopt(&stream, fd));
        AIO_CHECK_ERROR(aio_stream_write_all(stream, block, SIZE, NULL), -ENOSPC);
        int64_t size = aio_file_size(file);
        AIO_CHECK_EQ(size, 256 * 1024);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), size);
        file_check(file, 0, (size_t)size);
        aio_stream_close(stream);
        file_end(file);
        unmount_small(&home);
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
        unmount_small(&home);
    }
    file_home_close(&home);
}

static void check_broken(const char *path)
{
    enum { SIZE = 100000, SOUND = 65536 };
    char *block = malloc(SIZE);
    struct aio_file *file;
    size_t done;
    REQUIRE_OK(aio_file_open(&file, path, O_RDWR, 0));
    test_pattern_fill(block, SIZE, 0);
    AIO_CHECK_ERROR(aio_file_write_all(file, block, SIZE, &done), -EIO);
    AIO_CHECK(done <= SOUND); /* a ring forgets what was written before the error */
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), done);
    AIO_CHECK_ERROR(aio_file_read_exact_at(file, block, SIZE, 0, &done), -EIO);
    AIO_CHECK_EQ(done, SOUND);
    test_pattern_check(block, done, 0);
    AIO_CHECK_EQ(aio_file_read_at(file, block, SIZE, 60000), SOUND - 60000);
    AIO_CHECK_ERROR(aio_file_read_at(file, block, SIZE, SOUND), -EIO);
    AIO_CHECK_ERROR(aio_file_write_at(file, block, SIZE, SOUND), -EIO);
    AIO_CHECK_ERROR(aio_file_sync(file, AIO_FILE_DATA), -EIO);
    AIO_CHECK_ERROR(aio_file_sync(file, 0), -EIO); /* the file system says it is well */
    AIO_CHECK_ERROR(aio_file_close(file), -EIO);
    REQUIRE_OK(aio_file_open(&file, path, O_RDWR, 0));
    AIO_CHECK_OK(aio_file_sync(file, 0));
    file_end(file);
    free(block);
}

/* Cut short by the error, a read moves the cursor by what it has brought: not to the end because
 * writes would go there. */
static void check_cut_reads(const char *path)
{
    enum { SIZE = 100000, SOUND = 65536, FROM = 60000 };
    char *block = malloc(SIZE);
    struct aio_file *file;
    size_t done;
    for (int flags = 0; flags <= O_APPEND; flags += O_APPEND) {
        REQUIRE_OK(aio_file_open(&file, path, O_RDWR | flags, 0));
        AIO_CHECK_EQ(aio_file_seek(file, FROM, SEEK_SET), FROM);
        AIO_CHECK_ERROR(aio_file_read_exact(file, block, SIZE, &done), -EIO);
        AIO_CHECK_EQ(done, SOUND - FROM);
        AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), SOUND);
        AIO_CHECK_ERROR(aio_file_read(file, block, 1), -EIO);
        file_end(file);
    }
    free(block);
}

/* What writes and syncs at once, and fails, has failed as a sync; the file system says later that
 * it is well. */
static void check_lasting(const char *path)
{
    enum { SOUND = 65536 };
    struct aio_file *file;
    size_t done;
    for (int i = 0; i < 3; i++) {
        REQUIRE_OK(aio_file_open(&file, path, i == 0 ? O_RDWR | O_DSYNC : O_RDWR | O_SYNC, 0));
        AIO_CHECK_EQ(aio_file_write_at(file, "x", 1, 0), 1);
        AIO_CHECK_OK(aio_file_sync(file, 0));
        AIO_CHECK_ERROR(aio_file_read_at(file, (char[1]){0}, 1, SOUND), -EIO); /* is no sync */
        AIO_CHECK_OK(aio_file_sync(file, 0));
        if (i < 2)
            AIO_CHECK_ERROR(aio_file_write_at(file, "x", 1, SOUND), -EIO);
        else
            AIO_CHECK_ERROR(aio_file_append(file, "x", 1, &done), -EIO);
        AIO_CHECK_ERROR(aio_file_sync(file, 0), -EIO);
        AIO_CHECK_ERROR(aio_file_write_sync(file, "x", 1, 0, &done), -EIO);
        AIO_CHECK_EQ(done, 1);
        AIO_CHECK_ERROR(aio_file_close(file), -EIO);
    }
}

/* A sync that its server has not answered has failed, whatever else has that error. */
static void check_slow(const char *path)
{
    struct aio_file *file;
    REQUIRE_OK(aio_file_open(&file, path, O_RDWR, 0));
    AIO_CHECK_ERROR(aio_file_sync(file, 0), -ETIMEDOUT);
    AIO_CHECK_ERROR(aio_file_sync(file, 0), -ETIMEDOUT); /* the file system says it is well */
    AIO_CHECK_ERROR(aio_file_close(file), -ETIMEDOUT);
}

/* Nothing is left of a file that takes no bytes, and nobody waits for it to take them. */
static void check_whole(const char *source, const char *made)
{
    AIO_CHECK_ERROR(aio_file_store(AT_FDCWD, made, "text", 4, 0600), -EIO);
    AIO_CHECK_ERROR(aio_file_copy(AT_FDCWD, source, AT_FDCWD, made, NULL), -EIO);
    AIO_CHECK_ERROR(file_refused(made, O_RDONLY), -ENOENT);
}

BEHAVIOUR(file_of_a_file_system_that_fails)
{
    struct fuse_mount mount;
    if (!fuse_open(&mount, "broken_fs"))
        return;
    struct file_path path = file_path_of(&mount.home, "file");
    check_broken(path.text);
    check_cut_reads(path.text);
    check_lasting(path.text);
    check_slow(file_path_of(&mount.home, "slow").text);
    check_whole(path.text, file_path_of(&mount.home, "made").text);
    fuse_close(&mount);
}

/* Of a program that is looked for along PATH. */
static int spawn_and_end(const char *program)
{
    struct aio_process *process;
    int rc = aio_process_spawn(&process, AIO_ARGV(program), NULL);
    if (rc < 0)
        return rc;
    AIO_CHECK_OK(aio_process_wait(process, NULL));
    aio_process_close(process);
    return 0;
}

/* What stands in PATH may be gone: the search goes on behind it. */
static void check_path(const char *broken, const struct file_home *sound)
{
    static const struct {
        const char *name;
        int error;
    } programs[] = {{"stale", -ESTALE}, {"gone", -ENODEV}, {"late", -ETIMEDOUT}};
    char *before = strdup(getenv("PATH")), both[256];
    (void)snprintf(both, sizeof both, "%s:%s", broken, sound->path);
    for (int i = 0; i < 3; i++) {
        struct file_path path = file_path_of(sound, programs[i].name);
        AIO_CHECK_EQ(symlink("/bin/true", path.text), 0);
        setenv("PATH", broken, 1);
        AIO_CHECK_ERROR(spawn_and_end(programs[i].name), programs[i].error);
        setenv("PATH", both, 1);
        AIO_CHECK_OK(spawn_and_end(programs[i].name));
    }
    setenv("PATH", before, 1);
    free(before);
}

BEHAVIOUR(program_on_a_file_system_that_fails)
{
    struct fuse_mount mount;
    struct file_home sound;
    if (!fuse_open(&mount, "broken_fs"))
        return;
    REQUIRE(file_home_open(&sound));
    check_path(mount.home.path, &sound);
    file_home_close(&sound);
    fuse_close(&mount);
}
