/*
 * Storms on streams: cancellation and deadlines racing data, connections that come and go.
 */
#define SUITE "soak_streams"
#include "tests/soak/soak.h"

#include <errno.h>
#include <string.h>

struct reader {
    struct aio_stream *stream;
    unsigned char byte;
    ssize_t got;
};

static int read_one(void *arg)
{
    struct reader *reader = arg;
    reader->got = aio_stream_read(reader->stream, &reader->byte, 1);
    return 0;
}

static int write_one(void *arg)
{
    struct reader *writer = arg;
    writer->got = aio_stream_write(writer->stream, &writer->byte, 1);
    return 0;
}

/* Then gives it no time, some runs, or a turn of the loop. */
static bool spawn_and_linger(struct aio_task **out, int (*fn)(void *arg), struct reader *reader)
{
    uint64_t time = test_random() % 4;
    bool held = aio_task_spawn(out, fn, reader, NULL) == 0;
    if (time == 3)
        return held && aio_time_sleep(1) == 0;
    for (; held && time > 0; time--)
        held = aio_task_yield() == 0;
    return held;
}

/* A reader is cancelled while its byte arrives. The byte is read, by it or after it. */
BEHAVIOUR(cancel_races_data)
{
    struct wire wire;
    uint64_t lost_races = 0;
    REQUIRE(wire_open(&wire));
    struct storm storm = storm_begin("cancelled reads", 1000000);
    while (storm_goes_on(&storm)) {
        unsigned char byte = (unsigned char)storm.done;
        struct reader reader = {wire.far, 0, 0}, writer = {wire.near, byte, 0};
        struct aio_task *tasks[2];
        REQUIRE(spawn_and_linger(&tasks[0], read_one, &reader));
        REQUIRE(spawn_and_linger(&tasks[1], write_one, &writer));
        aio_task_cancel(tasks[0]);
        REQUIRE(aio_task_join(tasks[0], NULL) == 0);
        REQUIRE(aio_task_join(tasks[1], NULL) == 0);
        REQUIRE(writer.got == 1);
        REQUIRE(reader.got == 1 || reader.got == -ECANCELED);
        lost_races += reader.got == 1;
        if (reader.got != 1)
            REQUIRE(aio_stream_read(wire.far, &reader.byte, 1) == 1);
        REQUIRE(reader.byte == byte);
    }
    AIO_CHECK(lost_races > 0 && lost_races < storm.done);
    wire_close(&wire);
    storm_check_end();
}

static int write_numbers(void *arg)
{
    unsigned char byte = 0;
    ssize_t rc;
    while ((rc = aio_stream_write(arg, &byte, 1)) == 1) {
        byte++;
        rc = test_random() % 4 == 0 ? aio_time_sleep((int64_t)(test_random() % 20000))
                                    : aio_task_yield();
        if (rc < 0)
            break;
    }
    return (int)rc;
}

/* Reads whose deadlines come at about the time of the bytes: each byte comes once, in order. */
BEHAVIOUR(deadlines_race_data)
{
    struct wire wire;
    struct aio_task *writer;
    uint64_t bytes = 0, timeouts = 0;
    REQUIRE(wire_open(&wire));
    REQUIRE_OK(aio_task_spawn(&writer, write_numbers, wire.near, NULL));
    struct storm storm = storm_begin("reads under deadlines", 1000000);
    while (storm_goes_on(&storm)) {
        unsigned char byte = 0;
        ssize_t rc = 0;
        AIO_TIMEOUT((int64_t)(test_random() % 20000))
        {
            rc = aio_stream_read(wire.far, &byte, 1);
        }
        REQUIRE(rc == 1 || rc == -ETIMEDOUT);
        timeouts += rc != 1;
        REQUIRE(rc != 1 || byte == (unsigned char)bytes++);
        if (rc != 1)
            REQUIRE(aio_task_yield() == 0);
    }
    AIO_CHECK(bytes > 0 && timeouts > 0);
    aio_task_cancel(writer);
    AIO_CHECK_OK(aio_task_join(writer, NULL));
    wire_close(&wire);
    storm_check_end();
}

struct echo {
    struct aio_listener *listener;
    uint64_t served;
};

static int serve_echo(void *arg)
{
    struct echo *echo = arg;
    struct aio_stream *peer;
    int rc;
    while ((rc = aio_listener_accept(echo->listener, &peer)) == 0) {
        char buffer[64];
        ssize_t n;
        while ((n = aio_stream_read(peer, buffer, sizeof buffer)) > 0)
            if (aio_stream_write_all(peer, buffer, (size_t)n, NULL) < 0)
                break;
        aio_stream_close(peer);
        echo->served++;
    }
    return rc;
}

static bool call_echo(const char *text)
{
    char sent[16], got[16] = "";
    struct aio_stream *stream;
    test_pattern_fill(sent, sizeof sent, test_random());
    if (!AIO_CHECK_OK(aio_tcp_connect(&stream, text)))
        return false;
    /* Closing resets, or a hundred thousand ports would wait for their time. */
    bool held = AIO_CHECK_OK(aio_stream_option_set(stream, AIO_STREAM_LINGER, 0)) &&
                AIO_CHECK_EQ(aio_stream_write_all(stream, sent, sizeof sent, NULL), sizeof sent) &&
                AIO_CHECK_EQ(aio_stream_read_exact(stream, got, sizeof got, NULL), sizeof got) &&
                AIO_CHECK(memcmp(sent, got, sizeof got) == 0);
    aio_stream_close(stream);
    return held;
}

/* Connections come, are used, and are reset, over and over. */
BEHAVIOUR(connect_and_close)
{
    enum { SERVERS = 4 };
    struct aio_task *servers[SERVERS];
    struct echo echo = {NULL, 0};
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&echo.listener, text));
    for (int i = 0; i < SERVERS; i++)
        REQUIRE_OK(aio_task_spawn(&servers[i], serve_echo, &echo, NULL));
    struct storm storm = storm_begin("connections", 100000);
    while (storm_goes_on(&storm))
        REQUIRE(call_echo(text));
    for (int i = 0; i < SERVERS; i++) {
        aio_task_cancel(servers[i]);
        AIO_CHECK_OK(aio_task_join(servers[i], NULL));
    }
    AIO_CHECK(echo.served >= storm.done - SERVERS && echo.served <= storm.done);
    aio_listener_close(echo.listener);
    storm_check_end();
}

static int connect_somewhere(void *arg)
{
    struct aio_stream *stream;
    int rc = aio_tcp_connect(&stream, arg);
    if (rc < 0)
        return rc;
    AIO_CHECK_OK(aio_stream_option_set(stream, AIO_STREAM_LINGER, 0));
    aio_stream_close(stream);
    return 0;
}

/* Connects and accepts are cancelled at any moment: no descriptor and no handle is left. */
BEHAVIOUR(cancel_races_connections)
{
    struct echo echo = {NULL, 0};
    struct aio_task *connector, *server;
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&echo.listener, text));
    struct storm storm = storm_begin("cancelled connects", 100000);
    while (storm_goes_on(&storm)) {
        int results[2];
        REQUIRE(aio_task_spawn(&server, serve_echo, &echo, NULL) == 0);
        REQUIRE(aio_task_spawn(&connector, connect_somewhere, text, NULL) == 0);
        for (uint64_t turns = test_random() % 4; turns > 0; turns--)
            REQUIRE(aio_task_yield() == 0);
        aio_task_cancel(test_random() % 2 == 0 ? connector : server);
        aio_task_cancel(connector);
        aio_task_cancel(server);
        REQUIRE(aio_task_join(connector, &results[0]) == 0);
        REQUIRE(aio_task_join(server, &results[1]) == 0);
        REQUIRE(results[0] == 0 || results[0] == -ECANCELED);
        REQUIRE(results[1] == -ECANCELED);
    }
    aio_listener_close(echo.listener);
    storm_check_end();
}

/* Runtimes start, do a little, leave everything open, and end. */
static int leave_everything(void *unused)
{
    struct wire wire;
    (void)unused;
    for (int i = 0; i < 3; i++) {
        static struct reader readers[3];
        if (!wire_open(&wire))
            return -1;
        readers[i] = (struct reader){wire.far, 0, 0};
        if (!AIO_CHECK_OK(aio_task_spawn(NULL, read_one, &readers[i], NULL)))
            return -1;
    }
    return test_random() % 2 == 0 ? 0 : aio_task_yield();
}

BEHAVIOUR_OUTSIDE(runtimes_come_and_go)
{
    struct storm storm = storm_begin("runtimes", 5000);
    while (storm_goes_on(&storm))
        REQUIRE(test_run(leave_everything, NULL) == 0);
}
