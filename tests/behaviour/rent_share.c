/*
 * What was received and nobody reads is bounded, for each stream and for all of them: a reader that
 * has stopped leaves the pool to the others.
 */
#define SUITE "rent_share"
#include "tests/behaviour/packet_support.h"
#include "tests/behaviour/rent_support.h"

#include <string.h>

/* What is lent to a ring at first: one receive may fill it before it is stopped. */
#define LENT 64

/* Reads so many buffers, with as much data behind them as the socket takes. */
static bool read_some(struct tcp_raw *raw, int count)
{
    if (!rent_plain_send_pattern(raw->fd, 200 * 1024, 0))
        return false;
    for (int i = 0; i < count; i++) {
        struct aio_buffer *buffer;
        if (!AIO_CHECK(aio_stream_read_rent(raw->stream, &buffer) > 0))
            return false;
        aio_buffer_release(buffer);
    }
    tcp_settle();
    return true;
}

BEHAVIOUR_WITH(stream_keeps_to_its_bound, .stream_buffers = 3, .buffer_bytes = 1024)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE(read_some(&raw, 2));
    uint32_t held = rent_stats().buffers_held;
    uint32_t bound = strcmp(aio_runtime_backend(), "uring") == 0 ? LENT : 3;
    if (!AIO_CHECK(held <= bound))
        AIO_CHECK_EQ(held, 0); /* to print it */
    tcp_raw_close(&raw);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}

/* Half of the pool at most waits for readers. */
BEHAVIOUR_WITH(stopped_stream, .buffer_limit = 8, .buffer_bytes = 512)
{
    struct tcp_raw stopped, other;
    REQUIRE(tcp_raw_open(&stopped, 0) && tcp_raw_open(&other, 0));
    REQUIRE(read_some(&stopped, 2));
    AIO_CHECK(rent_stats().buffers_held <= 4);
    REQUIRE(rent_plain_send_pattern(other.fd, 100000, 0));
    AIO_CHECK_EQ(rent_read_pattern(other.stream, 100000, 0), 100000);
    AIO_CHECK_OK(rent_write_pattern(other.stream, 5000, 500, 0));
    AIO_CHECK(tcp_plain_receive_pattern(other.fd, 5000, 0));
    tcp_raw_close(&other);
    tcp_raw_close(&stopped);
}

static bool receive(struct aio_socket *socket)
{
    struct aio_buffer *buffer;
    if (!AIO_CHECK_EQ(aio_socket_rent(socket, &buffer, NULL), 4))
        return false;
    aio_buffer_release(buffer);
    return true;
}

BEHAVIOUR_WITH(stopped_socket, .buffer_limit = 16)
{
    struct udp_ends stopped, other;
    REQUIRE(udp_ends_connect(&stopped) && udp_ends_connect(&other));
    for (int i = 0; i < 100; i++)
        packet_send(stopped.near, "much");
    for (int i = 0; i < 2; i++)
        REQUIRE(receive(stopped.far));
    packet_settle();
    AIO_CHECK(rent_stats().buffers_held <= 8);
    for (int i = 0; i < 50; i++) {
        packet_send(other.near, "some");
        REQUIRE(receive(other.far));
    }
    udp_ends_close(&other);
    udp_ends_close(&stopped);
    AIO_CHECK_EQ(rent_stats().buffers_held, 0);
}
