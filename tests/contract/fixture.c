/*
 * See fixture.h: what core does with a backend, in its shortest form.
 */
#define SUITE "fixture"
#include "tests/contract/fixture.h"

#include "tests/contract/port.h"
#include "tests/harness/internal.h"

enum { AWAIT_SECONDS = 5 };

struct fixture fixture;

struct aio__op op_make(enum aio__opcode opcode, int fd)
{
    return (struct aio__op){.opcode = (uint8_t)opcode, .fd = fd};
}

struct aio__op op_recv(int fd, void *buffer, size_t size)
{
    struct aio__op op = op_make(AIO__OP_RECV, fd);
    op.transfer.buffer = buffer;
    op.transfer.length = size;
    return op;
}

/* The op's pointer is that of both directions; sending does not write to it. */
static void *unconst(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

struct aio__op op_send(int fd, const void *buffer, size_t size)
{
    struct aio__op op = op_recv(fd, unconst(buffer), size);
    op.opcode = AIO__OP_SEND;
    return op;
}

struct aio__op op_read(int fd, void *buffer, size_t size, int64_t offset)
{
    struct aio__op op = op_make(AIO__OP_READ, fd);
    op.file.buffer = buffer;
    op.file.length = size;
    op.file.offset = offset;
    return op;
}

struct aio__op op_write(int fd, const void *buffer, size_t size, int64_t offset)
{
    struct aio__op op = op_read(fd, unconst(buffer), size, offset);
    op.opcode = AIO__OP_WRITE;
    return op;
}

struct aio__op op_write_sync(int fd, const void *buffer, uint32_t size, int64_t offset)
{
    struct aio__op op = op_make(AIO__OP_WRITE_SYNC, fd);
    op.write_sync.buffer = unconst(buffer);
    op.write_sync.length = size;
    op.write_sync.synced = -ECANCELED;
    op.write_sync.offset = offset;
    return op;
}

int storm(int count)
{
    int divisor = (test_slowness() > 1 ? 10 : 1) * (test_row()->faults ? 4 : 1);
    return count / divisor;
}

/* As core's: `complete` is called when the op is taken off `done`. */
static void completed(struct aio__op *op)
{
    AIO_CHECK_EQ(op->state, AIO__OP_DONE);
    op->state = AIO__OP_IDLE;
    op->complete = NULL;
    fixture.in_flight--;
}

void op_submit(struct aio__op *op)
{
    AIO_CHECK(op->complete == NULL);
    op->complete = completed;
    fixture.in_flight++;
    fixture.backend->vtable->submit(fixture.backend, op);
    AIO_CHECK(op->state != AIO__OP_IDLE);
    AIO_CHECK(op->complete == completed); /* submit completes to nobody */
}

void op_cancel(struct aio__op *op)
{
    fixture.backend->vtable->cancel(fixture.backend, op);
}

bool op_done(const struct aio__op *op)
{
    return op->complete == NULL;
}

/* Returns whether there was anything. */
static bool drain(void)
{
    bool any = !aio__op_list_empty(&fixture.backend->done);
    struct aio__op *op;
    while ((op = aio__op_list_pop(&fixture.backend->done)) != NULL) {
        if (AIO_CHECK(op->complete == completed)) /* else it came twice */
            op->complete(op);
    }
    return any;
}

void turn(int64_t deadline_ns)
{
    if (drain())
        deadline_ns = 0;
    port_deliver();
    fixture.polls++;
    AIO_CHECK_OK(fixture.backend->vtable->poll(fixture.backend, deadline_ns));
    port_deliver();
    (void)drain();
    fixture.offloaded = port_count();
}

static int64_t await_limit(void)
{
    return aio_time_now() + AIO_SEC(AWAIT_SECONDS) * test_slowness();
}

int32_t op_await(struct aio__op *op)
{
    int64_t limit = await_limit();
    (void)drain();
    while (!op_done(op)) {
        turn(limit);
        if (!op_done(op) && aio_time_now() > limit) {
            aio_test_fail(__FILE__, __LINE__, "a %s op does not come back",
                          aio__opcode_name(op->opcode));
            return INT32_MIN;
        }
    }
    return op->result;
}

int32_t op_run(struct aio__op *op)
{
    op_submit(op);
    return op_await(op);
}

int32_t op_stop(struct aio__op *op)
{
    op_cancel(op);
    return op_await(op);
}

void await_all(void)
{
    int64_t limit = await_limit();
    (void)drain();
    while (fixture.in_flight > 0 && aio_time_now() <= limit)
        turn(limit);
    AIO_CHECK_EQ(fixture.in_flight, 0);
}

bool op_waits(struct aio__op *op)
{
    op_submit(op);
    for (int i = 0; i < 4; i++)
        turn(aio_time_now() + AIO_US(200));
    return !op_done(op);
}

/* Ops live in the frames of test bodies: what a failed test leaves in flight ends the process. */
static void fixture_close(const struct aio_test_case *test)
{
    if (fixture.in_flight > 0) {
        aio_test_fail(test->file, 1, "%s left %u ops in flight", test->name, fixture.in_flight);
        fprintf(stderr, "the suite cannot go on\n");
        abort();
    }
    fixture.backend->vtable->close(fixture.backend);
    AIO_CHECK_EQ(aio__buffers_close(&fixture.buffers), 0);
    port_close();
}

static void fixture_run(const struct aio_test_case *test)
{
    const struct test_extra *extra = test->extra;
    struct aio__explain explain = {.length = 0};
    struct aio__backend_params params = {
        .ring_entries = extra->options.ring_entries,
        .caps = test_row()->caps,
        .offload = port_open(),
        .buffers = &fixture.buffers,
        .explain = &explain,
    };
    fixture = (struct fixture){.backend = NULL};
    aio__buffers_open(&fixture.buffers, FIXTURE_BUFFER_BYTES, FIXTURE_BUFFERS, 4);
    int rc = aio__backend_choose(&fixture.backend, test_row()->backend, &params);
    if (!AIO_CHECK_OK(rc))
        return;
    port_wake(fixture.backend);
    test->body();
    fixture_close(test);
}

__attribute__((constructor)) static void fixture_enter(void)
{
    test_fixture_run = fixture_run;
}
