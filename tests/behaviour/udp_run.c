/*
 * UDP: runs of datagrams, cut by the kernel or sent one by one: the same comes out.
 */
#define SUITE "udp_run"
#include "tests/behaviour/packet_support.h"

#include <aio/buf.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 65536 };

/* Receives what a run of size bytes was cut into, a datagram at a time. */
static void expect_run(struct aio_socket *socket, size_t size, size_t segment)
{
    char *bytes = malloc(ROOM);
    REQUIRE(bytes != NULL);
    for (size_t at = 0; at < size; at += segment) {
        size_t wanted = size - at < segment ? size - at : segment;
        AIO_CHECK_EQ(aio_socket_recv(socket, bytes, ROOM, NULL), wanted);
        test_pattern_check(bytes, wanted, at);
    }
    free(bytes);
}

/* Of every kind: one, exact, with a rest, more than the kernel takes at once, longer than a packet
 * of the interface may be. */
static void send_runs(bool cut, bool connected)
{
    static const size_t kinds[][2] = {{10, 10},  {5, 10},        {100, 10},     {101, 10},
                                      {1000, 1}, {60000, 1400},  {65000, 1000}, {66000, 1000},
                                      {3, 70},   {65507, 65507}, {40000, 39999}};
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES], *bytes = malloc(1 << 17);
    struct aio_socket *sender, *receiver = udp_bound("127.0.0.1:0", &at, text);
    REQUIRE(receiver != NULL && bytes != NULL);
    test_pattern_fill(bytes, 1 << 17, 0);
    options.segments = cut;
    REQUIRE_OK(connected ? aio_udp_connect(&sender, text, &options)
                         : aio_udp_bind(&sender, "127.0.0.1:0", &options));
    AIO_CHECK_OK(aio_socket_option_set(receiver, AIO_SOCKET_RECEIVE_BUFFER, 4 << 20));
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size = kinds[i][0], segment = kinds[i][1];
        if (size / segment > 150)
            size = 150 * segment; /* within the receive buffer */
        AIO_CHECK_EQ(aio_udp_send_run(sender, bytes, size, segment, connected ? NULL : &at), size);
        expect_run(receiver, size, segment);
    }
    aio_socket_close(sender);
    aio_socket_close(receiver);
    free(bytes);
}

BEHAVIOUR(cut_by_the_kernel)
{
    send_runs(true, true);
    send_runs(true, false);
}

BEHAVIOUR(sent_one_by_one)
{
    send_runs(false, true);
    send_runs(false, false);
}

BEHAVIOUR(bad_runs)
{
    static char bytes[70000];
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    AIO_CHECK_ERROR(aio_udp_send_run(ends.near, bytes, 10, 0, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_send_run(ends.near, bytes, 70000, 69000, NULL), -EMSGSIZE);
    AIO_CHECK_ERROR(aio_udp_send_run(ends.near, bytes, 65520, 65510, NULL), -EMSGSIZE);
    AIO_CHECK_EQ(aio_udp_send_run(ends.near, bytes, 0, 10, NULL), 0);
    AIO_CHECK_EQ(aio_udp_send_run(ends.near, bytes, 20, 10, NULL), 20);
    udp_ends_close(&ends);
}

/* Datagrams that the kernel puts together on the way in come apart by the segment's length. */
BEHAVIOUR(put_together)
{
    enum { SEGMENT = 500, COUNT = 40 };
    struct udp_ends ends;
    char *bytes = malloc(ROOM);
    char control[AIO_CONTROL_BYTES];
    size_t got = 0;
    int value;
    REQUIRE(bytes != NULL && udp_ends_connect(&ends));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_SEGMENTS, 1));
    AIO_CHECK_OK(aio_socket_option_get(ends.far, AIO_SOCKET_RECEIVE_SEGMENTS, &value));
    test_pattern_fill(bytes, ROOM, 0);
    AIO_CHECK_EQ(aio_udp_send_run(ends.near, bytes, SEGMENT * COUNT + 7, SEGMENT, NULL),
                 SEGMENT * COUNT + 7);
    while (got < SEGMENT * COUNT + 7) {
        struct iovec vector = {bytes, ROOM};
        struct aio_message message = {
            .vectors = &vector, .count = 1, .control = control, .control_room = sizeof control};
        REQUIRE_OK(aio_socket_recvmsg(ends.far, &message));
        size_t segment = aio_message_segment(&message);
        AIO_CHECK(segment == SEGMENT || (message.bytes == 7 && segment == 7));
        test_pattern_check(bytes, message.bytes, got);
        got += message.bytes;
    }
    AIO_CHECK_EQ(got, SEGMENT * COUNT + 7);
    udp_ends_close(&ends);
    free(bytes);
}

/* In how many pieces a run arrives: one where the kernel cuts it, and it arrives as it was sent. */
static int pieces(const struct udp_ends *ends)
{
    static char bytes[1000];
    size_t got = 0;
    int count = 0;
    if (!AIO_CHECK_EQ(
            aio_udp_send_run(ends->near, bytes, sizeof bytes, sizeof bytes / 4, &ends->far_at),
            sizeof bytes))
        return -1;
    for (; got < sizeof bytes; count++) {
        ssize_t n = aio_socket_recv(ends->far, bytes, sizeof bytes, NULL);
        if (!AIO_CHECK(n > 0))
            return -1;
        got += (size_t)n;
    }
    return count;
}

static struct aio_buffer *one_byte(void)
{
    struct aio_buffer *buffer;
    AIO_CHECK_OK(aio_buffer_rent(&buffer));
    AIO_CHECK_OK(aio_buffer_resize(buffer, 1));
    return buffer;
}

/* A peer to whom nothing can be sent, as one that claims to have no port, says nothing of cutting:
 * for the others it goes on. */
BEHAVIOUR(bad_peers_do_not_end_it)
{
    struct udp_ends ends;
    struct aio_address nowhere;
    REQUIRE(udp_ends_open(&ends));
    REQUIRE_OK(aio_address_parse(&nowhere, "127.0.0.1:0"));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_SEGMENTS, 1));
    int before = pieces(&ends);
    AIO_CHECK_ERROR(aio_udp_send_run(ends.near, "four", 4, 1, &nowhere), -EINVAL);
    AIO_CHECK_EQ(pieces(&ends), before);
    for (int i = 0; i < 3; i++)
        AIO_CHECK_OK(aio_socket_give(ends.near, one_byte(), &nowhere));
    AIO_CHECK_ERROR(aio_socket_flush(ends.near), -EINVAL);
    AIO_CHECK_EQ(pieces(&ends), before);
    udp_ends_close(&ends);
}
