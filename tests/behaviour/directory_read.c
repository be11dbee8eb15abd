/*
 * Reading one directory.
 */
#define SUITE "directory"
#include "tests/behaviour/folder_support.h"

#include <sys/socket.h>
#include <sys/un.h>

BEHAVIOUR(an_empty_one)
{
    struct folder folder;
    struct aio_directory *directory;
    struct aio_directory_entry entry;
    REQUIRE(folder_open(&folder));
    REQUIRE_OK(aio_directory_open(&directory, folder.fd, "."));
    AIO_CHECK_EQ(aio_directory_next(directory, &entry), 0);
    AIO_CHECK_EQ(aio_directory_next(directory, &entry), 0);
    aio_directory_close(directory);
    aio_directory_close(NULL);
    folder_close(&folder);
}

static bool make_socket(const struct folder *folder)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.60s/socket", folder->path);
    bool good = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    close(fd);
    return AIO_CHECK(good);
}

BEHAVIOUR(types)
{
    static const char *const names[] = {"", "file", "directory", "symlink", "fifo", "socket"};
    struct folder folder;
    struct aio_directory *directory;
    struct aio_directory_entry entry;
    struct stat status;
    int found = 0;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "");
    folder_directory(&folder, "directory");
    folder_link(&folder, "symlink", "nowhere");
    AIO_CHECK_EQ(mkfifoat(folder.fd, "fifo", 0600), 0);
    make_socket(&folder);
    REQUIRE_OK(aio_directory_open(&directory, AT_FDCWD, folder.path));
    while (aio_directory_next(directory, &entry) == 1) {
        found++;
        AIO_CHECK(entry.type > AIO_ENTRY_UNKNOWN && entry.type <= AIO_ENTRY_SOCKET);
        AIO_CHECK_STR(entry.name, names[entry.type]);
        AIO_CHECK_EQ(fstatat(aio_directory_fd(directory), entry.name, &status, AT_SYMLINK_NOFOLLOW),
                     0);
        AIO_CHECK_EQ(entry.inode, status.st_ino);
    }
    AIO_CHECK_EQ(found, 5);
    aio_directory_close(directory);
    REQUIRE_OK(aio_directory_open(&directory, AT_FDCWD, "/dev"));
    while (aio_directory_next(directory, &entry) == 1)
        if (strcmp(entry.name, "null") == 0)
            AIO_CHECK_EQ(entry.type, AIO_ENTRY_CHARACTER_DEVICE);
    aio_directory_close(directory);
    folder_close(&folder);
}

BEHAVIOUR(what_is_none)
{
    struct folder folder;
    struct aio_directory *directory;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "");
    folder_link(&folder, "loop", "loop");
    AIO_CHECK_ERROR(aio_directory_open(&directory, folder.fd, "file"), -ENOTDIR);
    AIO_CHECK_ERROR(aio_directory_open(&directory, folder.fd, "absent"), -ENOENT);
    AIO_CHECK_ERROR(aio_directory_open(&directory, folder.fd, "loop"), -ELOOP);
    AIO_CHECK_ERROR(aio_directory_open(&directory, folder.fd, ""), -ENOENT);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    folder_close(&folder);
}

struct reading {
    struct aio_directory *directory;
    char *seen;
    int count;
    int rc;
};

/* Counts each name, "0" and so on; the name is used before the next call. */
static int read_names(void *arg)
{
    struct reading *reading = arg;
    struct aio_directory_entry entry;
    while ((reading->rc = aio_directory_next(reading->directory, &entry)) == 1) {
        reading->seen[strtol(entry.name + strspn(entry.name, "x"), NULL, 10)]++;
        reading->count++;
    }
    return 0;
}

enum { MANY = 600, READERS = 4 };

/* Names so long that there are several batches. */
static bool make_many(const struct folder *folder)
{
    char name[256];
    for (int i = 0; i < MANY; i++) {
        memset(name, 'x', 200);
        snprintf(name + 200, sizeof name - 200, "%d", i);
        if (!folder_text(folder, name, ""))
            return false;
    }
    return true;
}

BEHAVIOUR(many_shared_by_tasks)
{
    struct folder folder;
    struct aio_task *tasks[READERS];
    struct reading readings[READERS] = {{.count = 0}};
    char seen[MANY] = {0};
    int count = 0;
    REQUIRE(folder_open(&folder) && make_many(&folder));
    REQUIRE_OK(aio_directory_open(&readings[0].directory, folder.fd, "."));
    for (int i = 0; i < READERS; i++) {
        readings[i].directory = readings[0].directory;
        readings[i].seen = seen;
        REQUIRE_OK(aio_task_spawn(&tasks[i], read_names, &readings[i], NULL));
    }
    for (int i = 0; i < READERS; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        AIO_CHECK_OK(readings[i].rc);
        count += readings[i].count;
    }
    AIO_CHECK_EQ(count, MANY);
    for (int i = 0; i < MANY; i++)
        AIO_CHECK_EQ(seen[i], 1);
    aio_directory_close(readings[0].directory);
    folder_close(&folder);
}

/* A call that is interrupted loses no entry: the next one goes on. */
BEHAVIOUR(interrupted_and_taken_up_again)
{
    struct folder folder;
    struct aio_directory_entry entry;
    struct reading reading = {.count = 0};
    char seen[MANY] = {0};
    REQUIRE(folder_open(&folder) && make_many(&folder));
    REQUIRE_OK(aio_directory_open(&reading.directory, folder.fd, "."));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_directory_next(reading.directory, &entry), -ETIMEDOUT);
    }
    reading.seen = seen;
    AIO_CHECK_OK(read_names(&reading));
    AIO_CHECK_EQ(reading.count, MANY);
    aio_directory_close(reading.directory);
    folder_close(&folder);
}

BEHAVIOUR(removed_while_it_is_read)
{
    struct folder folder;
    struct aio_directory *directory;
    struct aio_directory_entry entry;
    REQUIRE(folder_open(&folder));
    folder_directory(&folder, "gone");
    REQUIRE_OK(aio_directory_open(&directory, folder.fd, "gone"));
    AIO_CHECK_EQ(unlinkat(folder.fd, "gone", AT_REMOVEDIR), 0);
    AIO_CHECK_ERROR(aio_directory_next(directory, &entry), -ENOENT);
    aio_directory_close(directory);
    folder_close(&folder);
}

static int close_it(void *directory)
{
    aio_directory_close(directory);
    return 0;
}

/* Closed while a task waits in it. */
BEHAVIOUR(closed_under_a_reader)
{
    struct folder folder;
    struct aio_task *reader, *closer;
    struct reading reading = {.count = 0};
    char seen[MANY] = {0};
    REQUIRE(folder_open(&folder) && make_many(&folder));
    REQUIRE_OK(aio_directory_open(&reading.directory, folder.fd, "."));
    reading.seen = seen;
    REQUIRE_OK(aio_task_spawn(&reader, read_names, &reading, NULL));
    REQUIRE_OK(aio_task_spawn(&closer, close_it, reading.directory, NULL));
    AIO_CHECK_OK(aio_task_join(closer, NULL));
    AIO_CHECK_OK(aio_task_join(reader, NULL));
    AIO_CHECK_ERROR(reading.rc, -EBADF);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
    folder_close(&folder);
}

/* What a program leaves open, the end of the runtime closes; the harness looks for it. */
BEHAVIOUR(left_open)
{
    struct aio_directory *directory;
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    AIO_CHECK_OK(aio_directory_open(&directory, AT_FDCWD, "/"));
    AIO_CHECK_OK(aio_walk_open(&walk, AT_FDCWD, "/dev", NULL));
    AIO_CHECK_EQ(aio_walk_next(walk, &entry), 1);
}
