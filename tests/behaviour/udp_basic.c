/*
 * UDP: opening, one datagram at a time, sizes, peers, what ICMP tells.
 */
#define SUITE "udp_basic"
#include "tests/behaviour/packet_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

BEHAVIOUR(there_and_back)
{
    struct udp_ends ends;
    struct aio_address from;
    char bytes[16];
    REQUIRE(udp_ends_open(&ends));
    AIO_CHECK_EQ(aio_socket_send_to(ends.near, "ping", 4, &ends.far_at), 4);
    AIO_CHECK_EQ(aio_socket_recv_from(ends.far, bytes, sizeof bytes, &from, NULL), 4);
    AIO_CHECK_EQ(aio_address_port(&from), aio_address_port(&ends.near_at));
    AIO_CHECK_EQ(aio_socket_send_to(ends.far, bytes, 4, &from), 4);
    packet_expect(ends.near, "ping");
    udp_ends_close(&ends);
}

/* A receive that waits first, with a task switch in between. */
BEHAVIOUR(receive_waits)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct packet_call call = {.socket = ends.far};
    REQUIRE(packet_call_start(&call));
    packet_settle();
    AIO_CHECK(!call.ended);
    packet_send(ends.near, "late");
    AIO_CHECK_EQ(packet_call_join(&call), 4);
    udp_ends_close(&ends);
}

/* One of no bytes is a datagram, and not an end. */
BEHAVIOUR(empty_datagrams)
{
    struct udp_ends ends;
    size_t whole = 99;
    char byte;
    REQUIRE(udp_ends_connect(&ends));
    AIO_CHECK_EQ(aio_socket_send(ends.near, "", 0), 0);
    AIO_CHECK_EQ(aio_socket_send_to(ends.near, NULL, 0, &ends.far_at), 0);
    packet_send(ends.near, "after");
    AIO_CHECK_EQ(aio_socket_recv(ends.far, &byte, 1, &whole), 0);
    AIO_CHECK_EQ(whole, 0);
    AIO_CHECK_EQ(aio_socket_recv(ends.far, &byte, 1, NULL), 0);
    packet_expect(ends.far, "after");
    udp_ends_close(&ends);
}

/* Too long to send: an error, and the socket works on. The longest there is goes through. */
BEHAVIOUR(oversized_send)
{
    enum { LONGEST = 65507 };
    struct udp_ends ends;
    char *bytes = malloc(70000);
    REQUIRE(bytes != NULL && udp_ends_connect(&ends));
    test_pattern_fill(bytes, 70000, 0);
    AIO_CHECK_ERROR(aio_socket_send(ends.near, bytes, LONGEST + 1), -EMSGSIZE);
    AIO_CHECK_ERROR(aio_socket_send_to(ends.near, bytes, 70000, &ends.far_at), -EMSGSIZE);
    AIO_CHECK_EQ(aio_socket_send(ends.near, bytes, LONGEST), LONGEST);
    memset(bytes, 0, 70000);
    AIO_CHECK_EQ(aio_socket_recv(ends.far, bytes, 70000, NULL), LONGEST);
    test_pattern_check(bytes, LONGEST, 0);
    free(bytes);
    udp_ends_close(&ends);
}

/* What does not fit is lost, and told; the next datagram is whole. */
BEHAVIOUR(truncated_receive)
{
    struct udp_ends ends;
    size_t whole = 0;
    char bytes[8] = "";
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "0123456789");
    packet_send(ends.near, "next");
    AIO_CHECK_EQ(aio_socket_recv(ends.far, bytes, 4, &whole), 4);
    AIO_CHECK_EQ(whole, 10);
    AIO_CHECK_STR(bytes, "0123");
    packet_expect(ends.far, "next");
    packet_send(ends.near, "0123456789");
    AIO_CHECK_EQ(aio_socket_recv(ends.far, NULL, 0, &whole), 0);
    AIO_CHECK_EQ(whole, 10);
    udp_ends_close(&ends);
}

/* Nobody listens there: a waiting receive or the next send is told, and after that it goes on. */
BEHAVIOUR(refused)
{
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES], byte;
    struct aio_socket *socket, *deaf = udp_deaf(&at, text);
    REQUIRE(deaf != NULL);
    REQUIRE_OK(aio_udp_connect(&socket, text, NULL));
    struct packet_call call = {.socket = socket};
    REQUIRE(packet_call_start(&call));
    packet_settle();
    packet_send(socket, "anybody?");
    AIO_CHECK_ERROR(packet_call_join(&call), -ECONNREFUSED);
    packet_send(socket, "anybody?");
    AIO_CHECK_ERROR(aio_socket_recv(socket, &byte, 1, NULL), -ECONNREFUSED);
    packet_send(socket, "anybody?");
    AIO_CHECK_ERROR(aio_socket_send(socket, "again", 5), -ECONNREFUSED);
    packet_send(socket, "anybody?");
    aio_socket_close(socket);
    aio_socket_close(deaf);
}

/* With a peer, datagrams of others are not received; without one again, they are. */
BEHAVIOUR(peers)
{
    static const struct aio_address nobody = {.length = 0};
    struct udp_ends ends;
    struct aio_address at;
    struct aio_socket *stranger = udp_bound("127.0.0.1:0", &at, NULL);
    REQUIRE(stranger != NULL && udp_ends_connect(&ends));
    AIO_CHECK_EQ(aio_socket_send_to(stranger, "junk", 4, &ends.far_at), 4);
    packet_send(ends.near, "wanted");
    packet_expect(ends.far, "wanted");
    AIO_CHECK_OK(aio_socket_peer(ends.far, &at));
    AIO_CHECK_EQ(aio_address_port(&at), aio_address_port(&ends.near_at));
    AIO_CHECK_OK(aio_socket_connect(ends.far, &nobody));
    AIO_CHECK_ERROR(aio_socket_peer(ends.far, &at), -ENOTCONN);
    AIO_CHECK_ERROR(aio_socket_send(ends.far, "x", 1), -EDESTADDRREQ);
    AIO_CHECK_EQ(aio_socket_send_to(stranger, "welcome", 7, &ends.far_at), 7);
    packet_expect(ends.far, "welcome");
    aio_socket_close(stranger);
    udp_ends_close(&ends);
}

/* A socket for both families takes IPv4 as mapped addresses, one for IPv6 only does not. */
BEHAVIOUR(both_families)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_address at, from, v4;
    struct aio_socket *socket, *sender = udp_bound("127.0.0.1:0", &v4, NULL);
    char byte, text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(sender != NULL);
    for (int only = 0; only < 2; only++) {
        options.v6only = only == 1;
        REQUIRE_OK(aio_udp_bind(&socket, "[::]:0", &options));
        AIO_CHECK_OK(aio_socket_local(socket, &at));
        v4.v4.sin_port = at.v6.sin6_port;
        AIO_CHECK_EQ(aio_socket_send_to(sender, "4", 1, &v4), 1);
        struct aio_address self = at;
        self.v6.sin6_addr = in6addr_loopback;
        AIO_CHECK_EQ(aio_socket_send_to(socket, "6", 1, &self), 1);
        AIO_CHECK_EQ(aio_socket_recv_from(socket, &byte, 1, &from, NULL), 1);
        AIO_CHECK_EQ(byte, only ? '6' : '4');
        AIO_CHECK(aio_address_format(&from, text, sizeof text) > 0);
        AIO_CHECK_EQ(strncmp(text, "[::ffff:127.0.0.1]:", 19) == 0, !only);
        aio_socket_close(socket);
    }
    aio_socket_close(sender);
}

BEHAVIOUR(broadcast_is_asked_for)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_address to;
    struct aio_socket *socket;
    int value = -1;
    REQUIRE_OK(aio_address_parse(&to, "127.255.255.255:9"));
    REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", NULL));
    AIO_CHECK_ERROR(aio_socket_send_to(socket, "b", 1, &to), -EACCES);
    AIO_CHECK_OK(aio_socket_option_set(socket, AIO_SOCKET_BROADCAST, 1));
    AIO_CHECK_EQ(aio_socket_send_to(socket, "b", 1, &to), 1);
    aio_socket_close(socket);
    options.broadcast = true;
    REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", &options));
    AIO_CHECK_EQ(aio_socket_send_to(socket, "b", 1, &to), 1);
    AIO_CHECK_OK(aio_socket_option_get(socket, AIO_SOCKET_BROADCAST, &value));
    AIO_CHECK_EQ(value, 1);
    aio_socket_close(socket);
}

BEHAVIOUR(broadcast_arrives)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_address at, to, from;
    struct aio_socket *sender, *receiver;
    char text[AIO_ADDRESS_TEXT_BYTES], byte = 0;
    receiver = udp_bound("0.0.0.0:0", &at, text);
    REQUIRE(receiver != NULL);
    options.broadcast = true;
    REQUIRE_OK(aio_udp_bind(&sender, "127.0.0.1:0", &options));
    snprintf(text, sizeof text, "127.255.255.255:%d", aio_address_port(&at));
    REQUIRE_OK(aio_address_parse(&to, text));
    AIO_CHECK_EQ(aio_socket_send_to(sender, "b", 1, &to), 1);
    AIO_CHECK_EQ(aio_socket_recv_from(receiver, &byte, 1, &from, NULL), 1);
    AIO_CHECK_EQ(byte, 'b');
    aio_socket_close(sender);
    aio_socket_close(receiver);
}

BEHAVIOUR(bad_arguments)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_socket *socket, *other;
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES], byte;
    struct iovec vector = {&byte, 1};
    struct aio_message message = {.vectors = &vector, .count = -1};
    int value;
    AIO_CHECK_ERROR(aio_udp_bind(&socket, "nowhere", NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_connect(&socket, NULL, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_bind(&socket, "192.0.2.1:0", NULL), -EADDRNOTAVAIL);
    options.size = 1;
    AIO_CHECK_ERROR(aio_udp_bind(&socket, "127.0.0.1:0", &options), -EINVAL);
    socket = udp_bound("127.0.0.1:0", &at, text);
    REQUIRE(socket != NULL);
    AIO_CHECK_ERROR(aio_udp_bind(&other, text, NULL), -EADDRINUSE);
    AIO_CHECK_ERROR(aio_socket_send(socket, "x", 1), -EDESTADDRREQ);
    AIO_CHECK_ERROR(aio_socket_sendmsg(socket, &message), -EINVAL);
    AIO_CHECK_ERROR(aio_socket_recvmsg(socket, &message), -EINVAL);
    AIO_CHECK_ERROR(aio_socket_recv_many(socket, &message, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_socket_send_many(socket, &message, -1), -EINVAL);
    AIO_CHECK_ERROR(aio_socket_option_set(socket, (enum aio_socket_option)99, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_socket_option_get(socket, AIO_SOCKET_RECEIVE_CREDENTIALS, &value),
                    -EOPNOTSUPP);
    AIO_CHECK_ERROR(aio_socket_option_set(socket, AIO_SOCKET_HOPS, 1000), -EINVAL);
    aio_socket_close(socket);
    aio_socket_close(NULL);
}

/* Several sockets on one address. */
BEHAVIOUR(reuseport)
{
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    struct aio_socket *first, *second;
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES];
    options.reuseport = true;
    REQUIRE_OK(aio_udp_bind(&first, "127.0.0.1:0", &options));
    AIO_CHECK_OK(aio_socket_local(first, &at));
    AIO_CHECK_OK(aio_address_format(&at, text, sizeof text));
    AIO_CHECK_OK(aio_udp_bind(&second, text, &options));
    aio_socket_close(first);
    aio_socket_close(second);
}

/* Errors that the kernel gives seldom reach the caller as they are (fault rows). */
BEHAVIOUR(injected_errors)
{
    struct udp_ends ends;
    char byte;
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "kept");
    if (test_fail_next("recvmsg", -EHOSTUNREACH, 1))
        AIO_CHECK_ERROR(aio_socket_recv(ends.far, &byte, 1, NULL), -EHOSTUNREACH);
    if (test_fail_next("send", -ENOBUFS, 1))
        AIO_CHECK_ERROR(aio_socket_send(ends.near, "x", 1), -ENOBUFS);
    if (test_fail_next("sendmsg", -ENOBUFS, 1))
        AIO_CHECK_ERROR(aio_socket_send_to(ends.near, "x", 1, &ends.far_at), -ENOBUFS);
    packet_expect(ends.far, "kept");
    udp_ends_close(&ends);
}
