/*
 * Reading and writing files: every form, the end, holes, large sizes, many vectors, special files.
 */
#define SUITE "file_bytes"
#include "tests/behaviour/file_support.h"

#include <aio/pinned.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

BEHAVIOUR(file_bytes_at_the_cursor)
{
    struct file_home home;
    char back[16] = "";
    size_t done = 99;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 0);
    REQUIRE(file != NULL);
    AIO_CHECK_EQ(aio_file_write(file, "abcdef", 6), 6);
    AIO_CHECK_EQ(aio_file_write_all(file, "ghi", 3, &done), 3);
    AIO_CHECK_EQ(done, 3);
    AIO_CHECK_EQ(aio_file_read(file, back, sizeof back), 0);
    AIO_CHECK_EQ(lseek(aio_file_fd(file), 2, SEEK_SET), 2);
    AIO_CHECK_EQ(aio_file_read(file, back, 3), 3);
    AIO_CHECK_EQ(aio_file_read_exact(file, back + 3, 2, &done), 2);
    AIO_CHECK_STR(back, "cdefg");
    AIO_CHECK_ERROR(aio_file_read_exact(file, back, 5, &done), -ENODATA);
    AIO_CHECK_EQ(done, 2);
    AIO_CHECK_EQ(aio_file_read_exact(file, back, 5, &done), 0);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_EQ(aio_file_read(file, back, 0), 0);
    AIO_CHECK_EQ(aio_file_write(file, back, 0), 0);
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_bytes_at_positions)
{
    struct file_home home;
    char back[8];
    size_t done;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 1000);
    REQUIRE(file != NULL);
    file_check(file, 10, 500);
    AIO_CHECK_EQ(aio_file_write_at(file, "xy", 2, 1000), 2);
    AIO_CHECK_EQ(aio_file_write_all_at(file, "z", 1, 1002, &done), 1);
    AIO_CHECK_EQ(done, 1);
    AIO_CHECK_EQ(aio_file_read_at(file, back, 8, 1000), 3);
    AIO_CHECK_EQ(memcmp(back, "xyz", 3), 0);
    AIO_CHECK_EQ(aio_file_read_at(file, back, 8, 1003), 0);
    AIO_CHECK_EQ(aio_file_read_at(file, back, 8, 5000), 0);
    AIO_CHECK_ERROR(aio_file_read_exact_at(file, back, 8, 1001, &done), -ENODATA);
    AIO_CHECK_EQ(done, 2);
    AIO_CHECK_EQ(lseek(aio_file_fd(file), 0, SEEK_CUR), 0);
    AIO_CHECK_ERROR(aio_file_read_at(file, back, 8, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_file_write_at(file, back, 8, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_file_read_at(file, back, (size_t)SSIZE_MAX + 1, 0), -EINVAL);
    file_end(file);
    file_home_close(&home);
}

/* Beyond a piece, beyond 2 GiB and 4 GiB, with holes. */
BEHAVIOUR(file_bytes_long_and_far)
{
    enum { SIZE = (2 << 20) + 4097 };
    static const int64_t far[] = {INT64_C(3) << 30, (INT64_C(5) << 30) + 1};
    struct file_home home;
    char *block = malloc(SIZE);
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", SIZE);
    REQUIRE(file != NULL && block != NULL);
    file_check(file, 0, SIZE);
    AIO_CHECK_EQ(aio_file_read(file, block, SIZE + 10), SIZE);
    test_pattern_check(block, SIZE, 0);
    for (int i = 0; i < 2; i++) {
        test_pattern_fill(block, 5000, (uint64_t)far[i]);
        AIO_CHECK_EQ(aio_file_write_at(file, block, 5000, far[i]), 5000);
        file_check(file, far[i], 5000);
        AIO_CHECK_EQ(aio_file_read_at(file, block, 4096, far[i] - 8192), 4096);
        for (int at = 0; at < 4096; at += 512)
            AIO_CHECK_EQ(block[at], 0);
    }
    AIO_CHECK_EQ(aio_file_write_at(file, block, SIZE, 10), SIZE);
    free(block);
    file_end(file);
    file_home_close(&home);
}

struct counter {
    int turns;
    bool over;
};

static int count_turns(void *arg)
{
    struct counter *counter = arg;
    for (; !counter->over; counter->turns++)
        AIO_CHECK_OK(aio_task_yield());
    return 0;
}

/* What is in the cache is copied by the core's own thread: others run between the pieces. */
BEHAVIOUR(file_bytes_that_are_cached_stop_nobody)
{
    enum { PIECES = 12, SIZE = PIECES << 20 };
    struct file_home home;
    struct counter counter = {.over = false};
    struct aio_task *task;
    char *block = malloc(SIZE);
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", SIZE);
    REQUIRE(file != NULL);
    REQUIRE_OK(aio_task_spawn(&task, count_turns, &counter, NULL));
    AIO_CHECK_OK(aio_task_yield());
    for (int i = 0; i < 2; i++) {
        int before = counter.turns;
        AIO_CHECK_EQ(i == 0 ? aio_file_read_at(file, block, SIZE, 0)
                            : aio_file_write_at(file, block, SIZE, 0),
                     SIZE);
        AIO_CHECK(counter.turns - before >= PIECES - 1);
    }
    counter.over = true;
    AIO_CHECK_OK(aio_task_join(task, NULL));
    free(block);
    file_end(file);
    file_home_close(&home);
}

/* The kernel looks at none of these bytes. */
BEHAVIOUR(file_bytes_of_five_gigabytes)
{
    const size_t size = test_row()->faults ? (size_t)64 << 20 : (size_t)5 << 30;
    struct aio_file *file;
    size_t done = 0;
    if (test_on_valgrind() || UNDER_ASAN || UNDER_TSAN)
        return; /* nothing here that the others would not see */
    char *buffer = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(buffer != MAP_FAILED);
    REQUIRE_OK(aio_file_open(&file, "/dev/null", O_RDWR, 0));
    AIO_CHECK_EQ(aio_file_write_all(file, buffer, size, &done), (ssize_t)size);
    AIO_CHECK_EQ(done, size);
    AIO_CHECK_EQ(aio_file_read(file, buffer, size), 0);
    file_end(file);
    munmap(buffer, size);
}

enum { VECTORS = 3000, VECTOR_BYTES = 7 };

static void vectors_split(struct iovec *vectors, char *block)
{
    for (int i = 0; i < VECTORS; i++)
        vectors[i] =
            (struct iovec){block + (size_t)i * VECTOR_BYTES, i % 5 == 0 ? 0 : VECTOR_BYTES};
}

BEHAVIOUR(file_bytes_of_many_vectors)
{
    enum { BYTES = VECTORS / 5 * 4 * VECTOR_BYTES };
    static char out[VECTORS * VECTOR_BYTES], in[VECTORS * VECTOR_BYTES];
    static struct iovec from[VECTORS], into[VECTORS];
    struct file_home home;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 0);
    REQUIRE(file != NULL);
    test_pattern_fill(out, sizeof out, 0);
    memset(in, 0, sizeof in);
    vectors_split(from, out);
    vectors_split(into, in);
    AIO_CHECK_EQ(aio_file_writev(file, from, VECTORS), BYTES);
    AIO_CHECK_EQ(lseek(aio_file_fd(file), 0, SEEK_SET), 0);
    AIO_CHECK_EQ(aio_file_readv(file, into, VECTORS), BYTES);
    for (int i = 0; i < VECTORS; i++)
        AIO_CHECK_EQ(memcmp(into[i].iov_base, from[i].iov_base, from[i].iov_len), 0);
    AIO_CHECK_EQ(aio_file_writev_at(file, from + 1, 2, 100), 2 * VECTOR_BYTES);
    AIO_CHECK_EQ(aio_file_readv_at(file, into + 3, 2, 100), 2 * VECTOR_BYTES);
    AIO_CHECK_EQ(memcmp(into[4].iov_base, from[2].iov_base, VECTOR_BYTES), 0);
    AIO_CHECK_EQ(aio_file_readv_at(file, into, 1, 0), 0);
    AIO_CHECK_EQ(aio_file_readv_at(file, into, 0, 0), 0);
    AIO_CHECK_ERROR(aio_file_readv(file, into, -1), -EINVAL);
    from[0].iov_len = from[1].iov_len = SIZE_MAX;
    AIO_CHECK_ERROR(aio_file_writev(file, from, 2), -EINVAL);
    file_end(file);
    file_home_close(&home);
}

struct writer {
    struct aio_file *file;
    char letter;
};

enum { WRITER_BYTES = 300000, WRITERS = 4 };

static int writer_task(void *arg)
{
    const struct writer *writer = arg;
    char *block = malloc(WRITER_BYTES);
    memset(block, writer->letter, WRITER_BYTES);
    AIO_CHECK_EQ(aio_file_write_all(writer->file, block, WRITER_BYTES, NULL), WRITER_BYTES);
    free(block);
    return 0;
}

/* Short transfers or not: the bytes of two calls never mix. */
BEHAVIOUR(file_bytes_of_several_writers_in_turn)
{
    static char block[WRITER_BYTES];
    struct file_home home;
    struct writer writers[WRITERS];
    struct aio_task *tasks[WRITERS];
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", 0);
    REQUIRE(file != NULL);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){file, (char)('a' + i)};
        REQUIRE_OK(aio_task_spawn(&tasks[i], writer_task, &writers[i], NULL));
    }
    for (int i = 0; i < WRITERS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    for (int i = 0; i < WRITERS; i++) {
        AIO_CHECK_EQ(pread(aio_file_fd(file), block, WRITER_BYTES, (off_t)i * WRITER_BYTES),
                     WRITER_BYTES);
        AIO_CHECK_EQ(block[0], 'a' + i);
        AIO_CHECK_EQ(memcmp(block, block + 1, WRITER_BYTES - 1), 0);
    }
    file_end(file);
    file_home_close(&home);
}

struct reader {
    struct aio_file *file;
    uint32_t count;
};

static int reader_task(void *arg)
{
    struct reader *reader = arg;
    while (reader->count > 0) {
        reader->count--;
        file_check(reader->file, (int64_t)(test_random() % 60) * 1000, 4000);
    }
    return 0;
}

BEHAVIOUR(file_bytes_for_many_readers_at_once)
{
    enum { READERS = 32 };
    struct file_home home;
    struct aio_task *tasks[READERS];
    REQUIRE(file_home_open(&home));
    struct reader reader = {.file = file_make(&home, "file", 64000), .count = 500};
    REQUIRE(reader.file != NULL);
    for (int i = 0; i < READERS; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], reader_task, &reader, NULL));
    for (int i = 0; i < READERS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    file_end(reader.file);
    file_home_close(&home);
}

BEHAVIOUR(file_bytes_of_special_files)
{
    struct aio_file *file;
    char block[8192];
    size_t done;
    REQUIRE_OK(aio_file_open(&file, "/dev/full", O_RDWR, 0));
    AIO_CHECK_ERROR(aio_file_write(file, "x", 1), -ENOSPC);
    AIO_CHECK_ERROR(aio_file_write_all_at(file, "x", 1, 0, &done), -ENOSPC);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_ERROR(aio_file_append(file, "x", 1, &done), -ENOSPC);
    AIO_CHECK_ERROR(aio_file_write_sync(file, "x", 1, 0, &done), -ENOSPC);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_EQ(aio_file_read_exact(file, block, sizeof block, NULL), sizeof block);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, "/dev/null", O_WRONLY, 0));
    AIO_CHECK_EQ(aio_file_write_sync(file, "x", 1, 0, &done), 1);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, "/tmp", O_RDONLY, 0));
    AIO_CHECK_ERROR(aio_file_read(file, block, 1), -EISDIR);
    AIO_CHECK_ERROR(aio_file_read_at(file, block, 1, 0), -EISDIR);
    file_end(file);
    REQUIRE_OK(aio_file_open(&file, "/proc/self/status", O_RDONLY, 0));
    AIO_CHECK(aio_file_read(file, block, sizeof block) > 100);
    AIO_CHECK_EQ(aio_file_read(file, block, sizeof block), 0);
    file_end(file);
}

static int count_reader(void *arg)
{
    uint64_t count = 0;
    AIO_CHECK_EQ(aio_file_read(arg, &count, sizeof count), sizeof count);
    AIO_CHECK_EQ(count, 3);
    return 0;
}

/* Of those, lseek(2) says 0 whatever it is asked: a reader that waits must not keep writers out. */
BEHAVIOUR(file_bytes_of_an_event_counter)
{
    struct aio_file *file;
    struct aio_task *reader;
    const uint64_t count = 3;
    int fd = eventfd(0, EFD_CLOEXEC);
    REQUIRE(fd >= 0);
    REQUIRE_OK(aio_file_adopt(&file, fd));
    REQUIRE_OK(aio_task_spawn(&reader, count_reader, file, NULL));
    AIO_CHECK_OK(aio_task_yield());
    AIO_TIMEOUT(AIO_SEC(10) * test_slowness())
    {
        AIO_CHECK_EQ(aio_file_write(file, &count, sizeof count), sizeof count);
    }
    AIO_CHECK_OK(aio_task_join(reader, NULL));
    AIO_CHECK_ERROR(aio_file_write_at(file, &count, sizeof count, 0), -ESPIPE);
    file_end(file);
}

BEHAVIOUR(file_bytes_of_what_is_deleted_or_replaced)
{
    struct file_home home;
    REQUIRE(file_home_open(&home));
    struct file_path path = file_path_of(&home, "file"), other = file_path_of(&home, "other");
    struct aio_file *file = file_make(&home, "file", 5000);
    REQUIRE(file != NULL);
    AIO_CHECK_EQ(unlink(path.text), 0);
    file_check(file, 0, 5000);
    file_end(file);
    file = file_make(&home, "file", 5000);
    file_end(file_make(&home, "other", 10));
    AIO_CHECK_EQ(rename(other.text, path.text), 0);
    file_check(file, 0, 5000);
    file_end(file);
    file_home_close(&home);
}

BEHAVIOUR(file_bytes_in_pinned_memory)
{
    enum { SIZE = 3 << 20 };
    struct file_home home;
    void *memory, *other;
    REQUIRE(file_home_open(&home));
    struct aio_file *file = file_make(&home, "file", SIZE);
    REQUIRE(file != NULL && aio_pinned_alloc(&memory, SIZE) >= 0);
    REQUIRE(aio_pinned_alloc(&other, 1) >= 0);
    AIO_CHECK_EQ((uintptr_t)memory % 4096, 0);
    AIO_CHECK_EQ(aio_file_read_at(file, memory, SIZE, 0), SIZE);
    test_pattern_check(memory, SIZE, 0);
    AIO_CHECK_EQ(aio_file_write_all(file, (char *)memory + 1, SIZE - 1, NULL), SIZE - 1);
    aio_pinned_free(memory);
    AIO_CHECK_EQ(aio_file_read_at(file, other, 4096, 4095), 4096);
    test_pattern_check(other, 4096, 4096);
    aio_pinned_free(other);
    aio_pinned_free(NULL);
    AIO_CHECK_ERROR(aio_pinned_alloc(&memory, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_pinned_alloc(&memory, SIZE_MAX), -ENOMEM);
    file_end(file);
    file_home_close(&home);
}
