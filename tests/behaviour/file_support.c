/*
 * See file_support.h.
 */
#define SUITE "file_support"
#include "tests/behaviour/file_support.h"

#include <dirent.h>

bool file_home_open(struct file_home *home)
{
    test_temporary(home->path, sizeof home->path, "/tmp");
    return AIO_CHECK(mkdtemp(home->path) != NULL);
}

void file_home_close(struct file_home *home)
{
    DIR *folder = opendir(home->path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        if (entry->d_name[0] != '.')
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder != NULL)
        (void)closedir(folder);
    AIO_CHECK_EQ(rmdir(home->path), 0);
}

struct file_path file_path_of(const struct file_home *home, const char *name)
{
    struct file_path path;
    (void)snprintf(path.text, sizeof path.text, "%s/%s", home->path, name);
    return path;
}

struct aio_file *file_make(const struct file_home *home, const char *name, size_t size)
{
    struct aio_file *file = NULL;
    struct file_path path = file_path_of(home, name);
    if (!AIO_CHECK_OK(aio_file_open(&file, path.text, O_RDWR | O_CREAT | O_TRUNC, 0600)))
        return NULL;
    char *block = malloc(size > 0 ? size : 1);
    test_pattern_fill(block, size, 0);
    AIO_CHECK_EQ(pwrite(aio_file_fd(file), block, size, 0), size);
    free(block);
    return file;
}

void file_end(struct aio_file *file)
{
    AIO_CHECK_OK(aio_file_close(file));
}

int file_refused(const char *path, int flags)
{
    struct aio_file *file;
    int rc = aio_file_open(&file, path, flags, 0600);
    if (!AIO_CHECK(rc < 0))
        file_end(file);
    return rc;
}

void file_check(struct aio_file *file, int64_t offset, size_t size)
{
    char *block = malloc(size > 0 ? size : 1);
    size_t done = 0;
    AIO_CHECK_EQ(aio_file_read_exact_at(file, block, size, offset, &done), size);
    AIO_CHECK_EQ(done, size);
    test_pattern_check(block, done, (uint64_t)offset);
    free(block);
}
