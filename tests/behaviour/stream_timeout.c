/*
 * A stream's own time limits, and telling them from deadlines.
 */
#define SUITE "stream_timeout"
#include "tests/behaviour/tcp_support.h"

#include <stdlib.h>
#include <unistd.h>

enum { MUCH = 4 << 20 };

/* A read ends after the stream's time, never before, and says what ended it. */
BEHAVIOUR(read_limit)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(3), 0));
    AIO_CHECK(!aio_stream_expired(raw.stream));
    int64_t start = aio_time_now();
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    AIO_CHECK(aio_time_now() - start >= AIO_MS(3));
    AIO_CHECK(aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
}

/* It bounds each read anew, and a read in time is not concerned. */
BEHAVIOUR(each_read_anew)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(2), 0));
    for (int i = 0; i < 5; i++) {
        AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
        REQUIRE(tcp_plain_send(raw.fd, "t", 1));
        AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_SEC(5), 0));
        AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
        AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(2), 0));
    }
    tcp_raw_close(&raw);
}

/* A write to a peer that does not read ends likewise; reads are not concerned. */
BEHAVIOUR(write_limit)
{
    struct tcp_raw raw;
    size_t done = 0;
    char byte = 0;
    char *bytes = calloc(1, MUCH);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, 0, AIO_MS(5)));
    int64_t start = aio_time_now();
    AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, bytes, MUCH, &done), -ETIMEDOUT);
    AIO_CHECK(aio_time_now() - start >= AIO_MS(5));
    AIO_CHECK(done > 0);
    AIO_CHECK(done < MUCH);
    AIO_CHECK(aio_stream_expired(raw.stream));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(8))); /* longer than a write may take */
    AIO_CHECK(!call.ended);
    REQUIRE(tcp_plain_send(raw.fd, "r", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    tcp_raw_close(&raw);
    free(bytes);
}

/* A whole read_exact is one call: bytes that dribble in do not prolong it. */
BEHAVIOUR(whole_call)
{
    struct tcp_raw raw;
    char bytes[4096];
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(10), 0));
    struct tcp_call call = {
        .kind = TCP_READ_EXACT, .object = raw.stream, .buffer = bytes, .size = sizeof bytes};
    REQUIRE(tcp_call_start(&call));
    int sent = 0;
    while (!call.ended && sent < 4000) {
        REQUIRE(tcp_plain_send(raw.fd, "d", 1));
        sent++;
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    }
    AIO_CHECK_ERROR(tcp_call_join(&call), -ETIMEDOUT);
    AIO_CHECK((int)call.done <= sent);
    AIO_CHECK(aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
}

/* 0 and AIO_FOREVER take the limit away; a negative time is -EINVAL and changes nothing. */
BEHAVIOUR(values)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(1), AIO_MS(1)));
    AIO_CHECK_ERROR(aio_stream_timeout(raw.stream, -1, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_timeout(raw.stream, 0, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_timeout(raw.stream, INT64_MIN, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        int64_t none = i == 0 ? 0 : AIO_FOREVER;
        AIO_CHECK_EQ(aio_stream_timeout(raw.stream, none, none), 0);
        struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&call));
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(3)));
        AIO_CHECK(!call.ended);
        AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    }
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_FOREVER - 1, AIO_FOREVER - 1));
    AIO_CHECK_EQ(aio_stream_write(raw.stream, "x", 1), 1);
    tcp_raw_close(&raw);
}

/* An ambient deadline that is nearer wins, and is not the stream's. */
BEHAVIOUR(ambient_is_nearer)
{
    struct tcp_raw raw;
    struct aio_deadline deadline;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_SEC(10), 0));
    aio_deadline_set(&deadline, AIO_MS(2));
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    aio_deadline_clear(&deadline);
    AIO_CHECK(aio_deadline_expired(&deadline));
    AIO_CHECK(!aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
}

/* The stream's limit inside a later deadline is the stream's, and the deadline has not expired. */
BEHAVIOUR(stream_is_nearer)
{
    struct tcp_raw raw;
    struct aio_deadline deadline;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(2), 0));
    aio_deadline_set(&deadline, AIO_SEC(10));
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    AIO_CHECK(!aio_deadline_expired(&deadline));
    AIO_CHECK_OK(aio_task_yield()); /* nothing of the limit is left behind */
    aio_deadline_clear(&deadline);
    tcp_raw_close(&raw);
}

/* Each timeout has its own answer: the former one's is forgotten. */
BEHAVIOUR(last_timeout_counts)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(1), 0));
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, 0, 0));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    }
    AIO_CHECK(!aio_stream_expired(raw.stream));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(1), 0));
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_shutdown(raw.stream, AIO_STREAM_READ), -ETIMEDOUT);
    }
    AIO_CHECK(!aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
}

/* A cancellation is not a timeout, whatever limits there are. */
BEHAVIOUR(cancel_is_no_timeout)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_SEC(10), 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK(!aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
}

/* The wait for one's turn counts. */
BEHAVIOUR(limit_in_the_queue)
{
    struct tcp_raw raw;
    char first = 0, second;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &first, .size = 1};
    REQUIRE(tcp_call_start(&call)); /* without limit */
    tcp_settle();
    AIO_CHECK_OK(aio_stream_timeout(raw.stream, AIO_MS(2), 0));
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &second, 1), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    AIO_CHECK(!call.ended);
    REQUIRE(tcp_plain_send(raw.fd, "f", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    AIO_CHECK_EQ(first, 'f');
    tcp_raw_close(&raw);
}
