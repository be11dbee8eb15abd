/*
 * The pool as backends see it: ops that block go to threads and come back on `done`, in company
 * with calls, whose bound does not concern them.
 */
#define SUITE "offload"
#include "tests/harness/harness.h"

#include "core/offload.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void no_wakeup(struct aio__backend *backend)
{
    (void)backend;
}

/* A core's half: a mailbox that never sleeps, and a backend that only has a list. */
struct half {
    struct aio__offload offload;
    struct aio__mailbox mailbox;
    struct aio__backend backend;
};

static const struct aio__backend_vtable half_vtable = {.name = "half", .wakeup = no_wakeup};

static void half_open(struct half *half, uint32_t threads)
{
    const struct aio__offload_limits limits = {threads, 1, AIO_SEC(10), NULL};
    *half = (struct half){.backend = {.vtable = &half_vtable}};
    half->mailbox.backend = &half->backend;
    aio__offload_open(&half->offload, &half->mailbox, &limits);
    half->offload.port.backend = &half->backend;
}

static bool half_has_news(void *arg)
{
    struct half *half = arg;
    aio__mailbox_drain(NULL, &half->mailbox);
    return !aio__op_list_empty(&half->backend.done);
}

/* The next op that is done. */
static struct aio__op *half_next(struct half *half)
{
    return test_wait_outside(half_has_news, half) ? aio__op_list_pop(&half->backend.done) : NULL;
}

static struct aio__op file_op(enum aio__opcode opcode, int fd, void *buffer, size_t length,
                              int64_t offset)
{
    struct aio__op op = {.opcode = (uint8_t)opcode, .fd = fd};
    op.file.buffer = buffer;
    op.file.length = length;
    op.file.offset = offset;
    return op;
}

/* Reads and writes, positioned or not, and their errors. */
PLAIN(ops_come_back)
{
    struct half half;
    char bytes[4] = "";
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    half_open(&half, 2);
    struct aio__op put = file_op(AIO__OP_WRITE, fds[1], bytes, 4, -1);
    memcpy(bytes, "abc", 4);
    half.offload.port.submit(&half.offload.port, &put);
    AIO_CHECK(half_next(&half) == &put);
    AIO_CHECK_EQ(put.result, 4);
    memset(bytes, 0, 4);
    struct aio__op get = file_op(AIO__OP_READ, fds[0], bytes, 4, -1);
    half.offload.port.submit(&half.offload.port, &get);
    AIO_CHECK(half_next(&half) == &get);
    AIO_CHECK_EQ(get.result, 4);
    AIO_CHECK_STR(bytes, "abc");
    get = file_op(AIO__OP_READ, fds[0], bytes, 4, 0);
    half.offload.port.submit(&half.offload.port, &get);
    AIO_CHECK(half_next(&half) == &get);
    AIO_CHECK_ERROR(get.result, -ESPIPE);
    aio__offload_close(&half.offload);
    close(fds[0]);
    close(fds[1]);
}

/* Two ops that block each other run at the same time, although both were submitted before a
 * thread had begun: each gets its own. */
PLAIN(ops_do_not_wait_for_each_other)
{
    enum { ROUNDS = 50 };
    struct half half;
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    half_open(&half, 2);
    for (int i = 0; i < ROUNDS; i++) {
        char in = 0, out = 'x';
        struct aio__op get = file_op(AIO__OP_READ, fds[0], &in, 1, -1);
        struct aio__op put = file_op(AIO__OP_WRITE, fds[1], &out, 1, -1);
        half.offload.port.submit(&half.offload.port, &get);
        half.offload.port.submit(&half.offload.port, &put);
        REQUIRE(half_next(&half) != NULL && half_next(&half) != NULL);
        AIO_CHECK_EQ(in, 'x');
    }
    aio__offload_close(&half.offload);
    close(fds[0]);
    close(fds[1]);
}

/* Any number of ops is taken, beyond the bound of calls; those not begun can be cancelled. */
PLAIN(ops_know_no_bound)
{
    enum { COUNT = 10 };
    struct half half;
    char bytes[COUNT];
    struct aio__op ops[COUNT];
    unsigned queued, threads, canceled = 0, read_bytes = 0;
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    half_open(&half, 1);
    for (int i = 0; i < COUNT; i++) {
        ops[i] = file_op(AIO__OP_READ, fds[0], &bytes[i], 1, -1);
        half.offload.port.submit(&half.offload.port, &ops[i]);
    }
    aio__offload_count(&half.offload, &queued, &threads);
    AIO_CHECK(queued >= COUNT - 1);
    AIO_CHECK_EQ(threads, 1);
    for (int i = 1; i < COUNT; i += 2)
        half.offload.port.cancel(&half.offload.port, &ops[i]);
    AIO_CHECK_EQ(write(fds[1], "0123456789", COUNT), COUNT);
    for (int i = 0; i < COUNT; i++) {
        struct aio__op *op = half_next(&half);
        REQUIRE(op != NULL);
        canceled += op->result == -ECANCELED;
        read_bytes += op->result == 1;
    }
    AIO_CHECK_EQ(canceled, COUNT / 2);
    AIO_CHECK_EQ(read_bytes, COUNT - COUNT / 2);
    aio__offload_close(&half.offload);
    close(fds[0]);
    close(fds[1]);
}
