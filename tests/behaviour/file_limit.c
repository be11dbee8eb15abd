/*
 * Writing beyond RLIMIT_FSIZE: an error for each way of writing, and no signal, though SIGXFSZ
 * would end the process. The limit is the process's, so a forked one has it.
 */
#define SUITE "file_limit"
#include "tests/behaviour/file_support.h"
#include "tests/behaviour/task_tools.h"

#include <aio/pipe.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

enum { LIMIT = 65536 };

static _Alignas(4096) char block[2 * LIMIT];

static void limit_set(void)
{
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    struct rlimit limit;
    AIO_CHECK_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = LIMIT;
    AIO_CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    AIO_CHECK_EQ(sigaction(SIGXFSZ, &by_default, NULL), 0);
}

/* What a forked process checks is told by its exit status. */
static bool fails(ssize_t rc)
{
    return AIO_CHECK_ERROR(rc, -EFBIG);
}

static bool check_writes(struct aio_file *file)
{
    const struct iovec halves[] = {{block, 4096}, {block, 4096}};
    size_t done = 0;
    bool good = fails(aio_file_write_all(file, block, sizeof block, &done)) &&
                AIO_CHECK_EQ(done, LIMIT) && fails(aio_file_write(file, block, 4096));
    good = fails(aio_file_write_at(file, block, 4096, LIMIT)) && good;
    good = fails(aio_file_writev(file, halves, 2)) && good;
    good = fails(aio_file_append(file, block, 4096, &done)) && good;
    good = fails(aio_file_write_sync(file, block, 4096, LIMIT, &done)) && good;
    good = fails(aio_file_truncate(file, sizeof block)) && good;
    return AIO_CHECK_EQ(aio_file_size(file), LIMIT) && good;
}

/* Opens a new file; -1 where it cannot be opened like that. */
static int limited_open(const struct file_home *home, int flags)
{
    struct file_path path = file_path_of(home, "limited");
    (void)unlink(path.text);
    int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
    AIO_CHECK(fd >= 0 || (errno == EINVAL && (flags & O_DIRECT) != 0));
    return fd;
}

static bool check_file(const struct file_home *home, int flags)
{
    struct aio_file *file;
    int fd = limited_open(home, flags);
    if (fd < 0)
        return true;
    bool good = AIO_CHECK_OK(aio_file_adopt(&file, fd)) && check_writes(file);
    return AIO_CHECK_OK(aio_file_close(file)) && good;
}

static bool check_stream(const struct file_home *home, int flags)
{
    struct aio_stream *stream;
    size_t done = 0;
    int fd = limited_open(home, flags);
    if (fd < 0)
        return true;
    bool good = AIO_CHECK_OK(aio_pipe_adopt(&stream, fd)) &&
                fails(aio_stream_write_all(stream, block, sizeof block, &done)) &&
                AIO_CHECK_EQ(done, LIMIT) && fails(aio_stream_write(stream, block, 4096));
    aio_stream_close(stream);
    return good;
}

static int write_as_files(void *arg)
{
    limit_set();
    bool buffered = check_file(arg, 0), direct = check_file(arg, O_DIRECT);
    return buffered && direct ? 0 : 1;
}

static int write_as_streams(void *arg)
{
    limit_set();
    bool buffered = check_stream(arg, 0), direct = check_stream(arg, O_DIRECT);
    return buffered && direct ? 0 : 1;
}

/* In a child, whose limit it is. */
static void check_limit(int (*writer)(void *home))
{
    struct file_home home;
    struct child child;
    REQUIRE(file_home_open(&home));
    if (child_may_have_threads() && child_run_task(&child, writer, &home))
        child_exited(&child, 0);
    file_home_close(&home);
}

BEHAVIOUR_OUTSIDE(files_beyond_the_limit)
{
    check_limit(write_as_files);
}

BEHAVIOUR_OUTSIDE(streams_of_files_beyond_the_limit)
{
    check_limit(write_as_streams);
}

/* Whether the thread has the signal blocked, and one is waiting. */
static bool check_mask(bool blocked, bool had)
{
    sigset_t mask, pending;
    sigemptyset(&mask);
    sigemptyset(&pending);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    (void)sigpending(&pending);
    return AIO_CHECK_EQ(sigismember(&mask, SIGXFSZ), blocked) &&
           AIO_CHECK_EQ(sigismember(&pending, SIGXFSZ), had);
}

static int run_and_look_at_the_mask(void *home)
{
    sigset_t limit;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    bool good = AIO_CHECK_EQ(test_run(write_as_files, home), 0) && check_mask(false, false);
    (void)pthread_sigmask(SIG_BLOCK, &limit, NULL);
    good = AIO_CHECK_EQ(test_run(write_as_files, home), 0) && check_mask(true, false) && good;
    (void)pthread_kill(pthread_self(), SIGXFSZ);
    good = AIO_CHECK_EQ(test_run(write_as_files, home), 0) && check_mask(true, true) && good;
    return good ? 0 : 1;
}

/* The thread is left as it was. */
BEHAVIOUR_OUTSIDE(mask_of_the_limit_is_given_back)
{
    struct file_home home;
    struct child child;
    REQUIRE(file_home_open(&home));
    if (child_may_have_threads() && child_run(&child, run_and_look_at_the_mask, &home))
        child_exited(&child, 0);
    file_home_close(&home);
}
