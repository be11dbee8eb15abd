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

/* A stream moves once nothing of its core waits in it. */
BEHAVIOUR(detach_and_attach)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(rent_plain_send_pattern(raw.fd, 10, 0));
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 10, 0), 10);
    AIO_CHECK_ERROR(aio_stream_detach(raw.stream), -EBUSY); /* armed, or taken for it */
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR((int)aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    }
    AIO_CHECK_OK(aio_stream_detach(raw.stream));
    aio_stream_attach(raw.stream);
    REQUIRE(rent_plain_send_pattern(raw.fd, 10, 0));
    AIO_CHECK_EQ(rent_read_pattern(raw.stream, 10, 0), 10);
    AIO_CHECK_OK(rent_write_pattern(raw.stream, 10, 10, 0));
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, 10, 0));
    tcp_raw_close(&raw);
}
