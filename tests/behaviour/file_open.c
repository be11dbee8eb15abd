/*
 * aio_file_open: flags, what cannot be opened, FIFOs, folders and resolve flags, leases, late
 * successes; adopting and releasing.
 */
#define SUITE "file_open"
#include "tests/behaviour/file_support.h"

#include "tests/behaviour/task_tools.h"

#include <aio/whole.h>
#include <linux/openat2.h>
#include <signal.h>

BEHAVIOUR(file_open_flags)
{
    struct file_home home;
    struct aio_file *file;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    AIO_CHECK_ERROR(file_refused(path.text, O_RDONLY), -ENOENT);
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDWR | O_CREAT | O_EXCL, 0640));
    struct stat status;
    AIO_CHECK_EQ(fstat(aio_file_fd(file), &status), 0);
    AIO_CHECK_EQ(status.st_mode & 0777, 0640);
    AIO_CHECK_EQ(fcntl(aio_file_fd(file), F_GETFD), FD_CLOEXEC);
    AIO_CHECK_EQ(fcntl(aio_file_fd(file), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
    AIO_CHECK_EQ(aio_file_write(file, "abc", 3), 3);
    file_end(file);
    AIO_CHECK_ERROR(file_refused(path.text, O_RDWR | O_CREAT | O_EXCL), -EEXIST);
    REQUIRE_OK(aio_file_open(&file, path.text, O_WRONLY | O_APPEND, 0));
    AIO_CHECK_EQ(aio_file_write(file, "d", 1), 1);
    AIO_CHECK_EQ(fstat(aio_file_fd(file), &status), 0);
    AIO_CHECK_EQ(status.st_size, 4);
    char byte;
    AIO_CHECK_ERROR(aio_file_read(file, &byte, 1), -EBADF);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDONLY | O_TRUNC, 0));
    AIO_CHECK_EQ(aio_file_read(file, &byte, 1), 0);
    AIO_CHECK_ERROR(aio_file_write(file, &byte, 1), -EBADF);
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_open_of_what_cannot_be)
{
    struct file_home home;
    struct aio_file *file;
    char name[300] = "/tmp/";
    REQUIRE(file_home_open(&home));
    memset(name + 5, 'x', 290);
    AIO_CHECK_ERROR(file_refused(home.path, O_RDWR), -EISDIR);
    AIO_CHECK_ERROR(file_refused("/dev/null/x", O_RDONLY), -ENOTDIR);
    AIO_CHECK_ERROR(file_refused("/dev/null", O_RDONLY | O_DIRECTORY), -ENOTDIR);
    AIO_CHECK_ERROR(file_refused(name, O_RDONLY), -ENAMETOOLONG);
    AIO_CHECK_ERROR(file_refused("", O_RDONLY), -ENOENT);
    AIO_CHECK_ERROR(file_refused((const char *)1, O_RDONLY), -EFAULT);
    struct aio_file_options options = AIO_FILE_OPTIONS;
    options.size--;
    AIO_CHECK_ERROR(aio_file_open_with(&file, "/dev/null", &options), -EINVAL);
    options = AIO_FILE_OPTIONS;
    options.at = 1000000;
    AIO_CHECK_ERROR(aio_file_open_with(&file, "file", &options), -EBADF);
    AIO_CHECK_OK(aio_file_close(NULL));
    file_home_close(&home);
}

BEHAVIOUR(file_open_of_no_name)
{
    struct aio_file *file;
    char back[4] = "";
    REQUIRE_OK(aio_file_open(&file, "/tmp", O_TMPFILE | O_RDWR, 0600));
    AIO_CHECK_EQ(aio_file_write(file, "abc", 3), 3);
    AIO_CHECK_EQ(aio_file_read_at(file, back, 3, 0), 3);
    AIO_CHECK_STR(back, "abc");
    file_end(file);
}

BEHAVIOUR(file_open_of_a_path_only)
{
    struct aio_file *file;
    char byte;
    REQUIRE_OK(aio_file_open(&file, "/tmp", O_PATH, 0));
    AIO_CHECK_ERROR(aio_file_read(file, &byte, 1), -EBADF);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, "/tmp", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0));
    file_end(file);
    AIO_CHECK_ERROR(file_refused("/tmp", O_PATH | O_RDWR), -EINVAL);
    AIO_CHECK_ERROR(file_refused("/tmp/made", O_PATH | O_CREAT), -EINVAL);
}

BEHAVIOUR(file_open_of_a_fifo)
{
    struct file_home home;
    struct aio_file *reader, *writer;
    char back[8];
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "fifo");
    REQUIRE(mkfifo(path.text, 0600) == 0);
    AIO_CHECK_ERROR(file_refused(path.text, O_WRONLY), -ENXIO);
    REQUIRE_OK(aio_file_open(&reader, path.text, O_RDONLY, 0));
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_file_read(reader, back, 1), -ETIMEDOUT);
    }
    REQUIRE_OK(aio_file_open(&writer, path.text, O_WRONLY, 0));
    AIO_CHECK_EQ(aio_file_write_all(writer, "abc", 3, NULL), 3);
    AIO_CHECK_EQ(aio_file_read_exact(reader, back, 3, NULL), 3);
    AIO_CHECK_ERROR(aio_file_read_at(reader, back, 1, 0), -ESPIPE);
    AIO_CHECK_ERROR(aio_file_write_at(writer, back, 1, 0), -ESPIPE);
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_file_read(reader, back, 1), -ETIMEDOUT);
    }
    file_end(writer);
    AIO_CHECK_EQ(aio_file_read(reader, back, sizeof back), 0);
    file_end(reader);
    file_home_close(&home);
}

static int open_at(int at, const char *path, uint64_t resolve)
{
    struct aio_file_options options = AIO_FILE_OPTIONS;
    struct aio_file *file;
    options.at = at;
    options.resolve = resolve;
    int rc = aio_file_open_with(&file, path, &options);
    if (rc == 0)
        file_end(file);
    return rc;
}

BEHAVIOUR(file_open_within_a_folder)
{
    struct file_home home;
    struct aio_file *folder;
    REQUIRE(file_home_open(&home));
    file_end(file_make(&home, "file", 3));
    REQUIRE_OK(aio_file_open(&folder, home.path, O_RDONLY | O_DIRECTORY, 0));
    int at = aio_file_fd(folder);
    AIO_CHECK_EQ(symlinkat("loop", at, "loop"), 0);
    AIO_CHECK_EQ(symlinkat("file", at, "link"), 0);
    AIO_CHECK_EQ(symlinkat("/etc/passwd", at, "out"), 0);
    AIO_CHECK_OK(open_at(at, "file", 0));
    AIO_CHECK_OK(open_at(at, "out", 0));
    AIO_CHECK_ERROR(open_at(at, "loop", 0), -ELOOP);
    AIO_CHECK_OK(open_at(at, "./link", RESOLVE_BENEATH));
    AIO_CHECK_ERROR(open_at(at, "out", RESOLVE_BENEATH), -EXDEV);
    AIO_CHECK_ERROR(open_at(at, "../../etc/passwd", RESOLVE_BENEATH), -EXDEV);
    AIO_CHECK_ERROR(open_at(at, "/etc/passwd", RESOLVE_BENEATH), -EXDEV);
    AIO_CHECK_ERROR(open_at(at, "link", RESOLVE_NO_SYMLINKS), -ELOOP);
    AIO_CHECK_ERROR(open_at(at, "out", RESOLVE_IN_ROOT), -ENOENT);
    AIO_CHECK_OK(open_at(at, "../../file", RESOLVE_IN_ROOT));
    AIO_CHECK_ERROR(open_at(at, "file", UINT64_C(1) << 60), -EINVAL);
    file_end(folder);
    file_home_close(&home);
}

static int set_flag(void *flag)
{
    *(bool *)flag = true;
    return 0;
}

/* Whether a task that could run does so while the file is closed. */
static bool lets_others_run(struct aio_file *file)
{
    bool ran = false;
    struct aio_task *task = task_named("other", set_flag, &ran);
    AIO_CHECK(task != NULL && !ran);
    AIO_CHECK_OK(aio_file_close(file));
    bool before = ran;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    return before;
}

/* What was cut may begin to be written out when it is closed: by a thread. */
BEHAVIOUR(file_cut_is_closed_by_a_thread)
{
    struct file_home home;
    struct aio_file *file;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDWR | O_CREAT, 0600));
    AIO_CHECK_OK(aio_file_close(file));
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDWR | O_TRUNC, 0));
    AIO_CHECK(lets_others_run(file));
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDWR, 0));
    AIO_CHECK_OK(aio_file_truncate(file, 0));
    AIO_CHECK(lets_others_run(file));
    REQUIRE_OK(aio_file_adopt(&file, open(path.text, O_WRONLY | O_CLOEXEC)));
    AIO_CHECK(lets_others_run(file));
    file_home_close(&home);
}

struct opening {
    const char *path;
    int result;
    bool ended;
};

static int opening_task(void *arg)
{
    struct opening *opening = arg;
    struct aio_file *file;
    opening->result = aio_file_open(&file, opening->path, O_RDWR | O_CREAT, 0600);
    opening->ended = true;
    if (opening->result == 0)
        file_end(file);
    return 0;
}

/* Those that succeed after all have their file, and no descriptor is left of any. */
BEHAVIOUR(file_open_cancelled_at_any_moment)
{
    enum { COUNT = 600 };
    struct file_home home;
    int canceled = 0, opened = 0;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    for (int i = 0; i < COUNT; i++) {
        struct opening opening = {.path = i % 2 == 0 ? path.text : "/dev/null"};
        struct aio_task *task;
        REQUIRE_OK(aio_task_spawn(&task, opening_task, &opening, NULL));
        for (int turns = i % 4; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (i % 8 == 7) /* so long that what was begun is at the kernel */
            AIO_CHECK_OK(aio_time_sleep(AIO_US(1 + (int64_t)(test_random() % 60))));
        for (int naps = 0; i % 100 == 99 && !opening.ended && naps < 5000; naps++)
            AIO_CHECK_OK(aio_time_sleep(AIO_MS(1))); /* some have their file, on any machine */
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK(opening.result == 0 || opening.result == -ECANCELED);
        canceled += opening.result == -ECANCELED;
        opened += opening.result == 0;
    }
    AIO_CHECK(canceled > 0 && opened > 0);
    file_home_close(&home);
}

static int loading_task(void *arg)
{
    struct opening *opening = arg;
    void *memory;
    size_t size;
    opening->result = aio_file_load(AT_FDCWD, opening->path, &memory, &size, 100);
    opening->ended = true;
    if (opening->result == 0)
        aio_file_unload(memory);
    return 0;
}

static int copying_task(void *arg)
{
    struct opening *opening = arg;
    char to[136];
    (void)snprintf(to, sizeof to, "%s.copy", opening->path);
    opening->result = aio_file_copy(AT_FDCWD, opening->path, AT_FDCWD, to, NULL);
    opening->ended = true;
    return 0;
}

static bool lease_is_wanted(void *fd)
{
    return fcntl(*(int *)fd, F_GETLEASE) != F_WRLCK; /* but what it is to become */
}

/* One task waits until the lease is given up, another until it is cancelled. */
static void check_lease(const char *path, int fd, int (*body)(void *arg))
{
    struct opening opening[2] = {{.path = path}, {.path = path}};
    struct aio_task *tasks[2];
    for (int i = 0; i < 2; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], body, &opening[i], NULL));
    AIO_CHECK(test_wait(lease_is_wanted, &fd));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(3)));
    AIO_CHECK(!opening[0].ended && !opening[1].ended);
    AIO_CHECK_OK(task_stop(tasks[1]));
    AIO_CHECK_ERROR(opening[1].result, -ECANCELED);
    AIO_CHECK_EQ(fcntl(fd, F_SETLEASE, F_UNLCK), 0);
    AIO_CHECK_OK(aio_task_join(tasks[0], NULL));
    AIO_CHECK_OK(opening[0].result);
}

BEHAVIOUR(file_open_waits_for_a_lease)
{
    static int (*const bodies[])(void *arg) = {opening_task, loading_task, copying_task};
    struct file_home home;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGIO, &ignore, &before); /* that tells of who wants the file */
    for (int i = 0; i < 3; i++) {
        if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
            check_lease(path.text, fd, bodies[i]);
        else
            aio_test_skip("this file system has no leases");
    }
    sigaction(SIGIO, &before, NULL);
    close(fd);
    file_home_close(&home);
}

BEHAVIOUR(file_open_when_cancelled_already)
{
    struct opening opening = {.path = "/dev/null"};
    struct aio_task *task;
    REQUIRE_OK(aio_task_spawn(&task, opening_task, &opening, NULL));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(opening.result, -ECANCELED);
}

BEHAVIOUR(file_adopt_and_release)
{
    struct aio_file *file;
    char byte;
    int fds[2];
    AIO_CHECK_ERROR(aio_file_adopt(&file, 1000000), -EBADF);
    REQUIRE(pipe(fds) == 0);
    REQUIRE_OK(aio_file_adopt(&file, fds[0]));
    AIO_CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_EQ(aio_file_read(file, &byte, 1), 1);
    AIO_CHECK_EQ(aio_file_release(file), fds[0]);
    close(fds[0]);
    close(fds[1]);
}

/* The flags of a description that others share are theirs; and a ring, which would not wait for
 * what is not in the cache, reads it all the same. */
BEHAVIOUR(file_adopt_of_what_does_not_block)
{
    enum { SIZE = (2 << 20) + 7 };
    struct file_home home;
    struct aio_file *file;
    char *block = malloc(SIZE);
    const struct iovec halves[] = {{block, 5000}, {block + 5000, SIZE - 5000}};
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    file = file_make(&home, "file", SIZE);
    AIO_CHECK_OK(aio_file_sync(file, 0)); /* what is dirty stays in the cache */
    file_end(file);
    int fd = open(path.text, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    REQUIRE(fd >= 0);
    REQUIRE_OK(aio_file_adopt(&file, fd));
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
        AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
        AIO_CHECK_EQ(i == 0 ? aio_file_read(file, block, SIZE) : aio_file_readv(file, halves, 2),
                     SIZE);
        test_pattern_check(block, SIZE, 0);
        AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), SIZE);
    }
    AIO_CHECK_EQ(aio_file_write_all_at(file, block, SIZE, 0, NULL), SIZE);
    file_check(file, 0, SIZE);
    AIO_CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    file_end(file);
    free(block);
    file_home_close(&home);
}
