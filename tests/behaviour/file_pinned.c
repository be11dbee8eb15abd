/*
 * Files that are used by way of pinned memory, which a ring keeps in a table of its own: each read
 * is of the file that its handle is of, and a file that was closed is let go.
 */
#define SUITE "file_pinned"
#include "tests/behaviour/file_support.h"

#include <aio/pinned.h>
#include <sys/file.h>

enum { FILES = 150, BYTES = 64 }; /* more than a ring keeps */

/* The file whose every byte is that. */
static struct aio_file *file_of_byte(const struct file_home *home, int byte)
{
    struct aio_file *file;
    char name[16], bytes[BYTES];
    (void)snprintf(name, sizeof name, "%d", byte);
    memset(bytes, byte, sizeof bytes);
    if (!AIO_CHECK_OK(aio_file_open(&file, file_path_of(home, name).text, O_RDWR | O_CREAT, 0600)))
        return NULL;
    AIO_CHECK_EQ(pwrite(aio_file_fd(file), bytes, sizeof bytes, 0), sizeof bytes);
    return file;
}

/* By way of the memory the file has this byte, and takes it. */
static void check_file(struct aio_file *file, char *memory, int byte)
{
    memset(memory, 0, BYTES);
    AIO_CHECK_EQ(aio_file_read_at(file, memory, BYTES, 0), BYTES);
    AIO_CHECK(memory[0] == (char)byte && memory[BYTES - 1] == (char)byte);
    AIO_CHECK_EQ(aio_file_write_at(file, memory, BYTES, 0), BYTES);
}

/* The backend says whether it can, and what it says is so. */
BEHAVIOUR(pinned_memory_is_pinned)
{
    char text[4096];
    void *memory;
    AIO_CHECK(aio_runtime_explain(text, sizeof text) < sizeof text);
    const char *features = strstr(text, "features used:");
    const char *found = features != NULL ? strstr(features, " pinned") : NULL;
    bool can = found != NULL && found < strchr(features, '\n');
    AIO_CHECK_EQ(aio_pinned_alloc(&memory, BYTES), can);
    if (strcmp(test_row()->backend, "uring") == 0)
        AIO_CHECK(strstr(text, " pinned") != NULL); /* used, masked, or not in this kernel */
    AIO_CHECK_EQ((uintptr_t)memory % 4096, 0);
    aio_pinned_free(memory);
}

/* Descriptors that were closed, or given back and closed, come again as those of others. */
BEHAVIOUR(pinned_reads_are_of_their_file)
{
    struct file_home home;
    struct aio_file *files[FILES];
    void *memory;
    REQUIRE(file_home_open(&home) && aio_pinned_alloc(&memory, BYTES) >= 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FILES; i++) {
            files[i] = file_of_byte(&home, (i + round) % FILES);
            REQUIRE(files[i] != NULL);
        }
        for (int i = 0; i < FILES; i++)
            check_file(files[i], memory, (i + round) % FILES);
        for (int i = 0; i < FILES; i++) {
            int fd = i % 2 == 0 ? aio_file_release(files[i]) : -1;
            if (i % 2 == 0)
                AIO_CHECK_EQ(close(fd), 0);
            else
                file_end(files[i]);
        }
    }
    aio_pinned_free(memory);
    file_home_close(&home);
}

static bool can_be_locked(void *fd)
{
    return flock(*(int *)fd, LOCK_EX | LOCK_NB) == 0;
}

/* Its lock is gone with it. */
BEHAVIOUR(pinned_files_are_let_go)
{
    struct file_home home;
    void *memory;
    REQUIRE(file_home_open(&home) && aio_pinned_alloc(&memory, BYTES) >= 0);
    struct aio_file *file = file_of_byte(&home, 1);
    REQUIRE(file != NULL);
    check_file(file, memory, 1);
    AIO_CHECK_EQ(flock(aio_file_fd(file), LOCK_EX), 0);
    int other = open(file_path_of(&home, "1").text, O_RDWR | O_CLOEXEC);
    AIO_CHECK(!can_be_locked(&other));
    file_end(file);
    AIO_CHECK(test_wait(can_be_locked, &other));
    close(other);
    aio_pinned_free(memory);
    file_home_close(&home);
}
