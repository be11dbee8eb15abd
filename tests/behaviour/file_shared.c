/*
 * Cursors that others use as well: whoever moves one, each byte is written and read once; and only
 * who needs it waits for somebody who holds it.
 */
#define SUITE "file_shared"
#include "tests/behaviour/fuse_support.h"

#include <aio/pipe.h>
#include <pthread.h>
#include <string.h>

enum { LINES = UNDER_TSAN || UNDER_ASAN ? 500 : 2000, LINE = 16 };

static const char ours[LINE + 1] = "oooooooooooooooo", theirs[LINE + 1] = "tttttttttttttttt";

static void *write_theirs(void *fd)
{
    for (int i = 0; i < LINES; i++)
        AIO_CHECK_EQ(write(*(int *)fd, theirs, LINE), LINE);
    return NULL;
}

/* Whether every byte is there. (On some rows ours come in short writes, so lines are not whole.) */
static void check_bytes(int fd)
{
    char line[LINE];
    int found[2] = {0, 0};
    for (off_t at = 0; pread(fd, line, LINE, at) == LINE; at += LINE)
        for (int i = 0; i < LINE; i++) {
            found[0] += line[i] == ours[0];
            found[1] += line[i] == theirs[0];
        }
    AIO_CHECK_EQ(found[0], LINES * LINE);
    AIO_CHECK_EQ(found[1], LINES * LINE);
}

static void write_ours_to_file(int fd)
{
    struct aio_file *file;
    REQUIRE_OK(aio_file_adopt(&file, fd));
    for (int i = 0; i < LINES; i++)
        AIO_CHECK_EQ(aio_file_write_all(file, ours, LINE, NULL), LINE);
    AIO_CHECK_OK(aio_file_close(file));
}

static void write_ours_to_stream(int fd)
{
    struct aio_stream *stream;
    REQUIRE_OK(aio_pipe_adopt(&stream, fd));
    for (int i = 0; i < LINES; i++)
        AIO_CHECK_EQ(aio_stream_write_all(stream, ours, LINE, NULL), LINE);
    aio_stream_close(stream);
}

static void check_writers(void (*write_ours)(int fd), int flags)
{
    struct file_home home;
    pthread_t thread;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "log");
    int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int shared = open(path.text, O_WRONLY | O_CLOEXEC | flags);
    REQUIRE(fd >= 0 && shared >= 0);
    REQUIRE(pthread_create(&thread, NULL, write_theirs, &shared) == 0);
    write_ours(fcntl(shared, F_DUPFD_CLOEXEC, 3));
    pthread_join(thread, NULL);
    check_bytes(fd);
    close(fd);
    close(shared);
    file_home_close(&home);
}

BEHAVIOUR(file_beside_write)
{
    check_writers(write_ours_to_file, 0);
    check_writers(write_ours_to_file, O_APPEND);
}

BEHAVIOUR(stream_beside_write)
{
    check_writers(write_ours_to_stream, 0);
    check_writers(write_ours_to_stream, O_APPEND);
}

struct reading {
    struct aio_file *file;
    int64_t count;
};

static int read_all(void *arg)
{
    struct reading *reading = arg;
    char bytes[100];
    ssize_t n;
    while ((n = aio_file_read(reading->file, bytes, sizeof bytes)) > 0)
        reading->count += n;
    return (int)n;
}

/* Two handles of one description, in one program. */
BEHAVIOUR(two_handles)
{
    enum { BYTES = 100000 };
    struct reading readings[2] = {{NULL, 0}, {NULL, 0}};
    struct aio_task *tasks[2];
    REQUIRE_OK(aio_file_open(&readings[0].file, "/tmp", O_TMPFILE | O_RDWR, 0600));
    AIO_CHECK_OK(aio_file_truncate(readings[0].file, BYTES));
    int fd = fcntl(aio_file_fd(readings[0].file), F_DUPFD_CLOEXEC, 3);
    REQUIRE_OK(aio_file_adopt(&readings[1].file, fd));
    for (int i = 0; i < 2; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], read_all, &readings[i], NULL));
    for (int i = 0; i < 2; i++) {
        int rc = -1;
        AIO_CHECK_OK(aio_task_join(tasks[i], &rc));
        AIO_CHECK_OK(rc);
    }
    AIO_CHECK_EQ(readings[0].count + readings[1].count, BYTES);
    AIO_CHECK_OK(aio_file_close(readings[0].file));
    AIO_CHECK_OK(aio_file_close(readings[1].file));
}

/* Somebody reads, and holds the cursor as long as the server takes. */
struct holder {
    struct fuse_mount mount;
    struct folder folder;
    pthread_t thread;
    int fd;
    struct aio_file *file;
    struct aio_stream *stream;
    int64_t (*use)(struct holder *holder);
    int64_t rc;
};

static void *hold_cursor(void *arg)
{
    struct holder *holder = arg;
    char byte;
    AIO_CHECK_EQ(read(holder->fd, &byte, 1), 1);
    return NULL;
}

static bool holder_open(struct holder *holder)
{
    if (!fuse_open(&holder->mount, "steps_fs"))
        return false;
    struct file_path path = file_path_of(&holder->mount.home, "slow/old");
    holder->fd = open(path.text, O_RDWR | O_CLOEXEC);
    return AIO_CHECK_OK(aio_file_adopt(&holder->file, fcntl(holder->fd, F_DUPFD_CLOEXEC, 3))) &&
           AIO_CHECK_OK(aio_pipe_adopt(&holder->stream, fcntl(holder->fd, F_DUPFD_CLOEXEC, 3))) &&
           steps_folder(&holder->folder, &holder->mount, "slow");
}

static void holder_close(struct holder *holder)
{
    AIO_CHECK_OK(aio_file_close(holder->file));
    aio_stream_close(holder->stream);
    close(holder->fd);
    close(holder->folder.fd);
    fuse_close(&holder->mount);
}

static int use_held(void *arg)
{
    struct holder *holder = arg;
    holder->rc = holder->use(holder);
    return 0;
}

/* This task, which lets the server go on, runs while another one waits for the cursor. */
static void check_held(struct holder *holder, int64_t (*use)(struct holder *holder), int64_t wanted)
{
    struct aio_task *task;
    holder->use = use;
    holder->rc = -1;
    AIO_CHECK_EQ(lseek(holder->fd, 0, SEEK_SET), 0);
    REQUIRE(pthread_create(&holder->thread, NULL, hold_cursor, holder) == 0);
    AIO_CHECK(test_wait(steps_wait, &holder->folder));
    REQUIRE_OK(aio_task_spawn(&task, use_held, holder, NULL));
    for (int i = 0; i < 20; i++)
        AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    AIO_CHECK_EQ(holder->rc, -1);
    steps_release(&holder->folder, task);
    pthread_join(holder->thread, NULL);
    AIO_CHECK_EQ(holder->rc, wanted);
}

static int64_t seek_held(struct holder *holder)
{
    return aio_file_seek(holder->file, 0, SEEK_CUR);
}

static int64_t read_held(struct holder *holder)
{
    char bytes[2];
    return aio_file_read(holder->file, bytes, sizeof bytes);
}

static int64_t read_stream_held(struct holder *holder)
{
    char bytes[2];
    return aio_stream_read(holder->stream, bytes, sizeof bytes);
}

BEHAVIOUR(held_by_another)
{
    struct holder holder = {.rc = 0};
    if (!holder_open(&holder))
        return;
    check_held(&holder, seek_held, 1);
    check_held(&holder, read_held, 2);
    check_held(&holder, read_stream_held, 2);
    holder_close(&holder);
}
