/*
 * Readers and writers over TLS, which is a stream like any other to them: nothing is lost where
 * records and lines, or records and deadlines, cross.
 */
#define SUITE "tls_buffered"
#include "tests/tls/support.h"

#include <aio/buffered.h>
#include <string.h>

enum { LINES = 300 };

/* A line whose length depends on its number, so that it crosses records and buffers anywhere. */
static size_t make_line(char line[512], int number)
{
    return (size_t)snprintf(line, 512, "%d %0*d\n", number, 1 + number * 7 % 480, number);
}

static int write_lines(void *arg)
{
    struct aio_writer writer;
    char line[512];
    int rc = aio_writer_open(&writer, arg, NULL, 1000);
    for (int i = 0; i < LINES && rc >= 0; i++) {
        size_t size = make_line(line, i);
        rc = (int)aio_writer_write(&writer, line, size, NULL);
        if (rc >= 0 && i % 10 == 0)
            rc = aio_writer_flush(&writer);
    }
    AIO_CHECK_OK(aio_writer_close(&writer));
    AIO_CHECK_OK(aio_stream_shutdown(arg, AIO_STREAM_WRITE));
    return rc < 0 ? rc : 0;
}

/* Lines one way, read with ever new deadlines; the end is the peer's goodbye. */
BEHAVIOUR(lines)
{
    struct tls_pair pair;
    struct aio_reader reader;
    struct aio_task *task;
    char wanted[512];
    const char *line = NULL;
    int result = -1, rc = 0;
    REQUIRE(tls_pair_open(&pair));
    REQUIRE_OK(aio_reader_open(&reader, pair.client, NULL, 600));
    REQUIRE_OK(aio_task_spawn(&task, write_lines, pair.server, NULL));
    for (int i = 0; i < LINES && rc >= 0;) {
        AIO_TIMEOUT(AIO_US(test_random() % 100))
        {
            rc = aio_reader_read_line(&reader, &line, NULL);
        }
        if (rc == -ETIMEDOUT) {
            rc = 0;
            continue;
        }
        wanted[make_line(wanted, i++) - 1] = '\0';
        if (!AIO_CHECK_EQ(rc, 1) || !AIO_CHECK_STR(line, wanted))
            break;
    }
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &line, NULL), 0);
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_OK(result);
    aio_reader_close(&reader);
    tls_pair_close(&pair);
}

/* A connection that is cut off is no end to a reader either, and what came before it is there. */
BEHAVIOUR(cut_off)
{
    struct tls_raw raw;
    struct aio_reader reader;
    const char *line = NULL;
    REQUIRE(tls_raw_start(&raw, false, 0, 0));
    REQUIRE_OK(aio_reader_open(&reader, raw.tcp.stream, NULL, 0));
    AIO_CHECK_EQ(tls_raw_write(&raw, "whole\nhalf", 10), 10);
    AIO_CHECK_EQ(shutdown(raw.tcp.fd, SHUT_WR), 0);
    AIO_CHECK_EQ(aio_reader_read_line(&reader, &line, NULL), 1);
    AIO_CHECK_STR(line, "whole");
    AIO_CHECK_ERROR(aio_reader_read_line(&reader, &line, NULL), -ECONNABORTED);
    AIO_CHECK_EQ(aio_reader_buffered(&reader, &line), 4);
    AIO_CHECK(memcmp(line, "half", 4) == 0);
    aio_reader_close(&reader);
    tls_raw_close(&raw);
}
