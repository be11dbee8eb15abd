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
