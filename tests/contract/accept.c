/*
 * ACCEPT, the stream op: it stays armed across completions, keeps to its limit, ends when asked
 * to, and loses no connection.
 */
#define SUITE "accept"
#include "tests/contract/fixture.h"

#include <netinet/in.h>
#include <sys/resource.h>

enum { CLIENTS_MAX = 300 };

struct accepting {
    struct aio__op op;
    struct aio__deliveries deliveries;
    struct sockaddr_in address;
    int clients[CLIENTS_MAX];
    int client_count;
    int accepted; /* taken from deliveries, and closed */
};

static void accepting_open(struct accepting *a, uint32_t limit)
{
    *a = (struct accepting){.deliveries = {.limit = limit}};
    a->op = op_make(AIO__OP_ACCEPT, fd_listen(&a->address, 512));
    a->op.accept.deliveries = &a->deliveries;
}

static void accepting_connect(struct accepting *a, int count)
{
    for (int i = 0; i < count; i++)
        a->clients[a->client_count++] = fd_connect(&a->address);
}

/* Takes what was delivered. */
static void accepting_take(struct accepting *a)
{
    int fd;
    while ((fd = aio__deliveries_pop(&a->deliveries)) >= 0) {
        AIO_CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        close(fd);
        a->accepted++;
    }
}

/* Ends the op as core does: what is delivered meanwhile is taken. */
static void accepting_stop(struct accepting *a, int32_t wanted)
{
    if (op_done(&a->op))
        op_submit(&a->op);
    while (op_stop(&a->op) == 0) {
        AIO_CHECK(a->deliveries.count > 0);
        accepting_take(a);
        op_submit(&a->op);
    }
    AIO_CHECK_ERROR(a->op.result, wanted);
    AIO_CHECK_EQ(a->deliveries.count, 0);
}

static void accepting_close(struct accepting *a)
{
    fd_close(a->op.fd);
    for (int i = 0; i < a->client_count; i++)
        close(a->clients[i]);
    aio__deliveries_free(&a->deliveries);
}

/* Submits again and again until so many have been taken. */
static void accepting_await(struct accepting *a, int count)
{
    while (a->accepted < count) {
        if (op_done(&a->op))
            op_submit(&a->op);
        if (!AIO_CHECK_EQ(op_await(&a->op), 0))
            return;
        AIO_CHECK(a->deliveries.count > 0);
        accepting_take(a);
    }
}

CONTRACT(accept_at_once_and_after_a_wait)
{
    struct accepting a;
    accepting_open(&a, 64);
    accepting_connect(&a, 1);
    accepting_await(&a, 1);
    AIO_CHECK(op_waits(&a.op));
    accepting_connect(&a, 1);
    accepting_await(&a, 2);
    accepting_connect(&a, 20);
    accepting_await(&a, 22);
    AIO_CHECK(op_waits(&a.op));
    accepting_stop(&a, -ECANCELED);
    AIO_CHECK_EQ(a.accepted, 22);
    accepting_close(&a);
}

CONTRACT(accept_reports_what_is_wrong)
{
    struct aio__deliveries deliveries = {.limit = 8};
    int fds[2];
    REQUIRE(fd_pipe(fds));
    struct aio__op op = op_make(AIO__OP_ACCEPT, 1000000);
    op.accept.deliveries = &deliveries;
    AIO_CHECK_ERROR(op_run(&op), -EBADF);
    op = op_make(AIO__OP_ACCEPT, fds[0]);
    op.accept.deliveries = &deliveries;
    AIO_CHECK_ERROR(op_run(&op), -ENOTSOCK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    op = op_make(AIO__OP_ACCEPT, fd);
    op.accept.deliveries = &deliveries;
    AIO_CHECK_ERROR(op_run(&op), -EINVAL); /* it does not listen */
    fd_close(fd);
    fd_close_pair(fds);
}

CONTRACT(accept_limit_and_backpressure)
{
    struct accepting a;
    accepting_open(&a, 8);
    for (int i = 0; i < 6; i++) {
        accepting_connect(&a, CLIENTS_MAX / 6);
        turn(0);
        accepting_await(&a, a.accepted + 1);
    }
    accepting_await(&a, CLIENTS_MAX);
    AIO_CHECK(op_waits(&a.op));
    accepting_stop(&a, -ECANCELED);
    AIO_CHECK_EQ(a.accepted, CLIENTS_MAX);
    accepting_close(&a);
}

static void settle(void)
{
    for (int i = 0; i < 10; i++)
        turn(aio_time_now() + AIO_MS(1));
}

/* Full deliveries, and nobody takes them: what comes later stays in the kernel's backlog. */
CONTRACT(accept_stops_while_its_deliveries_are_full)
{
    struct accepting a;
    accepting_open(&a, 4);
    accepting_connect(&a, 8);
    op_submit(&a.op);
    AIO_CHECK_EQ(op_await(&a.op), 0);
    settle();
    while (a.deliveries.count < 4) { /* single accepts go on only when asked */
        op_submit(&a.op);
        AIO_CHECK_EQ(op_await(&a.op), 0);
        if (a.deliveries.count < 4)
            accepting_take(&a);
        if (a.accepted + (int)a.deliveries.count >= a.client_count)
            break;
    }
    settle();
    uint32_t full = a.deliveries.count;
    accepting_connect(&a, 20);
    settle();
    AIO_CHECK(full < 4 || a.deliveries.count == full);
    accepting_take(&a);
    accepting_await(&a, a.client_count);
    accepting_stop(&a, -ECANCELED);
    AIO_CHECK_EQ(a.accepted, a.client_count);
    accepting_close(&a);
}

/* Nothing is taken from the backlog that was not asked for. */
CONTRACT(accept_takes_one_where_the_limit_is_one)
{
    struct accepting a;
    accepting_open(&a, 1);
    accepting_connect(&a, 10);
    for (int i = 1; i <= 10; i++) {
        op_submit(&a.op);
        AIO_CHECK_EQ(op_await(&a.op), 0);
        settle();
        AIO_CHECK_EQ(a.deliveries.count, 1);
        accepting_take(&a);
    }
    accepting_stop(&a, -ECANCELED);
    AIO_CHECK_EQ(a.accepted, 10);
    accepting_close(&a);
}

/* Valgrind applies the limit to what goes through it, and a ring does not. */
static bool limits_work(void)
{
    if (!test_on_valgrind())
        return true;
    aio_test_skip("Valgrind keeps the limit from the kernel");
    return false;
}

/* Lowers the limit so that `spare` more can be opened. Returns the old one. */
static struct rlimit limit_files(int spare)
{
    struct rlimit before, low;
    int fds[64], count = 0;
    getrlimit(RLIMIT_NOFILE, &before);
    while (count < spare)
        fds[count++] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    low = before;
    low.rlim_cur = (rlim_t)fds[count - 1] + 1;
    while (count > 0)
        close(fds[--count]);
    setrlimit(RLIMIT_NOFILE, &low);
    return before;
}

CONTRACT(accept_without_descriptors_ends_and_recovers)
{
    struct accepting a;
    int kept[16], count = 0, fd;
    if (!limits_work())
        return;
    accepting_open(&a, 64);
    accepting_connect(&a, 10);
    struct rlimit before = limit_files(3);
    for (int i = 0; i < 20 && (i == 0 || a.op.result == 0); i++) {
        op_submit(&a.op);
        (void)op_await(&a.op);
        while ((fd = aio__deliveries_pop(&a.deliveries)) >= 0 && AIO_CHECK(count < 16))
            kept[count++] = fd;
    }
    AIO_CHECK_ERROR(a.op.result, -EMFILE);
    AIO_CHECK_EQ(a.deliveries.count, 0);
    AIO_CHECK_EQ(count, 3);
    setrlimit(RLIMIT_NOFILE, &before);
    accepting_await(&a, 10 - count);
    AIO_CHECK(op_waits(&a.op));
    accepting_stop(&a, -ECANCELED);
    while (count > 0)
        close(kept[--count]);
    accepting_close(&a);
}

/* Without descriptors and with a connection waiting, polls do not spin: the op has ended. */
CONTRACT(accept_without_descriptors_does_not_spin)
{
    struct accepting a;
    if (!limits_work())
        return;
    accepting_open(&a, 64);
    accepting_connect(&a, 3);
    struct rlimit before = limit_files(1);
    accepting_await(&a, 1);
    int keep = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 20 && a.op.result == 0; i++) {
        op_submit(&a.op);
        (void)op_await(&a.op);
        accepting_take(&a);
    }
    AIO_CHECK_ERROR(a.op.result, -EMFILE);
    unsigned polls = fixture.polls;
    int64_t deadline = aio_time_now() + AIO_MS(50);
    while (aio_time_now() < deadline)
        turn(deadline);
    AIO_CHECK(fixture.polls - polls < (test_row()->faults ? 60 : 6));
    close(keep);
    setrlimit(RLIMIT_NOFILE, &before);
    accepting_await(&a, 3);
    accepting_stop(&a, -ECANCELED);
    accepting_close(&a);
}

/* A cancel comes before, between and after connections: each is delivered, or still there. */
CONTRACT(accept_cancel_loses_no_connection)
{
    struct accepting a;
    accepting_open(&a, 8);
    for (int i = 0; i < storm(400); i++) {
        uint64_t dice = test_random();
        accepting_connect(&a, (int)(dice % 3));
        op_submit(&a.op);
        if ((dice & 8) != 0)
            turn(0);
        accepting_connect(&a, (int)(dice >> 8) % 2);
        accepting_stop(&a, -ECANCELED);
        if (a.client_count < CLIENTS_MAX - 4)
            continue;
        accepting_await(&a, a.client_count);
        accepting_stop(&a, -ECANCELED);
        AIO_CHECK_EQ(a.accepted, a.client_count);
        a.accepted = 0;
        while (a.client_count > 0)
            close(a.clients[--a.client_count]);
    }
    accepting_await(&a, a.client_count);
    accepting_stop(&a, -ECANCELED);
    accepting_close(&a);
}

/* What was in the backlog when the listener goes is reset, not left hanging. */
CONTRACT(accept_backlog_is_reset_by_close)
{
    struct accepting a;
    char byte;
    accepting_open(&a, 8);
    op_submit(&a.op);
    turn(0);
    accepting_stop(&a, -ECANCELED);
    accepting_connect(&a, 2);
    fd_close(a.op.fd);
    for (int i = 0; i < 2; i++) {
        struct pollfd ready = {.fd = a.clients[i], .events = POLLIN};
        AIO_CHECK_EQ(poll(&ready, 1, 5000), 1);
        AIO_CHECK_EQ(read(a.clients[i], &byte, 1), -1);
        AIO_CHECK(errno == ECONNRESET || errno == ECONNREFUSED);
        close(a.clients[i]);
    }
    aio__deliveries_free(&a.deliveries);
}

CONTRACT_WITH(accept_from_several_listeners_on_a_small_ring, .ring_entries = 8)
{
    enum { COUNT = 40 };
    static struct accepting listeners[COUNT];
    for (int i = 0; i < COUNT; i++) {
        accepting_open(&listeners[i], 2);
        op_submit(&listeners[i].op);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            accepting_connect(&listeners[i], 3);
        for (int i = 0; i < COUNT; i++)
            accepting_await(&listeners[i], listeners[i].client_count);
    }
    for (int i = 0; i < COUNT; i++) {
        accepting_stop(&listeners[i], -ECANCELED);
        AIO_CHECK_EQ(listeners[i].accepted, 9);
        accepting_close(&listeners[i]);
    }
}
