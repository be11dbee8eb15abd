/*
 * Files of a server that takes its time to say anything about them, in whatever way they are used:
 * only who uses them waits. The file system is that of tests/fuse/steps_fs.c.
 */
#define SUITE "file_served"
#include "tests/behaviour/fuse_support.h"

#include "tests/behaviour/tcp_support.h"

#include <aio/copy.h>
#include <aio/pipe.h>
#include <aio/select.h>
#include <aio/unix.h>

struct served {
    struct fuse_mount mount;
    struct folder folder;
    struct aio_file *file;
    struct aio_stream *stream; /* of the same file, which says "old" */
    struct aio_stream *pair[2];
    int fd;
    ssize_t (*use)(struct served *served);
    ssize_t rc;
};

static ssize_t read_at(struct served *served)
{
    char bytes[8];
    return aio_file_read_at(served->file, bytes, sizeof bytes, 0);
}

static ssize_t read_vectors(struct served *served)
{
    char bytes[8];
    const struct iovec vectors[2] = {{bytes, 1}, {bytes + 1, 7}};
    return aio_file_readv_at(served->file, vectors, 2, 0);
}

static ssize_t read_at_cursor(struct served *served)
{
    char bytes[8];
    return aio_file_read(served->file, bytes, sizeof bytes);
}

static ssize_t read_stream(struct served *served)
{
    char bytes[3];
    return aio_stream_read_exact(served->stream, bytes, sizeof bytes, NULL);
}

static ssize_t send_file(struct served *served)
{
    return aio_stream_sendfile(served->pair[0], served->fd, 0, 100, NULL);
}

static int use_served(void *arg)
{
    struct served *served = arg;
    served->rc = served->use(served);
    return 0;
}

static bool served_open(struct served *served)
{
    if (!fuse_open(&served->mount, "steps_fs"))
        return false;
    struct file_path path = file_path_of(&served->mount.home, "asked/old");
    served->fd = open(path.text, O_RDONLY | O_CLOEXEC);
    return AIO_CHECK_OK(aio_file_open(&served->file, path.text, O_RDONLY, 0)) &&
           AIO_CHECK_OK(aio_pipe_adopt(&served->stream, open(path.text, O_RDONLY | O_CLOEXEC))) &&
           AIO_CHECK_OK(aio_unix_pair(served->pair)) &&
           steps_folder(&served->folder, &served->mount, "asked") &&
           folder_text(&served->folder, "armed", "");
}

static void served_close(struct served *served)
{
    file_end(served->file);
    aio_stream_close(served->stream);
    aio_stream_close(served->pair[0]);
    aio_stream_close(served->pair[1]);
    close(served->fd);
    close(served->folder.fd);
    fuse_close(&served->mount);
}

/* This task, which lets the server go on, runs while another one waits for it. */
static void check_use(struct served *served, ssize_t (*use)(struct served *served))
{
    struct aio_task *task;
    served->use = use;
    served->rc = -1;
    REQUIRE_OK(aio_task_spawn(&task, use_served, served, NULL));
    AIO_CHECK(test_wait(steps_wait, &served->folder));
    AIO_CHECK_EQ(served->rc, -1);
    steps_release(&served->folder, task);
    AIO_CHECK_EQ(served->rc, 3);
}

BEHAVIOUR(reads_that_ask_for_attributes)
{
    struct served served = {.rc = 0};
    if (!served_open(&served))
        return;
    check_use(&served, read_at);
    check_use(&served, read_vectors);
    check_use(&served, read_at_cursor);
    check_use(&served, read_stream);
    check_use(&served, send_file);
    served_close(&served);
}

/* What the descriptor is, is known without asking. */
BEHAVIOUR(what_it_is_is_not_asked)
{
    struct served served = {.rc = 0};
    struct aio_stream *stream;
    int pipes[2];
    if (!served_open(&served))
        return;
    AIO_CHECK_OK(aio_pipe_adopt(&stream, fcntl(served.fd, F_DUPFD_CLOEXEC, 3)));
    aio_stream_close(stream);
    REQUIRE(pipe2(pipes, O_CLOEXEC | O_NONBLOCK) == 0);
    AIO_CHECK_ERROR(aio_splice_tee(served.fd, pipes[1], 1), -EINVAL);
    struct aio_select_case ready[] = {aio_select_writable(served.stream),
                                      aio_select_readable(served.stream)};
    AIO_CHECK_EQ(aio_select_wait(&ready[0], 1), 0);
    AIO_CHECK_EQ(aio_select_wait(&ready[1], 1), 0);
    AIO_CHECK_EQ(ready[1].result, 0);
    close(pipes[0]);
    close(pipes[1]);
    served_close(&served);
}

static ssize_t close_stream(struct served *served)
{
    struct file_path path = file_path_of(&served->mount.home, "held/old");
    struct aio_stream *stream;
    int rc = aio_pipe_adopt(&stream, open(path.text, O_RDONLY | O_CLOEXEC));
    if (rc == 0)
        aio_stream_close(stream);
    return rc == 0 ? 3 : rc;
}

BEHAVIOUR(a_stream_whose_close_waits)
{
    struct served served = {.rc = 0};
    if (!fuse_open(&served.mount, "steps_fs"))
        return;
    if (steps_folder(&served.folder, &served.mount, "held")) {
        check_use(&served, close_stream);
        close(served.folder.fd);
    }
    fuse_close(&served.mount);
}

/* What a server says is told, and not waited for: nothing would become ready. */
BEHAVIOUR(a_server_that_says_again)
{
    struct fuse_mount mount;
    struct aio_file *file;
    char bytes[8] = "";
    if (!fuse_open(&mount, "steps_fs"))
        return;
    struct file_path path = file_path_of(&mount.home, "again/old");
    REQUIRE_OK(aio_file_open(&file, path.text, O_RDWR, 0));
    for (int i = 0; i < 20; i++) {
        AIO_CHECK_ERROR(aio_file_read_at(file, bytes, sizeof bytes, 0), -EAGAIN);
        AIO_CHECK_ERROR(aio_file_read(file, bytes, sizeof bytes), -EAGAIN);
        AIO_CHECK_ERROR(aio_file_write_at(file, bytes, sizeof bytes, 0), -EAGAIN);
        AIO_CHECK_ERROR(aio_file_write_sync(file, bytes, sizeof bytes, 0, NULL), -EAGAIN);
        AIO_CHECK_ERROR(aio_file_sync(file, 0), -EAGAIN);
    }
    AIO_CHECK_OK(aio_file_close(file));
    fuse_close(&mount);
}
