/*
 * Filters: what a stream promises holds through a layer of somebody's own. The one here adds one to
 * each byte on the wire, and has a greeting.
 */
#define SUITE "stream_filter"
#include "tests/behaviour/tcp_support.h"

#include <aio/buf.h>
#include <aio/copy.h>
#include <aio/filter.h>
#include <aio/select.h>
#include <string.h>

struct shift {
    struct aio_filter filter;
    bool silent; /* no greeting: what open does then fails */
    bool kept;   /* a byte, received and not yet read */
    unsigned char byte;
    bool closed;
    int shutdowns;
};

static struct shift *shift_of(struct aio_filter *filter)
{
    return (struct shift *)(void *)filter;
}

static int shift_open(struct aio_filter *filter)
{
    char byte = '!';
    if (shift_of(filter)->silent)
        return -EPROTO;
    ssize_t n = aio_filter_send(filter, &byte, 1);
    if (n > 0)
        n = aio_filter_receive(filter, &byte, 1);
    return n < 0 ? (int)n : byte == '!' ? 0 : -EPROTO;
}

static ssize_t shift_read(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    struct shift *shift = shift_of(filter);
    unsigned char bytes[2];
    (void)count;
    ssize_t n = shift->kept ? 1 : aio_filter_receive(filter, bytes, sizeof bytes);
    if (n <= 0)
        return n;
    *(unsigned char *)vectors->iov_base =
        (unsigned char)((shift->kept ? shift->byte : bytes[0]) - 1);
    shift->kept = n == 2;
    shift->byte = bytes[1];
    return 1;
}

static ssize_t shift_write(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    (void)count;
    unsigned char byte = (unsigned char)(*(const unsigned char *)vectors->iov_base + 1);
    return aio_filter_send(filter, &byte, 1);
}

static int shift_shutdown(struct aio_filter *filter)
{
    shift_of(filter)->shutdowns++;
    return 0;
}

static bool shift_pending(const struct aio_filter *filter)
{
    return ((const struct shift *)(const void *)filter)->kept;
}

static void shift_close(struct aio_filter *filter)
{
    AIO_CHECK(aio_filter_push(filter, "z", 1) != 0);
    aio_filter_drop(filter);
    shift_of(filter)->closed = true;
}

static const struct aio_filter_kind shift_kind = {
    sizeof shift_kind, "shift",        shift_open,    shift_read,
    shift_write,       shift_shutdown, shift_pending, shift_close,
};

/* Both ends greet each other, then bytes go through. */
BEHAVIOUR(goes_through)
{
    struct tcp_raw raw;
    char bytes[8] = "";
    struct shift shift = {.filter = {.kind = &shift_kind}};
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK(aio_filter_find(raw.stream, &shift_kind) == NULL);
    AIO_CHECK(tcp_plain_send(raw.fd, "!bcd", 4));
    AIO_CHECK_OK(aio_filter_attach(raw.stream, &shift.filter));
    AIO_CHECK(aio_filter_find(raw.stream, &shift_kind) == &shift.filter);
    AIO_CHECK_ERROR(aio_filter_attach(raw.stream, &shift.filter), -EALREADY);
    AIO_CHECK_EQ(aio_stream_read_exact(raw.stream, bytes, 3, NULL), 3);
    AIO_CHECK_STR(bytes, "abc");
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, "HAL", 3, NULL), 3);
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, 4));
    AIO_CHECK_STR(bytes, "!IBM");
    AIO_CHECK_ERROR(aio_stream_release(raw.stream), -EOPNOTSUPP);
    AIO_CHECK_OK(aio_stream_shutdown(raw.stream, AIO_STREAM_READ));
    AIO_CHECK(shift.filter.reading_ended && shift.shutdowns == 0);
    AIO_CHECK_OK(aio_stream_shutdown(raw.stream, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(shift.shutdowns, 1);
    AIO_CHECK(!shift.closed);
    tcp_raw_close(&raw);
    AIO_CHECK(shift.closed);
}

/* What the filter keeps makes the stream readable. */
BEHAVIOUR(is_readable)
{
    struct tcp_raw raw;
    char byte;
    struct shift shift = {.filter = {.kind = &shift_kind}};
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK(tcp_plain_send(raw.fd, "!", 1));
    REQUIRE_OK(aio_filter_attach(raw.stream, &shift.filter));
    struct aio_select_case cases[] = {aio_select_readable(raw.stream)};
    while (!shift.kept) { /* on the fault rows the two may come one by one */
        AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
        AIO_CHECK(tcp_plain_send(raw.fd, "bc", 2));
        REQUIRE(aio_stream_read(raw.stream, &byte, 1) == 1);
        if (!shift.kept)
            REQUIRE(aio_stream_read(raw.stream, &byte, 1) == 1);
    }
    AIO_CHECK_EQ(aio_select_try(cases, 1), 0);
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'b');
    AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
    tcp_raw_close(&raw);
}

/* Its greeting can time out or fail; the filter is the stream's all the same. */
BEHAVIOUR(greeting_fails)
{
    struct tcp_raw raw;
    struct shift shift = {.filter = {.kind = &shift_kind}};
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_stream_timeout(raw.stream, AIO_MS(3), 0));
    AIO_CHECK_ERROR(aio_filter_attach(raw.stream, &shift.filter), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    AIO_CHECK(shift.filter.stream == raw.stream);
    tcp_raw_close(&raw);
    AIO_CHECK(shift.closed);
    shift = (struct shift){.filter = {.kind = &shift_kind}, .silent = true};
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_ERROR(aio_filter_attach(raw.stream, &shift.filter), -EPROTO);
    AIO_CHECK(shift.filter.stream == raw.stream);
    tcp_raw_close(&raw);
}

/* One that does not come so far is the caller's. */
BEHAVIOUR(not_attached)
{
    struct tcp_pair pair;
    char byte = 0;
    struct aio_filter_kind half = shift_kind;
    struct shift shift = {.filter = {.kind = &half}};
    REQUIRE(tcp_pair_open(&pair));
    half.pending = NULL;
    AIO_CHECK_ERROR(aio_filter_attach(pair.near, &shift.filter), -EINVAL);
    half = shift_kind;
    half.size = 1;
    AIO_CHECK_ERROR(aio_filter_attach(pair.near, &shift.filter), -EINVAL);
    shift.filter.kind = &shift_kind;
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_filter_attach(pair.near, &shift.filter), -ETIMEDOUT);
    }
    AIO_CHECK(shift.filter.stream == NULL);
    AIO_CHECK_EQ(aio_stream_write(pair.near, "p", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.far, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'p');
    tcp_pair_close(&pair);
}

/* A close ends a call inside the filter, and one that was given up loses nothing. */
BEHAVIOUR(interrupted)
{
    struct tcp_raw raw;
    char byte = 0;
    struct shift shift = {.filter = {.kind = &shift_kind}};
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK(tcp_plain_send(raw.fd, "!", 1));
    REQUIRE_OK(aio_filter_attach(raw.stream, &shift.filter));
    struct tcp_call reader = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    AIO_CHECK_ERROR(tcp_call_cancel(&reader), -ECANCELED);
    AIO_CHECK(tcp_plain_send(raw.fd, "b", 1));
    AIO_CHECK_EQ(aio_stream_read(raw.stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'a');
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    aio_stream_close(raw.stream);
    raw.stream = NULL;
    AIO_CHECK_ERROR(tcp_call_join(&reader), -EBADF);
    AIO_CHECK(shift.closed);
    tcp_raw_close(&raw);
}

/* A goodbye for which the peer would have to read. */
static int flood_shutdown(struct aio_filter *filter)
{
    static char bytes[65536];
    ssize_t n;
    while ((n = aio_filter_send(filter, bytes, sizeof bytes)) > 0)
        continue;
    return (int)n;
}

/* What bounds a relay's waits bounds the last one too, in which it passes an end on. */
BEHAVIOUR(relay_ends_in_time)
{
    struct tcp_raw raw;
    struct tcp_pair pair;
    struct aio_copy_done done[2];
    struct aio_copy_options options = AIO_COPY_OPTIONS;
    struct aio_filter_kind kind = shift_kind;
    struct shift shift = {.filter = {.kind = &kind}};
    int rc = 0;
    kind.shutdown = flood_shutdown;
    options.idle_ns = AIO_MS(10);
    REQUIRE(tcp_raw_open(&raw, 4096) && tcp_pair_open(&pair));
    AIO_CHECK(tcp_plain_send(raw.fd, "!", 1));
    REQUIRE_OK(aio_filter_attach(raw.stream, &shift.filter));
    AIO_CHECK_EQ(shutdown(raw.fd, SHUT_WR), 0); /* the other direction has ended */
    AIO_CHECK_OK(aio_stream_shutdown(pair.far, AIO_STREAM_WRITE));
    AIO_TIMEOUT(AIO_SEC(5))
    {
        rc = aio_stream_relay(pair.near, raw.stream, &options, done);
    }
    AIO_CHECK_ERROR(rc, -ETIMEDOUT);
    AIO_CHECK(done[0].idle || done[1].idle);
    tcp_raw_close(&raw);
    tcp_pair_close(&pair);
}

static struct aio_buffer *rented;

static int rent_it(void *stream)
{
    struct aio_buffer *buffer;
    ssize_t n = aio_stream_read_rent(stream, &buffer);
    if (n > 0)
        rented = buffer;
    return (int)n;
}

enum { IDLE = 5 };

/* Those who wait for data hold no buffer, and who gets some finds one. */
BEHAVIOUR_WITH(idle_rented_reads, .buffer_limit = 4)
{
    struct tcp_raw raws[IDLE];
    struct shift shifts[IDLE];
    struct aio_task *tasks[IDLE];
    struct aio_runtime_stats stats = {.size = sizeof stats};
    int result = 0;
    for (int i = 0; i < IDLE; i++) {
        shifts[i] = (struct shift){.filter = {.kind = &shift_kind}};
        REQUIRE(tcp_raw_open(&raws[i], 0) && tcp_plain_send(raws[i].fd, "!", 1));
        REQUIRE_OK(aio_filter_attach(raws[i].stream, &shifts[i].filter));
        REQUIRE_OK(aio_task_spawn(&tasks[i], rent_it, raws[i].stream, NULL));
    }
    tcp_settle();
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    AIO_CHECK_EQ(stats.buffers_held, 0);
    AIO_CHECK(tcp_plain_send(raws[IDLE - 1].fd, "b", 1));
    AIO_CHECK_OK(aio_task_join(tasks[IDLE - 1], &result));
    AIO_CHECK(result == 1 && *(char *)aio_buffer_data(rented) == 'a');
    aio_buffer_release(rented);
    for (int i = 0; i < IDLE; i++)
        tcp_raw_close(&raws[i]);
    for (int i = 0; i < IDLE - 1; i++) {
        AIO_CHECK_OK(aio_task_join(tasks[i], &result));
        AIO_CHECK_ERROR(result, -EBADF);
    }
}
