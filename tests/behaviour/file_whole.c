/*
 * Files beside their bytes: appending, syncing, sizes, space, status, the cursor, locks; and
 * closing while calls are in progress.
 */
#define SUITE "file_whole"
#include "tests/behaviour/file_support.h"

#include "tests/behaviour/task_tools.h"

#include <aio/path.h>
#include <sys/resource.h>

BEHAVIOUR(file_appends_stay_whole)
{
    enum { BYTES = 50000, TASKS = 4 };
    static char block[BYTES];
    struct file_home home;
    size_t done;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 3);
    REQUIRE(file != NULL);
    for (int i = 0; i < TASKS; i++) {
        memset(block, 'a' + i, BYTES);
        AIO_CHECK_EQ(aio_file_append(file, block, BYTES, &done), BYTES);
        AIO_CHECK_EQ(done, BYTES);
    }
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), 0);
    AIO_CHECK_EQ(aio_file_size(file), 3 + BYTES * TASKS);
    for (int i = 0; i < TASKS; i++) {
        AIO_CHECK_EQ(aio_file_read_at(file, block, BYTES, 3 + (int64_t)i * BYTES), BYTES);
        AIO_CHECK_EQ(block[0], 'a' + i);
        AIO_CHECK_EQ(memcmp(block, block + 1, BYTES - 1), 0);
    }
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_sync_and_its_errors)
{
    struct file_home home;
    int fds[2];
    size_t done;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 100);
    REQUIRE(file != NULL);
    AIO_CHECK_OK(aio_file_sync(file, 0));
    AIO_CHECK_OK(aio_file_sync(file, AIO_FILE_DATA));
    AIO_CHECK_ERROR(aio_file_sync(file, 2), -EINVAL);
    AIO_CHECK_EQ(aio_file_write_sync(file, "xyz", 3, 100, &done), 3);
    AIO_CHECK_EQ(done, 3);
    char *block = calloc(1, (1 << 20) + 1);
    AIO_CHECK_EQ(aio_file_write_sync(file, block, (1 << 20) + 1, 0, &done), (1 << 20) + 1);
    free(block);
    AIO_CHECK_ERROR(aio_file_write_sync(file, "x", 1, -1, &done), -EINVAL);
    if (test_fail_next("fsync", -EIO, 1)) {
        AIO_CHECK_ERROR(aio_file_sync(file, 0), -EIO);
        AIO_CHECK_ERROR(aio_file_sync(file, AIO_FILE_DATA), -EIO); /* though it succeeds now */
        AIO_CHECK_ERROR(aio_file_write_sync(file, "x", 1, 0, &done), -EIO);
        AIO_CHECK_EQ(done, 1);
        AIO_CHECK_ERROR(aio_file_close(file), -EIO);
    } else {
        file_end(file);
    }
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    REQUIRE_OK(aio_file_adopt(&file, fds[0]));
    AIO_CHECK_ERROR(aio_file_sync(file, 0), -EINVAL);
    file_end(file);
    close(fds[1]);
    file_home_close(&home);
}

BEHAVIOUR(file_permissions_owner_and_times)
{
    const struct timespec times[2] = {{7, 9}, {5, 0}}, one[2] = {{0, UTIME_OMIT}, {6, 0}};
    struct file_home home;
    struct aio_stat stat;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 1);
    REQUIRE(file != NULL);
    AIO_CHECK_OK(aio_file_chmod(file, 0640));
    AIO_CHECK_OK(aio_file_utime(file, times));
    AIO_CHECK_OK(aio_file_utime(file, one));
    AIO_CHECK_OK(aio_file_chown(file, AIO_PATH_SAME_ID, AIO_PATH_SAME_ID));
    AIO_CHECK_OK(aio_file_stat(file, &stat));
    AIO_CHECK_EQ(stat.mode & 07777, 0640);
    AIO_CHECK_EQ(stat.accessed.tv_sec, 7);
    AIO_CHECK_EQ(stat.modified.tv_sec, 6);
    AIO_CHECK_EQ(stat.user, geteuid());
    if (geteuid() == 0) {
        AIO_CHECK_OK(aio_file_chown(file, 12, 34));
        AIO_CHECK_OK(aio_file_stat(file, &stat));
        AIO_CHECK(stat.user == 12 && stat.group == 34);
    }
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_size_and_space)
{
    struct file_home home;
    struct aio_stat stat;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 10000);
    REQUIRE(file != NULL);
    AIO_CHECK_EQ(aio_file_size(file), 10000);
    AIO_CHECK_OK(aio_file_truncate(file, 5000));
    AIO_CHECK_EQ(aio_file_size(file), 5000);
    file_check(file, 0, 5000);
    AIO_CHECK_OK(aio_file_truncate(file, INT64_C(6) << 30));
    AIO_CHECK_EQ(aio_file_size(file), INT64_C(6) << 30);
    AIO_CHECK_ERROR(aio_file_truncate(file, -1), -EINVAL);
    AIO_CHECK_OK(aio_file_truncate(file, 0));
    int rc = aio_file_allocate(file, 0, 0, 100000);
    AIO_CHECK(rc == 0 || rc == -EOPNOTSUPP);
    AIO_CHECK_EQ(aio_file_size(file), rc == 0 ? 100000 : 0);
    AIO_CHECK_ERROR(aio_file_allocate(file, 0, 0, 0), -EINVAL);
    AIO_CHECK_OK(aio_file_advise(file, 0, 0, POSIX_FADV_WILLNEED));
    AIO_CHECK_ERROR(aio_file_advise(file, 0, 0, 99), -EINVAL);
    AIO_CHECK_ERROR(aio_file_advise(file, -5, 10, POSIX_FADV_WILLNEED), -EINVAL);
    AIO_CHECK_ERROR(aio_file_advise(file, INT64_MIN, 0, POSIX_FADV_NORMAL), -EINVAL);
    AIO_CHECK_ERROR(aio_file_advise(file, 0, -1, POSIX_FADV_WILLNEED), -EINVAL);
    AIO_CHECK_OK(aio_file_stat(file, &stat));
    struct stat same;
    AIO_CHECK_EQ(fstat(aio_file_fd(file), &same), 0);
    AIO_CHECK_EQ(stat.inode, same.st_ino);
    AIO_CHECK_EQ(stat.device, same.st_dev);
    AIO_CHECK_EQ(stat.mode, same.st_mode);
    AIO_CHECK_EQ(stat.size, same.st_size);
    AIO_CHECK_EQ(stat.modified.tv_sec, same.st_mtim.tv_sec);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, "/dev/null", O_RDWR, 0));
    AIO_CHECK_OK(aio_file_stat(file, &stat));
    AIO_CHECK(S_ISCHR(stat.mode) && stat.special != 0);
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_seek_everywhere)
{
    struct file_home home;
    int fds[2];
    char byte;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 100);
    REQUIRE(file != NULL);
    AIO_CHECK_EQ(aio_file_seek(file, 40, SEEK_SET), 40);
    AIO_CHECK_EQ(aio_file_seek(file, 2, SEEK_CUR), 42);
    AIO_CHECK_EQ(aio_file_read(file, &byte, 1), 1);
    test_pattern_check(&byte, 1, 42);
    AIO_CHECK_EQ(aio_file_seek(file, -1, SEEK_END), 99);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_DATA), 0);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_HOLE), 100);
    AIO_CHECK_ERROR(aio_file_seek(file, 100, SEEK_DATA), -ENXIO);
    AIO_CHECK_ERROR(aio_file_seek(file, -1, SEEK_SET), -EINVAL);
    AIO_CHECK_ERROR(aio_file_seek(file, 0, 99), -EINVAL);
    file_end(file);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    REQUIRE_OK(aio_file_adopt(&file, fds[0]));
    AIO_CHECK_ERROR(aio_file_seek(file, 0, SEEK_CUR), -ESPIPE);
    file_end(file);
    close(fds[1]);
    file_home_close(&home);
}

struct locking {
    struct aio_file *file;
    int64_t timeout_ns;
    int result;
    bool ended;
};

static int locking_task(void *arg)
{
    struct locking *locking = arg;
    AIO_TIMEOUT(locking->timeout_ns)
    {
        locking->result = aio_file_lock(locking->file, AIO_FILE_EXCLUSIVE, 0, 0);
    }
    locking->ended = true;
    return 0;
}

BEHAVIOUR(file_locks)
{
    struct file_home home;
    struct aio_file *other;
    struct aio_task *task;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    struct aio_file *file = file_make(&home, "file", 100);
    REQUIRE_OK(aio_file_open(&other, path.text, O_RDWR, 0));
    AIO_CHECK_OK(aio_file_lock(file, AIO_FILE_SHARED, 0, 10));
    AIO_CHECK_OK(aio_file_trylock(other, AIO_FILE_SHARED, 0, 10));
    AIO_CHECK_ERROR(aio_file_trylock(other, AIO_FILE_EXCLUSIVE, 5, 1), -EAGAIN);
    AIO_CHECK_OK(aio_file_trylock(other, AIO_FILE_EXCLUSIVE, 10, 10));
    AIO_CHECK_OK(aio_file_unlock(other, 0, 0));
    struct locking locking = {other, AIO_FOREVER, 1, false};
    REQUIRE_OK(aio_task_spawn(&task, locking_task, &locking, NULL));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(5)));
    AIO_CHECK(!locking.ended);
    AIO_CHECK_OK(aio_file_unlock(file, 0, 10));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_OK(locking.result);

    locking = (struct locking){file, AIO_MS(3), 1, false};
    AIO_CHECK_OK(locking_task(&locking));
    AIO_CHECK_ERROR(locking.result, -ETIMEDOUT);
    locking = (struct locking){file, AIO_FOREVER, 1, false};
    REQUIRE_OK(aio_task_spawn(&task, locking_task, &locking, NULL));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    AIO_CHECK_OK(task_stop(task));
    AIO_CHECK_ERROR(locking.result, -ECANCELED);
    file_end(other); /* and its lock with it */
    AIO_CHECK_OK(aio_file_trylock(file, AIO_FILE_EXCLUSIVE, 0, 0));
    AIO_CHECK_ERROR(aio_file_trylock(file, (enum aio_file_lock)2, 0, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_file_trylock(file, AIO_FILE_SHARED, INT64_MAX, 2), -EOVERFLOW);
    file_end(file);
    file_home_close(&home);
}

/* As root has no limit of processes, it becomes somebody else. */
static bool forbid_threads(void)
{
    const struct rlimit none = {0, 0};
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        return false;
    return setrlimit(RLIMIT_NPROC, &none) == 0;
}

static int call_without_threads(void *unused)
{
    struct aio_file *file, *other;
    struct aio_stat stat;
    int fd;
    (void)unused;
    if (aio_file_open(&file, "/dev/shm", O_TMPFILE | O_RDWR, 0600) < 0)
        return 1;
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", aio_file_fd(file));
    if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0 || aio_file_adopt(&other, fd) < 0)
        return 2;
    if (!forbid_threads())
        return 3;
    if (aio_file_truncate(file, 5000) < 0 || aio_file_stat(file, &stat) < 0 || stat.size != 5000 ||
        aio_file_seek(file, -1, SEEK_END) != 4999)
        return 4;
    if (aio_file_lock(file, AIO_FILE_EXCLUSIVE, 0, 0) < 0 ||
        aio_file_trylock(other, AIO_FILE_SHARED, 0, 0) != -EAGAIN ||
        aio_file_unlock(file, 0, 0) < 0 || aio_file_trylock(other, AIO_FILE_SHARED, 0, 0) < 0)
        return 5;
    return aio_file_close(file) < 0 || aio_file_close(other) < 0 ? 6 : 0;
}

/* Without a thread to be had, calls are made in place: an unlock least of all may fail for that. */
BEHAVIOUR_OUTSIDE(file_calls_without_threads)
{
    struct child child;
    if (child_may_have_threads() && child_run_task(&child, call_without_threads, NULL))
        child_exited(&child, 0);
}

struct closing {
    struct aio_file *file;
    int what;
    ssize_t result;
};

static int closing_task(void *arg)
{
    struct closing *closing = arg;
    char byte;
    if (closing->what == 0)
        closing->result = aio_file_read(closing->file, &byte, 1);
    else if (closing->what == 1)
        closing->result = aio_file_lock(closing->file, AIO_FILE_EXCLUSIVE, 0, 0);
    else
        closing->result = aio_file_read_at(closing->file, &byte, 1, 0);
    return 0;
}

BEHAVIOUR(file_close_ends_those_who_wait)
{
    struct file_home home;
    struct aio_file *other;
    struct aio_task *tasks[4];
    struct closing closing[4];
    int fds[2];
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file");
    struct aio_file *file = file_make(&home, "file", 100);
    REQUIRE_OK(aio_file_open(&other, path.text, O_RDWR, 0));
    AIO_CHECK_OK(aio_file_lock(other, AIO_FILE_SHARED, 0, 0));
    for (int i = 0; i < 4; i++) {
        closing[i] = (struct closing){file, i % 2 == 0 ? 1 : 3, 0};
        REQUIRE_OK(aio_task_spawn(&tasks[i], closing_task, &closing[i], NULL));
    }
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    file_end(file);
    for (int i = 0; i < 4; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    AIO_CHECK_ERROR(closing[0].result, -EBADF);
    AIO_CHECK_ERROR(closing[2].result, -EBADF);
    file_end(other);

    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    REQUIRE_OK(aio_file_adopt(&file, fds[0]));
    for (int i = 0; i < 2; i++) {
        closing[i] = (struct closing){file, 0, 0};
        REQUIRE_OK(aio_task_spawn(&tasks[i], closing_task, &closing[i], NULL));
    }
    AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_ERROR(aio_file_release(file), -EBUSY);
    file_end(file);
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        AIO_CHECK_ERROR(closing[i].result, -EBADF);
    }
    close(fds[1]);
    file_home_close(&home);
}

/* A pending cancellation starts nothing; what has begun when it comes has its result. */
BEHAVIOUR(file_calls_when_cancelled)
{
    struct file_home home;
    struct aio_stat stat;
    char byte = 'x';
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 100);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_file_read(file, &byte, 1), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_read_at(file, &byte, 1, 0), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_append(file, &byte, 1, NULL), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_sync(file, 0), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_truncate(file, 0), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_stat(file, &stat), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_seek(file, 0, SEEK_SET), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_file_lock(file, AIO_FILE_SHARED, 0, 0), -ETIMEDOUT);
        AIO_CHECK_OK(aio_file_unlock(file, 0, 0));
    }
    AIO_CHECK_EQ(aio_file_size(file), 100);
    file_end(file);
    file_home_close(&home);
}

/* Left open, it is closed with the runtime. */
BEHAVIOUR(file_left_to_the_runtime)
{
    struct aio_file *file;
    AIO_CHECK_OK(aio_file_open(&file, "/dev/null", O_RDWR, 0));
}

BEHAVIOUR(file_ways_are_explained)
{
    static const char *const pool[] = {
        "stat",     "truncate",    "allocate", "advise",      "lock",    "seek",    "access",
        "rename",   "link",        "symlink",  "mkdir",       "unlink",  "rmdir",   "remove",
        "chmod",    "chown",       "utime",    "mkstemp",     "mkdtemp", "tmpfile", "publish",
        "readlink", "directories", "walks",    "whole files", "copies"};
    char text[4096];
    AIO_CHECK(aio_runtime_explain(text, sizeof text) < sizeof text);
    const char *line = strstr(text, "offload pool,");
    REQUIRE(AIO_CHECK(line != NULL));
    for (size_t i = 0; i < sizeof pool / sizeof *pool; i++)
        AIO_CHECK(strstr(line, pool[i]) != NULL);
    AIO_CHECK_EQ(line[strlen(line) - 1], '\n');
    AIO_CHECK(strstr(text, "of files open, read, write and sync") != NULL ||
              strstr(text, "of files, reads of what is cached at once") != NULL);
}
