/*
 * Processes of their own, for tests of what ends a process; see task_tools.h.
 */
#define SUITE "task"
#include "tests/behaviour/task_tools.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_SECONDS = 15 };

/* No core files, and an end even if the test's process is gone. */
static void child_begin(int error_fd)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)dup2(error_fd, STDERR_FILENO);
    alarm((unsigned)(CHILD_SECONDS * test_slowness()));
}

static void child_read(struct child *child, int fd)
{
    size_t length = 0;
    ssize_t n;
    while ((n = read(fd, child->text + length, sizeof child->text - 1 - length)) > 0)
        length += (size_t)n;
    child->text[length] = '\0';
}

bool child_run(struct child *child, int (*body)(void *arg), void *arg)
{
    int pipe_fds[2];
    *child = (struct child){.status = -1};
    if (!AIO_CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0))
        return false;
    int64_t start_ns = aio_time_now();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        child_begin(pipe_fds[1]);
        _exit(body(arg));
    }
    close(pipe_fds[1]);
    if (pid > 0) {
        child_read(child, pipe_fds[0]);
        AIO_CHECK_EQ(waitpid(pid, &child->status, 0), pid);
    }
    close(pipe_fds[0]);
    child->took_ns = aio_time_now() - start_ns;
    return AIO_CHECK(pid > 0);
}

struct child_task {
    int (*entry)(void *arg);
    void *arg;
};

static int child_task_body(void *arg)
{
    struct child_task *task = arg;
    return test_run(task->entry, task->arg);
}

bool child_run_task(struct child *child, int (*entry)(void *arg), void *arg)
{
    struct child_task task = {entry, arg};
    return child_run(child, child_task_body, &task);
}

struct child_two {
    int (*first)(void *arg);
    int (*second)(void *arg);
    void *arg;
};

static sem_t child_second_may_start;

void child_start_second(void)
{
    sem_post(&child_second_may_start);
}

static void *child_second_thread(void *arg)
{
    struct child_two *two = arg;
    sem_wait(&child_second_may_start);
    (void)test_run(two->second, two->arg);
    return NULL;
}

static int child_two_body(void *arg)
{
    struct child_two *two = arg;
    pthread_t thread;
    sem_init(&child_second_may_start, 0, 0);
    if (pthread_create(&thread, NULL, child_second_thread, two) != 0)
        return 1;
    return test_run(two->first, two->arg);
}

bool child_run_two(struct child *child, int (*first)(void *arg), int (*second)(void *arg),
                   void *arg)
{
    struct child_two two = {first, second, arg};
    return child_run(child, child_two_body, &two);
}

bool child_may_have_threads(void)
{
    if (UNDER_TSAN)
        aio_test_skip("ThreadSanitizer supports neither threads nor signals after fork");
    return !UNDER_TSAN;
}

/* Shows why a process ended otherwise than it should. */
static bool child_shown(const struct child *child, bool held)
{
    if (!held)
        fprintf(stderr, "the child ended with status 0x%x and said:\n%s\n", child->status,
                child->text);
    return held;
}

bool child_exited(const struct child *child, int code)
{
    bool held = WIFEXITED(child->status) && WEXITSTATUS(child->status) == code;
    return AIO_CHECK(child_shown(child, held));
}

bool child_killed(const struct child *child, int number)
{
    bool held = WIFSIGNALED(child->status) && WTERMSIG(child->status) == number;
    return AIO_CHECK(child_shown(child, held));
}

bool child_said(const struct child *child, const char *text)
{
    bool held = strstr(child->text, text) != NULL;
    if (!held)
        fprintf(stderr, "wanted: %s\n", text);
    return AIO_CHECK(child_shown(child, held));
}
