/*
 * The n-th allocation fails, for n = 1, 2, ...: directories, walks, removals, files, whole files.
 * What is refused is -ENOMEM and leaves nothing behind; a walk loses no entry. On each backend.
 */
#define SUITE "oom_fs"
#include "tests/unit/unit_tools.h"

#include "core/alloc.h"

#include <aio/directory.h>
#include <aio/file.h>
#include <aio/pinned.h>
#include <aio/whole.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ATTEMPTS = 60, FOLDERS = 40 };

/* A folder of folders, each with a file. */
static bool tree_make(char path[64])
{
    char below[128];
    bool good = true;
    test_temporary(path, 64, "/tmp");
    good = mkdtemp(path) != NULL;
    for (int i = 0; i < FOLDERS && good; i++) {
        (void)snprintf(below, sizeof below, "%s/%d/and below", path, i);
        good = aio_path_mkdirs(AT_FDCWD, below, 0700) == 0;
        (void)snprintf(below, sizeof below, "%s/%d/file", path, i);
        good = good && close(creat(below, 0600)) == 0;
    }
    return AIO_CHECK(good);
}

static int walk_open_stubbornly(struct aio_walk **walk, const char *path)
{
    const struct aio_walk_options options = {
        .size = sizeof options, .flags = AIO_WALK_STAT, .depth_limit = AIO_WALK_DEPTH};
    int rc = -ENOMEM;
    for (int at = 1; rc == -ENOMEM && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        rc = aio_walk_open(walk, AT_FDCWD, path, &options);
        aio__alloc_fail_at(0);
    }
    return rc;
}

static int walk_stubbornly(void *entered)
{
    char path[64];
    struct aio_walk *walk;
    struct aio_walk_entry entry;
    int count = 0, refused = 0, rc;
    unit_entered(entered);
    if (!tree_make(path) || !AIO_CHECK_OK(walk_open_stubbornly(&walk, path)))
        return -1;
    do {
        aio__alloc_fail_at(1);
        rc = aio_walk_next(walk, &entry);
        aio__alloc_fail_at(0);
        refused += rc == -ENOMEM;
        if (rc == -ENOMEM)
            rc = aio_walk_next(walk, &entry);
        count += rc == 1;
    } while (rc == 1);
    AIO_CHECK_OK(rc);
    AIO_CHECK(refused > 0);
    AIO_CHECK_EQ(count, 3 * FOLDERS);
    aio_walk_close(walk);
    AIO_CHECK_OK(aio_path_remove(AT_FDCWD, path));
    return 0;
}

PLAIN(walks)
{
    unit_on_each_backend(walk_stubbornly);
}

static int remove_stubbornly(void *entered)
{
    char path[64];
    int rc = -ENOMEM;
    unit_entered(entered);
    if (!tree_make(path))
        return -1;
    for (int at = 1; rc == -ENOMEM && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        rc = aio_path_remove(AT_FDCWD, path);
        aio__alloc_fail_at(0);
    }
    AIO_CHECK_OK(rc);
    AIO_CHECK(access(path, F_OK) < 0);
    return 0;
}

PLAIN(removals)
{
    unit_on_each_backend(remove_stubbornly);
}

/* A directory, and a file of which the size is not known before. */
static int read_stubbornly(void *entered)
{
    struct aio_directory *directory;
    void *memory = NULL;
    size_t size;
    int opened = -ENOMEM, loaded = -ENOMEM;
    unit_entered(entered);
    for (int at = 1; opened == -ENOMEM && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        opened = aio_directory_open(&directory, AT_FDCWD, "/");
        aio__alloc_fail_at(0);
    }
    if (AIO_CHECK_OK(opened))
        aio_directory_close(directory);
    for (int at = 1; loaded == -ENOMEM && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        loaded = aio_file_load(AT_FDCWD, "/proc/self/status", &memory, &size, SIZE_MAX);
        aio__alloc_fail_at(0);
    }
    AIO_CHECK_OK(loaded);
    aio_file_unload(memory);
    return 0;
}

PLAIN(directories_and_files)
{
    unit_on_each_backend(read_stubbornly);
}

/* What was refused has made no file, and of an adopted descriptor nothing is changed. */
static int open_stubbornly(void *entered)
{
    char path[] = "/tmp/aio-test-XXXXXX";
    struct aio_file *file = NULL;
    void *memory = NULL;
    int opened = -ENOMEM, adopted = -ENOMEM, pinned = -ENOMEM, fd = mkstemp(path);
    unit_entered(entered);
    if (!AIO_CHECK(fd >= 0 && unlink(path) == 0))
        return -1;
    for (int at = 1; opened == -ENOMEM && at < ATTEMPTS; at++) {
        AIO_CHECK(access(path, F_OK) < 0);
        aio__alloc_fail_at(at);
        opened = aio_file_open(&file, path, O_RDWR | O_CREAT | O_EXCL, 0600);
        aio__alloc_fail_at(0);
    }
    if (AIO_CHECK_OK(opened))
        AIO_CHECK_OK(aio_file_close(file));
    AIO_CHECK_EQ(unlink(path), 0);
    for (int at = 1; adopted == -ENOMEM && at < ATTEMPTS; at++) {
        AIO_CHECK_EQ(fcntl(fd, F_GETFD), 0);
        aio__alloc_fail_at(at);
        adopted = aio_file_adopt(&file, fd);
        aio__alloc_fail_at(0);
    }
    if (AIO_CHECK_OK(adopted))
        AIO_CHECK_OK(aio_file_close(file));
    for (int at = 1; pinned == -ENOMEM && at < ATTEMPTS; at++) {
        aio__alloc_fail_at(at);
        pinned = aio_pinned_alloc(&memory, 4096);
        aio__alloc_fail_at(0);
    }
    if (AIO_CHECK(pinned >= 0))
        aio_pinned_free(memory);
    return 0;
}

PLAIN(files)
{
    unit_on_each_backend(open_stubbornly);
}
