/*
 * See folder_support.h.
 */
#define SUITE "folder_support"
#include "tests/behaviour/folder_support.h"

#include <aio/whole.h>
#include <dirent.h>
#include <grp.h>
#include <pthread.h>

enum { NOBODY = 65534 };

bool folder_open(struct folder *folder)
{
    const char *where = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    test_temporary(folder->path, sizeof folder->path, where);
    folder->fd = -1;
    if (!AIO_CHECK(mkdtemp(folder->path) != NULL))
        return false;
    folder->fd = open(folder->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return AIO_CHECK(folder->fd >= 0 && fchmod(folder->fd, 0755) == 0);
}

static void empty(int fd);

/* Down by descriptors, so that no path gets too long; the depth of tests fits the limit of open
 * files. */
static void empty_name(int fd, const char *name)
{
    if (unlinkat(fd, name, 0) == 0 || unlinkat(fd, name, AT_REMOVEDIR) == 0)
        return;
    int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (below >= 0)
        empty(below);
    (void)unlinkat(fd, name, AT_REMOVEDIR);
}

/* Takes the descriptor. */
static void empty(int fd)
{
    DIR *dir = fdopendir(fd);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty_name(fd, entry->d_name);
    if (dir != NULL)
        closedir(dir);
}

static void *empty_folder(void *arg)
{
    empty(((struct folder *)arg)->fd);
    return NULL;
}

/* On a thread: a task's stack may be too small for a deep folder. */
void folder_close(struct folder *folder)
{
    pthread_t thread;
    if (folder->fd < 0)
        return;
    if (AIO_CHECK_EQ(pthread_create(&thread, NULL, empty_folder, folder), 0))
        pthread_join(thread, NULL);
    AIO_CHECK_EQ(rmdir(folder->path), 0);
}

const char *folder_elsewhere(const struct folder *folder)
{
    struct stat here, there;
    bool other =
        fstat(folder->fd, &here) == 0 && stat("/tmp", &there) == 0 && here.st_dev != there.st_dev;
    return other ? "/tmp/aio-elsewhere" : NULL;
}

bool folder_file(const struct folder *folder, const char *path, const void *bytes, size_t size)
{
    int fd = openat(folder->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write(fd, bytes, size) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return AIO_CHECK(good);
}

bool folder_text(const struct folder *folder, const char *path, const char *text)
{
    return folder_file(folder, path, text, strlen(text));
}

bool folder_pattern(const struct folder *folder, const char *path, size_t size)
{
    char *bytes = malloc(size + 1);
    test_pattern_fill(bytes, size, 0);
    bool good = folder_file(folder, path, bytes, size);
    free(bytes);
    return good;
}

bool folder_directory(const struct folder *folder, const char *path)
{
    return AIO_CHECK_EQ(mkdirat(folder->fd, path, 0755), 0);
}

bool folder_link(const struct folder *folder, const char *path, const char *target)
{
    return AIO_CHECK_EQ(symlinkat(target, folder->fd, path), 0);
}

bool folder_deep(const struct folder *folder, int levels)
{
    int fd = dup(folder->fd);
    for (int i = 0; i < levels && fd >= 0; i++) {
        int below = mkdirat(fd, "d", 0755) == 0 ? openat(fd, "d", O_RDONLY | O_DIRECTORY) : -1;
        close(fd);
        fd = below;
    }
    int end = fd >= 0 ? openat(fd, "end", O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    close(fd);
    close(end);
    return AIO_CHECK(end >= 0);
}

bool folder_has(const struct folder *folder, const char *path)
{
    struct stat status;
    return fstatat(folder->fd, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool folder_holds(const struct folder *folder, const char *path, const void *bytes, size_t size)
{
    char *found = malloc(size + 1);
    int fd = openat(folder->fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, found, size + 1) : -1;
    if (fd >= 0)
        close(fd);
    bool same = n == (ssize_t)size && memcmp(found, bytes, size) == 0;
    free(found);
    return same;
}

void folder_check_pattern(int at, const char *path, size_t size)
{
    void *memory;
    size_t found;
    REQUIRE_OK(aio_file_load(at, path, &memory, &found, SIZE_MAX));
    AIO_CHECK_EQ(found, size);
    AIO_CHECK(test_pattern_check(memory, found, 0));
    aio_file_unload(memory);
}

bool folder_says(const struct folder *folder, const char *path, const char *text)
{
    return folder_holds(folder, path, text, strlen(text));
}

int folder_count(const struct folder *folder, const char *path)
{
    DIR *dir = fdopendir(openat(folder->fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int count = -2; /* the dots */
    while (dir != NULL && readdir(dir) != NULL)
        count++;
    if (dir != NULL)
        closedir(dir);
    return count;
}

struct as_user {
    int (*entry)(void *arg);
    void *arg;
};

static int become_user(void *arg)
{
    struct as_user *user = arg;
    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
        return 99;
    return test_run(user->entry, user->arg) == 0 ? 0 : 1;
}

bool folder_as_user(int (*entry)(void *arg), void *arg)
{
    struct as_user user = {entry, arg};
    struct child child;
    if (!child_may_have_threads())
        return true;
    return child_run(&child, become_user, &user) && child_exited(&child, 0);
}
