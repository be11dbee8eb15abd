/*
 * Processes for what ends a process, see unit_tools.h.
 */
#define SUITE "unit"
#include "tests/unit/unit_tools.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int unit_end_of(void (*body)(void *arg), void *arg)
{
    const struct rlimit none = {0, 0};
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &none);
        close(STDERR_FILENO);
        alarm(20);
        body(arg);
        _exit(0);
    }
    if (!AIO_CHECK(pid > 0) || !AIO_CHECK_EQ(waitpid(pid, &status, 0), pid))
        return -1;
    if (WIFSIGNALED(status))
        return WTERMSIG(status);
    return WEXITSTATUS(status) == 0 ? 0 : 1000 + WEXITSTATUS(status);
}

bool unit_faulted(int end)
{
    return end == SIGSEGV || end >= 1000;
}

void unit_on_each_backend(int (*entry)(void *arg))
{
    static const char *const backends[] = {"uring", "epoll"};
    for (int i = test_on_valgrind() ? 1 : 0; i < 2; i++) { /* see unit_tools.h */
        struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
        bool entered = false;
        options.backend = backends[i];
        int rc = aio_runtime_run(&options, entry, &entered);
        if (entered)
            AIO_CHECK_OK(rc);
        else
            printf("%s: %s ", backends[i], aio_error_name(rc));
    }
}

int unit_entered(void *arg)
{
    *(bool *)arg = true;
    return 0;
}
