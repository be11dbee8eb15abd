/*
 * Many reads past the page cache at a time, which a ring awaits in groups: all are right, and what
 * else the core has to do is done meanwhile.
 */
#define SUITE "file_gathered"
#include "tests/behaviour/file_support.h"

#include <aio/scope.h>
#include <aio/unix.h>

enum { READERS = 48, ROUNDS = 40, BLOCK = 4096, BLOCKS = 512 };

struct readers {
    struct aio_file *file;
    uint64_t reads;
};

static int read_one(const struct readers *readers, char *block)
{
    int64_t offset = (int64_t)(test_random() % BLOCKS) * BLOCK;
    ssize_t n = aio_file_read_at(readers->file, block, BLOCK, offset);
    if (n == BLOCK)
        test_pattern_check(block, BLOCK, (uint64_t)offset);
    return n == BLOCK ? 0 : n < 0 ? (int)n : -ENODATA;
}

static int read_blocks(void *arg)
{
    struct readers *readers = arg;
    char *block = aligned_alloc(BLOCK, BLOCK);
    for (int i = 0; i < ROUNDS && AIO_CHECK_OK(read_one(readers, block)); i++)
        readers->reads++;
    free(block);
    return 0;
}

static int read_for_ever(void *arg)
{
    char *block = aligned_alloc(BLOCK, BLOCK);
    int rc = 0;
    while (rc == 0)
        rc = read_one(arg, block);
    free(block);
    return rc;
}

/* A file of the pattern that is opened again past the page cache; false where there is no such. */
static bool readers_open(struct readers *readers, const struct file_home *home)
{
    struct aio_file *made = file_make(home, "blocks", (size_t)BLOCKS * BLOCK);
    *readers = (struct readers){.file = NULL};
    if (made == NULL)
        return false;
    AIO_CHECK_OK(aio_file_sync(made, 0));
    file_end(made);
    int rc =
        aio_file_open(&readers->file, file_path_of(home, "blocks").text, O_RDONLY | O_DIRECT, 0);
    if (rc == -EINVAL)
        aio_test_skip("the file system of /tmp has no O_DIRECT");
    else
        AIO_CHECK_OK(rc);
    return rc == 0;
}

static void readers_start(struct aio_scope *scope, struct readers *readers, int (*read)(void *arg))
{
    AIO_CHECK_OK(aio_scope_open(scope, NULL));
    for (int i = 0; i < READERS; i++)
        AIO_CHECK_OK(aio_scope_spawn(scope, read, readers));
}

BEHAVIOUR(gathered_reads_are_right)
{
    struct file_home home;
    struct readers readers;
    struct aio_scope scope;
    REQUIRE(file_home_open(&home));
    if (readers_open(&readers, &home)) {
        readers_start(&scope, &readers, read_blocks);
        AIO_CHECK_OK(aio_scope_join(&scope));
        AIO_CHECK_EQ(readers.reads, READERS * ROUNDS);
        file_end(readers.file);
    }
    file_home_close(&home);
}

static int echo(void *arg)
{
    char byte;
    ssize_t n;
    while ((n = aio_stream_read(arg, &byte, 1)) == 1)
        if ((n = aio_stream_write(arg, &byte, 1)) < 0)
            break;
    return (int)n;
}

/* Round trips and timers go on beside them. */
BEHAVIOUR(gathered_reads_hold_up_nobody)
{
    struct file_home home;
    struct readers readers;
    struct aio_scope scope;
    struct aio_stream *pair[2];
    REQUIRE(file_home_open(&home));
    REQUIRE_OK(aio_unix_pair(pair));
    if (readers_open(&readers, &home)) {
        readers_start(&scope, &readers, read_blocks);
        AIO_CHECK_OK(aio_scope_spawn(&scope, echo, pair[1]));
        for (int i = 0; i < 20; i++) {
            char byte = 'x';
            AIO_CHECK_EQ(aio_stream_write(pair[0], &byte, 1), 1);
            AIO_CHECK_EQ(aio_stream_read(pair[0], &byte, 1), 1);
            AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
        }
        AIO_CHECK_OK(aio_stream_shutdown(pair[0], AIO_STREAM_WRITE));
        AIO_CHECK_OK(aio_scope_join(&scope));
        AIO_CHECK_EQ(readers.reads, READERS * ROUNDS);
        file_end(readers.file);
    }
    aio_stream_close(pair[0]);
    aio_stream_close(pair[1]);
    file_home_close(&home);
}

/* Cancelled in the middle, they end, and nothing is left for the close to wait for. */
BEHAVIOUR(gathered_reads_are_cancelled)
{
    struct file_home home;
    struct readers readers;
    struct aio_scope scope;
    REQUIRE(file_home_open(&home));
    if (readers_open(&readers, &home)) {
        readers_start(&scope, &readers, read_for_ever);
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
        aio_scope_cancel(&scope);
        AIO_CHECK_OK(aio_scope_join(&scope));
        file_end(readers.file);
    }
    file_home_close(&home);
}
