/*
 * fork(2) without exec, from inside a task: the child's calls refuse, and the parent's kernel
 * objects, which the child shares, are left alone.
 */
#define SUITE "fork_child"
#include "tests/behaviour/task_tools.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int read_byte(void *stream)
{
    char byte;
    return (int)aio_stream_read(stream, &byte, 1);
}

static int child_closes(void *stream)
{
    aio_stream_close(stream);
    return 0;
}

static int child_yields(void *unused)
{
    (void)unused;
    return aio_task_yield();
}

static int await_child(pid_t pid)
{
    int status = -1;
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A child that uses the runtime aborts and says why; a read that was parked is not disturbed. */
BEHAVIOUR(child_cannot_disturb_the_parent)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    struct aio_task *reader = task_named("reader", read_byte, wire.near);
    REQUIRE(task_wait_parked("reader"));
    static struct child child;
    REQUIRE(child_run(&child, child_closes, wire.near));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_stream_close: stream used outside its runtime (a child of fork(2) has");
    REQUIRE(child_run(&child, child_yields, NULL));
    child_killed(&child, SIGABRT);
    child_said(&child, "aio_task_yield was called outside a task (a child of fork(2) has");
    AIO_CHECK_EQ(aio_stream_write(wire.far, "x", 1), 1);
    int result = -1;
    AIO_TIMEOUT(AIO_SEC(5) * test_slowness())
    {
        AIO_CHECK_OK(aio_task_join(reader, &result));
    }
    AIO_CHECK_EQ(result, 1);
    wire_close(&wire);
}

static int just_nine(void *unused)
{
    (void)unused;
    return aio_time_sleep(AIO_MS(1)) == 0 ? 9 : 1;
}

/* A runtime of the child's own works. */
BEHAVIOUR(child_may_run_its_own)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(test_run(just_nine, NULL));
    int status = await_child(pid);
    AIO_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
}

/* A signal that stops servers has its default effect on the child, and none on the parent. */
BEHAVIOUR(child_dies_of_the_signal_alone)
{
    REQUIRE_OK(aio_signal_shutdown());
    pid_t pid = fork();
    if (pid == 0) {
        (void)raise(SIGTERM);
        _exit(0);
    }
    int status = await_child(pid);
    AIO_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    AIO_CHECK(!aio_task_canceled());
}
