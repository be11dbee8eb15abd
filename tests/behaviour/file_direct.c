/*
 * Files past the page cache (O_DIRECT): what the device does by itself moves the cursor as all else
 * does, also with O_APPEND, and as a stream.
 */
#define SUITE "file_direct"
#include "tests/behaviour/file_support.h"

#include <aio/pipe.h>

enum { BLOCK = 4096, BLOCKS = 4 };

/* Opens what is there; NULL with the reason told where there is no such. */
static struct aio_file *direct_open(const struct file_home *home, int flags)
{
    struct aio_file *file = NULL;
    int rc = aio_file_open(&file, file_path_of(home, "file").text, flags | O_DIRECT, 0);
    if (rc == -EINVAL)
        aio_test_skip("this file system has no O_DIRECT");
    else
        AIO_CHECK_OK(rc);
    return file;
}

/* The cursor moves, and the end is the end, also where it is not at a place that O_DIRECT allows.
 */
static void check_direct_cursor(struct aio_file *file, char *block)
{
    size_t done;
    AIO_CHECK_OK(aio_file_truncate(file, 5000));
    AIO_CHECK_EQ(aio_file_read_at(file, block, 8192, 0), 5000);
    AIO_CHECK_ERROR(aio_file_read_exact_at(file, block, 8192, 0, &done), -ENODATA);
    AIO_CHECK_EQ(done, 5000);
    AIO_CHECK_EQ(aio_file_read_exact(file, block, 4096, &done), 4096);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), 4096);
    AIO_CHECK_ERROR(aio_file_read_exact(file, block, 4096, &done), -ENODATA);
    AIO_CHECK_EQ(done, 5000 - 4096);
    test_pattern_check(block, done, 4096);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_SET), 0);
    for (int64_t at = 4096; at <= 8192; at += 4096) {
        AIO_CHECK_EQ(aio_file_write_all(file, block, 4096, NULL), 4096);
        AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), at);
    }
}

BEHAVIOUR(file_direct_bytes)
{
    struct file_home home;
    char *block = aligned_alloc(4096, 8192);
    REQUIRE(file_home_open(&home));
    file_end(file_make(&home, "file", 8192));
    struct aio_file *file = direct_open(&home, O_RDWR);
    if (file != NULL) {
        AIO_CHECK_EQ(aio_file_read_at(file, block, 8192, 0), 8192);
        test_pattern_check(block, 8192, 0);
        AIO_CHECK_EQ(aio_file_write_at(file, block, 4096, 8192), 4096);
        AIO_CHECK_EQ(aio_file_read_at(file, block, 8192, 8192), 4096);
        test_pattern_check(block, 4096, 0);
        ssize_t n = aio_file_read_at(file, block + 1, 100, 3); /* some file systems do it */
        AIO_CHECK(n == -EINVAL || n == 100);
        check_direct_cursor(file, block);
        file_end(file);
    }
    free(block);
    file_home_close(&home);
}

/* A block at a time, and all at once. */
static void check_appending_reads(struct aio_file *file, char *block)
{
    for (int i = 0; i < BLOCKS; i++) {
        AIO_CHECK_EQ(aio_file_read(file, block, BLOCK), BLOCK);
        test_pattern_check(block, BLOCK, (uint64_t)i * BLOCK);
        AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), (i + 1) * BLOCK);
    }
    AIO_CHECK_EQ(aio_file_read(file, block, BLOCK), 0);
    AIO_CHECK_EQ(aio_file_seek(file, BLOCK, SEEK_SET), BLOCK);
    struct iovec halves[] = {{block, BLOCK}, {block + BLOCK, BLOCK}};
    AIO_CHECK_EQ(aio_file_readv(file, halves, 2), 2 * BLOCK);
    test_pattern_check(block, 2 * BLOCK, BLOCK);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), 3 * BLOCK);
}

/* Writes go to the end wherever the cursor stands, and leave it there; reads go on from it. */
static void check_appending(struct aio_file *file, char *block)
{
    check_appending_reads(file, block);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_SET), 0);
    AIO_CHECK_EQ(aio_file_read(file, block, BLOCK), BLOCK);
    AIO_CHECK_EQ(aio_file_write_all(file, block, BLOCK, NULL), BLOCK);
    AIO_CHECK_EQ(aio_file_seek(file, 0, SEEK_CUR), (BLOCKS + 1) * BLOCK);
    AIO_CHECK_EQ(aio_file_read(file, block, BLOCK), 0);
    AIO_CHECK_EQ(aio_file_read_at(file, block, 2 * BLOCK, (BLOCKS - 1) * BLOCK), 2 * BLOCK);
    test_pattern_check(block, BLOCK, (BLOCKS - 1) * BLOCK);
    test_pattern_check(block + BLOCK, BLOCK, 0);
}

static void check_appending_stream(struct aio_file *file, char *block)
{
    struct aio_stream *stream;
    int fd = dup(aio_file_fd(file));
    REQUIRE_OK(aio_pipe_adopt(&stream, fd));
    for (int i = 0; i < BLOCKS; i++) {
        AIO_CHECK_EQ(aio_stream_read(stream, block, BLOCK), BLOCK);
        test_pattern_check(block, BLOCK, (uint64_t)i * BLOCK);
    }
    AIO_CHECK_EQ(aio_stream_read(stream, block, BLOCK), 0);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    struct iovec halves[] = {{block, BLOCK}, {block + BLOCK, BLOCK}};
    AIO_CHECK_EQ(aio_stream_readv(stream, halves, 2), 2 * BLOCK);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), 2 * BLOCK);
    AIO_CHECK_EQ(aio_stream_write_all(stream, block, BLOCK, NULL), BLOCK);
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), (BLOCKS + 1) * BLOCK);
    aio_stream_close(stream);
}

static void with_appended_file(void (*check)(struct aio_file *file, char *block))
{
    struct file_home home;
    char *block = aligned_alloc(BLOCK, 2 * BLOCK);
    REQUIRE(file_home_open(&home));
    file_end(file_make(&home, "file", BLOCKS * BLOCK));
    struct aio_file *file = direct_open(&home, O_RDWR | O_APPEND);
    if (file != NULL) {
        check(file, block);
        file_end(file);
    }
    free(block);
    file_home_close(&home);
}

BEHAVIOUR(file_direct_bytes_that_are_appended)
{
    with_appended_file(check_appending);
}

BEHAVIOUR(file_direct_bytes_as_a_stream)
{
    with_appended_file(check_appending_stream);
}
