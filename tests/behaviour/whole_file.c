/*
 * Whole files into memory and back, and that no half of one is ever seen.
 */
#define SUITE "whole"
#include "tests/behaviour/folder_support.h"

#include <aio/whole.h>
#include <sys/resource.h>

enum { LARGE = 20 << 20 }; /* several pieces */

static void check_load(const struct folder *folder, const char *path, size_t wanted, size_t limit)
{
    void *memory = NULL;
    size_t size = 1;
    REQUIRE_OK(aio_file_load(folder->fd, path, &memory, &size, limit));
    AIO_CHECK_EQ(size, wanted);
    AIO_CHECK(test_pattern_check(memory, size, 0));
    AIO_CHECK_EQ(((char *)memory)[size], '\0');
    aio_file_unload(memory);
}

BEHAVIOUR(load)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 100000};
    struct folder folder;
    char *bytes = malloc(LARGE);
    REQUIRE(folder_open(&folder));
    test_pattern_fill(bytes, LARGE, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        folder_file(&folder, "file", bytes, sizes[i]);
        check_load(&folder, "file", sizes[i], SIZE_MAX);
        check_load(&folder, "file", sizes[i], sizes[i]);
    }
    folder_file(&folder, "file", bytes, LARGE);
    check_load(&folder, "file", LARGE, LARGE);
    aio_file_unload(NULL);
    free(bytes);
    folder_close(&folder);
}

BEHAVIOUR(load_of_bad_input)
{
    struct folder folder;
    void *memory;
    size_t size;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "12345");
    AIO_CHECK_EQ(mkfifoat(folder.fd, "fifo", 0600), 0);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, "file", &memory, &size, 4), -EFBIG);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, "absent", &memory, &size, 4), -ENOENT);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, "file/x", &memory, &size, 4), -ENOTDIR);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, ".", &memory, &size, 4), -EISDIR);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, "fifo", &memory, &size, 4), -EINVAL);
    AIO_CHECK_ERROR(aio_file_load(folder.fd, "/dev/null", &memory, &size, 4), -EINVAL);
    /* files that do not tell their size */
    AIO_CHECK_OK(aio_file_load(AT_FDCWD, "/proc/self/status", &memory, &size, SIZE_MAX));
    AIO_CHECK(size > 100 && strlen(memory) == size);
    aio_file_unload(memory);
    AIO_CHECK_ERROR(aio_file_load(AT_FDCWD, "/proc/self/status", &memory, &size, 100), -EFBIG);
    folder_close(&folder);
}

BEHAVIOUR(store)
{
    struct folder folder;
    struct stat status;
    char *bytes = malloc(LARGE);
    REQUIRE(folder_open(&folder));
    test_pattern_fill(bytes, LARGE, 0);
    REQUIRE_OK(aio_file_store(folder.fd, "file", bytes, LARGE, 0640));
    check_load(&folder, "file", LARGE, LARGE);
    AIO_CHECK(fstatat(folder.fd, "file", &status, 0) == 0 && (status.st_mode & 0777) == 0640);
    REQUIRE_OK(aio_file_store(folder.fd, "file", "short", 5, 0600));
    AIO_CHECK(folder_says(&folder, "file", "short"));
    REQUIRE_OK(aio_file_store(folder.fd, "file", NULL, 0, 0600));
    AIO_CHECK(folder_says(&folder, "file", ""));
    folder_directory(&folder, "below");
    folder_text(&folder, "below/target", "old");
    folder_link(&folder, "below/link", "target");
    REQUIRE_OK(aio_file_store(folder.fd, "below/link", "new", 3, 0600));
    AIO_CHECK(folder_says(&folder, "below/link", "new") &&
              folder_says(&folder, "below/target", "old"));
    AIO_CHECK_EQ(folder_count(&folder, "below"), 2);
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    free(bytes);
    folder_close(&folder);
}

BEHAVIOUR(store_of_bad_input)
{
    struct folder folder;
    static char far[5000];
    memset(far, 'x', sizeof far - 1);
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "old");
    folder_directory(&folder, "directory");
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "directory", "x", 1, 0600), -EISDIR);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "directory/", "x", 1, 0600), -EISDIR);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, ".", "x", 1, 0600), -EISDIR);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "/", "x", 1, 0600), -EISDIR);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "absent/file", "x", 1, 0600), -ENOENT);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, "file/x", "x", 1, 0600), -ENOTDIR);
    AIO_CHECK_ERROR(aio_file_store(folder.fd, far, "x", 1, 0600), -ENAMETOOLONG);
    far[300] = '\0';
    AIO_CHECK_ERROR(aio_file_store(folder.fd, far, "x", 1, 0600), -ENAMETOOLONG);
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    AIO_CHECK_EQ(folder_count(&folder, "directory"), 0);
    folder_close(&folder);
}

struct storing {
    struct folder *folder;
    const char *bytes;
    int rc;
};

static int store_task(void *arg)
{
    struct storing *storing = arg;
    storing->rc = aio_file_store(storing->folder->fd, "file", storing->bytes, LARGE, 0600);
    return 0;
}

/* Cancelled at any moment: the old bytes or the new ones, and nothing beside them. */
BEHAVIOUR(store_canceled_at_any_moment)
{
    struct folder folder;
    char *bytes = malloc(LARGE);
    int canceled = 0;
    REQUIRE(folder_open(&folder));
    test_pattern_fill(bytes, LARGE, 0);
    for (int round = 0; round < 12; round++) {
        struct storing storing = {.folder = &folder, .bytes = bytes};
        struct aio_task *task;
        folder_text(&folder, "file", "old");
        REQUIRE_OK(aio_task_spawn(&task, store_task, &storing, NULL));
        for (int i = 0; i < round; i++)
            AIO_CHECK_OK(aio_time_sleep(AIO_US(1) << i));
        AIO_CHECK_OK(task_stop(task));
        AIO_CHECK(storing.rc == 0 || storing.rc == -ECANCELED);
        AIO_CHECK(storing.rc == 0 || folder_says(&folder, "file", "old"));
        if (storing.rc == 0)
            check_load(&folder, "file", LARGE, LARGE);
        AIO_CHECK_EQ(folder_count(&folder, "."), 1);
        canceled += storing.rc == -ECANCELED;
    }
    AIO_CHECK(canceled > 0);
    free(bytes);
    folder_close(&folder);
}

static int store_beyond_limit(void *arg)
{
    struct folder *folder = arg;
    char *bytes = calloc(1, LARGE);
    const struct rlimit limit = {LARGE / 2, LARGE / 2};
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    int rc = aio_file_store(folder->fd, "file", bytes, LARGE, 0600);
    free(bytes);
    return rc == -EFBIG ? 0 : 1;
}

/* A failure in the middle. The threads of the pool have SIGXFSZ blocked, as all signals. */
BEHAVIOUR_OUTSIDE(store_that_fails_half_way)
{
    struct folder folder;
    struct child child;
    REQUIRE(folder_open(&folder));
    folder_text(&folder, "file", "old");
    if (child_may_have_threads() && child_run_task(&child, store_beyond_limit, &folder))
        child_exited(&child, 0);
    AIO_CHECK(folder_says(&folder, "file", "old"));
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    folder_close(&folder);
}
