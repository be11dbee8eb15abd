/*
 * RENT, the stream op that receives into buffers of the pool: it stays armed across completions,
 * keeps to its limit, keeps the order, waits for buffers without spinning, and gives back each one.
 */
#define SUITE "rent"
#include "tests/contract/fixture.h"

enum { LIMIT = 4 };

/* The receiving end of a pair, and what has been taken of it. */
struct renting {
    struct aio__op op;
    struct aio__feed feed;
    int fds[2];
    uint64_t sent;
    uint64_t got;
};

static bool renting_open(struct renting *r)
{
    *r = (struct renting){.feed = {.limit = LIMIT}};
    if (!AIO_CHECK_OK(aio__buffers_prepare(&fixture.buffers)) || !fd_tcp_pair(r->fds))
        return false;
    r->op = op_make(AIO__OP_RENT, r->fds[0]);
    r->op.rent.feed = &r->feed;
    return true;
}

static void renting_send(struct renting *r, size_t size)
{
    static unsigned char bytes[65536];
    test_pattern_fill(bytes, size, r->sent);
    if (fd_writes(r->fds[1], bytes, size))
        r->sent += size;
}

static bool renting_take_one(struct renting *r)
{
    struct aio_buffer *buffer = aio__feed_collect(&r->feed);
    if (buffer == NULL)
        return false;
    AIO_CHECK(buffer->size > 0 && buffer->size <= FIXTURE_BUFFER_BYTES);
    AIO_CHECK(test_pattern_check(buffer->data, buffer->size, r->got));
    r->got += buffer->size;
    aio__buffer_release(buffer);
    return true;
}

static void renting_take(struct renting *r)
{
    while (renting_take_one(r))
        continue;
}

/* Submits again and again until all that was sent has been taken. */
static void renting_await(struct renting *r)
{
    while (r->got < r->sent) {
        if (op_done(&r->op))
            op_submit(&r->op);
        if (!AIO_CHECK_EQ(op_await(&r->op), 0))
            return;
        AIO_CHECK(r->feed.count > 0);
        renting_take(r);
    }
}

/* Ends the op as core does: what is delivered meanwhile is taken. */
static void renting_stop(struct renting *r, int32_t wanted)
{
    if (op_done(&r->op))
        op_submit(&r->op);
    while (op_stop(&r->op) == 0) {
        renting_take(r);
        op_submit(&r->op);
    }
    AIO_CHECK_ERROR(r->op.result, wanted);
    AIO_CHECK_EQ(r->feed.count, 0);
}

static void renting_close(struct renting *r)
{
    AIO_CHECK_EQ(aio__buffers_held(&fixture.buffers), 0);
    AIO_CHECK_EQ(fixture.buffers.unread, 0);
    fd_close_pair(r->fds);
}

CONTRACT(rent_at_once_and_after_a_wait)
{
    struct renting r;
    REQUIRE(renting_open(&r));
    renting_send(&r, 1);
    renting_await(&r);
    AIO_CHECK(op_waits(&r.op));
    renting_send(&r, 100);
    renting_await(&r);
    renting_send(&r, 5000); /* more than one buffer */
    renting_await(&r);
    AIO_CHECK(op_waits(&r.op));
    renting_stop(&r, -ECANCELED);
    renting_close(&r);
}

/* The end comes behind the data, and comes again when asked for again. */
CONTRACT(rent_tells_the_end_in_order)
{
    struct renting r;
    REQUIRE(renting_open(&r));
    renting_send(&r, 3000);
    AIO_CHECK_EQ(shutdown(r.fds[1], SHUT_WR), 0);
    renting_await(&r);
    for (int i = 0; i < 2; i++) {
        if (op_done(&r.op))
            op_submit(&r.op);
        AIO_CHECK_EQ(op_await(&r.op), AIO__STREAM_END);
    }
    renting_close(&r);
}

CONTRACT(rent_reports_what_is_wrong)
{
    struct renting r;
    REQUIRE(renting_open(&r));
    r.op.fd = 1000000;
    AIO_CHECK_ERROR(op_run(&r.op), -EBADF);
    r.op.fd = r.fds[0];
    AIO_CHECK(op_waits(&r.op));
    const struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(r.fds[1], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    fd_close(r.fds[1]);
    AIO_CHECK_ERROR(op_await(&r.op), -ECONNRESET);
    AIO_CHECK_EQ(aio__buffers_held(&fixture.buffers), 0);
    fd_close(r.fds[0]);
}

static void settle(void)
{
    for (int i = 0; i < 10; i++)
        turn(aio_time_now() + AIO_MS(1));
}

/* Nobody takes: about `limit` buffers are filled, the rest stays in the socket, and no more than
 * half of the pool is used. */
CONTRACT(rent_stops_while_its_feed_is_full)
{
    struct renting r;
    REQUIRE(renting_open(&r));
    for (int i = 0; i < 30; i++)
        renting_send(&r, FIXTURE_BUFFER_BYTES);
    op_submit(&r.op);
    AIO_CHECK_EQ(op_await(&r.op), 0);
    settle();
    AIO_CHECK(aio__buffers_held(&fixture.buffers) <= FIXTURE_BUFFERS / 2);
    uint32_t full = r.feed.count;
    settle();
    AIO_CHECK_EQ(r.feed.count, full);
    renting_take(&r);
    renting_await(&r);
    renting_stop(&r, -ECANCELED);
    renting_close(&r);
}

/* All buffers are taken elsewhere: the op waits, without spinning, and goes on with the first that
 * comes back. */
CONTRACT(rent_waits_for_buffers)
{
    struct renting r;
    struct aio_buffer *kept[FIXTURE_BUFFERS];
    int count = 0;
    REQUIRE(renting_open(&r));
    while ((kept[count] = aio__buffers_take(&fixture.buffers)) != NULL)
        if (++count == FIXTURE_BUFFERS)
            break;
    AIO_CHECK_EQ(count, FIXTURE_BUFFERS);
    AIO_CHECK(op_waits(&r.op));
    renting_send(&r, 3 * FIXTURE_BUFFER_BYTES);
    settle();
    AIO_CHECK(!op_done(&r.op));
    unsigned polls = fixture.polls;
    int64_t deadline = aio_time_now() + AIO_MS(30);
    while (aio_time_now() < deadline)
        turn(deadline);
    AIO_CHECK(fixture.polls - polls < (test_row()->faults ? 60 : 6));
    AIO_CHECK(fixture.buffers.shortages > 0);
    aio__buffer_release(kept[--count]);
    renting_await(&r);
    AIO_CHECK(op_waits(&r.op));
    renting_stop(&r, -ECANCELED);
    while (count > 0)
        aio__buffer_release(kept[--count]);
    renting_close(&r);
}

/* An op that waits for a buffer can be cancelled, and nothing is lost. */
CONTRACT(rent_cancel_while_waiting_for_a_buffer)
{
    struct renting r;
    struct aio_buffer *kept[FIXTURE_BUFFERS];
    REQUIRE(renting_open(&r));
    for (int i = 0; i < FIXTURE_BUFFERS; i++)
        kept[i] = aio__buffers_take(&fixture.buffers);
    renting_send(&r, 100);
    AIO_CHECK(op_waits(&r.op));
    settle();
    renting_stop(&r, -ECANCELED);
    for (int i = 0; i < FIXTURE_BUFFERS; i++)
        aio__buffer_release(kept[i]);
    renting_await(&r);
    renting_stop(&r, -ECANCELED);
    renting_close(&r);
}

/* A cancel comes before, between and after data: each byte is delivered, or still there. */
CONTRACT(rent_cancel_loses_no_byte)
{
    struct renting r;
    REQUIRE(renting_open(&r));
    for (int i = 0; i < storm(400); i++) {
        uint64_t dice = test_random();
        if (dice % 3 > 0)
            renting_send(&r, 1 + (dice >> 16) % 3000);
        op_submit(&r.op);
        if ((dice & 8) != 0)
            turn(0);
        if ((dice & 16) != 0)
            renting_send(&r, 1 + (dice >> 32) % 100);
        renting_stop(&r, -ECANCELED);
        if ((dice & 32) != 0)
            renting_await(&r);
        if (!op_done(&r.op))
            renting_stop(&r, -ECANCELED);
    }
    renting_await(&r);
    renting_stop(&r, -ECANCELED);
    AIO_CHECK_EQ(r.got, r.sent);
    renting_close(&r);
}

/* Takes from all of them in turns until they have got what was sent. */
static void rentings_await(struct renting *streams, int count)
{
    int64_t limit = aio_time_now() + AIO_SEC(5) * test_slowness();
    bool more = true;
    while (more && AIO_CHECK(aio_time_now() < limit)) {
        more = false;
        for (int i = 0; i < count; i++) {
            renting_take(&streams[i]);
            if (op_done(&streams[i].op))
                op_submit(&streams[i].op);
            more |= streams[i].got < streams[i].sent;
        }
        turn(more ? limit : 0);
    }
}

/* Many streams on few buffers, and some that nobody takes from: the others get through. */
CONTRACT_WITH(rent_many_streams_share_few_buffers, .ring_entries = 8)
{
    enum { COUNT = 24, IDLE = 3 };
    static struct renting streams[COUNT];
    for (int i = 0; i < COUNT; i++) {
        REQUIRE(renting_open(&streams[i]));
        op_submit(&streams[i].op);
    }
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++)
            renting_send(&streams[i], 3000);
        rentings_await(streams + IDLE, COUNT - IDLE);
    }
    rentings_await(streams, COUNT);
    for (int i = 0; i < COUNT; i++)
        renting_stop(&streams[i], -ECANCELED);
    for (int i = 0; i < COUNT; i++)
        renting_close(&streams[i]);
}
