/* A program outside the project that uses three libraries whose names are easily taken for one
 * another: ours, Linux's libaio (io_setup) and POSIX's asynchronous I/O in libc (aio_read). Each
 * must still be itself. */
#include <aio.h>
#include <aio/aio.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libaio.h> /* needs sigset_t */

static int try_linux(void)
{
    io_context_t context = NULL;
    int rc = io_setup(4, &context);

    if (rc < 0 && rc != -ENOSYS && rc != -EPERM && rc != -EAGAIN)
        return 1;
    return rc == 0 ? io_destroy(context) != 0 : 0;
}

static int try_posix(void)
{
    char buffer[4] = "";
    const struct aiocb *waited;
    struct aiocb control;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return 1;
    memset(&control, 0, sizeof control);
    control.aio_fildes = fd;
    control.aio_buf = buffer;
    control.aio_nbytes = sizeof buffer;
    waited = &control;
    if (aio_read(&control) < 0)
        return 1;
    while (aio_error(&control) == EINPROGRESS)
        aio_suspend(&waited, 1, NULL);
    close(fd);
    return aio_return(&control) != sizeof buffer || memcmp(buffer, "\177ELF", 4) != 0;
}

static int add(void *arg)
{
    return *(int *)arg + 1;
}

static int entry(void *arg)
{
    struct aio_task *task;
    int result = 0;

    if (aio_task_spawn(&task, add, arg, NULL) < 0 || aio_task_join(task, &result) < 0)
        return -1;
    return aio_time_sleep(AIO_MS(1)) < 0 ? -1 : result;
}

int main(void)
{
    int number = 41;
    int ours = aio_runtime_run(NULL, entry, &number);
    int linux_failed = try_linux(), posix_failed = try_posix();

    printf("ours %d linux %s posix %s\n", ours, linux_failed ? "failed" : "ok",
           posix_failed ? "failed" : "ok");
    return !(ours == 42 && !linux_failed && !posix_failed);
}
