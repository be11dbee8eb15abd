/*
 * See fuse_support.h.
 */
#define SUITE "fuse_support"
#include "tests/behaviour/fuse_support.h"

#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>

enum { NAME_ROOM = 16 };

/* The program, which stands beside this one; NULL with the reason told when it cannot be had. */
static const char *fuse_program(const char *name)
{
    static char path[256];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - NAME_ROOM);
    char *slash = length > 0 ? memrchr(path, '/', (size_t)length) : NULL;
    if (slash == NULL)
        return NULL;
    (void)snprintf(slash, NAME_ROOM, "/%s", name);
    if (access(path, X_OK) < 0)
        aio_test_skip("it needs libfuse 3 (Debian: libfuse3-dev)");
    else if (access("/dev/fuse", R_OK | W_OK) < 0 || geteuid() != 0)
        aio_test_skip("it needs root and /dev/fuse");
    else
        return path;
    return NULL;
}

static bool is_mounted(void *arg)
{
    struct fuse_mount *mount = arg;
    struct stat status;
    return stat(mount->home.path, &status) == 0 && status.st_dev != mount->before;
}

bool fuse_open(struct fuse_mount *mount, const char *name)
{
    const char *program = fuse_program(name);
    char *words[] = {(char *)(uintptr_t)program, mount->home.path, NULL};
    struct stat status;
    if (program == NULL || !file_home_open(&mount->home))
        return false;
    bool good = AIO_CHECK_EQ(stat(mount->home.path, &status), 0);
    mount->before = status.st_dev;
    good =
        good && AIO_CHECK_EQ(posix_spawn(&mount->process, program, NULL, NULL, words, environ), 0);
    if (good && test_wait(is_mounted, mount))
        return true;
    if (good)
        fuse_close(mount);
    else
        file_home_close(&mount->home);
    return false;
}

/* A signal between the server's look at what it was told and its next read has no effect before it
 * reads something. */
static bool has_ended(void *arg)
{
    const struct fuse_mount *mount = arg;
    struct statfs status;
    if (waitpid(mount->process, NULL, WNOHANG) == mount->process)
        return true;
    (void)statfs(mount->home.path, &status);
    return false;
}

void fuse_close(struct fuse_mount *mount)
{
    AIO_CHECK_EQ(kill(mount->process, SIGTERM), 0);
    AIO_CHECK(test_wait(has_ended, mount));
    file_home_close(&mount->home);
}

bool steps_folder(struct folder *folder, const struct fuse_mount *mount, const char *name)
{
    struct file_path path = file_path_of(&mount->home, name);
    (void)snprintf(folder->path, sizeof folder->path, "%.60s", path.text);
    folder->fd = open(path.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return AIO_CHECK(folder->fd >= 0);
}

bool steps_wait(void *folder)
{
    return folder_has(folder, "waiting");
}

void steps_release(const struct folder *folder, struct aio_task *task)
{
    folder_text(folder, "release", "");
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(unlinkat(folder->fd, "release", 0), 0);
    AIO_CHECK_EQ(unlinkat(folder->fd, "waiting", 0), 0);
}
