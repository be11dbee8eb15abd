/*
 * Reading into and writing from several buffers at once.
 */
#define SUITE "stream_vectors"
#include "tests/behaviour/tcp_support.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 1024, TOTAL = 200000 };

/* Reads with readv until so many bytes are there, the vectors cut to what is missing. */
static bool read_vectors(struct aio_stream *stream, unsigned char *bytes, size_t size, int most)
{
    struct iovec vectors[8];
    for (size_t got = 0; got < size;) {
        int count = 0;
        for (size_t at = got; at < size && count < most; count++) {
            size_t part = test_random() % 3000;
            if (part > size - at)
                part = size - at;
            vectors[count] = (struct iovec){bytes + at, part};
            at += part;
        }
        vectors[count++] = (struct iovec){NULL, 0};
        if (vectors[0].iov_len == 0)
            continue;
        ssize_t rc = aio_stream_readv(stream, vectors, count);
        if (!AIO_CHECK(rc > 0))
            return false;
        got += (size_t)rc;
    }
    return true;
}

/* Buffers are filled in order, each to its end before the next. */
BEHAVIOUR(readv_fills_in_order)
{
    struct tcp_raw raw;
    unsigned char sent[100], got[100];
    struct iovec vectors[] = {{got, 1}, {got + 1, 0}, {got + 1, 30}, {got + 31, 69}};
    test_pattern_fill(sent, sizeof sent, 0);
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(tcp_plain_send(raw.fd, sent, 100));
    memset(got, 0, sizeof got);
    ssize_t rc = aio_stream_readv(raw.stream, vectors, 4);
    REQUIRE(rc > 0 && rc <= 100);
    test_pattern_check(got, (size_t)rc, 0);
    if (rc < 100) /* cut short; what is left comes next */
        AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, got + rc, (size_t)(100 - rc), NULL),
                     100 - rc);
    test_pattern_check(got, 100, 0);
    tcp_raw_close(&raw);
}

/* The vectors and what is in them are the caller's: they are not changed. */
BEHAVIOUR(vectors_are_not_changed)
{
    struct tcp_pair pair;
    char text[] = "abcdef", got[6];
    struct iovec out[] = {{text, 2}, {text + 2, 4}}, in[] = {{got, 3}, {got + 3, 3}};
    REQUIRE(tcp_pair_open(&pair));
    ssize_t sent = aio_stream_writev(pair.near, out, 2);
    REQUIRE(sent > 0);
    AIO_CHECK(aio_stream_readv(pair.far, in, 2) > 0);
    AIO_CHECK(out[0].iov_base == text && out[0].iov_len == 2);
    AIO_CHECK(out[1].iov_base == text + 2 && out[1].iov_len == 4);
    AIO_CHECK(in[0].iov_base == got && in[0].iov_len == 3);
    AIO_CHECK(in[1].iov_base == got + 3 && in[1].iov_len == 3);
    AIO_CHECK_STR(text, "abcdef");
    tcp_pair_close(&pair);
}

/* As many vectors as there may be are written and read in order. */
BEHAVIOUR(many_vectors)
{
    static struct iovec vectors[MANY];
    static unsigned char sent[MANY * 7], got[MANY * 7];
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    test_pattern_fill(sent, sizeof sent, 0);
    for (int i = 0; i < MANY; i++)
        vectors[i] = (struct iovec){sent + (size_t)i * 7, 7};
    ssize_t rc = aio_stream_writev(pair.near, vectors, MANY);
    REQUIRE(rc > 0 && rc <= (ssize_t)sizeof sent);
    size_t rest = sizeof sent - (size_t)rc;
    AIO_CHECK_EQ(aio_stream_write_all(pair.near, sent + rc, rest, NULL), rest);
    for (int i = 0; i < MANY; i++)
        vectors[i] = (struct iovec){got + (size_t)i * 7, 7};
    rc = aio_stream_readv(pair.far, vectors, MANY);
    REQUIRE(rc > 0);
    rest = sizeof got - (size_t)rc;
    AIO_CHECK_EQ(aio_stream_read_exact(pair.far, got + rc, rest, NULL), rest);
    test_pattern_check(got, sizeof got, 0);
    tcp_pair_close(&pair);
}

/* Much through vectors of changing sizes, in both calls. */
BEHAVIOUR(much)
{
    struct tcp_pair pair;
    unsigned char *sent = malloc(TOTAL), *got = malloc(TOTAL);
    REQUIRE(sent != NULL && got != NULL);
    REQUIRE(tcp_pair_open(&pair));
    test_pattern_fill(sent, TOTAL, 0);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = pair.near, .buffer = sent, .size = TOTAL};
    REQUIRE(tcp_call_start(&call));
    AIO_CHECK(read_vectors(pair.far, got, TOTAL, 7));
    AIO_CHECK_EQ(tcp_call_join(&call), TOTAL);
    test_pattern_check(got, TOTAL, 0);
    tcp_pair_close(&pair);
    free(sent);
    free(got);
}

/* A writev that does not fit says how much went, and that much arrives in order. */
BEHAVIOUR(writev_short)
{
    enum { PART = 100000, PARTS = 40 };
    static struct iovec vectors[PARTS];
    struct tcp_raw raw;
    unsigned char *bytes = malloc((size_t)PART * PARTS);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    test_pattern_fill(bytes, (size_t)PART * PARTS, 0);
    for (int i = 0; i < PARTS; i++)
        vectors[i] = (struct iovec){bytes + (size_t)i * PART, PART};
    ssize_t rc = aio_stream_writev(raw.stream, vectors, PARTS);
    AIO_CHECK(rc > 0);
    AIO_CHECK(rc < PART * PARTS);
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, (uint64_t)rc, 0));
    tcp_raw_close(&raw);
    free(bytes);
}

/* No vectors, and vectors of nothing, are a transfer of nothing: 0 at once. */
BEHAVIOUR(nothing)
{
    struct tcp_pair pair;
    char byte = 0;
    struct iovec empty[] = {{&byte, 0}, {NULL, 0}};
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_readv(pair.near, empty, 0), 0);
    AIO_CHECK_EQ(aio_stream_readv(pair.near, NULL, 0), 0);
    AIO_CHECK_EQ(aio_stream_readv(pair.near, empty, 2), 0);
    AIO_CHECK_EQ(aio_stream_writev(pair.near, empty, 0), 0);
    AIO_CHECK_EQ(aio_stream_writev(pair.near, NULL, 0), 0);
    AIO_CHECK_EQ(aio_stream_writev(pair.near, empty, 2), 0);
    tcp_pair_close(&pair);
}

/* Counts below 0 and above IOV_MAX are -EINVAL, and nothing is moved. */
BEHAVIOUR(bad_counts)
{
    struct tcp_pair pair;
    char bytes[2] = "x";
    static struct iovec vectors[IOV_MAX + 1];
    REQUIRE(tcp_pair_open(&pair));
    for (int i = 0; i <= IOV_MAX; i++)
        vectors[i] = (struct iovec){bytes, 1};
    AIO_CHECK_EQ(aio_stream_write(pair.far, "y", 1), 1);
    AIO_CHECK_ERROR(aio_stream_readv(pair.near, vectors, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_readv(pair.near, vectors, INT_MIN), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_readv(pair.near, vectors, IOV_MAX + 1), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_writev(pair.near, vectors, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_writev(pair.near, vectors, IOV_MAX + 1), -EINVAL);
    AIO_CHECK_EQ(aio_stream_read(pair.near, bytes, 1), 1);
    AIO_CHECK_EQ(bytes[0], 'y');
    aio_stream_close(pair.near);
    AIO_CHECK_EQ(aio_stream_read(pair.far, bytes, 1), 0);
    aio_stream_close(pair.far);
}

/* At the end of the stream readv returns 0 like read; writev fails like write. */
BEHAVIOUR(ends)
{
    struct tcp_pair pair;
    char bytes[4];
    struct iovec vectors[] = {{bytes, 2}, {bytes + 2, 2}};
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_OK(aio_stream_shutdown(pair.far, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_readv(pair.near, vectors, 2), 0);
    AIO_CHECK_ERROR(aio_stream_writev(pair.far, vectors, 2), -EPIPE);
    tcp_pair_close(&pair);
}

/* A readv that is cancelled has taken nothing. */
BEHAVIOUR(deadline)
{
    struct tcp_pair pair;
    char bytes[4] = "";
    struct iovec vectors[] = {{bytes, 2}, {bytes + 2, 1}};
    REQUIRE(tcp_pair_open(&pair));
    AIO_TIMEOUT(AIO_MS(2))
    {
        AIO_CHECK_ERROR(aio_stream_readv(pair.near, vectors, 2), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_stream_write_all(pair.far, "ab", 2, NULL), 2);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.near, bytes, 2, NULL), 2);
    AIO_CHECK_STR(bytes, "ab");
    tcp_pair_close(&pair);
}

struct vectored {
    struct aio_stream *stream;
    bool ended;
};

static int vectored_write(void *arg)
{
    struct vectored *vectored = arg;
    char text[] = "tail";
    struct iovec vectors[] = {{text, 2}, {text + 2, 2}};
    ssize_t rc = aio_stream_writev(vectored->stream, vectors, 2);
    vectored->ended = true;
    AIO_CHECK(rc > 0);
    if (rc > 0 && rc < 4)
        AIO_CHECK_EQ(aio_stream_write_all(vectored->stream, text + rc, (size_t)(4 - rc), NULL),
                     4 - rc);
    return 0;
}

/* A writev has its turn among the writers, and readers are no concern of it. */
BEHAVIOUR(writev_in_turn)
{
    struct tcp_raw raw;
    struct aio_task *task;
    char byte = 0, text[5] = "";
    unsigned char *bytes = malloc(TOTAL * 10);
    REQUIRE(bytes != NULL);
    REQUIRE(tcp_raw_open(&raw, 16384));
    test_pattern_fill(bytes, TOTAL * 10, 0);
    struct vectored vectored = {raw.stream, false};
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    struct tcp_call writer = {
        .kind = TCP_WRITE_ALL, .object = raw.stream, .buffer = bytes, .size = TOTAL * 10};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    REQUIRE_OK(aio_task_spawn(&task, vectored_write, &vectored, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL)); /* while a reader waits */
    REQUIRE(tcp_call_start(&writer));
    tcp_settle();
    vectored.ended = false;
    REQUIRE_OK(aio_task_spawn(&task, vectored_write, &vectored, NULL));
    tcp_settle();
    AIO_CHECK(!writer.ended);
    AIO_CHECK(!vectored.ended);
    AIO_CHECK(tcp_plain_receive(raw.fd, text, 4));
    AIO_CHECK_STR(text, "tail");
    AIO_CHECK(tcp_plain_receive_pattern(raw.fd, TOTAL * 10, 0));
    AIO_CHECK(tcp_plain_receive(raw.fd, text, 4));
    AIO_CHECK_STR(text, "tail");
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_EQ(tcp_call_join(&writer), TOTAL * 10);
    AIO_CHECK_ERROR(tcp_call_cancel(&reader), -ECANCELED);
    tcp_raw_close(&raw);
    free(bytes);
}

/* A readv has its turn among the readers. */
BEHAVIOUR(readv_in_turn)
{
    struct tcp_raw raw;
    char first = 0, second[2] = "";
    struct iovec vector = {second, 1};
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &first, .size = 1};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    REQUIRE(tcp_plain_send(raw.fd, "12", 2));
    AIO_CHECK_EQ(aio_stream_readv(raw.stream, &vector, 1), 1);
    AIO_CHECK_EQ(tcp_call_join(&reader), 1);
    AIO_CHECK_EQ(first, '1');
    AIO_CHECK_EQ(second[0], '2');
    tcp_raw_close(&raw);
}
