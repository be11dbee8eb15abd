/*
 * Cancellation and deadlines racing with success: no byte and no connection is lost.
 */
#define SUITE "cancel_race"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct reading {
    struct aio_stream *stream;
    char *bytes;
    size_t size;
    size_t got;
};

/* Reads on after success only, so what it got before the interruption is all it took. */
static int read_until_interrupted(void *arg)
{
    struct reading *reading = arg;
    for (;;) {
        ssize_t n = aio_stream_read(reading->stream, reading->bytes + reading->got,
                                    reading->size - reading->got);
        if (n <= 0)
            return (int)n;
        reading->got += (size_t)n;
    }
}

static void linger_at_random(void)
{
    unsigned turns = (unsigned)(test_random() % 4);
    for (unsigned i = 0; i < turns; i++)
        AIO_CHECK_OK(aio_task_yield());
}

/* A reader is cancelled while bytes arrive: what it did not get is there for the next one, in
 * order. */
BEHAVIOUR(canceled_reads_lose_no_byte)
{
    enum { ROUNDS = 300, SIZE = 64 };
    struct wire wire;
    REQUIRE(wire_open(&wire));
    for (int round = 0; round < ROUNDS; round++) {
        char sent[SIZE], got[SIZE];
        struct reading reading = {wire.far, got, SIZE, 0};
        test_pattern_fill(sent, SIZE, (uint64_t)round * SIZE);
        struct aio_task *reader = task_named("reader", read_until_interrupted, &reading);
        REQUIRE(reader != NULL);
        linger_at_random();
        REQUIRE(AIO_CHECK_EQ(aio_stream_write_all(wire.near, sent, SIZE / 2, NULL), SIZE / 2));
        linger_at_random();
        aio_task_cancel(reader);
        REQUIRE(AIO_CHECK_EQ(aio_stream_write_all(wire.near, sent + SIZE / 2, SIZE / 2, NULL),
                             SIZE / 2));
        int result = task_stop(reader);
        AIO_CHECK(result == -ECANCELED || (result == 0 && reading.got == SIZE));
        size_t rest = SIZE - reading.got;
        if (rest > 0)
            REQUIRE(
                AIO_CHECK_EQ(aio_stream_read_exact(wire.far, got + reading.got, rest, NULL), rest));
        REQUIRE(test_pattern_check(got, SIZE, (uint64_t)round * SIZE));
    }
    wire_close(&wire);
}

/* The same with a deadline that comes at about the time of the bytes. */
static int write_later(void *arg)
{
    int rc = aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_US(300)));
    return rc < 0 ? rc : (int)aio_stream_write_all(arg, "0123456789abcdef", 16, NULL);
}

BEHAVIOUR(timed_out_reads_lose_no_byte)
{
    struct wire wire;
    REQUIRE(wire_open(&wire));
    for (int round = 0; round < 200; round++) {
        char got[17] = "";
        struct reading reading = {wire.far, got, 16, 0};
        struct aio_task *writer = task_named("writer", write_later, wire.near);
        REQUIRE(writer != NULL);
        int rc = 0;
        AIO_TIMEOUT((int64_t)(test_random() % (uint64_t)AIO_US(300)))
        {
            rc = read_until_interrupted(&reading);
        }
        AIO_CHECK(rc == -ETIMEDOUT || (rc == 0 && reading.got == 16));
        if (reading.got < 16)
            AIO_CHECK_EQ(aio_stream_read_exact(wire.far, got + reading.got, 16 - reading.got, NULL),
                         16 - (int)reading.got);
        AIO_CHECK_STR(got, "0123456789abcdef");
        AIO_CHECK_OK(aio_task_join(writer, NULL));
    }
    wire_close(&wire);
}

struct writing {
    struct aio_stream *stream;
    const char *bytes;
    size_t size;
    size_t done;
};

static int write_everything(void *arg)
{
    struct writing *writing = arg;
    ssize_t rc =
        aio_stream_write_all(writing->stream, writing->bytes, writing->size, &writing->done);
    return rc < 0 ? (int)rc : 0;
}

static int write_piecewise(void *arg)
{
    struct writing *writing = arg;
    ssize_t rc = 0;
    while (rc >= 0 && writing->done < writing->size) {
        rc = aio_stream_write(writing->stream, writing->bytes + writing->done,
                              writing->size - writing->done);
        writing->done += rc > 0 ? (size_t)rc : 0;
    }
    return rc < 0 ? (int)rc : 0;
}

static int read_to_end(void *arg)
{
    struct reading *reading = arg;
    char buffer[8192];
    ssize_t n;
    while ((n = aio_stream_read(reading->stream, buffer, sizeof buffer)) > 0) {
        if (!test_pattern_check(buffer, (size_t)n, reading->got))
            return -1;
        reading->got += (size_t)n;
    }
    return (int)n;
}

/* A writer is cancelled in the middle: what it was told is taken is what the peer gets, not a byte
 * more. */
static void check_canceled_writer(int (*write_some)(void *arg))
{
    enum { SIZE = 1 << 20 };
    static char bytes[SIZE];
    test_pattern_fill(bytes, SIZE, 0);
    for (int round = 0; round < 20; round++) {
        struct wire wire;
        int result = -1;
        REQUIRE(wire_open(&wire));
        struct reading reading = {wire.far, NULL, 0, 0};
        struct writing writing = {wire.near, bytes, SIZE, 0};
        struct aio_task *reader = task_named("reader", read_to_end, &reading);
        struct aio_task *writer = task_named("writer", write_some, &writing);
        REQUIRE(reader != NULL && writer != NULL);
        AIO_CHECK_OK(aio_time_sleep((int64_t)(test_random() % (uint64_t)AIO_US(500))));
        int rc = task_stop(writer);
        AIO_CHECK(rc == -ECANCELED || (rc == 0 && writing.done == SIZE));
        AIO_CHECK_OK(aio_stream_shutdown(wire.near, AIO_STREAM_WRITE));
        AIO_CHECK_OK(aio_task_join(reader, &result));
        AIO_CHECK_EQ(result, 0);
        AIO_CHECK_EQ(reading.got, writing.done);
        wire_close(&wire);
    }
}

BEHAVIOUR(canceled_write_all_tells_how_far)
{
    check_canceled_writer(write_everything);
}

BEHAVIOUR(canceled_write_took_nothing)
{
    check_canceled_writer(write_piecewise);
}

struct accepting {
    struct aio_listener *listener;
    int accepted;
};

static int accept_all(void *arg)
{
    struct accepting *accepting = arg;
    struct aio_stream *stream;
    int rc;
    while ((rc = aio_listener_accept(accepting->listener, &stream)) == 0) {
        accepting->accepted++;
        aio_stream_close(stream);
    }
    return rc;
}

/* Accepts are cancelled while clients connect: each connection goes to one accept or another. */
BEHAVIOUR(canceled_accepts_lose_no_connection)
{
    enum { ROUNDS = 150 };
    struct accepting accepting = {NULL, 0};
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&accepting.listener, text));
    for (int round = 0; round < ROUNDS; round++) {
        struct aio_stream *client;
        struct aio_task *acceptor = task_named("acceptor", accept_all, &accepting);
        REQUIRE(acceptor != NULL);
        linger_at_random();
        REQUIRE_OK(aio_tcp_connect(&client, text));
        linger_at_random();
        AIO_CHECK_ERROR(task_stop(acceptor), -ECANCELED);
        aio_stream_close(client);
    }
    while (accepting.accepted < ROUNDS) {
        struct aio_stream *stream;
        int rc = 0;
        AIO_TIMEOUT(AIO_SEC(5) * test_slowness())
        {
            rc = aio_listener_accept(accepting.listener, &stream);
        }
        REQUIRE_OK(rc);
        accepting.accepted++;
        aio_stream_close(stream);
    }
    AIO_CHECK_EQ(accepting.accepted, ROUNDS);
    aio_listener_close(accepting.listener);
}

struct connecting {
    const char *text;
    int connected;
};

static int connect_once(void *arg)
{
    struct connecting *connecting = arg;
    struct aio_stream *stream;
    int rc = aio_tcp_connect(&stream, connecting->text);
    if (rc < 0)
        return rc;
    connecting->connected++;
    aio_stream_close(stream);
    return 0;
}

/* Connects are cancelled at any moment: a stream or an error, never both, and no descriptor is
 * left. */
BEHAVIOUR(canceled_connects_leave_nothing)
{
    struct accepting accepting = {NULL, 0};
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct connecting connecting = {text, 0};
    int canceled = 0;
    REQUIRE(wire_listen(&accepting.listener, text));
    struct aio_task *acceptor = task_named("acceptor", accept_all, &accepting);
    REQUIRE(acceptor != NULL);
    for (int round = 0; round < 150; round++) {
        struct aio_task *connector = task_named("connector", connect_once, &connecting);
        REQUIRE(connector != NULL);
        linger_at_random();
        int rc = task_stop(connector);
        AIO_CHECK(rc == 0 || rc == -ECANCELED);
        canceled += rc == -ECANCELED;
    }
    AIO_CHECK_EQ(connecting.connected + canceled, 150);
    AIO_CHECK(canceled > 0);
    AIO_CHECK_ERROR(task_stop(acceptor), -ECANCELED);
    aio_listener_close(accepting.listener);
    AIO_CHECK_EQ(task_stats().handles_open, 0);
}

struct turn {
    struct aio_stream *stream;
    int served;
};

static int read_one(void *arg)
{
    struct turn *turn = arg;
    char byte;
    ssize_t n = aio_stream_read(turn->stream, &byte, 1);
    if (n == 1)
        turn->served++;
    return n < 0 ? (int)n : 0;
}

/* Of many readers in a queue some are cancelled: those behind them get their turns, and every byte
 * finds a reader. */
BEHAVIOUR(canceled_turns_are_passed_on)
{
    enum { READERS = 30 };
    for (int round = 0; round < 20; round++) {
        struct wire wire;
        REQUIRE(wire_open(&wire));
        struct turn turn = {wire.far, 0};
        struct aio_task *readers[READERS];
        int canceled = 0, left = 0;
        for (int i = 0; i < READERS; i++)
            REQUIRE_OK(aio_task_spawn(&readers[i], read_one, &turn, NULL));
        AIO_CHECK_OK(aio_task_yield());
        for (int i = 0; i < READERS; i++) {
            if (test_random() % 2 == 0)
                continue;
            aio_task_cancel(readers[i]);
            if (test_random() % 4 == 0)
                AIO_CHECK_EQ(aio_stream_write_all(wire.near, "x", 1, NULL), 1);
        }
        for (int i = 0; i < READERS; i++) /* enough for all that is left */
            AIO_CHECK_EQ(aio_stream_write_all(wire.near, "y", 1, NULL), 1);
        for (int i = 0; i < READERS; i++) {
            int result = 1;
            AIO_CHECK_OK(aio_task_join(readers[i], &result));
            canceled += result == -ECANCELED;
            left += result == 0;
        }
        AIO_CHECK_EQ(canceled + left, READERS);
        AIO_CHECK_EQ(turn.served, left);
        wire_close(&wire);
    }
}
