/*
 * Select over readiness: nothing is read or accepted by it, closing ends it, and it leaves nothing
 * in flight.
 */
#define SUITE "select_ready"
#include "tests/behaviour/task_tools.h"

#include <aio/select.h>
#include <errno.h>
#include <string.h>

static int write_soon(void *stream)
{
    int rc = aio_time_sleep(AIO_US(200));
    return rc < 0 ? rc : (int)aio_stream_write_all(stream, "hello", 5, NULL);
}

/* Ready before the select, or while it waits: then a read gets everything. */
BEHAVIOUR(readable_then_read)
{
    struct wire wire;
    char got[6] = "";
    REQUIRE(wire_open(&wire));
    struct aio_select_case cases[] = {aio_select_readable(wire.far), aio_select_after(AIO_SEC(15))};
    AIO_CHECK_ERROR(aio_select_try(cases, 2), -EAGAIN);
    for (int round = 0; round < 20; round++) {
        struct aio_task *writer = task_named("writer", write_soon, wire.near);
        if (round % 2 == 1)
            AIO_CHECK_OK(aio_task_join(writer, NULL));
        AIO_CHECK_EQ(aio_select_wait(cases, 2), 0);
        AIO_CHECK_EQ(cases[0].result, 0);
        AIO_CHECK_EQ(aio_stream_read_exact(wire.far, got, 5, NULL), 5);
        AIO_CHECK_STR(got, "hello");
        if (round % 2 == 0)
            AIO_CHECK_OK(aio_task_join(writer, NULL));
        AIO_CHECK_EQ(task_stats().ops_pending, 0);
    }
    AIO_CHECK_OK(aio_stream_shutdown(wire.near, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 0); /* the end is something to read */
    AIO_CHECK_EQ(aio_stream_read(wire.far, got, 1), 0);
    wire_close(&wire);
}

/* Writes until there is no room: an acknowledgement that comes late makes some once more. */
static void fill_wire(struct wire *wire, char *bytes, size_t size)
{
    struct aio_select_case cases[] = {aio_select_writable(wire->near), aio_select_after(AIO_MS(3))};
    int rc = 0;
    for (int i = 0; i < 10 && rc == 0; i++) {
        while (aio_select_wait(cases, 2) == 0)
            AIO_CHECK(aio_stream_write(wire->near, bytes, size) > 0);
        rc = aio_select_try(cases, 1);
    }
    AIO_CHECK_ERROR(rc, -EAGAIN);
}

/* A stream is writable until the peer is slow, and again when it has read. */
BEHAVIOUR(writable)
{
    static char bytes[65536];
    struct wire wire;
    REQUIRE(wire_open(&wire));
    struct aio_select_case cases[] = {aio_select_writable(wire.near),
                                      aio_select_readable(wire.far)};
    AIO_CHECK_EQ(aio_select_wait(cases, 1), 0);
    fill_wire(&wire, bytes, sizeof bytes);
    int which;
    while ((which = aio_select_wait(cases, 2)) == 1)
        AIO_CHECK(aio_stream_read(wire.far, bytes, sizeof bytes) > 0);
    AIO_CHECK_EQ(which, 0);
    wire_close(&wire);
}

struct waiting {
    struct aio_select_case *cases;
    size_t count;
    int which;
    uint32_t others; /* operations in flight that are not the select's, at most */
    bool clean;      /* no more were when it returned */
};

static int select_them(void *arg)
{
    struct waiting *waiting = arg;
    waiting->which = aio_select_wait(waiting->cases, waiting->count);
    waiting->clean = task_stats().ops_pending <= waiting->others;
    return waiting->which;
}

/* A stream that is closed while selected: -EBADF, for that case, and close waits for the select to
 * have let go. */
BEHAVIOUR(closed_while_selected)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    struct aio_select_case cases[] = {aio_select_readable(wire.near), aio_select_readable(wire.far),
                                      aio_select_after(AIO_SEC(15))};
    struct waiting waiting = {cases, 3, -1, 0, false};
    struct aio_task *task = task_named("waiting", select_them, &waiting);
    REQUIRE(task_wait_parked("waiting"));
    aio_stream_close(wire.far);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(waiting.which, 1);
    AIO_CHECK_ERROR(cases[1].result, -EBADF);
    AIO_CHECK(waiting.clean);
    aio_stream_close(wire.near);
}

/* Another case wins, or the select is cancelled: the readiness cases leave nothing behind, and the
 * bytes are there for the next. */
BEHAVIOUR(losing_cases_leave_nothing)
{
    struct wire wire;
    char byte;
    struct aio_channel *channel;
    REQUIRE(wire_open(&wire));
    REQUIRE_OK(aio_channel_open(&channel, 0, 0));
    struct aio_select_case cases[] = {aio_select_readable(wire.far),
                                      aio_select_receive(channel, NULL)};
    for (int round = 0; round < 100; round++) {
        struct waiting waiting = {cases, 2, -1, 1, false};
        struct aio_task *task = task_named("waiting", select_them, &waiting);
        for (unsigned turns = (unsigned)(test_random() % 4); turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_EQ(aio_stream_write_all(wire.near, "x", 1, NULL), 1);
        waiting.others = 0;
        if (round % 2 == 0)
            aio_task_cancel(task);
        else
            AIO_CHECK(aio_channel_trysend(channel, NULL) <= 0); /* -EAGAIN when it came too late */
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK(waiting.which >= 0 || (round % 2 == 0 && waiting.which == -ECANCELED));
        AIO_CHECK(waiting.clean);
        AIO_CHECK_EQ(aio_stream_read(wire.far, &byte, 1), 1);
    }
    aio_channel_free(channel);
    wire_close(&wire);
}

static int connect_soon(void *text)
{
    struct aio_stream *stream;
    int rc = aio_time_sleep(AIO_US(200));
    if (rc == 0)
        rc = aio_tcp_connect(&stream, text);
    if (rc < 0)
        return rc;
    aio_stream_close(stream);
    return 0;
}

/* A connection wakes the select and waits for the accept. */
BEHAVIOUR(acceptable_then_accept)
{
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&listener, text));
    struct aio_select_case cases[] = {aio_select_acceptable(listener),
                                      aio_select_after(AIO_US(300))};
    AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
    for (int round = 0; round < 20; round++) {
        struct aio_stream *stream;
        struct aio_task *client = task_named("client", connect_soon, text);
        while (aio_select_wait(cases, 2) == 1)
            continue;
        AIO_CHECK_EQ(cases[0].result, 0);
        REQUIRE_OK(aio_listener_accept(listener, &stream));
        aio_stream_close(stream);
        AIO_CHECK_OK(aio_task_join(client, NULL));
    }
    struct waiting waiting = {cases, 1, -1, 0, false};
    struct aio_task *task = task_named("waiting", select_them, &waiting);
    AIO_CHECK_OK(aio_task_yield());
    aio_listener_close(listener);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(waiting.which, 0);
    AIO_CHECK_ERROR(cases[0].result, -EBADF);
}

/* A readable stream and a full channel: neither is passed over. */
BEHAVIOUR(fair_between_kinds)
{
    enum { ROUNDS = 1000 };
    struct wire wire;
    struct aio_channel *channel;
    int chosen[2] = {0, 0};
    REQUIRE(wire_open(&wire));
    REQUIRE_OK(aio_channel_open(&channel, 0, 1));
    AIO_CHECK_OK(aio_channel_trysend(channel, NULL));
    AIO_CHECK_EQ(aio_stream_write_all(wire.near, "x", 1, NULL), 1);
    struct aio_select_case cases[] = {aio_select_readable(wire.far),
                                      aio_select_receive(channel, NULL)};
    AIO_CHECK_EQ(aio_select_wait(cases, 1), 0);
    for (int round = 0; round < ROUNDS; round++) {
        int which = aio_select_wait(cases, 2);
        REQUIRE(which >= 0);
        chosen[which]++;
        if (which == 1)
            AIO_CHECK_OK(aio_channel_trysend(channel, NULL));
    }
    AIO_CHECK(chosen[0] > ROUNDS / 4 && chosen[1] > ROUNDS / 4);
    aio_channel_free(channel);
    wire_close(&wire);
}
