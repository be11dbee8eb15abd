/*
 * WRITE_SYNC: a write, and a sync when that wrote all.
 */
#define SUITE "linked"
#include "tests/contract/fixture.h"

#include <signal.h>
#include <sys/resource.h>

static void check_linked(struct aio__op op, int32_t result, int32_t synced)
{
    AIO_CHECK_EQ(op_run(&op), result);
    AIO_CHECK_EQ(op.write_sync.synced, synced);
}

CONTRACT(write_sync_writes_and_syncs)
{
    char back[4] = "";
    int fd = fd_file();
    REQUIRE(fd >= 0);
    for (int i = 0; i < 3; i++) /* one byte is never cut short */
        check_linked(op_write_sync(fd, &"abc"[i], 1, i), 1, 0);
    check_linked(op_write_sync(fd, "", 0, 100), 0, 0);
    AIO_CHECK_EQ(pread(fd, back, sizeof back, 0), 3);
    AIO_CHECK_STR(back, "abc");
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    fd_close(fd);
}

/* Each of the two tells its own error. */
CONTRACT(write_sync_that_fails)
{
    int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
    check_linked(op_write_sync(fd, "x", 1, 0), -EBADF, -ECANCELED);
    fd_close(fd);
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    check_linked(op_write_sync(fd, "x", 1, 0), 1, -EINVAL);
    fd_close(fd);
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    check_linked(op_write_sync(fd, "x", 1, 0), -ENOSPC, -ECANCELED);
    fd_close(fd);
}

/* Bytes without their rest are not synced. */
CONTRACT(write_sync_that_falls_short)
{
    enum { LIMIT = 4096 };
    static char block[2 * LIMIT];
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    struct rlimit limit, small;
    int fd = fd_file();
    REQUIRE(fd >= 0 && getrlimit(RLIMIT_FSIZE, &limit) == 0);
    AIO_CHECK_EQ(sigaction(SIGXFSZ, &ignore, &before), 0);
    small = (struct rlimit){LIMIT, limit.rlim_max};
    AIO_CHECK_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct aio__op op = op_write_sync(fd, block, sizeof block, 0);
    AIO_CHECK(op_run(&op) > 0 && op.result <= LIMIT);
    if (!test_row()->faults) /* that may have asked for less, and got it */
        AIO_CHECK_EQ(op.write_sync.synced, -ECANCELED);
    check_linked(op_write_sync(fd, "x", 1, LIMIT), -EFBIG, -ECANCELED);
    AIO_CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sigaction(SIGXFSZ, &before, NULL);
    fd_close(fd);
}

/* More than the ring has room for, and pairs that its end would part. */
CONTRACT_WITH(write_sync_of_many, .ring_entries = 8)
{
    enum { COUNT = 100 };
    static struct aio__op ops[COUNT], nops[COUNT];
    int fd = fd_file();
    REQUIRE(fd >= 0);
    for (int i = 0; i < COUNT; i++) {
        nops[i] = op_make(AIO__OP_NOP, -1);
        ops[i] = op_write_sync(fd, "x", 1, i);
        if (i % 3 != 0)
            op_submit(&nops[i]);
        op_submit(&ops[i]);
    }
    await_all();
    for (int i = 0; i < COUNT; i++) {
        AIO_CHECK_EQ(ops[i].result, 1);
        AIO_CHECK_EQ(ops[i].write_sync.synced, 0);
    }
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_END), COUNT);
    fd_close(fd);
}

/* Whenever that comes. What was written is told, and a sync that was not is not. */
CONTRACT(write_sync_and_its_cancel)
{
    int fd = fd_file();
    REQUIRE(fd >= 0);
    for (int i = 0; i < storm(400); i++) {
        struct aio__op op = op_write_sync(fd, "x", 1, 0);
        op_submit(&op);
        for (int turns = i % 4; turns > 0; turns--)
            turn(0);
        AIO_CHECK(op_stop(&op) == 1 || op.result == -ECANCELED);
        AIO_CHECK(op.write_sync.synced == -ECANCELED ||
                  (op.write_sync.synced == 0 && op.result == 1));
    }
    fd_close(fd);
}
