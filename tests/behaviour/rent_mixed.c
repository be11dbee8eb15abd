/*
 * Rented reads and writes beside the other things that streams do: select, messages, moving.
 */
#define SUITE "rent_mixed"
#include "tests/behaviour/rent_support.h"

#include <aio/message.h>
#include <aio/select.h>
#include <string.h>
#include <unistd.h>

static int send_soon(void *raw)
{
    int rc = aio_time_sleep(AIO_US(200));
    AIO_CHECK(rent_plain_send_pattern(((struct tcp_raw *)raw)->fd, 5, 0));
    return rc;
}

/* A select hears of data that an armed rented read takes, before or while it waits. */
BEHAVIOUR(select_readable)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct aio_select_case cases[] = {aio_select_readable(raw.stream),
                                      aio_select_writable(raw.stream),
                                      aio_select_after(AIO_SEC(15))};
    for (int round = 0; round < 20; round++) {
        struct aio_task *task;
        REQUIRE_OK(aio_task_spawn(&task, send_soon, &raw, NULL));
        if (round % 2 == 1)
            AIO_CHECK_OK(aio_task_join(task, NULL));
        cases[1] = aio_select_after(AIO_SEC(15));
        AIO_CHECK_EQ(aio_select_wait(cases, 3), 0);
        AIO_CHECK_EQ(cases[0].result, 0);
        AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5, 0), 5);
        if (round % 2 == 0)
            AIO_CHECK_OK(aio_task_join(task, NULL));
    }
    tcp_raw_close(&raw);
}

/* What goes through a message and what goes through a buffer keeps its order. */
BEHAVIOUR(messages_keep_the_order)
{
    struct tcp_raw raw;
    char bytes[100];
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 50, 50, 0));
    test_pattern_fill(bytes, 50, 50);
    struct iovec part = {bytes, 50};
    struct aio_message message = {.vectors = &part, .count = 1};
    ssize_t n = aio_stream_sendmsg(raw.stream, &message);
    REQUIRE(n > 0);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 50 + (uint64_t)n, 0));

    REQUIRE(rent_plain_send_pattern(raw.fd, 60, 0));
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 60, 0), 60);
    REQUIRE(rent_plain_send_pattern(raw.fd, 40, 60));
    tcp_settle(); /* it may have been received already */
    uint64_t got = 0;
    while (got < 40) {
        part = (struct iovec){bytes, sizeof bytes};
        message = (struct aio_message){.vectors = &part, .count = 1};
        REQUIRE_OK(aio_stream_recvmsg(raw.stream, &message));
        REQUIRE(message.bytes > 0);
        AIO_CHECK_EQ(message.control_bytes, 0);
        AIO_CHECK(test_pattern_check(bytes, message.bytes, 60 + got));
        got += message.bytes;
    }
    tcp_raw_close(&raw);
}

static int select_readable_of(void *stream)
{
    struct aio_select_case cases[] = {aio_select_readable(stream), aio_select_after(AIO_SEC(15))};
    return aio_select_wait(cases, 2);
}

/* A select goes on when the rented read, or the plain one, that the receive was ended for has
 * gone. */
BEHAVIOUR(select_beside_reads)
{
    struct tcp_raw raw;
    char byte;
    int which;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (uint64_t round = 0; round < 20; round++) {
        struct aio_task *selecting;
        struct rent_call call = {.stream = raw.stream};
        REQUIRE(rent_call_start(&call));
        tcp_settle(); /* the receive is armed */
        REQUIRE_OK(aio_task_spawn(&selecting, select_readable_of, raw.stream, NULL));
        tcp_settle();
        AIO_CHECK_ERROR((int)rent_call_cancel(&call), -ECANCELED);
        if (round % 2 == 1)
            AIO_TIMEOUT(AIO_US(200))
            {
                AIO_CHECK_ERROR((int)aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
            }
        REQUIRE(rent_plain_send_pattern(raw.fd, 5, 0));
        AIO_CHECK_OK(aio_task_join(selecting, &which));
        AIO_CHECK_EQ(which, 0);
        AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5, 0), 5);
    }
    tcp_raw_close(&raw);
}

static bool nothing_pending(void *unused)
{
    (void)unused;
    return rent_stats().ops_pending == 0;
}

/* A select that was decided otherwise leaves nothing in flight. */
BEHAVIOUR(select_leaves_nothing)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(rent_plain_send_pattern(raw.fd, 5, 0));
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5, 0), 5);
    struct aio_select_case cases[] = {aio_select_readable(raw.stream),
                                      aio_select_after(AIO_US(200))};
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 1);
    AIO_CHECK(test_wait(nothing_pending, NULL));
    tcp_raw_close(&raw);
}

/* A stream moves once nothing of its core waits in it; what was received for it is read first. */
BEHAVIOUR(detach_and_attach)
{
    struct tcp_raw raw;
    char byte;
    uint64_t sent = 0, got = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int round = 0; round < 20; round++) {
        REQUIRE(rent_plain_send_pattern(raw.fd, 10, sent));
        sent += 10;
        got += rent_read_pattern(raw.stream, 1, got);
        REQUIRE(rent_plain_send_pattern(raw.fd, 10, sent)); /* taken, or not */
        sent += 10;
        int rc;
        while ((rc = aio_stream_detach(raw.stream)) == -EBUSY)
            got += rent_read_pattern(raw.stream, 1, got);
        REQUIRE_OK(rc);
        aio_stream_attach(raw.stream);
        REQUIRE(got <= sent);
        for (; got < sent; got++) {
            AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
            AIO_CHECK(test_pattern_check(&byte, 1, got));
        }
    }
    tcp_raw_close(&raw);
}

/* What was given away and not sent belongs to the core. */
BEHAVIOUR(detach_after_flush)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 4096));
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 10, 10, 0));
    tcp_settle();
    int rc = aio_stream_detach(raw.stream);
    AIO_CHECK(rc == 0 || rc == -EBUSY); /* the end may be told late */
    if (rc == 0)
        aio_stream_attach(raw.stream);
    AIO_CHECK_OK(aio_stream_flush(raw.stream));
    AIO_CHECK_OK(aio_stream_detach(raw.stream));
    aio_stream_attach(raw.stream);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 10, 0));
    tcp_raw_close(&raw);
}

static int close_it(void *stream)
{
    aio_stream_close(stream);
    return 0;
}

/* A close while the receive is being ended wins. */
BEHAVIOUR(closed_while_detached)
{
    for (int round = 0; round < 10; round++) {
        struct tcp_raw raw;
        struct aio_task *closing;
        REQUIRE(tcp_raw_open(&raw, 0));
        REQUIRE(rent_plain_send_pattern(raw.fd, 5, 0));
        AIO_CHECK_EQ(rent_read_pattern(raw.stream, 5, 0), 5);
        REQUIRE_OK(aio_task_spawn(&closing, close_it, raw.stream, NULL));
        int rc = aio_stream_detach(raw.stream);
        if (rc == 0)
            aio_stream_attach(raw.stream);
        else
            AIO_CHECK_ERROR(rc, -EBADF);
        AIO_CHECK_OK(aio_task_join(closing, NULL));
        raw.stream = NULL;
        tcp_raw_close(&raw);
    }
}
