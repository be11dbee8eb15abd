/*
 * The smallest of everything: a task sleeps, and a stream carries bytes there and back.
 */
#define SUITE "smoke"
#include "tests/harness/harness.h"

#include <string.h>

BEHAVIOUR(sleep_is_not_early)
{
    int64_t start = aio_time_now();
    AIO_CHECK_OK(aio_time_sleep(AIO_US(300)));
    AIO_CHECK(aio_time_now() - start >= AIO_US(300));
}

static int echo_once(void *arg)
{
    struct aio_stream *stream;
    char buffer[16];
    int rc = aio_listener_accept(arg, &stream);
    if (!AIO_CHECK_OK(rc))
        return rc;
    AIO_CHECK_EQ(aio_stream_read_exact(stream, buffer, 5, NULL), 5);
    AIO_CHECK_EQ(aio_stream_write_all(stream, buffer, 5, NULL), 5);
    aio_stream_close(stream);
    return 0;
}

BEHAVIOUR(echo_round_trip)
{
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_stream *stream;
    struct aio_task *task;
    char text[AIO_ADDRESS_TEXT_BYTES], buffer[16] = "";

    REQUIRE_OK(aio_tcp_listen(&listener, "127.0.0.1:0", NULL));
    REQUIRE_OK(aio_listener_address(listener, &address));
    REQUIRE_OK(aio_address_format(&address, text, sizeof text));
    REQUIRE_OK(aio_task_spawn(&task, echo_once, listener, NULL));
    REQUIRE_OK(aio_tcp_connect(&stream, text));
    AIO_CHECK_EQ(aio_stream_write_all(stream, "hello", 5, NULL), 5);
    AIO_CHECK_EQ(aio_stream_read_exact(stream, buffer, 5, NULL), 5);
    AIO_CHECK_STR(buffer, "hello");
    AIO_CHECK_EQ(aio_stream_read(stream, buffer, sizeof buffer), 0);
    aio_stream_close(stream);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    aio_listener_close(listener);
}
