/*
 * The threads that the kernel makes for the ring. In a process of its own: those of a runtime that
 * has ended stay for seconds.
 */
#define SUITE "file_workers"
#include "tests/behaviour/file_support.h"

#include <dirent.h>

static bool is_worker(const char *id)
{
    char path[64], name[16] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, name, sizeof name - 1) : 0;
    if (fd >= 0)
        close(fd);
    return n > 0 && strncmp(name, "iou-wrk", 7) == 0;
}

/* The threads that the kernel has made for the ring. */
static int count_workers(void)
{
    DIR *threads = opendir("/proc/self/task");
    const struct dirent *entry;
    int count = 0;
    while (threads != NULL && (entry = readdir(threads)) != NULL)
        count += is_worker(entry->d_name);
    if (threads != NULL)
        closedir(threads);
    return count;
}

struct syncing {
    struct aio_file *file;
    int *most_workers;
};

static int sync_again_and_again(void *arg)
{
    const struct syncing *syncing = arg;
    for (int i = 0; i < 4; i++) {
        AIO_CHECK_EQ(aio_file_write_at(syncing->file, "x", 1, i), 1);
        AIO_CHECK_OK(aio_file_sync(syncing->file, 0));
        int count = count_workers();
        *syncing->most_workers = count > *syncing->most_workers ? count : *syncing->most_workers;
    }
    return 0;
}

/* Each sync takes a thread of the kernel's; without the bound there would be one for each. */
BEHAVIOUR_WITH(file_syncs_by_few_threads, .ring_workers = 2)
{
    enum { TASKS = 20 };
    struct file_home home;
    struct syncing syncing[TASKS];
    struct aio_task *tasks[TASKS];
    int most = 0;
    REQUIRE(file_home_open(&home));
    for (int i = 0; i < TASKS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        syncing[i] = (struct syncing){file_make(&home, name, 1000), &most};
        REQUIRE_OK(aio_task_spawn(&tasks[i], sync_again_and_again, &syncing[i], NULL));
    }
    for (int i = 0; i < TASKS; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
        file_end(syncing[i].file);
    }
    AIO_CHECK(most <= 2);
    AIO_CHECK((most > 0) == (strcmp(test_row()->backend, "uring") == 0));
    file_home_close(&home);
}
