/*
 * Buffered writing: what stays, what is sent and when, and that no byte is lost or sent twice.
 */
#define SUITE "writer_basic"
#include "tests/behaviour/tcp_support.h"

#include <aio/buffered.h>

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

struct sink {
    struct tcp_raw raw;
    struct aio_writer writer;
    char memory[16];
};

static bool sink_open(struct sink *sink)
{
    return tcp_raw_open(&sink->raw, 0) &&
           AIO_CHECK_OK(
               aio_writer_open(&sink->writer, sink->raw.stream, sink->memory, sizeof sink->memory));
}

static void sink_close(struct sink *sink)
{
    AIO_CHECK_OK(aio_writer_close(&sink->writer));
    tcp_raw_close(&sink->raw);
}

/* The peer has received exactly this, and no more is on its way: the loopback has no delay. */
static void received_is(struct sink *sink, const char *wanted)
{
    char text[256] = "";
    int more = 0;
    AIO_CHECK(tcp_plain_receive(sink->raw.fd, text, strlen(wanted)));
    AIO_CHECK_STR(text, wanted);
    AIO_CHECK(ioctl(sink->raw.fd, FIONREAD, &more) == 0);
    AIO_CHECK_EQ(more, 0);
}

static void write_text(struct sink *sink, const char *text)
{
    size_t done = 0, length = strlen(text);
    AIO_CHECK_EQ(aio_writer_write(&sink->writer, text, length, &done), length);
    AIO_CHECK_EQ(done, length);
}

/* Small pieces stay until they are flushed, in order. */
BEHAVIOUR(stays_until_flushed)
{
    struct sink sink;
    REQUIRE(sink_open(&sink));
    write_text(&sink, "abc");
    write_text(&sink, "");
    write_text(&sink, "def\n");
    received_is(&sink, "");
    AIO_CHECK_EQ(aio_writer_buffered(&sink.writer), 7);
    AIO_CHECK_OK(aio_writer_flush(&sink.writer));
    received_is(&sink, "abcdef\n");
    AIO_CHECK_EQ(aio_writer_buffered(&sink.writer), 0);
    AIO_CHECK_OK(aio_writer_flush(&sink.writer));
    write_text(&sink, "end");
    AIO_CHECK_OK(aio_writer_close(&sink.writer));
    received_is(&sink, "end");
    tcp_raw_close(&sink.raw);
}

/* A piece larger than the buffer goes out behind what is buffered. */
BEHAVIOUR(large_pieces)
{
    struct sink sink;
    REQUIRE(sink_open(&sink));
    write_text(&sink, "small ");
    write_text(&sink, "0123456789012345678901234567890123456789");
    AIO_CHECK_OK(aio_writer_flush(&sink.writer));
    received_is(&sink, "small 0123456789012345678901234567890123456789");
    sink_close(&sink);
}

/* Vectors: empty ones, more than are sent at once, and wrong counts. */
BEHAVIOUR(vectors)
{
    struct sink sink;
    struct iovec vectors[40];
    char wanted[256] = "";
    size_t done = 0;
    REQUIRE(sink_open(&sink));
    for (int i = 0; i < 40; i++) {
        vectors[i] = (struct iovec){(void *)(uintptr_t) "abcde", (size_t)(i % 6)};
        memcpy(wanted + strlen(wanted), "abcde", (size_t)(i % 6));
    }
    AIO_CHECK_EQ(aio_writer_writev(&sink.writer, vectors, 40, &done), strlen(wanted));
    AIO_CHECK_EQ(done, strlen(wanted));
    AIO_CHECK_EQ(aio_writer_writev(&sink.writer, vectors, 0, NULL), 0);
    AIO_CHECK_ERROR(aio_writer_writev(&sink.writer, vectors, -1, &done), -EINVAL);
    AIO_CHECK_EQ(done, 0);
    vectors[0].iov_len = vectors[1].iov_len = SIZE_MAX;
    AIO_CHECK_ERROR(aio_writer_writev(&sink.writer, vectors, 2, NULL), -EINVAL);
    AIO_CHECK_OK(aio_writer_flush(&sink.writer));
    received_is(&sink, wanted);
    sink_close(&sink);
}

/* The policies: after a newline, after each call. */
BEHAVIOUR(policies)
{
    struct sink sink;
    REQUIRE(sink_open(&sink));
    AIO_CHECK_ERROR(aio_writer_policy(&sink.writer, (enum aio_writer_policy)7), -EINVAL);
    AIO_CHECK_OK(aio_writer_policy(&sink.writer, AIO_WRITER_LINE));
    write_text(&sink, "half ");
    received_is(&sink, "");
    write_text(&sink, "line\nand");
    received_is(&sink, "half line\nand");
    AIO_CHECK_OK(aio_writer_policy(&sink.writer, AIO_WRITER_EACH));
    write_text(&sink, "x");
    received_is(&sink, "x");
    sink_close(&sink);
}

/* A cork holds back what the policy would send; the last one sends it. */
BEHAVIOUR(corks)
{
    struct sink sink;
    REQUIRE(sink_open(&sink));
    AIO_CHECK_OK(aio_writer_policy(&sink.writer, AIO_WRITER_EACH));
    aio_writer_cork(&sink.writer);
    write_text(&sink, "a");
    aio_writer_cork(&sink.writer);
    write_text(&sink, "b");
    AIO_CHECK_OK(aio_writer_uncork(&sink.writer));
    write_text(&sink, "c");
    received_is(&sink, "");
    AIO_CHECK_OK(aio_writer_uncork(&sink.writer));
    received_is(&sink, "abc");
    AIO_CHECK_OK(aio_writer_policy(&sink.writer, AIO_WRITER_FULL));
    aio_writer_cork(&sink.writer);
    write_text(&sink, "d");
    AIO_CHECK_OK(aio_writer_uncork(&sink.writer)); /* nothing wanted to be sent */
    received_is(&sink, "");
    sink_close(&sink);
}

/* Megabytes to a slow peer, cut short by deadlines all the time: what was taken arrives once. */
BEHAVIOUR(cut_short)
{
    enum { TOTAL = 400000, CHUNK = 30000 };
    struct tcp_raw raw;
    struct aio_writer writer;
    unsigned char *sent = malloc(CHUNK), *got = malloc(CHUNK);
    uint64_t taken = 0, received = 0;
    REQUIRE(sent != NULL && got != NULL && tcp_raw_open(&raw, 4096));
    REQUIRE_OK(aio_writer_open(&writer, raw.stream, NULL, 5000));
    while (received < TOTAL) {
        size_t done = 0, size = taken < TOTAL ? 1 + test_random() % CHUNK : 0;
        if (size > TOTAL - taken)
            size = TOTAL - taken;
        test_pattern_fill(sent, size, taken);
        AIO_TIMEOUT(AIO_US(1 + (int64_t)(test_random() % 200)))
        {
            ssize_t rc =
                size > 0 ? aio_writer_write(&writer, sent, size, &done) : aio_writer_flush(&writer);
            AIO_CHECK(rc == (ssize_t)size || rc == -ETIMEDOUT);
            AIO_CHECK(rc < 0 || done == size);
        }
        taken += done;
        ssize_t count = recv(raw.fd, got, CHUNK, MSG_DONTWAIT);
        if (count > 0) {
            if (!AIO_CHECK(test_pattern_check(got, (size_t)count, received)))
                break;
            received += (uint64_t)count;
        }
        AIO_CHECK(received + aio_writer_buffered(&writer) <= taken);
    }
    AIO_CHECK_EQ(received, TOTAL);
    AIO_CHECK_OK(aio_writer_close(&writer));
    tcp_raw_close(&raw);
    free(sent);
    free(got);
}

/* A peer that is gone is an error at the flush, and at the close, which ends the writer. */
BEHAVIOUR(peer_gone)
{
    struct sink sink;
    REQUIRE(sink_open(&sink));
    write_text(&sink, "lost");
    AIO_CHECK_OK(aio_stream_shutdown(sink.raw.stream, AIO_STREAM_WRITE));
    AIO_CHECK_ERROR(aio_writer_flush(&sink.writer), -EPIPE);
    AIO_CHECK_EQ(aio_writer_buffered(&sink.writer), 4);
    AIO_CHECK_ERROR(aio_writer_close(&sink.writer), -EPIPE);
    tcp_raw_close(&sink.raw);
}

/* With a deadline that has passed nothing is taken. */
BEHAVIOUR(pending)
{
    struct sink sink;
    size_t done = 9;
    REQUIRE(sink_open(&sink));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_writer_write(&sink.writer, "x", 1, &done), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(done, 0);
    AIO_CHECK_EQ(aio_writer_buffered(&sink.writer), 0);
    sink_close(&sink);
}
