/*
 * RENT with a shape: packets in buffers of the pool, each whole behind its head; empty ones are no
 * end, errors come between, a cancel loses none, and without buffers they wait.
 */
#define SUITE "packets"
#include "core/packet.h"
#include "tests/contract/fixture.h"

#include <netinet/in.h>

enum { LIMIT = 4 };

static const struct msghdr shape = {.msg_namelen = sizeof(struct sockaddr_in),
                                    .msg_controllen = 64};

/* The receiving end of a pair, and how many packets were sent and taken. */
struct packets {
    struct aio__op op;
    struct aio__feed feed;
    int fds[2];
    struct sockaddr_in from;
    uint32_t sent;
    uint32_t got;
};

static bool udp_open(int *fd, struct sockaddr_in *address)
{
    socklen_t length = sizeof *address;
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return AIO_CHECK(*fd >= 0) &&
           AIO_CHECK_EQ(bind(*fd, (struct sockaddr *)address, sizeof *address), 0) &&
           AIO_CHECK_EQ(getsockname(*fd, (struct sockaddr *)address, &length), 0);
}

static bool packets_open(struct packets *p)
{
    struct sockaddr_in to;
    *p = (struct packets){.feed = {.limit = LIMIT}};
    if (!AIO_CHECK_OK(aio__buffers_prepare(&fixture.buffers)) || !udp_open(&p->fds[0], &to) ||
        !udp_open(&p->fds[1], &p->from))
        return false;
    AIO_CHECK_EQ(connect(p->fds[1], (struct sockaddr *)&to, sizeof to), 0);
    p->op = op_make(AIO__OP_RENT, p->fds[0]);
    p->op.rent.feed = &p->feed;
    p->op.rent.shape = &shape;
    return true;
}

/* The number'th packet: its length follows from the number, 0 and more than a buffer are among
 * them. */
static size_t packet_size(uint32_t number)
{
    return number % 7 * 200;
}

static void packets_send(struct packets *p, int count)
{
    static unsigned char bytes[2000];
    for (; count > 0; count--) {
        test_pattern_fill(bytes, packet_size(p->sent), p->sent);
        AIO_CHECK_EQ(send(p->fds[1], bytes, packet_size(p->sent), 0), packet_size(p->sent));
        p->sent++;
    }
}

static bool packets_take_one(struct packets *p)
{
    struct aio_buffer *buffer = aio__feed_collect(&p->feed);
    if (buffer == NULL)
        return false;
    const struct aio__packet_head *head = (const struct aio__packet_head *)(void *)buffer->data;
    uint32_t front = aio__packet_front(&shape), room = buffer->room - front;
    size_t size = packet_size(p->got), fits = size < room ? size : room;
    AIO_CHECK_EQ(head->payload_bytes, size);
    AIO_CHECK_EQ(head->name_bytes, sizeof p->from);
    AIO_CHECK_EQ((head->flags & MSG_TRUNC) != 0, size > room);
    AIO_CHECK(memcmp(aio__packet_name(buffer), &p->from, sizeof p->from) == 0);
    AIO_CHECK_EQ(buffer->size, front + fits);
    AIO_CHECK(test_pattern_check(buffer->data + front, fits, p->got));
    p->got++;
    aio__buffer_release(buffer);
    return true;
}

static void packets_take(struct packets *p)
{
    while (packets_take_one(p))
        continue;
}

static void packets_await(struct packets *p)
{
    while (p->got < p->sent) {
        if (op_done(&p->op))
            op_submit(&p->op);
        if (!AIO_CHECK_EQ(op_await(&p->op), 0))
            return;
        AIO_CHECK(p->feed.count > 0);
        packets_take(p);
    }
}

static void packets_stop(struct packets *p)
{
    if (op_done(&p->op))
        op_submit(&p->op);
    while (op_stop(&p->op) == 0) {
        packets_take(p);
        op_submit(&p->op);
    }
    AIO_CHECK_ERROR(p->op.result, -ECANCELED);
    AIO_CHECK_EQ(p->feed.count, 0);
}

static void packets_close(struct packets *p)
{
    AIO_CHECK_EQ(aio__buffers_held(&fixture.buffers), 0);
    AIO_CHECK_EQ(fixture.buffers.unread, 0);
    fd_close_pair(p->fds);
}

CONTRACT(packets_at_once_and_after_a_wait)
{
    struct packets p;
    REQUIRE(packets_open(&p));
    packets_send(&p, 1);
    packets_await(&p);
    AIO_CHECK(op_waits(&p.op));
    packets_send(&p, 20);
    packets_await(&p);
    AIO_CHECK(op_waits(&p.op));
    packets_stop(&p);
    packets_close(&p);
}

CONTRACT(packets_errors_come_between)
{
    struct packets p;
    struct sockaddr_in gone;
    int fd;
    REQUIRE(packets_open(&p));
    REQUIRE(udp_open(&fd, &gone));
    close(fd);
    AIO_CHECK_EQ(connect(p.fds[0], (struct sockaddr *)&gone, sizeof gone), 0);
    AIO_CHECK(op_waits(&p.op));
    AIO_CHECK_EQ(send(p.fds[0], "x", 1, 0), 1);
    AIO_CHECK_ERROR(op_await(&p.op), -ECONNREFUSED);
    AIO_CHECK_EQ(connect(p.fds[0], (struct sockaddr *)&p.from, sizeof p.from), 0);
    packets_send(&p, 3);
    packets_await(&p);
    packets_stop(&p);
    packets_close(&p);
}

/* All buffers are taken elsewhere: packets wait in the socket. */
CONTRACT(packets_wait_for_buffers)
{
    struct packets p;
    struct aio_buffer *kept[FIXTURE_BUFFERS];
    REQUIRE(packets_open(&p));
    for (int i = 0; i < FIXTURE_BUFFERS; i++)
        kept[i] = aio__buffers_take(&fixture.buffers);
    packets_send(&p, 10);
    AIO_CHECK(op_waits(&p.op));
    AIO_CHECK(fixture.buffers.shortages > 0);
    for (int i = 0; i < FIXTURE_BUFFERS; i++)
        aio__buffer_release(kept[i]);
    packets_await(&p);
    packets_stop(&p);
    packets_close(&p);
}

/* A cancel comes before, between and after packets: each is delivered, or still there. */
CONTRACT(packets_cancel_loses_none)
{
    struct packets p;
    REQUIRE(packets_open(&p));
    for (int i = 0; i < storm(300); i++) {
        uint64_t dice = test_random();
        packets_send(&p, (int)(dice % 4));
        op_submit(&p.op);
        if ((dice & 16) != 0)
            turn(0);
        packets_send(&p, (int)(dice >> 8) & 1);
        packets_stop(&p);
        if ((dice & 32) != 0)
            packets_await(&p);
        if (!op_done(&p.op))
            packets_stop(&p);
    }
    packets_await(&p);
    packets_stop(&p);
    AIO_CHECK_EQ(p.got, p.sent);
    packets_close(&p);
}
