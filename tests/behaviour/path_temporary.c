/*
 * Temporary files and directories: nobody else's names, and none where none is wanted.
 */
#define SUITE "path_temporary"
#include "tests/behaviour/folder_support.h"

BEHAVIOUR(files_with_a_name)
{
    enum { COUNT = 50 };
    struct folder folder;
    struct stat status;
    REQUIRE(folder_open(&folder));
    for (int i = 0; i < COUNT; i++) {
        char pattern[] = "file-XXXXXX";
        int fd = aio_path_mkstemp(folder.fd, pattern);
        REQUIRE(AIO_CHECK(fd >= 0));
        AIO_CHECK(strncmp(pattern, "file-", 5) == 0 && strcmp(pattern, "file-XXXXXX") != 0);
        AIO_CHECK(fstat(fd, &status) == 0 && (status.st_mode & 07777) == 0600);
        AIO_CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
        AIO_CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
        AIO_CHECK(folder_has(&folder, pattern));
        close(fd);
    }
    AIO_CHECK_EQ(folder_count(&folder, "."), COUNT);
    folder_close(&folder);
}

BEHAVIOUR(directories)
{
    struct folder folder;
    struct aio_stat stat;
    char pattern[] = "dir.XXXXXX";
    REQUIRE(folder_open(&folder));
    REQUIRE_OK(aio_path_mkdtemp(folder.fd, pattern));
    AIO_CHECK_OK(aio_path_stat(folder.fd, pattern, 0, &stat));
    AIO_CHECK_EQ(stat.mode, S_IFDIR | 0700);
    folder_close(&folder);
}

BEHAVIOUR(bad_patterns)
{
    char none[] = "abc", few[] = "XXXXX", empty[] = "", after[] = "XXXXXX.c";
    char nowhere[] = "/nowhere/XXXXXX";
    AIO_CHECK_ERROR(aio_path_mkstemp(AT_FDCWD, none), -EINVAL);
    AIO_CHECK_ERROR(aio_path_mkstemp(AT_FDCWD, few), -EINVAL);
    AIO_CHECK_ERROR(aio_path_mkstemp(AT_FDCWD, empty), -EINVAL);
    AIO_CHECK_ERROR(aio_path_mkdtemp(AT_FDCWD, after), -EINVAL);
    AIO_CHECK_ERROR(aio_path_mkstemp(AT_FDCWD, nowhere), -ENOENT);
    AIO_CHECK_STR(nowhere, "/nowhere/XXXXXX");
    AIO_CHECK_ERROR(aio_path_mkdtemp(AT_FDCWD, nowhere), -ENOENT);
}

BEHAVIOUR(a_file_without_a_name_gets_one)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    int fd = aio_path_tmpfile(folder.fd, ".", 0644);
    REQUIRE(AIO_CHECK(fd >= 0));
    AIO_CHECK_EQ(folder_count(&folder, "."), 0);
    AIO_CHECK_EQ(write(fd, "new", 3), 3);
    folder_text(&folder, "taken", "old");
    AIO_CHECK_ERROR(aio_path_publish(fd, folder.fd, "taken", AIO_PATH_NOREPLACE), -EEXIST);
    AIO_CHECK(folder_says(&folder, "taken", "old"));
    AIO_CHECK_OK(aio_path_publish(fd, folder.fd, "taken", 0));
    AIO_CHECK(folder_says(&folder, "taken", "new"));
    AIO_CHECK_OK(aio_path_publish(fd, folder.fd, "taken", 0)); /* it has that name already */
    AIO_CHECK_OK(aio_path_publish(fd, folder.fd, "other", AIO_PATH_NOREPLACE));
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    AIO_CHECK_ERROR(aio_path_publish(fd, folder.fd, "x", AIO_PATH_EXCHANGE), -EINVAL);
    const char *elsewhere = folder_elsewhere(&folder);
    if (elsewhere != NULL)
        AIO_CHECK_ERROR(aio_path_publish(fd, AT_FDCWD, elsewhere, 0), -EXDEV);
    AIO_CHECK_ERROR(aio_path_publish(fd, folder.fd, "no/where", 0), -ENOENT);
    folder_directory(&folder, "directory");
    AIO_CHECK_ERROR(aio_path_publish(fd, folder.fd, "directory", 0), -EISDIR);
    AIO_CHECK_EQ(folder_count(&folder, "."), 3);
    close(fd);
    AIO_CHECK_ERROR(aio_path_tmpfile(folder.fd, "taken", 0644), -ENOTDIR);
    AIO_CHECK_ERROR(aio_path_tmpfile(folder.fd, "absent", 0644), -ENOENT);
    folder_close(&folder);
}

struct maker {
    struct folder *folder;
    int fd;
};

static int make_one(void *arg)
{
    struct maker *maker = arg;
    maker->fd = aio_path_tmpfile(maker->folder->fd, ".", 0600);
    return 0;
}

/* Cancelled at any moment: a descriptor that was opened is returned, never lost. */
BEHAVIOUR_WITH(canceled_at_any_moment, .offload_threads = 1)
{
    enum { COUNT = 100 };
    struct folder folder;
    struct maker makers[COUNT];
    struct aio_task *tasks[COUNT];
    int opened = 0;
    REQUIRE(folder_open(&folder));
    for (int i = 0; i < COUNT; i++) {
        makers[i] = (struct maker){&folder, -1};
        REQUIRE_OK(aio_task_spawn(&tasks[i], make_one, &makers[i], NULL));
        if (i % 7 == 0)
            AIO_CHECK_OK(aio_task_yield());
    }
    for (int i = 0; i < COUNT; i++)
        aio_task_cancel(tasks[i]);
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        AIO_CHECK(makers[i].fd >= 0 || makers[i].fd == -ECANCELED);
        if (makers[i].fd >= 0)
            close(makers[i].fd);
        opened += makers[i].fd >= 0;
    }
    AIO_CHECK(opened < COUNT); /* the last ones had not begun */
    AIO_CHECK_EQ(task_stats().ops_pending, 0);
    folder_close(&folder);
}
