/*
 * UDP: what the kernel tells of a datagram, and what can be told to it; the error queue.
 */
#define SUITE "udp_control"
#include "tests/behaviour/packet_support.h"

#include <string.h>
#include <time.h>

static void option_on(struct aio_socket *socket, enum aio_socket_option option)
{
    AIO_CHECK_OK(aio_socket_option_set(socket, option, 1));
}

static int64_t realtime(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return AIO_SEC(now.tv_sec) + now.tv_nsec;
}

/* Time stamp, destination, hops and class, and the sender's address, in one message. */
BEHAVIOUR(all_of_it)
{
    struct udp_ends ends;
    struct packet_message packet;
    struct aio_address from, to;
    int64_t when_ns = 0, before_ns = realtime();
    REQUIRE(udp_ends_open(&ends));
    option_on(ends.far, AIO_SOCKET_RECEIVE_TIMESTAMP);
    option_on(ends.far, AIO_SOCKET_RECEIVE_DESTINATION);
    option_on(ends.far, AIO_SOCKET_RECEIVE_HOPS);
    option_on(ends.far, AIO_SOCKET_RECEIVE_CLASS);
    AIO_CHECK_OK(aio_socket_option_set(ends.near, AIO_SOCKET_HOPS, 33));
    AIO_CHECK_OK(aio_socket_option_set(ends.near, AIO_SOCKET_CLASS, 0x48));
    AIO_CHECK_EQ(aio_socket_send_to(ends.near, "told", 4, &ends.far_at), 4);
    packet_message_init(&packet, sizeof packet.bytes);
    packet.message.address = &from;
    REQUIRE_OK(aio_socket_recvmsg(ends.far, &packet.message));
    AIO_CHECK_EQ(packet.message.bytes, 4);
    AIO_CHECK_EQ(packet.message.whole, 4);
    AIO_CHECK_EQ(packet.message.flags, 0);
    AIO_CHECK_EQ(aio_address_port(&from), aio_address_port(&ends.near_at));
    AIO_CHECK_OK(aio_message_timestamp(&packet.message, &when_ns));
    AIO_CHECK(when_ns >= before_ns - AIO_SEC(1) && when_ns <= realtime() + AIO_SEC(1));
    AIO_CHECK(aio_message_destination(&packet.message, &to) > 0);
    AIO_CHECK_EQ(to.v4.sin_addr.s_addr, ends.far_at.v4.sin_addr.s_addr);
    AIO_CHECK_EQ(aio_message_hops(&packet.message), 33);
    AIO_CHECK_EQ(aio_message_class(&packet.message), 0x48);
    AIO_CHECK_EQ(aio_message_segment(&packet.message), 4);
    AIO_CHECK_EQ(aio_message_drops(&packet.message), 0);
    udp_ends_close(&ends);
}

/* The same over IPv6, each given by the message itself. */
BEHAVIOUR(all_of_it_over_v6)
{
    struct aio_address near_at, far_at, to;
    struct aio_socket *near = udp_bound("[::1]:0", &near_at, NULL);
    struct aio_socket *far = udp_bound("[::1]:0", &far_at, NULL);
    struct packet_message packet;
    REQUIRE(near != NULL && far != NULL);
    option_on(far, AIO_SOCKET_RECEIVE_DESTINATION);
    option_on(far, AIO_SOCKET_RECEIVE_HOPS);
    option_on(far, AIO_SOCKET_RECEIVE_CLASS);
    packet_message_init(&packet, 4);
    packet.message.address = &far_at;
    memcpy(packet.bytes, "six!", 4);
    AIO_CHECK_OK(aio_message_put_hops(&packet.message, AF_INET6, 7));
    AIO_CHECK_OK(aio_message_put_class(&packet.message, AF_INET6, 0x20));
    AIO_CHECK_OK(aio_message_put_source(&packet.message, &near_at, 0));
    AIO_CHECK_EQ(aio_socket_sendmsg(near, &packet.message), 4);
    packet_message_init(&packet, 4);
    REQUIRE_OK(aio_socket_recvmsg(far, &packet.message));
    AIO_CHECK(aio_message_destination(&packet.message, &to) > 0);
    AIO_CHECK(memcmp(&to.v6.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0);
    AIO_CHECK_EQ(aio_message_hops(&packet.message), 7);
    AIO_CHECK_EQ(aio_message_class(&packet.message), 0x20);
    aio_socket_close(near);
    aio_socket_close(far);
}

/* An IPv4 datagram on a socket for both families brings the same. */
BEHAVIOUR(mapped_addresses)
{
    struct aio_address at, v4, to;
    struct aio_socket *both = udp_bound("[::]:0", &at, NULL);
    struct aio_socket *near = udp_bound("127.0.0.1:0", &v4, NULL);
    struct packet_message packet;
    REQUIRE(both != NULL && near != NULL);
    option_on(both, AIO_SOCKET_RECEIVE_DESTINATION);
    option_on(both, AIO_SOCKET_RECEIVE_HOPS);
    v4.v4.sin_port = at.v6.sin6_port;
    AIO_CHECK_OK(aio_socket_option_set(near, AIO_SOCKET_HOPS, 9));
    AIO_CHECK_EQ(aio_socket_send_to(near, "4", 1, &v4), 1);
    packet_message_init(&packet, 4);
    REQUIRE_OK(aio_socket_recvmsg(both, &packet.message));
    AIO_CHECK(aio_message_destination(&packet.message, &to) > 0);
    AIO_CHECK_EQ(aio_message_hops(&packet.message), 9);
    aio_socket_close(both);
    aio_socket_close(near);
}

/* An answer from the address that was asked, on a socket bound to all of them. */
BEHAVIOUR(answer_from_there)
{
    struct aio_address at, client_at, asked, from;
    struct aio_socket *server = udp_bound("*:0", &at, NULL);
    struct aio_socket *client = udp_bound("127.0.0.1:0", &client_at, NULL);
    struct packet_message packet;
    char bytes[8];
    REQUIRE(server != NULL && client != NULL);
    option_on(server, AIO_SOCKET_RECEIVE_DESTINATION);
    AIO_CHECK_OK(aio_address_parse(&asked, "127.0.0.77:1"));
    asked.v4.sin_port = at.v4.sin_port;
    AIO_CHECK_EQ(aio_socket_send_to(client, "q", 1, &asked), 1);
    packet_message_init(&packet, 8);
    packet.message.address = &from;
    REQUIRE_OK(aio_socket_recvmsg(server, &packet.message));
    AIO_CHECK(aio_message_destination(&packet.message, &asked) > 0);
    packet_message_init(&packet, 1);
    packet.message.address = &from;
    AIO_CHECK_OK(aio_message_put_source(&packet.message, &asked, 0));
    AIO_CHECK_EQ(aio_socket_sendmsg(server, &packet.message), 1);
    AIO_CHECK_EQ(aio_socket_recv_from(client, bytes, sizeof bytes, &from, NULL), 1);
    AIO_CHECK_EQ(ntohl(from.v4.sin_addr.s_addr), 0x7f00004d);
    aio_socket_close(server);
    aio_socket_close(client);
}

/* Too little room for control data: told, and what is whole can be read. */
BEHAVIOUR(control_truncated)
{
    struct udp_ends ends;
    struct packet_message packet;
    struct aio_address to;
    int64_t when_ns;
    REQUIRE(udp_ends_connect(&ends));
    option_on(ends.far, AIO_SOCKET_RECEIVE_TIMESTAMP);
    option_on(ends.far, AIO_SOCKET_RECEIVE_DESTINATION);
    for (size_t room = 0; room <= AIO_CONTROL_SPACE(16) + AIO_CONTROL_SPACE(12); room++) {
        packet_send(ends.near, "x");
        packet_message_init(&packet, 4);
        packet.message.control_room = room;
        REQUIRE_OK(aio_socket_recvmsg(ends.far, &packet.message));
        bool cut = (packet.message.flags & AIO_MESSAGE_CONTROL_TRUNCATED) != 0;
        bool all = aio_message_timestamp(&packet.message, &when_ns) == 0 &&
                   aio_message_destination(&packet.message, &to) > 0;
        AIO_CHECK(packet.message.control_bytes <= room);
        AIO_CHECK(cut || all || room == 0);
    }
    udp_ends_close(&ends);
}

/* Vectors are filled in order; a truncated message says so. */
BEHAVIOUR(vectors)
{
    struct udp_ends ends;
    char parts[3][4] = {"", "", ""};
    struct iovec vectors[3] = {{parts[0], 2}, {parts[1], 0}, {parts[2], 3}};
    struct aio_message message = {.vectors = vectors, .count = 3};
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "12345");
    REQUIRE_OK(aio_socket_recvmsg(ends.far, &message));
    AIO_CHECK_EQ(message.flags, 0);
    AIO_CHECK_EQ(aio_socket_sendmsg(ends.far, &message), 5);
    packet_expect(ends.near, "12345");
    packet_send(ends.near, "1234567");
    REQUIRE_OK(aio_socket_recvmsg(ends.far, &message));
    AIO_CHECK_EQ(message.bytes, 5);
    AIO_CHECK_EQ(message.whole, 7);
    AIO_CHECK_EQ(message.flags, AIO_MESSAGE_TRUNCATED);
    message.count = 0;
    AIO_CHECK_EQ(aio_socket_sendmsg(ends.far, &message), 0);
    packet_expect(ends.near, "");
    udp_ends_close(&ends);
}

/* What ICMP said, with the datagram it was about. */
BEHAVIOUR(error_queue)
{
    struct aio_message_error error;
    struct packet_message packet;
    struct aio_address at, to;
    struct aio_socket *socket = udp_bound("127.0.0.1:0", &at, NULL);
    struct aio_socket *deaf = udp_deaf(&to, NULL);
    char byte;
    REQUIRE(socket != NULL && deaf != NULL);
    option_on(socket, AIO_SOCKET_RECEIVE_ERRORS);
    packet_message_init(&packet, 64);
    AIO_CHECK_ERROR(aio_socket_recverr(socket, &packet.message), -EAGAIN);
    AIO_CHECK_EQ(aio_socket_send_to(socket, "lost", 4, &to), 4);
    AIO_CHECK_ERROR(aio_socket_recv(socket, &byte, 1, NULL), -ECONNREFUSED);
    packet.message.address = &at;
    REQUIRE_OK(aio_socket_recverr(socket, &packet.message));
    AIO_CHECK_EQ(packet.message.bytes, 4);
    AIO_CHECK_EQ(memcmp(packet.bytes, "lost", 4), 0);
    AIO_CHECK_EQ(aio_address_port(&at), aio_address_port(&to));
    REQUIRE_OK(aio_message_error(&packet.message, &error));
    AIO_CHECK_EQ(error.code, -ECONNREFUSED);
    AIO_CHECK_EQ(error.origin, 2); /* ICMP */
    AIO_CHECK_EQ(error.offender.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    AIO_CHECK_ERROR(aio_socket_recverr(socket, &packet.message), -EAGAIN);
    aio_socket_close(deaf);
    aio_socket_close(socket);
}

/* An error that nobody fetches keeps the socket readable; a receive waits for a datagram all the
 * same, and the thread does not spin. */
BEHAVIOUR(unread_errors_do_not_spin)
{
    struct udp_ends ends;
    struct aio_address to;
    struct aio_socket *deaf = udp_deaf(&to, NULL);
    struct aio_runtime_stats before = {.size = sizeof before}, after = before;
    char byte;
    REQUIRE(deaf != NULL && udp_ends_open(&ends));
    option_on(ends.far, AIO_SOCKET_RECEIVE_ERRORS);
    AIO_CHECK_EQ(aio_socket_send_to(ends.far, "lost", 4, &to), 4);
    AIO_CHECK_ERROR(aio_socket_recv(ends.far, &byte, 1, NULL), -ECONNREFUSED);
    struct packet_call call = {.socket = ends.far};
    REQUIRE(packet_call_start(&call));
    AIO_CHECK_OK(aio_runtime_stats(&before));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(20)));
    AIO_CHECK_OK(aio_runtime_stats(&after));
    AIO_CHECK(!call.ended);
    AIO_CHECK(after.turns - before.turns < 1000);
    AIO_CHECK_EQ(aio_socket_send_to(ends.near, "found", 5, &ends.far_at), 5);
    AIO_CHECK_EQ(packet_call_join(&call), 5);
    aio_socket_close(deaf);
    udp_ends_close(&ends);
}

/* A full receive buffer loses datagrams, and the kernel counts them. */
BEHAVIOUR(drops_are_counted)
{
    struct udp_ends ends;
    struct packet_message packet;
    uint32_t drops = 0;
    REQUIRE(udp_ends_connect(&ends));
    option_on(ends.far, AIO_SOCKET_RECEIVE_DROPS);
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_BUFFER, 4096));
    for (int i = 0; i < 50; i++)
        packet_send(ends.near, "a datagram among many");
    for (int i = 0; i < 50 && drops == 0; i++) {
        AIO_TIMEOUT(AIO_MS(10)) /* until it is empty; then there is room for another */
        {
            packet_message_init(&packet, 64);
            while (aio_socket_recvmsg(ends.far, &packet.message) == 0 && drops == 0) {
                drops = aio_message_drops(&packet.message);
                packet_message_init(&packet, 64);
            }
        }
        packet_send(ends.near, "another");
    }
    AIO_CHECK(drops > 0 && drops < 50);
    udp_ends_close(&ends);
}
