/*
 * Copies of files that change meanwhile, and what is left of a copy that did not end.
 */
#define SUITE "whole_change"
#include "tests/behaviour/folder_support.h"

#include <aio/offload.h>
#include <aio/whole.h>

enum { LARGE = 20 << 20 }; /* several pieces */

struct copying {
    struct folder *folder;
    int64_t copied;
    int rc;
};

static int copy_task(void *arg)
{
    struct copying *copying = arg;
    struct aio_file_copy_options options = AIO_FILE_COPY_OPTIONS;
    options.copied = &copying->copied;
    copying->rc = aio_file_copy(copying->folder->fd, "from", copying->folder->fd, "to", &options);
    return 0;
}

static bool copy_has_begun(void *arg)
{
    return ((struct copying *)arg)->copied > 0;
}

static int wait_for_byte(void *fd)
{
    char byte;
    return (int)read(*(int *)fd, &byte, 1);
}

static int hold_thread(void *fd)
{
    return aio_offload_call(wait_for_byte, fd, NULL);
}

/* Cancelled after so many turns of this task, or else after the first piece. The pool's one thread
 * is held behind that piece, so that the last one cannot be done before the cancellation comes. */
static void cancel_copy(struct copying *copying, int turns)
{
    struct aio_task *copier, *holder;
    int fds[2];
    REQUIRE(AIO_CHECK_EQ(pipe2(fds, O_CLOEXEC), 0));
    REQUIRE_OK(aio_task_spawn(&copier, copy_task, copying, NULL));
    REQUIRE_OK(aio_task_spawn(&holder, hold_thread, &fds[0], NULL));
    for (int i = 0; i < turns; i++)
        AIO_CHECK_OK(aio_task_yield());
    if (turns < 0)
        AIO_CHECK(test_wait(copy_has_begun, copying));
    aio_task_cancel(copier);
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_OK(aio_task_join(copier, NULL));
    AIO_CHECK_OK(aio_task_join(holder, NULL));
    close(fds[0]);
    close(fds[1]);
}

/* Cancelled after any piece: the old file, and nothing beside it. */
BEHAVIOUR_WITH(canceled_half_way, .offload_threads = 1)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_pattern(&folder, "from", LARGE);
    folder_text(&folder, "to", "old");
    for (int turns = -1; turns < 9; turns++) {
        struct copying copying = {.folder = &folder};
        cancel_copy(&copying, turns);
        AIO_CHECK_ERROR(copying.rc, -ECANCELED);
        AIO_CHECK(copying.copied < LARGE);
        AIO_CHECK(folder_says(&folder, "to", "old"));
        AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    }
    folder_close(&folder);
}

/* Copies, and does something after the first piece: the pool's one thread is held there. */
static void copy_while(struct folder *folder, void (*change)(struct folder *folder, off_t length),
                       off_t length, struct stat *status)
{
    struct copying copying = {.folder = folder};
    struct aio_task *copier, *holder;
    int fds[2];
    REQUIRE(AIO_CHECK_EQ(pipe2(fds, O_CLOEXEC), 0));
    REQUIRE_OK(aio_task_spawn(&copier, copy_task, &copying, NULL));
    REQUIRE_OK(aio_task_spawn(&holder, hold_thread, &fds[0], NULL));
    AIO_CHECK(test_wait(copy_has_begun, &copying));
    change(folder, length);
    AIO_CHECK_EQ(write(fds[1], "x", 1), 1);
    AIO_CHECK_OK(aio_task_join(copier, NULL));
    AIO_CHECK_OK(aio_task_join(holder, NULL));
    AIO_CHECK_OK(copying.rc);
    AIO_CHECK_EQ(fstatat(folder->fd, "to", status, 0), 0);
    AIO_CHECK_EQ(copying.copied, status->st_size);
    close(fds[0]);
    close(fds[1]);
}

static void set_length_of(const struct folder *folder, const char *name, off_t length)
{
    int fd = openat(folder->fd, name, O_RDWR | O_CLOEXEC);
    AIO_CHECK_EQ(ftruncate(fd, length), 0);
    close(fd);
}

static void set_length(struct folder *folder, off_t length)
{
    set_length_of(folder, "from", length);
}

static void take_away(struct folder *folder, off_t unused)
{
    (void)unused;
    AIO_CHECK_EQ(unlinkat(folder->fd, "from", 0), 0);
}

/* The copy ends where the source does by then, with a hole at its end or without. */
BEHAVIOUR_WITH(cut_short_meanwhile, .offload_threads = 1)
{
    enum { PIECE = 8 << 20, END = 12 << 20 };
    static const off_t lengths[] = {END, PIECE / 2};
    struct folder folder;
    struct stat status = {.st_size = 0};
    REQUIRE(folder_open(&folder));
    for (int i = 0; i < 4; i++) {
        off_t length = lengths[i / 2];
        folder_pattern(&folder, "from", LARGE);
        if (i % 2 == 1)
            set_length(&folder, (off_t)LARGE * 2);
        copy_while(&folder, set_length, length, &status);
        AIO_CHECK_EQ(status.st_size, length < PIECE ? PIECE : length);
        folder_check_pattern(folder.fd, "to", (size_t)status.st_size);
    }
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    folder_close(&folder);
}

static void write_beyond(struct folder *folder, off_t offset)
{
    int fd = openat(folder->fd, "from", O_WRONLY | O_CLOEXEC);
    AIO_CHECK_EQ(pwrite(fd, "x", 1, offset), 1);
    close(fd);
}

/* It is copied with the size that it had, whether a hole was at its end or data. */
BEHAVIOUR_WITH(grown_meanwhile, .offload_threads = 1)
{
    struct folder folder;
    struct stat status = {.st_size = 0};
    REQUIRE(folder_open(&folder));
    for (int i = 1; i <= 2; i++) {
        folder_pattern(&folder, "from", LARGE);
        set_length(&folder, (off_t)LARGE * i);
        copy_while(&folder, write_beyond, (off_t)LARGE * 5, &status);
        AIO_CHECK_EQ(status.st_size, (off_t)LARGE * i);
        set_length_of(&folder, "to", LARGE);
        folder_check_pattern(folder.fd, "to", LARGE);
    }
    AIO_CHECK_EQ(folder_count(&folder, "."), 2);
    folder_close(&folder);
}

BEHAVIOUR_WITH(removed_meanwhile, .offload_threads = 1)
{
    struct folder folder;
    struct stat status = {.st_size = 0};
    REQUIRE(folder_open(&folder));
    folder_pattern(&folder, "from", LARGE);
    copy_while(&folder, take_away, 0, &status);
    folder_check_pattern(folder.fd, "to", LARGE);
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    folder_close(&folder);
}

BEHAVIOUR(deadlines_end_it)
{
    struct folder folder;
    REQUIRE(folder_open(&folder));
    folder_pattern(&folder, "from", LARGE);
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_file_copy(folder.fd, "from", folder.fd, "to", NULL), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(folder_count(&folder, "."), 1);
    folder_close(&folder);
}
