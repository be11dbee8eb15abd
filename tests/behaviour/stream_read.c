/*
 * Reading: what is there, all of it, nothing, and the end.
 */
#define SUITE "stream_read"
#include "tests/behaviour/tcp_support.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Data is there for certain once the other end's kernel has it back: the loopback has no delay. */
static bool fill(struct tcp_raw *raw, const void *bytes, size_t size)
{
    return tcp_plain_send(raw->fd, bytes, size);
}

/* A read gives what is there and does not wait for more. */
BEHAVIOUR(what_is_there)
{
    struct tcp_raw raw;
    char buffer[64] = "";
    size_t got = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "hello", 5));
    while (got < 5) { /* a short read is allowed, a wait for more is not */
        ssize_t rc = aio_stream_read(raw.stream, buffer + got, sizeof buffer - got);
        REQUIRE(rc > 0);
        got += (size_t)rc;
    }
    AIO_CHECK_EQ(got, 5);
    AIO_CHECK_STR(buffer, "hello");
    tcp_raw_close(&raw);
}

/* A read waits until at least one byte is there. */
BEHAVIOUR(waits)
{
    struct tcp_raw raw;
    char buffer[8] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = buffer, .size = 8};
    REQUIRE(tcp_call_start(&call));
    tcp_check_no_spin();
    AIO_CHECK(!call.ended);
    REQUIRE(fill(&raw, "!", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    AIO_CHECK_STR(buffer, "!");
    tcp_raw_close(&raw);
}

/* A read takes no more than it was asked for, and the rest is for the next one. */
BEHAVIOUR(no_more_than_asked)
{
    struct tcp_raw raw;
    char buffer[4] = "...";
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "abc", 3));
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_EQ(aio_stream_read(raw.stream, buffer, 1), 1);
        AIO_CHECK_EQ(buffer[0], 'a' + i);
        AIO_CHECK_EQ(buffer[1], '.');
    }
    tcp_raw_close(&raw);
}

/* At the end of the stream reads return 0, as often as they are made; data before it comes first.
 */
BEHAVIOUR(end)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "e", 1));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'e');
    for (int i = 0; i < 5; i++)
        AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 0);
    tcp_raw_close(&raw);
}

/* A reader that waits is woken by the end. */
BEHAVIOUR(end_wakes)
{
    struct tcp_raw raw;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    AIO_CHECK(!call.ended);
    close(raw.fd);
    AIO_CHECK_EQ(tcp_call_join(&call), 0);
    aio_stream_close(raw.stream);
}

/* A read of no bytes returns 0 at once, with data there, without, and at the end. */
BEHAVIOUR(size_0)
{
    struct tcp_raw raw;
    char byte = 'b', untouched = 'u';
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &untouched, 0), 0);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, NULL, 0), 0);
    REQUIRE(fill(&raw, &byte, 1));
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &untouched, 0), 0);
    AIO_CHECK_EQ(untouched, 'u');
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &untouched, 0), 0);
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, &untouched, 0, NULL), 0);
    tcp_raw_close(&raw);
}

/* A size beyond what a result can say is cut, not refused. */
BEHAVIOUR(size_enormous)
{
    struct tcp_raw raw;
    size_t size = (size_t)INT_MAX + 1;
    char *buffer = mmap(NULL, size + 16, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    REQUIRE(buffer != MAP_FAILED);
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "big", 3));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    size_t got = 0;
    for (ssize_t rc; (rc = aio_stream_read(raw.stream, buffer + got, size)) > 0;)
        got += (size_t)rc;
    AIO_CHECK_EQ(got, 3);
    AIO_CHECK_STR(buffer, "big");
    munmap(buffer, size + 16);
    tcp_raw_close(&raw);
}

/* read_exact puts together what comes in pieces. */
BEHAVIOUR(exact_from_pieces)
{
    struct tcp_raw raw;
    unsigned char sent[300], got[300];
    size_t done = 0;
    test_pattern_fill(sent, sizeof sent, 0);
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {
        .kind = TCP_READ_EXACT, .object = raw.stream, .buffer = got, .size = sizeof got};
    REQUIRE(tcp_call_start(&call));
    while (done < sizeof sent) {
        AIO_CHECK(!call.ended);
        size_t part = 1 + test_random() % 40;
        if (part > sizeof sent - done)
            part = sizeof sent - done;
        REQUIRE(fill(&raw, sent + done, part));
        done += part;
        tcp_settle();
    }
    AIO_CHECK_EQ(tcp_call_join(&call), sizeof got);
    AIO_CHECK_EQ(call.done, sizeof got);
    test_pattern_check(got, sizeof got, 0);
    tcp_raw_close(&raw);
}

/* read_exact takes nothing of what comes after. */
BEHAVIOUR(exact_and_no_more)
{
    struct tcp_raw raw;
    char buffer[8] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "abcdef", 6));
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, buffer, 4, NULL), 4);
    AIO_CHECK_STR(buffer, "abcd");
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, buffer, 2, NULL), 2);
    AIO_CHECK_EQ(buffer[0], 'e');
    AIO_CHECK_EQ(buffer[1], 'f');
    tcp_raw_close(&raw);
}

/* An end before the first byte is 0, */
BEHAVIOUR(exact_end_at_start)
{
    struct tcp_raw raw;
    char buffer[8];
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, buffer, sizeof buffer, &done), 0);
    AIO_CHECK_EQ(done, 0);
    tcp_raw_close(&raw);
}

/* in the middle it is -ENODATA, and done says how much there is. */
BEHAVIOUR(exact_end_in_the_middle)
{
    struct tcp_raw raw;
    char buffer[8] = "";
    size_t done = 99;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "abc", 3));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_ERROR(aio_stream_read_exact(raw.stream, buffer, sizeof buffer, &done), -ENODATA);
    AIO_CHECK_EQ(done, 3);
    AIO_CHECK_STR(buffer, "abc");
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, buffer, sizeof buffer, &done), 0);
    AIO_CHECK_EQ(done, 0);
    tcp_raw_close(&raw);
}

/* Whoever does not want to know may leave done out. */
BEHAVIOUR(exact_without_done)
{
    struct tcp_raw raw;
    char buffer[8];
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "abc", 3));
    AIO_CHECK(shutdown(raw.fd, SHUT_WR) == 0);
    AIO_CHECK_ERROR(aio_stream_read_exact(raw.stream, buffer, sizeof buffer, NULL), -ENODATA);
    tcp_raw_close(&raw);
}

/* A read_exact that is cancelled or out of time says what has come: those bytes are gone. */
static void exact_stopped(int64_t timeout_ns, int error)
{
    struct tcp_raw raw;
    char buffer[8] = "", more[8] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ_EXACT,
                            .object = raw.stream,
                            .buffer = buffer,
                            .size = sizeof buffer,
                            .timeout_ns = timeout_ns};
    REQUIRE(tcp_call_start(&call));
    REQUIRE(fill(&raw, "abcde", 5));
    if (timeout_ns > 0) {
        AIO_CHECK_ERROR(tcp_call_join(&call), error);
    } else {
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(5)));
        AIO_CHECK_ERROR(tcp_call_cancel(&call), error);
    }
    AIO_CHECK(call.done <= 5);
    AIO_CHECK(memcmp(buffer, "abcde", call.done) == 0);
    REQUIRE(fill(&raw, "fg", 2));
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, more, 7 - call.done, NULL), 7 - call.done);
    AIO_CHECK(memcmp(more, &"abcdefg"[call.done], 7 - call.done) == 0);
    tcp_raw_close(&raw);
}

BEHAVIOUR(exact_deadline)
{
    exact_stopped(AIO_MS(5), -ETIMEDOUT);
}

BEHAVIOUR(exact_cancel)
{
    exact_stopped(0, -ECANCELED);
}

/* With a pending deadline or cancellation nothing is consumed, though data is there. */
BEHAVIOUR(nothing_is_read_after_the_deadline)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(fill(&raw, "k", 1));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ETIMEDOUT);
    }
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'k');
    tcp_raw_close(&raw);
}

/* What has happened before the deadline is a success, however late the reader looks. */
BEHAVIOUR(data_before_the_deadline)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    for (int i = 0; i < 50; i++) {
        REQUIRE(fill(&raw, "k", 1));
        AIO_TIMEOUT(AIO_SEC(5))
        {
            AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
        }
    }
    tcp_raw_close(&raw);
}

/* Megabytes arrive whole and in order, in reads of changing size. */
BEHAVIOUR(much)
{
    enum { TOTAL = 4 << 20, CHUNK = 70000 };
    struct tcp_pair pair;
    unsigned char *sent = malloc(TOTAL), *buffer = malloc(CHUNK);
    REQUIRE(sent != NULL && buffer != NULL);
    REQUIRE(tcp_pair_open(&pair));
    test_pattern_fill(sent, TOTAL, 0);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = sent, .size = TOTAL};
    REQUIRE(tcp_call_start(&call));
    size_t got = 0;
    while (got < TOTAL) {
        ssize_t rc = aio_stream_read(pair.far, buffer, 1 + test_random() % CHUNK);
        if (!AIO_CHECK(rc > 0) || !test_pattern_check(buffer, (size_t)rc, got))
            break;
        got += (size_t)rc;
    }
    AIO_CHECK_EQ(tcp_call_join(&call), TOTAL);
    AIO_CHECK_EQ(got, TOTAL);
    tcp_pair_close(&pair);
    free(sent);
    free(buffer);
}
