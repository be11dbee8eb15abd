/*
 * Clause 7 once more: the kernel refuses to take submissions for a while. io_uring_enter2 of this
 * program stands before liburing's; it answers EAGAIN, EBUSY or EINTR at random, having done
 * nothing, as a kernel out of memory or with a full completion queue does. Rings of 8 entries are
 * full at once then, so ops and cancels wait in the backend. Or it takes a single entry of those
 * that are there. On epoll nothing is refused, and the same must hold.
 */
#define SUITE "refusals"
#include "tests/contract/fixture.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>

#define REFUSING(test_name) CONTRACT_WITH(test_name, .ring_entries = 8)

static atomic_uint refused_percent;
static atomic_uint refused_count;
static atomic_bool one_is_taken; /* of what the next call gives, a single entry */

int io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                    sigset_t *argument, size_t size);

int io_uring_enter2(unsigned fd, unsigned to_submit, unsigned min_complete, unsigned flags,
                    sigset_t *argument, size_t size)
{
    static const int errors[] = {-EAGAIN, -EBUSY, -EINTR};
    if (test_random() % 100 < atomic_load(&refused_percent))
        return errors[atomic_fetch_add(&refused_count, 1) % 3];
    if (to_submit > 1 && atomic_exchange(&one_is_taken, false))
        to_submit = 1, min_complete = 0;
    long rc = syscall(__NR_io_uring_enter, fd, to_submit, min_complete, flags, argument, size);
    return rc < 0 ? -errno : (int)rc;
}

static void refuse(unsigned percent)
{
    atomic_store(&refused_count, 0);
    atomic_store(&refused_percent, percent);
}

/* Else the test has tested nothing. */
static void refuse_no_more(void)
{
    atomic_store(&refused_percent, 0);
    if (strcmp(test_row()->backend, "uring") == 0)
        AIO_CHECK(atomic_load(&refused_count) > 0);
}

enum { CROWD_OPS = 300 };

static struct aio__op crowd[CROWD_OPS];

REFUSING(contract_07_refused_ops_are_kept)
{
    refuse(60);
    for (int i = 0; i < CROWD_OPS; i++) {
        crowd[i] = op_make(AIO__OP_NOP, -1);
        op_submit(&crowd[i]);
    }
    await_all();
    refuse_no_more();
    for (int i = 0; i < CROWD_OPS; i++)
        AIO_CHECK_EQ(crowd[i].result, 0);
}

REFUSING(contract_07_refused_cancels_are_kept)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    refuse(60);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < CROWD_OPS; i++) {
            crowd[i] = op_make(AIO__OP_POLL, fds[0]);
            crowd[i].poll.events = POLLIN;
            op_submit(&crowd[i]);
            if (i % 7 == 0)
                turn(0);
        }
        if (round % 2 == 1)
            fd_writes(fds[1], "x", 1);
        for (int i = 0; i < CROWD_OPS; i++) {
            op_cancel(&crowd[i]);
            if (i % 50 == 0)
                turn(0);
        }
        await_all();
        for (int i = 0; i < CROWD_OPS; i++)
            AIO_CHECK(crowd[i].result == -ECANCELED || (round % 2 == 1 && crowd[i].result > 0));
        while (read(fds[0], crowd, 1) > 0)
            continue;
    }
    refuse_no_more();
    fd_close_pair(fds);
}

/* Bytes in order, whatever is cancelled and refused. */
REFUSING(contract_07_refusals_lose_no_byte)
{
    int fds[2];
    REQUIRE(fd_socketpair(fds));
    refuse(50);
    for (int i = 0; i < storm(2000); i++) {
        unsigned char byte = (unsigned char)i, got = 0;
        struct aio__op op = op_recv(fds[0], &got, 1);
        op_submit(&op);
        if (i % 3 == 0)
            op_cancel(&op);
        fd_writes(fds[1], &byte, 1);
        if (i % 2 == 0)
            turn(0);
        op_cancel(&op);
        if (op_await(&op) == -ECANCELED)
            AIO_CHECK_EQ(read(fds[0], &got, 1), 1);
        if (!AIO_CHECK_EQ(got, byte))
            break;
    }
    refuse_no_more();
    fd_close_pair(fds);
}

/* When the kernel takes the write and not the sync, the sync is of no use: it may be the first. */
REFUSING(contract_07_linked_entries_that_are_parted)
{
    int fd = fd_file();
    REQUIRE(fd >= 0);
    bool parts = strcmp(test_row()->backend, "uring") == 0;
    for (int i = 0; i < 20; i++) {
        struct aio__op op = op_write_sync(fd, "x", 1, i);
        op_submit(&op);
        atomic_store(&one_is_taken, true);
        AIO_CHECK_EQ(op_await(&op), 1);
        AIO_CHECK_EQ(op.write_sync.synced, parts ? -ECANCELED : 0);
        AIO_CHECK_EQ(atomic_exchange(&one_is_taken, false), !parts);
    }
    AIO_CHECK_EQ(lseek(fd, 0, SEEK_END), 20);
    fd_close(fd);
}

enum { LISTENERS = 40, CLIENTS = 6 };

/* A listener, and a receive that completes among its connections. */
static struct listening {
    struct aio__op op;
    struct aio__op recv;
    int pair[2];
    char byte;
    struct aio__deliveries deliveries;
    struct sockaddr_in address;
    int clients[CLIENTS];
    int accepted;
} listening[LISTENERS];

static void take(struct listening *one)
{
    int fd;
    while ((fd = aio__deliveries_pop(&one->deliveries)) >= 0) {
        close(fd);
        one->accepted++;
    }
}

static void listening_open(struct listening *one)
{
    *one = (struct listening){.deliveries = {.limit = 2}};
    one->op = op_make(AIO__OP_ACCEPT, fd_listen(&one->address, CLIENTS));
    one->op.accept.deliveries = &one->deliveries;
    op_submit(&one->op);
    REQUIRE(fd_socketpair(one->pair));
    one->recv = op_recv(one->pair[0], &one->byte, 1);
    op_submit(&one->recv);
}

static void listening_connect(struct listening *one)
{
    for (int i = 0; i < CLIENTS; i++) {
        one->clients[i] = fd_connect(&one->address);
        if (i == CLIENTS / 2)
            fd_writes(one->pair[1], "x", 1);
    }
}

static void listening_close(struct listening *one)
{
    if (op_done(&one->op))
        op_submit(&one->op);
    while (op_stop(&one->op) == 0) {
        take(one);
        op_submit(&one->op);
    }
    AIO_CHECK_ERROR(one->op.result, -ECANCELED);
    AIO_CHECK_EQ(op_await(&one->recv), 1);
    fd_close_pair(one->pair);
    fd_close(one->op.fd);
    for (int i = 0; i < CLIENTS; i++)
        close(one->clients[i]);
    aio__deliveries_free(&one->deliveries);
}

/* Streams are armed, and full all at once; they are disarmed and armed again while the ring takes
 * nothing. */
REFUSING(contract_07_refusals_lose_no_connection)
{
    for (int i = 0; i < LISTENERS; i++)
        listening_open(&listening[i]);
    for (int i = 0; i < 10; i++)
        turn(0);
    refuse(95);
    for (int i = 0; i < LISTENERS; i++)
        listening_connect(&listening[i]);
    int64_t limit = aio_time_now() + AIO_SEC(5) * test_slowness();
    for (int total = 0; total < LISTENERS * CLIENTS && aio_time_now() < limit;) {
        turn(aio_time_now() + AIO_MS(1));
        total = 0;
        for (int i = 0; i < LISTENERS; i++) {
            take(&listening[i]);
            total += listening[i].accepted;
            if (op_done(&listening[i].op) && AIO_CHECK_EQ(listening[i].op.result, 0))
                op_submit(&listening[i].op);
        }
    }
    for (int i = 0; i < LISTENERS; i++) {
        AIO_CHECK_EQ(listening[i].accepted, CLIENTS);
        listening_close(&listening[i]);
    }
    refuse_no_more();
}
