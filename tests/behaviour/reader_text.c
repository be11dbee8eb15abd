/*
 * Buffered reading of texts: lines and delimiters, limits, the end in the middle, and that nothing
 * is lost by whatever cuts a call short.
 */
#define SUITE "reader_text"
#include "tests/behaviour/tcp_support.h"

#include <aio/buffered.h>

#include <stdio.h>
#include <string.h>

/* A reader with a small buffer over a stream that a plain socket feeds. */
struct feed {
    struct tcp_raw raw;
    struct aio_reader reader;
    char memory[32];
};

static bool feed_open(struct feed *feed)
{
    return tcp_raw_open(&feed->raw, 0) &&
           AIO_CHECK_OK(
               aio_reader_open(&feed->reader, feed->raw.stream, feed->memory, sizeof feed->memory));
}

static void feed_close(struct feed *feed)
{
    aio_reader_close(&feed->reader);
    tcp_raw_close(&feed->raw);
}

static bool feed_send(struct feed *feed, const char *text)
{
    return tcp_plain_send(feed->raw.fd, text, strlen(text));
}

static void feed_end(struct feed *feed)
{
    AIO_CHECK(shutdown(feed->raw.fd, SHUT_WR) == 0);
}

static void line_is(struct feed *feed, const char *wanted)
{
    const char *line = NULL;
    size_t length = 0;
    if (AIO_CHECK_EQ(aio_reader_read_line(&feed->reader, &line, &length), 1)) {
        AIO_CHECK_STR(line, wanted);
        AIO_CHECK_EQ(length, strlen(wanted));
    }
}

/* The rest of what was sent can be read as it stands, byte for byte. */
static void rest_is(struct feed *feed, const char *wanted)
{
    char rest[256] = "";
    size_t length = strlen(wanted);
    AIO_CHECK_EQ(aio_reader_read_exact(&feed->reader, rest, length, NULL), length);
    AIO_CHECK_STR(rest, wanted);
}

/* Lines come without their ends, whichever these are, and empty ones are lines. */
BEHAVIOUR(lines)
{
    struct feed feed;
    const char *line;
    REQUIRE(feed_open(&feed));
    REQUIRE(feed_send(&feed, "one\r\ntwo\n\n\r\na\rb\nlast\n"));
    feed_end(&feed);
    line_is(&feed, "one");
    line_is(&feed, "two");
    line_is(&feed, "");
    line_is(&feed, "");
    line_is(&feed, "a\rb");
    line_is(&feed, "last");
    AIO_CHECK_EQ(aio_reader_read_line(&feed.reader, &line, NULL), 0);
    AIO_CHECK_EQ(aio_reader_read_line(&feed.reader, &line, NULL), 0);
    feed_close(&feed);
}

/* More lines than the buffer holds, of all lengths that fit. */
BEHAVIOUR(many_lines)
{
    struct feed feed;
    REQUIRE(feed_open(&feed));
    for (int round = 0; round < 100; round++) {
        char text[66], wanted[64];
        int length = (int)(test_random() % 31);
        snprintf(wanted, sizeof wanted, "%.*s", length, "0123456789abcdefghijklmnopqrstuvwxyz");
        snprintf(text, sizeof text, "%s\n", wanted);
        REQUIRE(feed_send(&feed, text));
        line_is(&feed, wanted);
    }
    feed_close(&feed);
}

/* A delimiter of several bytes is found when it comes in pieces. */
BEHAVIOUR(delimiter_in_pieces)
{
    struct feed feed;
    const char *text = NULL;
    REQUIRE(feed_open(&feed));
    static const char *const pieces[] = {"ab\r", "\n\r", "\r\n", "\r", "\nrest"};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        REQUIRE(feed_send(&feed, pieces[i]));
        if (i + 1 < sizeof pieces / sizeof pieces[0])
            AIO_TIMEOUT(AIO_US(200))
            {
                AIO_CHECK_ERROR(aio_reader_read_until(&feed.reader, &text, "\r\n\r\n", 4),
                                -ETIMEDOUT);
            }
    }
    AIO_CHECK_EQ(aio_reader_read_until(&feed.reader, &text, "\r\n\r\n", 4), 9);
    AIO_CHECK(text != NULL && memcmp(text, "ab\r\n\r\r\n\r\n", 9) == 0);
    rest_is(&feed, "rest");
    AIO_CHECK_ERROR(aio_reader_read_until(&feed.reader, &text, "", 0), -EINVAL);
    feed_close(&feed);
}

/* A line longer than the limit is refused, and is still there. */
BEHAVIOUR(too_long)
{
    struct feed feed;
    const char *line;
    REQUIRE(feed_open(&feed));
    REQUIRE(feed_send(&feed, "0123456789012345678901234567890123456789\nshort\n"));
    for (int i = 0; i < 3; i++)
        AIO_CHECK_ERROR(aio_reader_read_line(&feed.reader, &line, NULL), -EMSGSIZE);
    AIO_CHECK_EQ(aio_reader_buffered(&feed.reader, &line), sizeof feed.memory);
    AIO_CHECK(memcmp(line, "01234567890", 11) == 0);
    rest_is(&feed, "0123456789012345678901234567890123456789\n");
    line_is(&feed, "short");
    feed_close(&feed);
}

/* A limit below the buffer counts the delimiter, to the byte. */
BEHAVIOUR(limit)
{
    struct feed feed;
    const char *line;
    REQUIRE(feed_open(&feed));
    AIO_CHECK_ERROR(aio_reader_limit(&feed.reader, 0), -EINVAL);
    AIO_CHECK_ERROR(aio_reader_limit(&feed.reader, sizeof feed.memory + 1), -EINVAL);
    AIO_CHECK_OK(aio_reader_limit(&feed.reader, 5));
    REQUIRE(feed_send(&feed, "1234\n12345\n"));
    line_is(&feed, "1234");
    AIO_CHECK_ERROR(aio_reader_read_line(&feed.reader, &line, NULL), -EMSGSIZE);
    AIO_CHECK_OK(aio_reader_limit(&feed.reader, 6));
    line_is(&feed, "12345");
    feed_close(&feed);
}

/* A stream that ends in the middle of a line tells so, and what has come can be had. */
BEHAVIOUR(end_in_the_middle)
{
    struct feed feed;
    const char *line, *bytes = NULL;
    REQUIRE(feed_open(&feed));
    REQUIRE(feed_send(&feed, "whole\npart"));
    feed_end(&feed);
    line_is(&feed, "whole");
    for (int i = 0; i < 2; i++)
        AIO_CHECK_ERROR(aio_reader_read_line(&feed.reader, &line, NULL), -ENODATA);
    AIO_CHECK_EQ(aio_reader_buffered(&feed.reader, &bytes), 4);
    AIO_CHECK(memcmp(bytes, "part", 4) == 0);
    aio_reader_skip(&feed.reader, 4);
    AIO_CHECK_EQ(aio_reader_read_line(&feed.reader, &line, NULL), 0);
    feed_close(&feed);
}

static int read_line_task(void *arg)
{
    const char *line;
    return aio_reader_read_line(arg, &line, NULL);
}

/* A line that is cut short by a cancellation or a deadline loses no byte. */
BEHAVIOUR(cut_short)
{
    struct feed feed;
    struct aio_task *task;
    const char *line;
    int result = 0;
    REQUIRE(feed_open(&feed));
    for (int round = 0; round < 20; round++) {
        REQUIRE(feed_send(&feed, "first half, "));
        AIO_TIMEOUT(AIO_US(1 + (int64_t)(test_random() % 300)))
        {
            AIO_CHECK_ERROR(aio_reader_read_line(&feed.reader, &line, NULL), -ETIMEDOUT);
        }
        REQUIRE_OK(aio_task_spawn(&task, read_line_task, &feed.reader, NULL));
        for (uint64_t yields = test_random() % 4; yields > 0; yields--)
            AIO_CHECK_OK(aio_task_yield());
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &result));
        AIO_CHECK_ERROR(result, -ECANCELED);
        REQUIRE(feed_send(&feed, "second half\n"));
        line_is(&feed, "first half, second half");
    }
    feed_close(&feed);
}

/* With a cancellation or deadline pending nothing is given, though it is buffered. */
BEHAVIOUR(pending)
{
    struct feed feed;
    const char *line;
    REQUIRE(feed_open(&feed));
    REQUIRE(feed_send(&feed, "a\nb\n"));
    line_is(&feed, "a");
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_reader_read_line(&feed.reader, &line, NULL), -ETIMEDOUT);
    }
    line_is(&feed, "b");
    feed_close(&feed);
}

/* A stream that is closed under a reader ends its call; the reader is closed after it. */
BEHAVIOUR(closed)
{
    struct feed feed;
    struct aio_task *task;
    int result = 0;
    REQUIRE(feed_open(&feed));
    REQUIRE(feed_send(&feed, "half"));
    REQUIRE_OK(aio_task_spawn(&task, read_line_task, &feed.reader, NULL));
    tcp_settle();
    aio_stream_close(feed.raw.stream);
    feed.raw.stream = NULL;
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_ERROR(result, -EBADF);
    feed_close(&feed);
}
