/*
 * Many tasks make all kinds of calls on one file while they are cancelled, run into deadlines, and
 * the file is closed under them: no call says what cannot be, and nothing is left of any.
 */
#define SUITE "file_storm"
#include "tests/behaviour/file_support.h"

enum { TASKS = 12, ROUNDS = 40, SIZE = 70000 };

struct storm {
    struct aio_file *file;
    bool closing;
};

/* Each of them may have ended in one of these ways, or have done what it should. */
static void check_ended(const struct storm *storm, int64_t rc, size_t size)
{
    bool interrupted = rc == -ECANCELED || rc == -ETIMEDOUT || rc == -EAGAIN;
    AIO_CHECK((rc >= 0 && rc <= (int64_t)size) || interrupted || (rc == -EBADF && storm->closing) ||
              rc == -ENODATA);
}

static void check_moved(const struct storm *storm, ssize_t rc, size_t size, const size_t *done)
{
    check_ended(storm, rc, size);
    AIO_CHECK(*done <= size);
    AIO_CHECK(rc < 0 || (size_t)rc == *done);
}

static void storm_bytes(const struct storm *storm, unsigned which)
{
    struct aio_file *file = storm->file;
    char *block = malloc(SIZE);
    size_t done = 0, size = 1 + test_random() % SIZE;
    int64_t offset = (int64_t)(test_random() % SIZE);
    const struct iovec vectors[] = {
        {block, size / 2}, {block + size / 2, 0}, {block + size / 2, size - size / 2}};
    memset(block, 'x', SIZE);
    switch (which) {
    case 0:
        check_ended(storm, aio_file_read(file, block, size), size);
        break;
    case 1:
        check_ended(storm, aio_file_readv_at(file, vectors, 3, offset), size);
        break;
    case 2:
        check_ended(storm, aio_file_writev(file, vectors, 3), size);
        break;
    case 3:
        check_moved(storm, aio_file_write_all_at(file, block, size, offset, &done), size, &done);
        break;
    case 4:
        check_moved(storm, aio_file_append(file, block, size, &done), size, &done);
        break;
    default:
        check_moved(storm, aio_file_write_sync(file, block, size / 100, offset, &done), size,
                    &done);
    }
    free(block);
}

static void storm_state(const struct storm *storm, unsigned which)
{
    struct aio_file *file = storm->file;
    int64_t offset = (int64_t)(test_random() % SIZE);
    switch (which) {
    case 0:
        check_ended(storm, aio_file_sync(file, AIO_FILE_DATA), 0);
        break;
    case 1:
        check_ended(storm, aio_file_truncate(file, offset), 0);
        break;
    case 2:
        check_ended(storm, aio_file_seek(file, offset, SEEK_SET), SIZE);
        break;
    case 3:
        check_ended(storm, aio_file_lock(file, AIO_FILE_EXCLUSIVE, offset, 100), 0);
        break;
    case 4:
        check_ended(storm, aio_file_unlock(file, offset, 100), 0);
        break;
    default:
        check_ended(storm, aio_file_size(file), INT32_MAX);
    }
}

static int storm_task(void *arg)
{
    const struct storm *storm = arg;
    while (!storm->closing && !aio_task_canceled()) {
        AIO_TIMEOUT(AIO_US(20 + (int64_t)(test_random() % 400)))
        {
            unsigned which = (unsigned)(test_random() % 12);
            if (which < 6)
                storm_bytes(storm, which);
            else
                storm_state(storm, which - 6);
        }
        (void)aio_task_yield();
    }
    return 0;
}

static void storm_round(const struct file_home *home)
{
    struct storm storm = {.file = file_make(home, "file", SIZE)};
    struct aio_task *tasks[TASKS];
    REQUIRE(storm.file != NULL);
    for (int i = 0; i < TASKS; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], storm_task, &storm, NULL));
    for (uint64_t turns = test_random() % 40; turns > 0; turns--)
        AIO_CHECK_OK(aio_task_yield());
    for (int i = 0; i < TASKS; i += 2)
        aio_task_cancel(tasks[i]);
    for (uint64_t turns = test_random() % 10; turns > 0; turns--)
        AIO_CHECK_OK(aio_task_yield());
    storm.closing = true;
    file_end(storm.file);
    for (int i = 0; i < TASKS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
}

BEHAVIOUR(file_calls_of_all_kinds_at_once)
{
    struct file_home home;
    REQUIRE(file_home_open(&home));
    for (int i = 0; i < ROUNDS; i++)
        storm_round(&home);
    file_home_close(&home);
}
