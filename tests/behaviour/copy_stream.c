/*
 * aio_stream_copy: every byte in order, limits, errors, and what is told of them.
 */
#define SUITE "copy"
#include "tests/behaviour/copy_tools.h"

#include <aio/buf.h>

static void check_copy(uint64_t size)
{
    struct copy_path path;
    struct copy_call call = {.result = 0};
    REQUIRE(copy_path_open(&path));
    struct copy_writer writer = {.stream = path.in.near, .size = size};
    REQUIRE(copy_start(&call, &path, false));
    REQUIRE(copy_write_start(&writer));
    copy_check_bytes(path.out.far, 0, size);
    AIO_CHECK_OK(copy_write_join(&writer));
    AIO_CHECK_EQ(copy_join(&call), 0);
    AIO_CHECK_EQ(call.done[0].delivered, size);
    AIO_CHECK_EQ(call.done[0].undelivered, 0);
    AIO_CHECK(!call.done[0].idle);
    /* The end is not passed on: more may follow. */
    AIO_CHECK_EQ(aio_stream_write(path.out.near, "x", 1), 1);
    char byte;
    AIO_CHECK_EQ(aio_stream_read(path.out.far, &byte, 1), 1);
    copy_path_close(&path);
}

BEHAVIOUR(copy_nothing)
{
    check_copy(0);
}

BEHAVIOUR(copy_a_little)
{
    check_copy(10000);
}

/* So much that it splices. */
BEHAVIOUR(copy_much)
{
    check_copy((uint64_t)tcp_rounds(8 << 20));
}

/* Bursts and single bytes in turn: it changes its way and back. */
BEHAVIOUR(copy_of_changing_sizes)
{
    struct copy_path path;
    struct copy_call call = {.result = 0};
    uint64_t at = 0;
    REQUIRE(copy_path_open(&path));
    REQUIRE(copy_start(&call, &path, false));
    for (int round = 0; round < 3; round++) {
        struct copy_writer writer = {
            .stream = path.in.near, .position = at, .size = 1 << 20, .stay_open = true};
        REQUIRE(copy_write_start(&writer));
        copy_check_bytes(path.out.far, at, 1 << 20);
        AIO_CHECK_OK(copy_write_join(&writer));
        at += 1 << 20;
        for (int i = 0; i < 20; i++, at++) {
            char byte;
            test_pattern_fill(&byte, 1, at);
            AIO_CHECK_EQ(aio_stream_write(path.in.near, &byte, 1), 1);
            copy_check_bytes(path.out.far, at, 1);
        }
    }
    AIO_CHECK_OK(aio_stream_shutdown(path.in.near, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(copy_join(&call), 0);
    AIO_CHECK_EQ(call.done[0].delivered, at);
    copy_path_close(&path);
}

static void check_limit(uint64_t limit)
{
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    REQUIRE(copy_path_open(&path));
    struct copy_writer writer = {.stream = path.in.near, .size = limit + 1000};
    call.options.limit = limit;
    REQUIRE(copy_write_start(&writer));
    REQUIRE(copy_start(&call, &path, false));
    copy_check_bytes(path.out.far, 0, limit);
    AIO_CHECK_EQ(copy_join(&call), 0);
    AIO_CHECK_EQ(call.done[0].delivered, limit);
    copy_check_bytes(path.in.far, limit, 1000); /* not one more was read */
    AIO_CHECK_OK(copy_write_join(&writer));
    copy_path_close(&path);
}

BEHAVIOUR(copy_with_a_limit)
{
    check_limit(0);
    check_limit(1);
    check_limit(65536);
    check_limit(1000001);
}

/* An echo server in one call. */
BEHAVIOUR(copy_back_to_the_same_stream)
{
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    struct copy_path path = {.in = pair, .out = {.near = pair.far}};
    struct copy_call call = {.result = 0};
    REQUIRE(copy_start(&call, &path, false));
    struct copy_writer writer = {.stream = pair.near, .size = 1 << 20};
    REQUIRE(copy_write_start(&writer));
    copy_check_bytes(pair.near, 0, 1 << 20);
    AIO_CHECK_OK(copy_write_join(&writer));
    AIO_CHECK_EQ(copy_join(&call), 0);
    tcp_pair_close(&pair);
}

BEHAVIOUR(copy_with_bad_options)
{
    struct tcp_pair pair;
    struct aio_copy_done done = {.delivered = 7};
    struct aio_copy_options options = AIO_COPY_OPTIONS;
    REQUIRE(tcp_pair_open(&pair));
    options.size = 1;
    AIO_CHECK_ERROR(aio_stream_copy(pair.near, pair.far, &options, &done), -EINVAL);
    AIO_CHECK_EQ(done.delivered, 0);
    options = AIO_COPY_OPTIONS;
    options.idle_ns = 0;
    AIO_CHECK_ERROR(aio_stream_copy(pair.near, pair.far, &options, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_relay(pair.near, pair.far, &options, NULL), -EINVAL);
    options = AIO_COPY_OPTIONS;
    options.stall_ns = 0;
    AIO_CHECK_ERROR(aio_stream_copy(pair.near, pair.far, &options, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_stream_relay(pair.near, pair.near, NULL, NULL), -EINVAL);
    tcp_pair_close(&pair);
}

/* What a rented read has left, and rented writes that are still to be sent, come first. */
BEHAVIOUR(copy_behind_rented_buffers)
{
    enum { SIZE = 300000 };
    struct copy_path path;
    struct copy_call call = {.result = 0};
    struct aio_buffer *buffer;
    REQUIRE(copy_path_open(&path));
    struct copy_writer writer = {.stream = path.in.near, .size = SIZE};
    REQUIRE(copy_write_start(&writer));
    ssize_t n = aio_stream_read_rent(path.in.far, &buffer);
    REQUIRE(n > 0);
    AIO_CHECK_OK(aio_stream_write_rent(path.out.near, buffer));
    REQUIRE(copy_start(&call, &path, false));
    copy_check_bytes(path.out.far, 0, SIZE);
    AIO_CHECK_OK(copy_write_join(&writer));
    AIO_CHECK_EQ(copy_join(&call), 0);
    AIO_CHECK_EQ(call.done[0].delivered, SIZE - (uint64_t)n);
    copy_path_close(&path);
}

/* The receiver is gone while bytes are on their way: the sum is what was read. */
BEHAVIOUR(copy_to_a_peer_that_goes_away)
{
    struct copy_path path;
    struct copy_call call = {.result = 0};
    struct tcp_raw raw;
    REQUIRE(tcp_pair_open(&path.in));
    REQUIRE(tcp_raw_open(&raw, 4096));
    path.out.near = raw.stream;
    REQUIRE(copy_start(&call, &path, false));
    struct copy_writer writer = {.stream = path.in.near, .size = 4 << 20};
    REQUIRE(copy_write_start(&writer));
    char bytes[1000];
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, sizeof bytes));
    tcp_plain_reset(raw.fd);
    int rc = copy_join(&call);
    AIO_CHECK(rc == -EPIPE || rc == -ECONNRESET);
    AIO_CHECK(call.done[0].delivered >= sizeof bytes);
    AIO_CHECK(call.done[0].undelivered > 0);
    uint64_t read = call.done[0].delivered + call.done[0].undelivered;
    AIO_CHECK_EQ(copy_check_rest(path.in.far, read) + read, 4 << 20);
    AIO_CHECK_OK(copy_write_join(&writer));
    aio_stream_close(raw.stream);
    tcp_pair_close(&path.in);
}

/* A socket that cannot be spliced from is read from. */
BEHAVIOUR(copy_where_splicing_is_refused)
{
    if (!test_fail_next("splice_in", -EINVAL, 1))
        return;
    check_copy(4 << 20);
}

BEHAVIOUR(copy_ends_when_a_stream_is_closed)
{
    struct copy_path path;
    for (int which = 0; which < 2; which++) {
        struct copy_call call = {.result = 0};
        REQUIRE(copy_path_open(&path));
        REQUIRE(copy_start(&call, &path, which == 1));
        tcp_settle();
        aio_stream_close(path.out.near); /* it waits for bytes of the other one */
        AIO_CHECK_ERROR(copy_join(&call), -EBADF);
        aio_stream_close(path.out.far);
        tcp_pair_close(&path.in);
    }
}
