/*
 * Watches of folders whose names are longer than NAME_MAX: each is told whole.
 */
#define SUITE "watch_names"
#include "tests/behaviour/fuse_support.h"
#include "tests/behaviour/task_tools.h"

#include <aio/watch.h>
#include <limits.h>

enum { LENGTHS = 9, ROUNDS = 3 };

struct long_folder {
    struct fuse_mount mount;
    int fd;
    struct aio_watch *watch;
    int count; /* of lengths that the kernel takes */
    int lengths[LENGTHS];
    char name[PATH_MAX];
};

static const char *name_of(struct long_folder *folder, int length)
{
    memset(folder->name, 'a' + length % 26, (size_t)length);
    folder->name[length] = '\0';
    return folder->name;
}

/* Whether a file can have a name that long; a kernel may have a limit of its own. */
static bool touch(struct long_folder *folder, int length)
{
    int fd = openat(folder->fd, name_of(folder, length), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    AIO_CHECK(fd >= 0 || (errno == ENAMETOOLONG && length > 1024));
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static void drop(struct long_folder *folder, int length)
{
    AIO_CHECK_EQ(unlinkat(folder->fd, name_of(folder, length), 0), 0);
}

static void find_lengths(struct long_folder *folder)
{
    static const int lengths[LENGTHS] = {1, 255, 256, 300, 1000, 1024, 2000, 4000, PATH_MAX - 1};
    folder->count = 0;
    for (int i = 0; i < LENGTHS; i++) {
        if (!touch(folder, lengths[i]))
            continue;
        drop(folder, lengths[i]);
        folder->lengths[folder->count++] = lengths[i];
    }
}

/* NULL when it cannot be had, which is told or recorded. */
static struct long_folder *long_folder_open(void)
{
    struct long_folder *folder = calloc(1, sizeof *folder);
    if (!AIO_CHECK(folder != NULL) || !fuse_open(&folder->mount, "names_fs")) {
        free(folder);
        return NULL;
    }
    folder->fd = open(folder->mount.home.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AIO_CHECK(folder->fd >= 0);
    find_lengths(folder);
    AIO_CHECK_OK(aio_watch_open(&folder->watch));
    int id = aio_watch_add(folder->watch, folder->mount.home.path, IN_CREATE | IN_DELETE);
    AIO_CHECK(id > 0);
    return folder;
}

static void long_folder_close(struct long_folder *folder)
{
    aio_watch_close(folder->watch);
    close(folder->fd);
    fuse_close(&folder->mount);
    free(folder);
}

static void check_told(struct long_folder *folder, const struct aio_watch_event *event,
                       uint32_t mask, int length)
{
    AIO_CHECK_EQ(event->mask, mask);
    AIO_CHECK_EQ(strlen(event->name), length);
    AIO_CHECK(strcmp(event->name, name_of(folder, length)) == 0);
}

static void check_next(struct long_folder *folder, uint32_t mask, int length)
{
    struct aio_watch_event event;
    REQUIRE_OK(aio_watch_next(folder->watch, &event));
    check_told(folder, &event, mask, length);
}

BEHAVIOUR(one_by_one)
{
    struct long_folder *folder = long_folder_open();
    if (folder == NULL)
        return;
    for (int i = 0; i < folder->count; i++) {
        touch(folder, folder->lengths[i]);
        check_next(folder, IN_CREATE, folder->lengths[i]);
        drop(folder, folder->lengths[i]);
        check_next(folder, IN_DELETE, folder->lengths[i]);
    }
    long_folder_close(folder);
}

/* More than are read at a time, the longest at any place among the others. */
BEHAVIOUR(many_at_once)
{
    struct long_folder *folder = long_folder_open();
    if (folder == NULL)
        return;
    for (int i = 0; i < ROUNDS * folder->count; i++) {
        touch(folder, folder->lengths[i * 2 % folder->count]);
        drop(folder, folder->lengths[i * 2 % folder->count]);
    }
    for (int i = 0; i < ROUNDS * folder->count; i++) {
        check_next(folder, IN_CREATE, folder->lengths[i * 2 % folder->count]);
        check_next(folder, IN_DELETE, folder->lengths[i * 2 % folder->count]);
    }
    long_folder_close(folder);
}

struct waiter {
    struct long_folder *folder;
    int length;
};

/* As long as it does not suspend, the name is its own, though others wait. */
static int wait_for_name(void *arg)
{
    struct waiter *waiter = arg;
    check_next(waiter->folder, IN_CREATE, waiter->length);
    return 0;
}

BEHAVIOUR(by_several_tasks)
{
    struct long_folder *folder = long_folder_open();
    struct aio_task *tasks[LENGTHS];
    struct waiter waiters[LENGTHS];
    if (folder == NULL)
        return;
    for (int i = 0; i < folder->count; i++) {
        waiters[i] = (struct waiter){folder, folder->lengths[i]};
        tasks[i] = task_named("waiter", wait_for_name, &waiters[i]);
        AIO_CHECK(task_wait_parked("waiter"));
    }
    for (int i = 0; i < folder->count; i++)
        touch(folder, folder->lengths[i]);
    for (int i = 0; i < folder->count; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    long_folder_close(folder);
}
