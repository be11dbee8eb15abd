/*
 * The pool's threads come with the work and go without it; and what happens when none can be had,
 * when the runtime ends, when the process forks.
 */
#define SUITE "offload_elastic"
#include "tests/behaviour/offload_tools.h"

#include <aio/path.h>
#include <aio/pipe.h>
#include <aio/process.h>
#include <aio/watch.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 3 };

static bool all_begin(struct work works[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        if (!work_start(&works[i], i))
            return false;
    for (int i = 0; i < THREADS; i++)
        if (!work_wait_begun(&works[i]))
            return false;
    return true;
}

static void all_end(struct work works[THREADS])
{
    for (int i = 0; i < THREADS; i++)
        work_open(&works[i]);
    for (int i = 0; i < THREADS; i++)
        AIO_CHECK_OK(work_join(&works[i]));
}

static bool process_has_none(void *unused)
{
    (void)unused;
    return pool_threads_of_process() == 0;
}

/* Nothing runs before the first call; idle threads end after their time, and new ones come. */
BEHAVIOUR_WITH(grow_and_shrink, .offload_threads = THREADS, .offload_idle_ns = AIO_MS(1))
{
    struct work works[THREADS] = {{.timeout_ns = 0}};
    AIO_CHECK_EQ(pool_threads_of_process(), 0);
    for (int round = 0; round < 3; round++) {
        REQUIRE(all_begin(works));
        AIO_CHECK_EQ(pool_threads_of_process(), THREADS);
        AIO_CHECK_EQ(task_stats().offload_threads, THREADS);
        all_end(works);
        AIO_CHECK(pool_wait_threads(0));
        AIO_CHECK(test_wait(process_has_none, NULL));
    }
}

/* Threads that may idle for ever are there for the next calls. */
BEHAVIOUR_WITH(threads_are_kept, .offload_threads = THREADS, .offload_idle_ns = AIO_FOREVER)
{
    struct work works[THREADS] = {{.timeout_ns = 0}};
    REQUIRE(all_begin(works));
    all_end(works);
    for (int round = 0; round < 3; round++) {
        REQUIRE(all_begin(works));
        all_end(works);
        AIO_CHECK_EQ(pool_threads_of_process(), THREADS);
    }
}

static bool has_word(void *fd)
{
    char byte;
    return pread(*(int *)fd, &byte, 1, 0) == 1;
}

/* A child that asked for SIGKILL when its parent dies, which is a thread of the pool. */
static struct aio_process *loyal_spawn(void)
{
    struct aio_process_options options = AIO_PROCESS_OPTIONS;
    struct aio_process *process = NULL;
    options.output = memfd_create("output", MFD_CLOEXEC);
    int rc = aio_process_spawn(
        &process,
        AIO_ARGV("/usr/bin/setpriv", "--pdeathsig", "KILL", "sh", "-c", "echo; exec sleep 1000"),
        &options);
    if (rc == -ENOENT)
        aio_test_skip("there is no setpriv");
    else
        AIO_CHECK(rc == 0 && test_wait(has_word, &options.output));
    close(options.output);
    return process;
}

/* The thread that made a child does not end, as others do, while the runtime lives. */
BEHAVIOUR_WITH(parents_are_kept, .offload_threads = THREADS, .offload_idle_ns = AIO_MS(1))
{
    struct work works[THREADS] = {{.timeout_ns = 0}};
    struct aio_process *process = loyal_spawn();
    if (process == NULL)
        return;
    REQUIRE(all_begin(works));
    all_end(works);
    AIO_CHECK(pool_wait_threads(1));
    AIO_TIMEOUT(AIO_MS(50))
    {
        AIO_CHECK_ERROR(aio_process_wait(process, NULL), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(task_stats().offload_threads, 1);
    aio_process_close(process);
}

static int give_back(void *number)
{
    return *(int *)number;
}

/* Calls that meet threads about to end are served all the same. */
BEHAVIOUR_WITH(calls_at_the_end_of_the_idle_time, .offload_idle_ns = AIO_US(50))
{
    for (int i = 0; i < 100; i++) {
        int result = -1;
        AIO_CHECK_OK(aio_time_sleep(AIO_US(i)));
        AIO_CHECK_OK(aio_offload_call(give_back, &i, &result));
        AIO_CHECK_EQ(result, i);
    }
}

/* Ends with its runtime, and only then lets the work that runs end. */
static int call_and_open(void *arg)
{
    struct work *works = arg;
    works[1].rc = aio_offload_call(work_run, &works[1], NULL);
    work_open(&works[0]);
    return 0;
}

static int end_while_it_runs(void *arg)
{
    struct work *works = arg;
    if (!work_start(&works[0], 1) || !work_wait_begun(&works[0]))
        return 1;
    aio_task_detach(works[0].task);
    if (aio_task_spawn(NULL, call_and_open, works, NULL) < 0)
        return 1;
    return pool_wait_queued(1) ? 0 : 1;
}

/* The end of a runtime waits for the work that runs, and drops what is queued. */
BEHAVIOUR_OUTSIDE(runtime_end)
{
    struct aio_runtime_options options = test_options();
    struct work works[2] = {{.timeout_ns = 0}};
    options.offload_threads = 1;
    AIO_CHECK_EQ(aio_runtime_run(&options, end_while_it_runs, works), 0);
    AIO_CHECK(works[0].ended && !works[1].begun);
    AIO_CHECK_EQ(works[0].rc, 0);
    AIO_CHECK_EQ(works[0].result, 1);
    AIO_CHECK_ERROR(works[1].rc, -ECANCELED);
    sem_destroy(&works[0].gate);
}

/* As root has no limit of processes, it becomes somebody else. */
static bool allow_threads(bool allow)
{
    struct rlimit limit;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
        return false;
    if (getrlimit(RLIMIT_NPROC, &limit) < 0)
        return false;
    limit.rlim_cur = allow ? limit.rlim_max : 0;
    return setrlimit(RLIMIT_NPROC, &limit) == 0;
}

/* Calls that the pool makes are refused as well. */
static bool all_refused(void)
{
    struct aio_watch *watch;
    struct aio_stream *stream;
    struct aio_process *process;
    struct aio_stat stat;
    static const char *const words[] = {"true", NULL};
    if (aio_watch_open(&watch) < 0)
        return false;
    int watched = aio_watch_add(watch, "/", IN_CREATE);
    aio_watch_close(watch);
    return watched == -EAGAIN &&
           aio_pipe_connect(&stream, "/nowhere", AIO_PIPE_READER) == -EAGAIN &&
           aio_process_spawn(&process, words, NULL) == -EAGAIN &&
           aio_path_stat(AT_FDCWD, "/", 0, &stat) == -EAGAIN;
}

static int call_without_threads(void *unused)
{
    int number = 3, result = 0;
    (void)unused;
    if (!allow_threads(false) || aio_offload_call(give_back, &number, &result) != -EAGAIN)
        return 1;
    if (!all_refused())
        return 4;
    if (!allow_threads(true) || aio_offload_call(give_back, &number, &result) != 0)
        return 2;
    return result == 3 ? 0 : 3;
}

static int call_with_one_thread(void *unused)
{
    struct work works[THREADS] = {{.timeout_ns = 0}};
    (void)unused;
    if (!work_start(&works[0], 0) || !work_wait_begun(&works[0]) || !allow_threads(false))
        return 1;
    for (int i = 1; i < THREADS; i++)
        if (!work_start(&works[i], i))
            return 2;
    for (int i = 0; i < THREADS; i++)
        work_open(&works[i]);
    for (int i = 0; i < THREADS; i++)
        if (work_join(&works[i]) != 0 || works[i].result != i)
            return 3;
    return task_stats().offload_threads == 1 ? 0 : 4;
}

/* A pool that gets no thread refuses the call; one that gets no more does with those it has. */
BEHAVIOUR_OUTSIDE(no_thread_to_be_had)
{
    struct child child;
    if (!child_may_have_threads())
        return;
    REQUIRE(child_run_task(&child, call_without_threads, NULL));
    child_exited(&child, 0);
    REQUIRE(child_run_task(&child, call_with_one_thread, NULL));
    child_exited(&child, 0);
}

static int fork_there(void *unused)
{
    (void)unused;
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A child of fork has no pool, and its calls refuse; the parent's pool is not disturbed. */
BEHAVIOUR(forked_child)
{
    int status = -1, number = 4, result = 0;
    AIO_CHECK_OK(aio_offload_call(give_back, &number, NULL));
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(STDERR_FILENO);
        _exit(aio_offload_call(give_back, &number, NULL));
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    AIO_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    AIO_CHECK_OK(aio_offload_call(fork_there, NULL, &result));
    AIO_CHECK_EQ(result, 0);
    AIO_CHECK_OK(aio_offload_call(give_back, &number, &result));
    AIO_CHECK_EQ(result, 4);
}
