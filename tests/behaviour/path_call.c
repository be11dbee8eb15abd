/*
 * Calls on names that are one system call each, and what they say to bad input.
 */
#define SUITE "path"
#include "tests/behaviour/folder_support.h"

#include <limits.h>

BEHAVIOUR(stat_of_everything)
{
    struct folder folder;
    struct aio_stat stat;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "12345");
    folder_link(&folder, "link", "file");
    const struct timespec times[2] = {{1, 500000000}, {-1, 999999999}};
    REQUIRE_OK(aio_path_utime(folder.fd, "file", times, 0));
    REQUIRE_OK(aio_path_stat(folder.fd, "link", 0, &stat));
    AIO_CHECK_EQ(stat.size, 5);
    AIO_CHECK(S_ISREG(stat.mode));
    AIO_CHECK_EQ(stat.mode & 07777, 0644);
    AIO_CHECK_EQ(stat.links, 1);
    AIO_CHECK_EQ(stat.accessed.tv_sec, 1);
    AIO_CHECK_EQ(stat.accessed.tv_nsec, 500000000);
    AIO_CHECK_EQ(stat.modified.tv_sec, -1);
    AIO_CHECK_EQ(stat.modified.tv_nsec, 999999999);
    AIO_CHECK(stat.changed.tv_sec > 1500000000);
    struct stat plain;
    AIO_CHECK_EQ(fstatat(folder.fd, "file", &plain, 0), 0);
    AIO_CHECK_EQ(stat.inode, plain.st_ino);
    AIO_CHECK_EQ(stat.device, plain.st_dev);
    REQUIRE_OK(aio_path_stat(folder.fd, "link", AIO_PATH_NOFOLLOW, &stat));
    AIO_CHECK(S_ISLNK(stat.mode));
    AIO_CHECK_OK(aio_path_stat(AT_FDCWD, folder.path, 0, &stat));
    AIO_CHECK(S_ISDIR(stat.mode));
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, "file", 8, &stat), -EINVAL);
    folder_close(&folder);
}

BEHAVIOUR(bad_names)
{
    struct folder folder;
    struct aio_stat stat;
    char name[300];
    REQUIRE(folder_open(&folder));
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    folder_text(&folder, "file", "");
    folder_link(&folder, "loop", "loop");
    folder_directory(&folder, "directory");
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, "absent", 0, &stat), -ENOENT);
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, "", 0, &stat), -ENOENT);
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, "file/below", 0, &stat), -ENOTDIR);
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, "loop", 0, &stat), -ELOOP);
    AIO_CHECK_ERROR(aio_path_stat(folder.fd, name, 0, &stat), -ENAMETOOLONG);
    AIO_CHECK_ERROR(aio_path_stat(-1, "file", 0, &stat), -EBADF);
    AIO_CHECK_ERROR(aio_path_unlink(folder.fd, "directory"), -EISDIR);
    AIO_CHECK_ERROR(aio_path_rmdir(folder.fd, "file"), -ENOTDIR);
    AIO_CHECK_ERROR(aio_path_mkdir(folder.fd, "file", 0755), -EEXIST);
    AIO_CHECK_ERROR(aio_path_symlink("x", folder.fd, "file"), -EEXIST);
    AIO_CHECK_ERROR(aio_path_link(folder.fd, "absent", folder.fd, "new"), -ENOENT);
    AIO_CHECK_ERROR(aio_path_rename(folder.fd, "file", folder.fd, "directory", 0), -EISDIR);
    const char *elsewhere = folder_elsewhere(&folder);
    if (elsewhere != NULL)
        AIO_CHECK_ERROR(aio_path_rename(folder.fd, "file", AT_FDCWD, elsewhere, 0), -EXDEV);
    AIO_CHECK_ERROR(aio_path_rename(folder.fd, "file", folder.fd, "new", AIO_PATH_NOFOLLOW),
                    -EINVAL);
    AIO_CHECK_ERROR(aio_path_chown(folder.fd, "file", AIO_PATH_SAME_ID, AIO_PATH_SAME_ID, 2),
                    -EINVAL);
    AIO_CHECK_ERROR(aio_path_utime(folder.fd, "file", NULL, 2), -EINVAL);
    folder_close(&folder);
}

BEHAVIOUR(rename_and_its_flags)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "a", "A");
    folder_text(&folder, "b", "B");
    AIO_CHECK_ERROR(aio_path_rename(folder.fd, "a", folder.fd, "b", AIO_PATH_NOREPLACE), -EEXIST);
    AIO_CHECK_OK(aio_path_rename(folder.fd, "a", folder.fd, "b", AIO_PATH_EXCHANGE));
    AIO_CHECK(folder_says(&folder, "a", "B") && folder_says(&folder, "b", "A"));
    AIO_CHECK_OK(aio_path_rename(folder.fd, "a", folder.fd, "b", 0));
    AIO_CHECK(!folder_has(&folder, "a") && folder_says(&folder, "b", "B"));
    AIO_CHECK_OK(aio_path_rename(folder.fd, "b", folder.fd, "c", AIO_PATH_NOREPLACE));
    AIO_CHECK(folder_says(&folder, "c", "B"));
    AIO_CHECK_ERROR(aio_path_rename(folder.fd, "c", folder.fd, "d", AIO_PATH_EXCHANGE), -ENOENT);
    folder_close(&folder);
}

BEHAVIOUR(links_of_both_kinds)
{
    struct folder folder;
    struct aio_stat stat;
    char text[8];
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "x");
    AIO_CHECK_OK(aio_path_link(folder.fd, "file", folder.fd, "hard"));
    AIO_CHECK_OK(aio_path_stat(folder.fd, "hard", 0, &stat));
    AIO_CHECK_EQ(stat.links, 2);
    AIO_CHECK_OK(aio_path_symlink("1234567", folder.fd, "soft"));
    AIO_CHECK_EQ(aio_path_readlink(folder.fd, "soft", text, sizeof text), 7);
    AIO_CHECK_STR(text, "1234567");
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "soft", text, 7), -ENAMETOOLONG);
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "file", text, sizeof text), -EINVAL);
    AIO_CHECK_OK(aio_path_unlink(folder.fd, "soft"));
    AIO_CHECK_OK(aio_path_unlink(folder.fd, "hard"));
    AIO_CHECK_ERROR(aio_path_unlink(folder.fd, "hard"), -ENOENT);
    AIO_CHECK(folder_says(&folder, "file", "x"));
    folder_close(&folder);
}

/* Sizes that the kernel does not take. It writes no more than the link has. */
BEHAVIOUR(links_read_into_any_size)
{
    static const size_t large[] = {INT_MAX, (size_t)INT_MAX + 1, (size_t)1 << 32, SIZE_MAX};
    struct folder folder;
    char text[8];
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "x");
    folder_link(&folder, "soft", "1234567");
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        memset(text, 'x', sizeof text);
        AIO_CHECK_EQ(aio_path_readlink(folder.fd, "soft", text, large[i]), 7);
        AIO_CHECK_STR(text, "1234567");
        AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "file", text, large[i]), -EINVAL);
    }
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "soft", NULL, 0), -ENAMETOOLONG);
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "soft", text, 0), -ENAMETOOLONG);
    AIO_CHECK_STR(text, "1234567");
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "file", text, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_path_readlink(folder.fd, "nothing", text, 0), -ENOENT);
    folder_close(&folder);
}

/* Bytes are bytes: newlines, no UTF-8. */
BEHAVIOUR(names_of_any_bytes)
{
    static const char *const names[] = {"\n", "a\nb\r\t\x01", "\xff\xfe\x80", " ", "-rf", "*",
                                        "\\"};
    struct folder folder;
    struct aio_stat stat;
    REQUIRE(folder_open(&folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        AIO_CHECK_OK(aio_path_mkdir(folder.fd, names[i], 0700));
        AIO_CHECK_OK(aio_path_stat(folder.fd, names[i], 0, &stat));
        AIO_CHECK(folder_has(&folder, names[i]));
        AIO_CHECK_OK(aio_path_rmdir(folder.fd, names[i]));
    }
    AIO_CHECK_EQ(folder_count(&folder, "."), 0);
    folder_close(&folder);
}

BEHAVIOUR(permissions_owner_times)
{
    struct folder folder;
    struct aio_stat stat, after;
    const struct timespec early[2] = {{5, 0}, {1, 0}}, same[2] = {{7, 9}, {0, UTIME_OMIT}};
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "");
    folder_link(&folder, "link", "file");
    AIO_CHECK_OK(aio_path_chmod(folder.fd, "link", 04711));
    AIO_CHECK_OK(aio_path_chown(folder.fd, "link", AIO_PATH_SAME_ID, getegid(), 0));
    AIO_CHECK_OK(aio_path_utime(folder.fd, "link", early, AIO_PATH_NOFOLLOW));
    AIO_CHECK_OK(aio_path_stat(folder.fd, "link", AIO_PATH_NOFOLLOW, &stat));
    AIO_CHECK_EQ(stat.modified.tv_sec, 1);
    AIO_CHECK_OK(aio_path_stat(folder.fd, "file", 0, &stat));
    AIO_CHECK_EQ(stat.mode & 0777, 0711);
    AIO_CHECK_EQ(stat.user, geteuid());
    AIO_CHECK(stat.modified.tv_sec > 1);
    AIO_CHECK_OK(aio_path_utime(folder.fd, "file", same, 0));
    AIO_CHECK_OK(aio_path_stat(folder.fd, "file", 0, &after));
    AIO_CHECK_EQ(after.modified.tv_sec, stat.modified.tv_sec);
    AIO_CHECK_EQ(after.accessed.tv_sec, 7);
    AIO_CHECK_OK(aio_path_utime(folder.fd, "file", NULL, 0));
    AIO_CHECK_OK(aio_path_stat(folder.fd, "file", 0, &after));
    AIO_CHECK(after.accessed.tv_sec >= stat.modified.tv_sec);
    AIO_CHECK_OK(aio_path_access(folder.fd, "file", F_OK));
    AIO_CHECK_OK(aio_path_access(folder.fd, "file", R_OK | W_OK));
    AIO_CHECK_ERROR(aio_path_access(folder.fd, "absent", F_OK), -ENOENT);
    folder_close(&folder);
}

static int denied(void *arg)
{
    struct folder *folder = arg;
    struct aio_stat stat;
    return aio_path_access(folder->fd, "secret", R_OK) != -EACCES ||
           aio_path_stat(folder->fd, "closed/file", 0, &stat) != -EACCES ||
           aio_path_unlink(folder->fd, "secret") != -EACCES ||
           aio_path_mkdirs(folder->fd, "closed/a/b", 0755) != -EACCES ||
           aio_path_chmod(folder->fd, "secret", 0777) != -EPERM ||
           aio_path_remove(folder->fd, "closed") != -EACCES;
}

BEHAVIOUR_OUTSIDE(an_ordinary_user_is_denied)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "secret", "x");
    folder_directory(&folder, "closed");
    folder_text(&folder, "closed/file", "x");
    AIO_CHECK_EQ(fchmodat(folder.fd, "secret", 0, 0), 0);
    AIO_CHECK_EQ(fchmodat(folder.fd, "closed", 0, 0), 0);
    if (geteuid() == 0)
        folder_as_user(denied, &folder);
    else
        aio_test_skip("what is denied to others can be made by root alone");
    AIO_CHECK_EQ(fchmodat(folder.fd, "closed", 0700, 0), 0);
    folder_close(&folder);
}

BEHAVIOUR(mkdirs_makes_what_is_missing)
{
    struct folder folder;
    struct aio_stat stat;
    static char far[4200];
    REQUIRE(folder_open(&folder));
    AIO_CHECK_OK(aio_path_mkdirs(folder.fd, "a/b//c/", 0500));
    AIO_CHECK_OK(aio_path_stat(folder.fd, "a/b", 0, &stat));
    AIO_CHECK_EQ(stat.mode & 0777, 0700);
    AIO_CHECK_OK(aio_path_stat(folder.fd, "a/b/c", 0, &stat));
    AIO_CHECK_EQ(stat.mode & 0777, 0500);
    AIO_CHECK_OK(aio_path_mkdirs(folder.fd, "a/b/c", 0755));
    AIO_CHECK_OK(aio_path_mkdirs(folder.fd, "a", 0755));
    AIO_CHECK_OK(aio_path_mkdirs(folder.fd, ".", 0755));
    AIO_CHECK_OK(aio_path_mkdirs(AT_FDCWD, "/", 0755));
    AIO_CHECK_OK(aio_path_mkdirs(AT_FDCWD, folder.path, 0755));
    folder_text(&folder, "file", "");
    folder_link(&folder, "link", "a");
    folder_link(&folder, "lost", "nowhere");
    AIO_CHECK_OK(aio_path_mkdirs(folder.fd, "link/d", 0755));
    AIO_CHECK(folder_has(&folder, "a/d"));
    AIO_CHECK_ERROR(aio_path_mkdirs(folder.fd, "file", 0755), -EEXIST);
    AIO_CHECK_ERROR(aio_path_mkdirs(folder.fd, "lost", 0755), -EEXIST);
    AIO_CHECK_ERROR(aio_path_mkdirs(folder.fd, "file/x/y", 0755), -ENOTDIR);
    AIO_CHECK_ERROR(aio_path_mkdirs(folder.fd, "", 0755), -ENOENT);
    memset(far, 'x', sizeof far - 1);
    AIO_CHECK_ERROR(aio_path_mkdirs(folder.fd, far, 0755), -ENAMETOOLONG);
    folder_close(&folder);
}

struct canceled {
    struct folder *folder;
    int rc;
};

static int make_when_canceled(void *arg)
{
    struct canceled *canceled = arg;
    aio_task_cancel(aio_task_current());
    canceled->rc = aio_path_mkdir(canceled->folder->fd, "made", 0755);
    return 0;
}

/* The rule of every call: with something pending, nothing is begun. */
BEHAVIOUR(interrupted_before)
{
    struct folder folder;
    struct aio_task *task;
    REQUIRE(folder_open(&folder));
    struct canceled canceled = {.folder = &folder};
    REQUIRE_OK(aio_task_spawn(&task, make_when_canceled, &canceled, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(canceled.rc, -ECANCELED);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_path_mkdir(folder.fd, "made", 0755), -ETIMEDOUT);
    }
    AIO_CHECK(!folder_has(&folder, "made"));
    folder_close(&folder);
}
