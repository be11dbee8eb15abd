/*
 * The self-test at start: a kernel or a sandbox may grant a ring and then refuse to serve it.
 */
#include "backends/selftest.h"

#include "core/alloc.h"

#include <aio/time.h>
#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#define SELFTEST_POLLS_MAX 100

/* On the heap, because after a failure the kernel may still write to it. */
struct selftest {
    struct aio__backend *backend;
    int pair[2];
    char byte;
    struct aio__op op;
    struct aio__op forget;
};

/* Polls until the op is done, at most `limit` from now. Returns 0; -ETIME; -errno of poll. */
static int selftest_await(struct selftest *test, int64_t limit_ns)
{
    struct aio__backend *backend = test->backend;
    int64_t deadline_ns = aio_time_now() + limit_ns;
    for (int i = 0; i < SELFTEST_POLLS_MAX; i++) {
        struct aio__op *done;
        while ((done = aio__op_list_pop(&backend->done)) != NULL)
            if (done == &test->op)
                return 0;
        if (i > 0 && aio_time_now() >= deadline_ns)
            return -ETIME;
        int rc = backend->vtable->poll(backend, deadline_ns);
        if (rc < 0)
            return rc;
    }
    return -ETIME;
}

static void selftest_submit_recv(struct selftest *test)
{
    test->op = (struct aio__op){.opcode = AIO__OP_RECV, .fd = test->pair[0]};
    test->op.transfer.buffer = &test->byte;
    test->op.transfer.length = 1;
    test->backend->vtable->submit(test->backend, &test->op);
}

static int selftest_deadline(struct selftest *test)
{
    selftest_submit_recv(test);
    int64_t before_ns = aio_time_now();
    int rc = selftest_await(test, AIO_US(200));
    if (rc == 0) /* there was nothing to receive */
        return test->op.result < 0 ? test->op.result : -EIO;
    if (rc != -ETIME)
        return rc;
    return aio_time_now() - before_ns < AIO_US(200) ? -ETIME : 0;
}

static int selftest_cancel(struct selftest *test)
{
    test->backend->vtable->cancel(test->backend, &test->op);
    int rc = selftest_await(test, AIO_SEC(1));
    if (rc < 0)
        return rc;
    return test->op.result == -ECANCELED ? 0 : -EIO;
}

static int selftest_transfer(struct selftest *test)
{
    selftest_submit_recv(test);
    if (write(test->pair[1], "x", 1) != 1)
        return -errno;
    int rc = selftest_await(test, AIO_SEC(1));
    if (rc < 0)
        return rc;
    return test->op.result == 1 && test->byte == 'x' ? 0 : -EIO;
}

static int selftest_run(struct selftest *test)
{
    int rc = selftest_deadline(test);
    if (rc == 0)
        rc = selftest_cancel(test);
    if (rc == 0)
        rc = selftest_transfer(test);
    return rc;
}

static void selftest_forget(struct selftest *test)
{
    test->forget = (struct aio__op){.opcode = AIO__OP_FORGET, .fd = test->pair[0]};
    test->backend->vtable->submit(test->backend, &test->forget);
    while (aio__op_list_pop(&test->backend->done) != NULL)
        continue;
}

/* Returns what the test found; the memory stays where the kernel may still write to it. */
static int selftest_on_pair(struct selftest *test)
{
    int rc = selftest_run(test);
    bool in_flight = test->op.state == AIO__OP_SUBMITTED;
    selftest_forget(test);
    (void)close(test->pair[0]);
    (void)close(test->pair[1]);
    if (!in_flight)
        aio__free(test);
    return rc;
}

int aio__backend_selftest(struct aio__backend *backend)
{
    struct selftest *test = aio__alloc_zero(sizeof *test);
    if (test == NULL)
        return -ENOMEM;
    test->backend = backend;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, test->pair) == 0)
        return selftest_on_pair(test);
    int rc = -errno;
    aio__free(test);
    return rc;
}
