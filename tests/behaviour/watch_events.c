/*
 * Watches: what happens to files is told, once, in order, whoever waits for it.
 */
#define SUITE "watch_events"
#include "tests/behaviour/task_tools.h"

#include <aio/watch.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[32];
    char text[64];
    struct aio_watch *watch;
    int id;
};

static bool folder_open(struct folder *folder, uint32_t mask)
{
    test_temporary(folder->path, sizeof folder->path, "/tmp");
    if (!AIO_CHECK(mkdtemp(folder->path) != NULL) || !AIO_CHECK_OK(aio_watch_open(&folder->watch)))
        return false;
    folder->id = aio_watch_add(folder->watch, folder->path, mask);
    return AIO_CHECK(folder->id > 0);
}

static const char *folder_file(struct folder *folder, const char *name)
{
    (void)snprintf(folder->text, sizeof folder->text, "%s/%s", folder->path, name);
    return folder->text;
}

static void folder_touch(struct folder *folder, const char *name)
{
    int fd = open(folder_file(folder, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    AIO_CHECK(fd >= 0);
    close(fd);
}

static void folder_remove(struct folder *folder, const char *name)
{
    AIO_CHECK_EQ(unlink(folder_file(folder, name)), 0);
}

static void folder_close(struct folder *folder)
{
    aio_watch_close(folder->watch);
    AIO_CHECK_EQ(rmdir(folder->path), 0);
}

static void check_next(struct folder *folder, uint32_t mask, const char *name)
{
    struct aio_watch_event event;
    REQUIRE_OK(aio_watch_next(folder->watch, &event));
    AIO_CHECK_EQ(event.id, folder->id);
    AIO_CHECK_EQ(event.mask & mask, mask);
    AIO_CHECK_STR(event.name, name);
}

struct waiter {
    struct aio_watch *watch;
    struct aio_watch_event event;
    struct aio_task *task;
    int result;
};

static int waiter_run(void *arg)
{
    struct waiter *waiter = arg;
    waiter->result = aio_watch_next(waiter->watch, &waiter->event);
    return 0;
}

static bool waiter_start(struct waiter *waiter, struct folder *folder)
{
    *waiter = (struct waiter){.watch = folder->watch};
    waiter->task = task_named("waiter", waiter_run, waiter);
    return waiter->task != NULL && task_wait_parked("waiter");
}

static int waiter_join(struct waiter *waiter)
{
    AIO_CHECK_OK(aio_task_join(waiter->task, NULL));
    return waiter->result;
}

BEHAVIOUR(in_order)
{
    struct folder folder;
    char from[64];
    REQUIRE(folder_open(&folder, IN_CREATE | IN_DELETE | IN_MOVE));
    folder_touch(&folder, "a");
    folder_touch(&folder, "a-name-that-is-longer");
    (void)snprintf(from, sizeof from, "%s", folder_file(&folder, "a"));
    AIO_CHECK_EQ(rename(from, folder_file(&folder, "b")), 0);
    folder_remove(&folder, "b");
    check_next(&folder, IN_CREATE, "a");
    check_next(&folder, IN_CREATE, "a-name-that-is-longer");
    check_next(&folder, IN_MOVED_FROM, "a");
    check_next(&folder, IN_MOVED_TO, "b");
    check_next(&folder, IN_DELETE, "b");
    folder_remove(&folder, "a-name-that-is-longer");
    check_next(&folder, IN_DELETE, "a-name-that-is-longer");
    folder_close(&folder);
}

BEHAVIOUR(waits)
{
    struct folder folder;
    struct waiter waiter;
    REQUIRE(folder_open(&folder, IN_CREATE));
    REQUIRE(waiter_start(&waiter, &folder));
    folder_touch(&folder, "late");
    AIO_CHECK_OK(waiter_join(&waiter));
    AIO_CHECK_STR(waiter.event.name, "late");
    folder_remove(&folder, "late");
    folder_close(&folder);
}

/* The event that comes after it goes to the next one who asks. */
BEHAVIOUR(interrupted)
{
    struct folder folder;
    struct waiter waiter;
    struct aio_watch_event event;
    REQUIRE(folder_open(&folder, IN_CREATE));
    REQUIRE(waiter_start(&waiter, &folder));
    aio_task_cancel(waiter.task);
    AIO_CHECK_ERROR(waiter_join(&waiter), -ECANCELED);
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_watch_next(folder.watch, &event), -ETIMEDOUT);
    }
    folder_touch(&folder, "kept");
    check_next(&folder, IN_CREATE, "kept");
    folder_remove(&folder, "kept");
    folder_close(&folder);
}

/* One of the renames of a file to and fro was told, or none. */
static void check_rename(int rc, const struct aio_watch_event *event, int *told)
{
    if (rc == 0)
        AIO_CHECK_STR(event->name, (*told)++ % 2 == 0 ? "b" : "a");
    else
        AIO_CHECK(rc == -ECANCELED || rc == -ETIMEDOUT);
}

/* A wait and an event that come as they like, and the end of the wait; then another one. */
static void wait_hastily(struct folder *folder, char names[2][64], int *told)
{
    struct waiter waiter = {.watch = folder->watch};
    uint64_t plan = test_random();
    waiter.task = task_named("waiter", waiter_run, &waiter);
    for (uint64_t turns = plan % 3; turns > 0; turns--)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK_EQ(rename(names[0], names[1]), 0);
    for (uint64_t turns = plan / 3 % 3; turns > 0; turns--)
        AIO_CHECK_OK(aio_task_yield());
    aio_task_cancel(waiter.task);
    check_rename(waiter_join(&waiter), &waiter.event, told);
    AIO_TIMEOUT((int64_t)(plan / 9 % 3) * 10000)
    {
        waiter.result = aio_watch_next(folder->watch, &waiter.event);
    }
    check_rename(waiter.result, &waiter.event, told);
}

/* However an event and a cancellation or a deadline meet: it is told once, and in order. */
BEHAVIOUR(none_lost_by_interruptions)
{
    enum { PAIRS = 150 };
    struct folder folder;
    struct aio_watch_event event;
    char forth[2][64], back[2][64];
    int told = 0;
    REQUIRE(folder_open(&folder, IN_MOVED_TO));
    for (int i = 0; i < 2; i++) {
        (void)snprintf(forth[i], sizeof forth[i], "%s", folder_file(&folder, i == 0 ? "a" : "b"));
        memcpy(back[1 - i], forth[i], sizeof forth[i]);
    }
    folder_touch(&folder, "a");
    for (int i = 0; i < PAIRS; i++) {
        wait_hastily(&folder, forth, &told);
        wait_hastily(&folder, back, &told);
    }
    while (told < 2 * PAIRS) {
        REQUIRE_OK(aio_watch_next(folder.watch, &event));
        check_rename(0, &event, &told);
    }
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_watch_next(folder.watch, &event), -ETIMEDOUT);
    }
    folder_remove(&folder, "a");
    folder_close(&folder);
}

BEHAVIOUR(closed_while_others_wait)
{
    struct folder folder;
    struct waiter waiters[2];
    REQUIRE(folder_open(&folder, IN_CREATE));
    for (int i = 0; i < 2; i++)
        REQUIRE(waiter_start(&waiters[i], &folder));
    folder_close(&folder);
    for (int i = 0; i < 2; i++)
        AIO_CHECK_ERROR(waiter_join(&waiters[i]), -EBADF);
}

static int set_flag(void *flag)
{
    *(bool *)flag = true;
    return 0;
}

/* The kernel takes its time for the end of a watch; a task that could run then does. */
BEHAVIOUR(closing_holds_nobody_up)
{
    struct folder folder;
    bool ran = false;
    REQUIRE(folder_open(&folder, IN_CREATE));
    struct aio_task *task = task_named("other", set_flag, &ran);
    REQUIRE(task != NULL);
    AIO_CHECK(!ran);
    folder_close(&folder);
    AIO_CHECK(ran);
    AIO_CHECK_OK(aio_task_join(task, NULL));
}

BEHAVIOUR(removed)
{
    struct folder folder;
    REQUIRE(folder_open(&folder, IN_CREATE));
    folder_touch(&folder, "before");
    AIO_CHECK_OK(aio_watch_remove(folder.watch, folder.id));
    AIO_CHECK_ERROR(aio_watch_remove(folder.watch, folder.id), -EINVAL);
    folder_remove(&folder, "before");
    check_next(&folder, IN_CREATE, "before");
    check_next(&folder, IN_IGNORED, "");
    folder_close(&folder);
}

/* A watched file that is deleted takes its id with it. */
BEHAVIOUR(watched_file_goes)
{
    struct folder folder;
    REQUIRE(folder_open(&folder, IN_DELETE_SELF));
    folder_touch(&folder, "file");
    int id = aio_watch_add(folder.watch, folder_file(&folder, "file"), IN_DELETE_SELF);
    AIO_CHECK(id > 0 && id != folder.id);
    folder.id = id;
    folder_remove(&folder, "file");
    check_next(&folder, IN_DELETE_SELF, "");
    check_next(&folder, IN_IGNORED, "");
    folder_close(&folder);
}

BEHAVIOUR(refused)
{
    struct folder folder;
    REQUIRE(folder_open(&folder, IN_CREATE));
    AIO_CHECK_ERROR(aio_watch_add(folder.watch, "/nowhere/at/all", IN_CREATE), -ENOENT);
    AIO_CHECK_ERROR(aio_watch_add(folder.watch, folder.path, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_watch_remove(folder.watch, 12345), -EINVAL);
    folder_close(&folder);
}

static long queue_limit(void)
{
    char text[32] = "";
    int fd = open("/proc/sys/fs/inotify/max_queued_events", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!read(fd, text, sizeof text - 1);
        close(fd);
    }
    return strtol(text, NULL, 10);
}

/* More than the kernel queues: what came first is told, and then that something is missing. */
BEHAVIOUR(overflow)
{
    struct folder folder;
    struct aio_watch_event event = {.mask = 0};
    long limit = queue_limit(), told = 0;
    if (limit <= 0 || limit > 50000) {
        aio_test_skip("fs.inotify.max_queued_events is too many to fill");
        return;
    }
    REQUIRE(folder_open(&folder, IN_ATTRIB));
    const char *names[] = {"a", "b"}; /* the same twice in a row would be told once */
    char paths[2][64];
    for (int i = 0; i < 2; i++) {
        folder_touch(&folder, names[i]);
        (void)snprintf(paths[i], sizeof paths[i], "%s", folder_file(&folder, names[i]));
    }
    for (long i = 0; i < limit + 10; i++)
        if (chmod(paths[i % 2], 0600) < 0)
            break;
    while ((event.mask & IN_Q_OVERFLOW) == 0 && told <= limit) {
        REQUIRE_OK(aio_watch_next(folder.watch, &event));
        told++;
    }
    AIO_CHECK_EQ(told, limit + 1);
    AIO_CHECK_EQ(event.id, -1);
    AIO_CHECK_STR(event.name, "");
    for (int i = 0; i < 2; i++)
        folder_remove(&folder, names[i]);
    folder_close(&folder);
}
