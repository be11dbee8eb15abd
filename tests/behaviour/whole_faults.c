/*
 * What is done in several steps, of which one fails: a store or a copy whose write, sync, rename or
 * close fails; a directory that cannot be read to its end; and closes that take their time. The
 * file system is that of tests/fuse/steps_fs.c.
 */
#define SUITE "whole_faults"
#include "tests/behaviour/fuse_support.h"

#include <aio/whole.h>

static int copy_with(const struct folder *folder, const char *from, const char *to, unsigned flags)
{
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    options.flags = flags;
    return aio_file_copy(AT_FDCWD, from, folder->fd, to, &options);
}

static bool one_is_left(void *folder)
{
    return folder_count(folder, ".") == 1;
}

static bool two_are_left(void *folder)
{
    return folder_count(folder, ".") == 2;
}

/* Nothing is beside the file. What was removed while the server had still to be told of its closing
 * has another name until then. */
static void check_alone(struct folder *folder)
{
    AIO_CHECK(test_wait(one_is_left, folder));
}

/* A failure of any step but the last: the old file, and nothing beside it. */
static void check_step(const struct fuse_mount *mount, const char *name, const char *source)
{
    struct folder folder;
    REQUIRE(steps_folder(&folder, mount, name));
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "old", "new", 3, 0600), -EIO);
    AIO_CHECK_ERROR(copy_with(&folder, source, "old", AIO_FILE_COPY_SYNC), -EIO);
    AIO_CHECK_ERROR(copy_with(&folder, source, "new", AIO_FILE_COPY_SYNC), -EIO);
    AIO_CHECK(folder_says(&folder, "old", "old"));
    check_alone(&folder);
    close(folder.fd);
}

/* The name is new then, but may not last. */
static void check_last_step(const struct fuse_mount *mount)
{
    struct folder folder;
    REQUIRE(steps_folder(&folder, mount, "folder"));
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "old", "new", 3, 0600), -EIO);
    AIO_CHECK(folder_says(&folder, "old", "new"));
    check_alone(&folder);
    close(folder.fd);
}

/* Where renames have no flags and folders cannot be synced, both are done without. */
static void check_without(const struct fuse_mount *mount, const char *source)
{
    struct folder folder;
    REQUIRE(steps_folder(&folder, mount, "flags"));
    AIO_CHECK_OK(aio_file_store(folder.fd, "old", "new", 3, 0600));
    AIO_CHECK(folder_says(&folder, "old", "new"));
    AIO_CHECK_ERROR(copy_with(&folder, source, "old", AIO_FILE_COPY_NOREPLACE), -EEXIST);
    AIO_CHECK(folder_says(&folder, "old", "new"));
    AIO_CHECK_OK(copy_with(&folder, source, "copy", AIO_FILE_COPY_NOREPLACE));
    AIO_CHECK(folder_says(&folder, "copy", "source"));
    AIO_CHECK(test_wait(two_are_left, &folder));
    close(folder.fd);
}

BEHAVIOUR(a_step_fails)
{
    static const char *const steps[] = {"write", "sync", "rename", "flush"};
    struct fuse_mount mount;
    char source[] = "/tmp/aio-test-XXXXXX";
    if (!fuse_open(&mount, "steps_fs"))
        return;
    int fd = mkostemp(source, O_CLOEXEC);
    AIO_CHECK_EQ(write(fd, "source", 6), 6);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        check_step(&mount, steps[i], source);
    check_last_step(&mount);
    check_without(&mount, source);
    close(fd);
    AIO_CHECK_EQ(unlink(source), 0);
    fuse_close(&mount);
}

/* A directory that fails comes a second time, with the error, and all others are walked. */
static void check_walk_goes_on(const struct fuse_mount *mount)
{
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int lists = 0, failed = 0, files = 0;
    REQUIRE_OK(aio_walk_open(&walk, AT_FDCWD, mount->home.path, NULL));
    while (aio_walk_next(walk, &entry) == 1) {
        files += entry.type == AIO_ENTRY_FILE;
        lists += strcmp(entry.path, "list") == 0;
        failed += entry.error == -EIO && lists == 2;
    }
    aio_walk_close(walk);
    AIO_CHECK_EQ(lists, 2);
    AIO_CHECK_EQ(failed, 1);
    AIO_CHECK_EQ(files, 15);
}

/* What was read before the error is given, then the error, then the end. */
BEHAVIOUR(a_directory_that_fails_in_the_middle)
{
    struct fuse_mount mount;
    struct folder folder;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    struct aio_directory *directory;
    struct aio_directory_entry name;
    if (!fuse_open(&mount, "steps_fs"))
        return;
    if (steps_folder(&folder, &mount, "list")) {
        AIO_CHECK_OK(aio_directory_open(&directory, folder.fd, "."));
        AIO_CHECK_EQ(aio_directory_next(directory, &name), 1);
        AIO_CHECK_STR(name.name, "old");
        AIO_CHECK_ERROR(aio_directory_next(directory, &name), -EIO);
        AIO_CHECK_EQ(aio_directory_next(directory, &name), 0);
        aio_directory_close(directory);
        AIO_CHECK_OK(aio_walk_open(&walk, folder.fd, ".", NULL));
        AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1);
        AIO_CHECK_STR(entry.path, "old");
        AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1);
        AIO_CHECK_ERROR(entry.error, -EIO);
        AIO_CHECK_STR(entry.path, "");
        AIO_CHECK_EQ(aio_walk_next(walk, &entry), 0);
        aio_walk_close(walk);
        close(folder.fd);
    }
    check_walk_goes_on(&mount);
    fuse_close(&mount);
}

struct closing {
    struct folder folder;
    int rc;
};

static int close_file(void *arg)
{
    struct closing *closing = arg;
    struct aio_file_options options = AIO_FILE_OPTIONS;
    struct aio_file *file;
    options.at = closing->folder.fd;
    closing->rc = aio_file_open_with(&file, "old", &options);
    if (closing->rc == 0)
        closing->rc = aio_file_close(file);
    return 0;
}

static int load_file(void *arg)
{
    struct closing *closing = arg;
    void *memory;
    size_t size;
    closing->rc = aio_file_load(closing->folder.fd, "old", &memory, &size, 100);
    if (closing->rc == 0)
        aio_file_unload(memory);
    return 0;
}

static int load_too_much(void *arg)
{
    struct closing *closing = arg;
    void *memory;
    size_t size;
    closing->rc = aio_file_load(closing->folder.fd, "old", &memory, &size, 1);
    return 0;
}

/* The server does not answer a close until this task has made a file there. */
static void check_close(struct closing *closing, int (*closer)(void *arg), int wanted)
{
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, closer, closing, NULL));
    AIO_CHECK(test_wait(steps_wait, &closing->folder));
    steps_release(&closing->folder, task);
    AIO_CHECK_EQ(closing->rc, wanted);
}

BEHAVIOUR(a_close_that_waits_holds_up_nobody)
{
    struct fuse_mount mount;
    struct closing closing = {.rc = 1};
    if (!fuse_open(&mount, "steps_fs"))
        return;
    if (steps_folder(&closing.folder, &mount, "held")) {
        check_close(&closing, close_file, 0);
        check_close(&closing, load_file, 0);
        check_close(&closing, load_too_much, -EFBIG);
        close(closing.folder.fd);
    }
    fuse_close(&mount);
}

struct using
{
    struct aio_file *file;
    int what;
    ssize_t rc;
    size_t done;
};

static int use_file(void *arg)
{
    struct using *using = arg;
    char bytes[4] = "new";
    if (using->what == 0)
        using->rc = aio_file_read_at(using->file, bytes, 3, 0);
    else if (using->what == 1)
        using->rc = aio_file_write_at(using->file, bytes, 3, 0);
    else if (using->what == 2)
        using->rc = aio_file_sync(using->file, 0);
    else
        using->rc = aio_file_write_sync(using->file, bytes, 1, 0, &using->done);
    return 0;
}

BEHAVIOUR(calls_that_wait_hold_up_nobody)
{
    struct fuse_mount mount;
    struct folder folder;
    struct using using = {.what = 0};
    if (!fuse_open(&mount, "steps_fs"))
        return;
    struct file_path path = file_path_of(&mount.home, "slow/old");
    AIO_CHECK_OK(aio_file_open(&using.file, path.text, O_RDWR, 0));
    if (steps_folder(&folder, &mount, "slow")) {
        for (; using.what < 3; using.what++) {
            struct aio_task *task;
            REQUIRE_OK(aio_task_spawn(&task, use_file, &using, NULL));
            AIO_CHECK(test_wait(steps_wait, &folder));
            steps_release(&folder, task);
            AIO_CHECK_EQ(using.rc, using.what < 2 ? 3 : 0);
        }
        close(folder.fd);
    }
    file_end(using.file);
    fuse_close(&mount);
}

/* Meanwhile the bytes are there. */
static void check_write_sync(struct using *using, const struct folder *folder, bool cancelled)
{
    struct aio_task *task;
    char bytes[1] = "";
    using->rc = -1;
    using->done = 0;
    REQUIRE_OK(aio_task_spawn(&task, use_file, using, NULL));
    AIO_CHECK(test_wait(steps_wait, (void *)(uintptr_t)folder));
    AIO_CHECK_EQ(aio_file_read_at(using->file, bytes, 1, 0), 1);
    AIO_CHECK_EQ(bytes[0], 'n');
    AIO_CHECK_EQ(using->rc, -1);
    if (cancelled)
        aio_task_cancel(task);
    steps_release(folder, task);
    AIO_CHECK_EQ(using->done, 1);
}

/* A sync is under way when its write is done. To whom is cancelled then the server may say yes
 * first. */
BEHAVIOUR(a_sync_behind_a_write)
{
    struct fuse_mount mount;
    struct folder folder;
    struct using using = {.what = 3};
    if (!fuse_open(&mount, "steps_fs"))
        return;
    struct file_path path = file_path_of(&mount.home, "await/old");
    AIO_CHECK_OK(aio_file_open(&using.file, path.text, O_RDWR, 0));
    if (steps_folder(&folder, &mount, "await")) {
        check_write_sync(&using, &folder, false);
        AIO_CHECK_EQ(using.rc, 1);
        check_write_sync(&using, &folder, true);
        AIO_CHECK(using.rc == 1 || using.rc == -ECANCELED);
        close(folder.fd);
    }
    file_end(using.file);
    fuse_close(&mount);
}

static int close_used(void *arg)
{
    return aio_file_close(arg);
}

/* Closed meanwhile: the call says that, and the close that the sync failed. */
BEHAVIOUR(a_sync_behind_a_write_that_fails_during_a_close)
{
    struct fuse_mount mount;
    struct folder folder;
    struct aio_task *task, *closing;
    struct using using = {.what = 3};
    int result = 0;
    if (!fuse_open(&mount, "steps_fs"))
        return;
    struct file_path path = file_path_of(&mount.home, "refuse/old");
    AIO_CHECK_OK(aio_file_open(&using.file, path.text, O_RDWR, 0));
    if (steps_folder(&folder, &mount, "refuse")) {
        REQUIRE_OK(aio_task_spawn(&task, use_file, &using, NULL));
        AIO_CHECK(test_wait(steps_wait, &folder));
        REQUIRE_OK(aio_task_spawn(&closing, close_used, using.file, NULL));
        REQUIRE_OK(aio_task_yield());
        steps_release(&folder, task);
        AIO_CHECK_EQ(using.rc, -EBADF);
        AIO_CHECK_OK(aio_task_join(closing, &result));
        AIO_CHECK_ERROR(result, -EIO);
        close(folder.fd);
    }
    fuse_close(&mount);
}

/* Cancelled while the server is being asked, and the server says yes after that: the file is had,
 * and whoever has been cancelled can close it. */
BEHAVIOUR(an_open_that_succeeds_late)
{
    enum { COUNT = 8 };
    struct fuse_mount mount;
    struct closing closing = {.rc = 1};
    if (!fuse_open(&mount, "steps_fs"))
        return;
    if (steps_folder(&closing.folder, &mount, "late")) {
        for (int i = 0; i < COUNT; i++) {
            struct aio_task *task;
            REQUIRE_OK(aio_task_spawn(&task, close_file, &closing, NULL));
            AIO_CHECK(test_wait(steps_wait, &closing.folder));
            aio_task_cancel(task);
            steps_release(&closing.folder, task);
            AIO_CHECK_EQ(closing.rc, 0);
        }
        close(closing.folder.fd);
    }
    fuse_close(&mount);
}

/* Bytes that go to a server are synced there, whatever it makes of the flags of a write. */
BEHAVIOUR(a_write_and_its_sync)
{
    struct fuse_mount mount;
    struct file_path path;
    struct aio_file *file;
    size_t done;
    if (!fuse_open(&mount, "steps_fs"))
        return;
    path = file_path_of(&mount.home, "sync/old");
    AIO_CHECK_OK(aio_file_open(&file, path.text, O_RDWR, 0));
    AIO_CHECK_ERROR(aio_file_write_sync(file, "new", 3, 0, &done), -EIO);
    AIO_CHECK_EQ(done, 3);
    AIO_CHECK_ERROR(aio_file_close(file), -EIO);
    fuse_close(&mount);
}
