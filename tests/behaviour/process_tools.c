/*
 * Shell commands and what is left of them, see process_tools.h.
 */
#define SUITE "process"
#include "tests/behaviour/process_tools.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int output_open(void)
{
    int fd = memfd_create("output", MFD_CLOEXEC);
    AIO_CHECK(fd >= 0);
    return fd;
}

void output_take(int fd, char *text, size_t size)
{
    ssize_t length = pread(fd, text, size - 1, 0);
    AIO_CHECK(length >= 0);
    text[length > 0 ? length : 0] = '\0';
    close(fd);
}

struct aio_process *shell_spawn(const char *script, const struct aio_process_options *options)
{
    struct aio_process *process = NULL;
    AIO_CHECK_OK(aio_process_spawn(&process, AIO_ARGV("sh", "-c", script), options));
    return process;
}

struct aio_process *endless_spawn(void)
{
    return shell_spawn("exec sleep 1000", NULL);
}

int process_end(struct aio_process *process)
{
    struct aio_process_status status = {.code = -1000};
    if (process == NULL)
        return status.code;
    AIO_CHECK_OK(aio_process_wait(process, &status));
    aio_process_close(process);
    return status.signal != 0 ? -status.signal : status.code;
}

int shell_run(const char *script, struct aio_process_options options, char *text, size_t size)
{
    options.output = output_open();
    int code = process_end(shell_spawn(script, &options));
    output_take(options.output, text, size);
    return code;
}

void shell_prints(const char *script, struct aio_process_options options, const char *wanted)
{
    char text[4096];
    AIO_CHECK_EQ(shell_run(script, options, text, sizeof text), 0);
    AIO_CHECK_STR(text, wanted);
}

/* The state is the letter behind the name, which stands in parentheses. */
static bool process_is_gone(void *arg)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)*(pid_t *)arg);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return true;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end == NULL || name_end[2] == 'Z';
}

bool process_wait_gone(pid_t pid)
{
    return test_wait(process_is_gone, &pid);
}

static bool file_is_gone(void *arg)
{
    return access(arg, F_OK) < 0;
}

bool file_wait_gone(const char *path)
{
    return test_wait(file_is_gone, (void *)(uintptr_t)path);
}

bool setpriv_is_there(void)
{
    bool found = access("/usr/bin/setpriv", X_OK) == 0;
    if (!found)
        aio_test_skip("there is no setpriv");
    return found;
}

bool may_signal_others(bool may)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct rights[_LINUX_CAPABILITY_U32S_3];
    const __u32 bit = CAP_TO_MASK(CAP_KILL);
    if (syscall(SYS_capget, &header, rights) < 0 || geteuid() != 0 ||
        (rights[0].permitted & bit) == 0) {
        aio_test_skip("not root, or without CAP_KILL");
        return false;
    }
    rights[0].effective = may ? rights[0].effective | bit : rights[0].effective & ~bit;
    return AIO_CHECK_EQ(syscall(SYS_capset, &header, rights), 0);
}

void no_children(void)
{
    AIO_CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}
