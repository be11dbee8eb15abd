/*
 * Buffered reading of bytes: peeking, exact counts, frames, large reads, memory of either kind.
 */
#define SUITE "reader_bytes"
#include "tests/behaviour/tcp_support.h"

#include <aio/buffered.h>

#include <stdlib.h>
#include <string.h>

/* Peeking shows what is there and consumes nothing; at the end it shows less. */
BEHAVIOUR(peek)
{
    struct tcp_raw raw;
    struct aio_reader reader;
    const char *bytes = NULL;
    char memory[16], buffer[8] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_reader_open(&reader, raw.stream, memory, sizeof memory));
    REQUIRE(tcp_plain_send(raw.fd, "abcdef", 6));
    AIO_CHECK(aio_reader_peek(&reader, &bytes, 3) >= 3);
    AIO_CHECK(memcmp(bytes, "abc", 3) == 0);
    AIO_CHECK_EQ(aio_reader_peek(&reader, &bytes, 6), 6);
    AIO_CHECK(memcmp(bytes, "abcdef", 6) == 0);
    aio_reader_skip(&reader, 4);
    AIO_CHECK_ERROR(aio_reader_peek(&reader, &bytes, sizeof memory + 1), -EMSGSIZE);
    AIO_TIMEOUT(AIO_US(500))
    {
        AIO_CHECK_ERROR(aio_reader_peek(&reader, &bytes, 3), -ETIMEDOUT);
    }
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_EQ(aio_reader_peek(&reader, &bytes, 3), 2);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer, 2, NULL), 2);
    AIO_CHECK_STR(buffer, "ef");
    AIO_CHECK_EQ(aio_reader_peek(&reader, &bytes, 1), 0);
    aio_reader_close(&reader);
    tcp_raw_close(&raw);
}

/* Exact counts, and how far it came where the stream ends first. */
BEHAVIOUR(exact)
{
    struct tcp_raw raw;
    struct aio_reader reader;
    char memory[4], buffer[16] = "";
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_reader_open(&reader, raw.stream, memory, sizeof memory));
    REQUIRE(tcp_plain_send(raw.fd, "0123456789abc", 13));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer, 3, NULL), 3);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer + 3, 7, &done), 7);
    AIO_CHECK_EQ(done, 7);
    AIO_CHECK_STR(buffer, "0123456789");
    AIO_CHECK_ERROR(aio_reader_read_exact(&reader, buffer, 4, &done), -ENODATA);
    AIO_CHECK_EQ(done, 3);
    AIO_CHECK(memcmp(buffer, "abc", 3) == 0);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer, 4, &done), 0);
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_EQ(aio_reader_read(&reader, buffer, 4), 0);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer, 0, NULL), 0);
    aio_reader_close(&reader);
    tcp_raw_close(&raw);
}

/* What a deadline cut short stands in the caller's buffer, and the rest is for the next call. */
BEHAVIOUR(exact_cut_short)
{
    struct tcp_raw raw;
    struct aio_reader reader;
    char memory[4], buffer[16] = "";
    size_t done = 0, more = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_reader_open(&reader, raw.stream, memory, sizeof memory));
    REQUIRE(tcp_plain_send(raw.fd, "01234", 5));
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_reader_read_exact(&reader, buffer, 10, &done), -ETIMEDOUT);
    }
    AIO_CHECK(done <= 5);
    REQUIRE(tcp_plain_send(raw.fd, "56789", 5));
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer + done, 10 - done, &more), 10 - done);
    AIO_CHECK_STR(buffer, "0123456789");
    aio_reader_close(&reader);
    tcp_raw_close(&raw);
}

/* A frame is an end that the stream does not have, for every kind of call. */
BEHAVIOUR(frame)
{
    struct tcp_raw raw;
    struct aio_reader reader;
    const char *bytes;
    char buffer[64] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_reader_open(&reader, raw.stream, NULL, 8));
    REQUIRE(tcp_plain_send(raw.fd, "head\nbody of 20 bytes...next\n", 29));
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &bytes, NULL), 1);
    AIO_CHECK_STR(bytes, "head");
    aio_reader_frame(&reader, 19);
    AIO_CHECK_EQ(aio_reader_read_exact(&reader, buffer, 12, NULL), 12);
    AIO_CHECK_ERROR(aio_reader_read_line(&reader, &bytes, NULL), -ENODATA);
    AIO_CHECK_EQ(aio_reader_peek(&reader, &bytes, 8), 7);
    AIO_CHECK_ERROR(aio_reader_read_exact(&reader, buffer + 12, sizeof buffer - 12, NULL),
                    -ENODATA);
    AIO_CHECK_STR(buffer, "body of 20 bytes...");
    AIO_CHECK_EQ(aio_reader_read(&reader, buffer, 64), 0);
    aio_reader_frame(&reader, AIO_READER_UNFRAMED);
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &bytes, NULL), 1);
    AIO_CHECK_STR(bytes, "next");
    aio_reader_close(&reader);
    tcp_raw_close(&raw);
}

/* Megabytes in calls of every size, through a buffer smaller and larger than they, are whole. */
static void much(size_t size)
{
    enum { TOTAL = 1 << 20, CHUNK = 20000 };
    struct tcp_pair pair;
    struct aio_reader reader;
    unsigned char *sent = malloc(TOTAL), *buffer = malloc(CHUNK);
    REQUIRE(sent != NULL && buffer != NULL && tcp_pair_open(&pair));
    REQUIRE_OK(aio_reader_open(&reader, pair.far, NULL, size));
    test_pattern_fill(sent, TOTAL, 0);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = sent, .size = TOTAL};
    REQUIRE(tcp_call_start(&call));
    for (size_t got = 0; got < TOTAL;) {
        size_t want = 1 + test_random() % CHUNK;
        if (want > TOTAL - got)
            want = TOTAL - got;
        ssize_t rc = test_random() % 2 == 0 ? aio_reader_read(&reader, buffer, want)
                                            : aio_reader_read_exact(&reader, buffer, want, NULL);
        if (!AIO_CHECK(rc > 0) || !AIO_CHECK(test_pattern_check(buffer, (size_t)rc, got)))
            break;
        got += (size_t)rc;
    }
    AIO_CHECK_EQ(tcp_call_join(&call), TOTAL);
    aio_reader_close(&reader);
    tcp_pair_close(&pair);
    free(sent);
    free(buffer);
}

BEHAVIOUR(much_through_little)
{
    much(100);
}

BEHAVIOUR(much_through_more)
{
    much(0);
}

/* Memory without a size is refused; a failed open leaves nothing. */
BEHAVIOUR_WITH(bad_memory, .memory_limit = 1 << 20)
{
    struct aio_reader reader;
    char memory[1];
    AIO_CHECK_ERROR(aio_reader_open(&reader, NULL, memory, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_reader_open(&reader, NULL, NULL, 2 << 20), -ENOMEM);
}
