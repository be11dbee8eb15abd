/*
 * Datagrams received into rented buffers: whole, in order, with sender and control data;
 * backpressure while the pool is empty; cancellation; mixing with plain receives.
 */
#define SUITE "udp_rent"
#include "tests/behaviour/packet_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A rented receive in a task of its own. */
struct udp_rent_call {
    struct aio_socket *socket;
    int64_t timeout_ns; /* 0: none */
    struct aio_buffer *buffer;
    ssize_t result;
    struct aio_task *task;
};

static int rent_call_run(void *arg)
{
    struct udp_rent_call *call = arg;
    AIO_TIMEOUT(call->timeout_ns > 0 ? call->timeout_ns : AIO_FOREVER)
    {
        call->result = aio_socket_rent(call->socket, &call->buffer, NULL);
    }
    return 0;
}

static bool rent_call_start(struct udp_rent_call *call)
{
    return AIO_CHECK_OK(aio_task_spawn(&call->task, rent_call_run, call, NULL));
}

static ssize_t rent_call_join(struct udp_rent_call *call)
{
    AIO_CHECK_OK(aio_task_join(call->task, NULL));
    return call->result;
}

static uint64_t held(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats.buffers_held;
}

static bool is_text(struct aio_buffer *buffer, const char *text)
{
    return buffer != NULL && aio_buffer_size(buffer) == strlen(text) &&
           memcmp(aio_buffer_data(buffer), text, strlen(text)) == 0;
}

static void expect(struct aio_socket *socket, const char *text)
{
    struct aio_buffer *buffer;
    AIO_CHECK_EQ(aio_socket_rent(socket, &buffer, NULL), strlen(text));
    AIO_CHECK(is_text(buffer, text));
    aio_buffer_release(buffer);
}

/* Numbered datagrams, each as long as its number says, or short. */
static size_t numbered(uint32_t number, char *bytes)
{
    size_t size = sizeof number + number % 200;
    test_pattern_fill(bytes, size, number);
    memcpy(bytes, &number, sizeof number);
    return size;
}

static bool send_numbered(struct aio_socket *socket, uint32_t number)
{
    char bytes[256];
    size_t size = numbered(number, bytes);
    return AIO_CHECK_EQ(aio_socket_send(socket, bytes, size), size);
}

static bool check_numbered(const void *bytes, size_t size, uint32_t number)
{
    char wanted[256];
    return AIO_CHECK_EQ(size, numbered(number, wanted)) && AIO_CHECK(!memcmp(bytes, wanted, size));
}

BEHAVIOUR(sender_and_sizes)
{
    struct udp_ends ends;
    struct aio_address from;
    struct aio_buffer *buffer;
    REQUIRE(udp_ends_open(&ends));
    for (int i = 0; i < 3; i++) {
        struct aio_message message = {.address = &from};
        AIO_CHECK_EQ(aio_socket_send_to(ends.near, "ping", 4, &ends.far_at), 4);
        REQUIRE(aio_socket_rent(ends.far, &buffer, &message) == 4);
        AIO_CHECK(is_text(buffer, "ping"));
        AIO_CHECK_EQ(message.bytes, 4);
        AIO_CHECK_EQ(message.whole, 4);
        AIO_CHECK_EQ(message.flags, 0);
        AIO_CHECK_EQ(from.length, sizeof from.v4);
        AIO_CHECK_EQ(aio_address_port(&from), aio_address_port(&ends.near_at));
        AIO_CHECK(aio_buffer_room(buffer) >= 4);
        aio_buffer_release(buffer);
    }
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

/* A receive that waits holds no buffer. */
BEHAVIOUR(waits_with_nothing)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct udp_rent_call call = {.socket = ends.far};
    REQUIRE(rent_call_start(&call));
    packet_settle();
    AIO_CHECK_EQ(held(), 0);
    packet_send(ends.near, "late");
    AIO_CHECK_EQ(rent_call_join(&call), 4);
    AIO_CHECK(is_text(call.buffer, "late"));
    AIO_CHECK_EQ(held(), 1);
    aio_buffer_release(call.buffer);
    udp_ends_close(&ends);
}

/* Empty ones are datagrams, and no end. */
BEHAVIOUR(empty_datagrams)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_EQ(aio_socket_send(ends.near, "", 0), 0);
        AIO_CHECK_EQ(aio_socket_send(ends.near, "", 0), 0);
        packet_send(ends.near, "after");
        expect(ends.far, "");
        expect(ends.far, "");
        expect(ends.far, "after");
    }
    udp_ends_close(&ends);
}

/* What is longer than a buffer is cut, and told; what just fits is whole, and so is the next. */
BEHAVIOUR_WITH(oversized, .buffer_bytes = AIO_SOCKET_RENT_BYTES + 1000)
{
    struct udp_ends ends;
    struct aio_buffer *buffer;
    char bytes[3000];
    static const size_t sizes[] = {1000, 1001, 3000, 1, 0, 2000};
    REQUIRE(udp_ends_connect(&ends));
    test_pattern_fill(bytes, sizeof bytes, 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        AIO_CHECK_EQ(aio_socket_send(ends.near, bytes, sizes[i]), sizes[i]);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct aio_message message = {.count = 0};
        size_t fits = sizes[i] < 1000 ? sizes[i] : 1000;
        REQUIRE(aio_socket_rent(ends.far, &buffer, &message) == (ssize_t)fits);
        AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), fits, 0));
        AIO_CHECK_EQ(message.bytes, fits);
        AIO_CHECK_EQ(message.whole, sizes[i]);
        AIO_CHECK_EQ(message.flags, fits < sizes[i] ? AIO_MESSAGE_TRUNCATED : 0);
        aio_buffer_release(buffer);
    }
    udp_ends_close(&ends);
}

BEHAVIOUR_WITH(buffers_too_small, .buffer_bytes = AIO_SOCKET_RENT_BYTES)
{
    struct udp_ends ends;
    struct aio_buffer *buffer;
    REQUIRE(udp_ends_open(&ends));
    AIO_CHECK_ERROR(aio_socket_rent(ends.far, &buffer, NULL), -EMSGSIZE);
    AIO_CHECK(buffer == NULL);
    udp_ends_close(&ends);
}

BEHAVIOUR(control_data)
{
    struct udp_ends ends;
    struct aio_address to;
    struct aio_buffer *buffer;
    int64_t at_ns;
    REQUIRE(udp_ends_connect(&ends));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_TIMESTAMP, 1));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_DESTINATION, 1));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_HOPS, 1));
    for (int hops = 7; hops < 10; hops++) {
        struct aio_message message = {.control = NULL};
        AIO_CHECK_OK(aio_socket_option_set(ends.near, AIO_SOCKET_HOPS, hops));
        packet_send(ends.near, "marked");
        REQUIRE(aio_socket_rent(ends.far, &buffer, &message) == 6);
        AIO_CHECK_EQ(aio_message_hops(&message), hops);
        AIO_CHECK_OK(aio_message_timestamp(&message, &at_ns));
        AIO_CHECK(aio_message_destination(&message, &to) > 0);
        AIO_CHECK_EQ(to.v4.sin_addr.s_addr, ends.far_at.v4.sin_addr.s_addr);
        aio_buffer_release(buffer);
    }
    udp_ends_close(&ends);
}

/* Each once, in order, whatever batches they come in. */
BEHAVIOUR(order_of_many)
{
    enum { ROUNDS = 40 };
    struct udp_ends ends;
    struct aio_buffer *buffer;
    uint32_t sent = 0, got = 0;
    REQUIRE(udp_ends_connect(&ends));
    for (int round = 0; round < ROUNDS; round++) {
        for (uint64_t n = 1 + test_random() % 60; n > 0; n--)
            REQUIRE(send_numbered(ends.near, sent++));
        while (got < sent) {
            ssize_t n = aio_socket_rent(ends.far, &buffer, NULL);
            REQUIRE(n >= 0);
            REQUIRE(check_numbered(aio_buffer_data(buffer), (size_t)n, got++));
            aio_buffer_release(buffer);
        }
    }
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

/* While the program has every buffer, datagrams wait in the kernel; then each comes, in order. */
BEHAVIOUR_WITH(backpressure, .buffer_limit = 8)
{
    enum { COUNT = 40 };
    struct udp_ends ends;
    struct aio_buffer *kept[COUNT];
    int held_now = 0;
    REQUIRE(udp_ends_connect(&ends));
    for (uint32_t i = 0; i < COUNT; i++)
        REQUIRE(send_numbered(ends.near, i));
    for (uint32_t i = 0; i < COUNT; i++) {
        struct udp_rent_call call = {.socket = ends.far, .timeout_ns = AIO_MS(2)};
        REQUIRE(rent_call_start(&call));
        while (rent_call_join(&call) == -ETIMEDOUT) {
            if (held_now > 0) /* else it only was late */
                aio_buffer_release(kept[--held_now]);
            REQUIRE(rent_call_start(&call));
        }
        REQUIRE(call.result >= 0);
        REQUIRE(check_numbered(aio_buffer_data(call.buffer), (size_t)call.result, i));
        kept[held_now++] = call.buffer;
        AIO_CHECK(held_now <= 8);
    }
    while (held_now > 0)
        aio_buffer_release(kept[--held_now]);
    udp_ends_close(&ends);
    AIO_CHECK_EQ(held(), 0);
}

/* A socket that nobody receives from cannot take the pool from the others. */
BEHAVIOUR_WITH(one_flooded_among_two, .buffer_limit = 16)
{
    struct udp_ends flooded, other;
    struct aio_buffer *buffer;
    REQUIRE(udp_ends_connect(&flooded) && udp_ends_connect(&other));
    REQUIRE(send_numbered(flooded.near, 0));
    REQUIRE(aio_socket_rent(flooded.far, &buffer, NULL) >= 0);
    aio_buffer_release(buffer);
    for (uint32_t i = 0; i < 100; i++)
        REQUIRE(send_numbered(flooded.near, i));
    for (uint32_t i = 0; i < 20; i++) {
        REQUIRE(send_numbered(other.near, i));
        ssize_t n = aio_socket_rent(other.far, &buffer, NULL);
        REQUIRE(n >= 0);
        REQUIRE(check_numbered(aio_buffer_data(buffer), (size_t)n, i));
        aio_buffer_release(buffer);
    }
    udp_ends_close(&other);
    udp_ends_close(&flooded);
    AIO_CHECK_EQ(held(), 0);
}

/* Receivers that are cancelled or run out of time, around the moment of a datagram, lose none. */
BEHAVIOUR(cancel_and_timeout_lose_nothing)
{
    struct udp_ends ends;
    uint32_t sent = 0, got = 0;
    REQUIRE(udp_ends_connect(&ends));
    for (int i = 0; i < 200; i++) {
        uint64_t dice = test_random();
        struct udp_rent_call call = {.socket = ends.far};
        if ((dice & 1) != 0)
            call.timeout_ns = AIO_US((int64_t)(dice >> 8) % 200) + 1;
        REQUIRE(rent_call_start(&call));
        if ((dice & 2) != 0)
            packet_settle();
        for (uint64_t n = (dice >> 20) % 3; n > 0; n--)
            REQUIRE(send_numbered(ends.near, sent++));
        if ((dice & 4) != 0)
            packet_settle();
        if (call.timeout_ns == 0)
            aio_task_cancel(call.task);
        if (rent_call_join(&call) < 0)
            continue;
        REQUIRE(check_numbered(aio_buffer_data(call.buffer), (size_t)call.result, got++));
        aio_buffer_release(call.buffer);
    }
    while (got < sent) {
        char bytes[256];
        ssize_t n = aio_socket_recv(ends.far, bytes, sizeof bytes, NULL);
        REQUIRE(n >= 0);
        REQUIRE(check_numbered(bytes, (size_t)n, got++));
    }
    udp_ends_close(&ends);
    AIO_CHECK_EQ(held(), 0);
}

/* One receive of any kind. Returns datagrams. */
static int receive_somehow(struct aio_socket *socket, uint32_t number)
{
    struct packet_message packets[4];
    struct aio_message messages[4];
    struct aio_buffer *buffer;
    struct aio_address from = {.length = 0};
    int count = 1 + (int)(test_random() % 4);
    ssize_t n;
    switch (test_random() % 3) {
    case 0:
        n = aio_socket_rent(socket, &buffer, NULL);
        if (!AIO_CHECK(n >= 0))
            return -1;
        check_numbered(aio_buffer_data(buffer), (size_t)n, number);
        aio_buffer_release(buffer);
        return 1;
    case 1:
        n = aio_socket_recv_from(socket, packets[0].bytes, 256, &from, NULL);
        AIO_CHECK_EQ(from.length, sizeof from.v4);
        return check_numbered(packets[0].bytes, (size_t)n, number) ? 1 : -1;
    default:
        for (int i = 0; i < count; i++) {
            packet_message_init(&packets[i], 256);
            messages[i] = packets[i].message;
        }
        n = aio_socket_recv_many(socket, messages, count);
        for (int i = 0; i < (int)n; i++)
            check_numbered(packets[i].bytes, messages[i].bytes, number + (uint32_t)i);
        return AIO_CHECK(n > 0) ? (int)n : -1;
    }
}

/* Whichever call receives next gets the next datagram. */
BEHAVIOUR(mixed_with_plain_receives)
{
    struct udp_ends ends;
    uint32_t sent = 0, got = 0;
    REQUIRE(udp_ends_connect(&ends));
    while (sent < 400) {
        for (uint64_t n = 1 + test_random() % 8; n > 0; n--)
            REQUIRE(send_numbered(ends.near, sent++));
        while (got < sent) {
            int n = receive_somehow(ends.far, got);
            REQUIRE(n > 0);
            got += (uint32_t)n;
        }
    }
    AIO_CHECK_EQ(got, sent);
    udp_ends_close(&ends);
}

/* What was received for rented buffers and does not fit elsewhere is cut as any datagram is. */
BEHAVIOUR(plain_receive_cuts)
{
    struct udp_ends ends;
    struct packet_message packet;
    struct aio_buffer *buffer;
    REQUIRE(udp_ends_connect(&ends));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_TIMESTAMP, 1));
    packet_send(ends.near, "first");
    packet_send(ends.near, "0123456789");
    packet_send(ends.near, "0123456789");
    REQUIRE(aio_socket_rent(ends.far, &buffer, NULL) == 5);
    aio_buffer_release(buffer);
    packet_message_init(&packet, 4);
    AIO_CHECK_OK(aio_socket_recvmsg(ends.far, &packet.message));
    AIO_CHECK_EQ(packet.message.bytes, 4);
    AIO_CHECK_EQ(packet.message.whole, 10);
    AIO_CHECK_EQ(packet.message.flags, AIO_MESSAGE_TRUNCATED);
    int64_t at_ns;
    AIO_CHECK_OK(aio_message_timestamp(&packet.message, &at_ns));
    packet_message_init(&packet, 20);
    packet.message.control_room = 1;
    AIO_CHECK_OK(aio_socket_recvmsg(ends.far, &packet.message));
    AIO_CHECK_EQ(packet.message.bytes, 10);
    AIO_CHECK_EQ(packet.message.flags, AIO_MESSAGE_CONTROL_TRUNCATED);
    udp_ends_close(&ends);
}

/* Nobody listens there: told once each time, and the receive goes on. */
BEHAVIOUR(refused)
{
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct aio_buffer *buffer;
    struct aio_socket *socket, *gone = udp_bound("127.0.0.1:0", &at, text);
    REQUIRE(gone != NULL);
    REQUIRE_OK(aio_udp_connect(&socket, text, NULL));
    aio_socket_close(gone);
    struct udp_rent_call call = {.socket = socket};
    REQUIRE(rent_call_start(&call));
    packet_settle();
    packet_send(socket, "anybody?");
    AIO_CHECK_ERROR(rent_call_join(&call), -ECONNREFUSED);
    AIO_CHECK(call.buffer == NULL);
    packet_send(socket, "anybody?");
    AIO_CHECK_ERROR(aio_socket_rent(socket, &buffer, NULL), -ECONNREFUSED);
    REQUIRE_OK(aio_udp_bind(&gone, text, NULL));
    struct aio_address back;
    AIO_CHECK_OK(aio_socket_local(socket, &back));
    AIO_CHECK_EQ(aio_socket_send_to(gone, "here now", 8, &back), 8);
    expect(socket, "here now");
    aio_socket_close(gone);
    aio_socket_close(socket);
}

/* Closing ends those who wait, and what has come and was not taken goes with it. */
BEHAVIOUR(close_ends_it)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct udp_rent_call calls[2] = {{.socket = ends.far}, {.socket = ends.far}};
    REQUIRE(rent_call_start(&calls[0]) && rent_call_start(&calls[1]));
    packet_settle();
    aio_socket_close(ends.far);
    AIO_CHECK_ERROR(rent_call_join(&calls[0]), -EBADF);
    AIO_CHECK_ERROR(rent_call_join(&calls[1]), -EBADF);
    ends.far = udp_bound("127.0.0.1:0", &ends.far_at, NULL);
    REQUIRE(ends.far != NULL);
    AIO_CHECK_OK(aio_socket_connect(ends.near, &ends.far_at));
    for (uint32_t i = 0; i < 50; i++)
        REQUIRE(send_numbered(ends.near, i));
    struct aio_buffer *buffer;
    REQUIRE(aio_socket_rent(ends.far, &buffer, NULL) >= 0);
    aio_buffer_release(buffer);
    udp_ends_close(&ends);
    AIO_CHECK_EQ(held(), 0);
}

/* The descriptor goes on with what was not received. */
BEHAVIOUR(release)
{
    struct udp_ends ends;
    char bytes[16];
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "one");
    expect(ends.far, "one");
    int fd = aio_socket_release(ends.far);
    REQUIRE(fd >= 0);
    packet_send(ends.near, "two");
    AIO_CHECK_EQ(recv(fd, bytes, sizeof bytes, 0), 3);
    REQUIRE_OK(aio_socket_adopt(&ends.far, fd));
    packet_send(ends.near, "three");
    packet_send(ends.near, "four");
    expect(ends.far, "three");
    expect(ends.far, "four");
    udp_ends_close(&ends);
}

/* Unix datagrams too; descriptors that come with them are closed. A sequence is refused. */
BEHAVIOUR(unix_sockets)
{
    struct aio_socket *pair[2];
    struct aio_buffer *buffer;
    struct packet_message packet;
    int before = packet_fd_count();
    REQUIRE_OK(aio_unix_pair_sockets(pair, AIO_UNIX_DATAGRAM));
    packet_send(pair[0], "unix");
    expect(pair[1], "unix");
    packet_message_init(&packet, 3);
    AIO_CHECK_OK(aio_message_put_fds(&packet.message, (int[]){0}, 1));
    AIO_CHECK_EQ(aio_socket_sendmsg(pair[0], &packet.message), 3);
    AIO_CHECK_EQ(aio_socket_rent(pair[1], &buffer, NULL), 3);
    aio_buffer_release(buffer);
    aio_socket_close(pair[0]);
    aio_socket_close(pair[1]);
    REQUIRE_OK(aio_unix_pair_sockets(pair, AIO_UNIX_SEQUENCE));
    AIO_CHECK_ERROR(aio_socket_rent(pair[1], &buffer, NULL), -EOPNOTSUPP);
    aio_socket_close(pair[0]);
    aio_socket_close(pair[1]);
    AIO_CHECK_EQ(packet_fd_count(), before);
}
