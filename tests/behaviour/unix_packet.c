/*
 * Unix datagrams and packets in sequence.
 */
#define SUITE "unix_packet"
#include "tests/behaviour/packet_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

BEHAVIOUR(datagrams_by_name)
{
    struct packet_folder folder;
    struct aio_socket *server, *client, *nameless;
    struct aio_address to, from;
    char name[64], text[128], bytes[8];
    REQUIRE(packet_folder_open(&folder));
    snprintf(name, sizeof name, "@aio-dgram-%d", (int)getpid());
    REQUIRE_OK(aio_unix_bind(&server, folder.file, NULL));
    REQUIRE_OK(aio_unix_bind(&client, name, NULL));
    REQUIRE_OK(aio_unix_bind(&nameless, NULL, NULL));
    REQUIRE_OK(aio_unix_parse(&to, folder.file));
    AIO_CHECK_EQ(aio_socket_send_to(client, "named", 5, &to), 5);
    AIO_CHECK_EQ(aio_socket_recv_from(server, bytes, sizeof bytes, &from, NULL), 5);
    AIO_CHECK(aio_unix_format(&from, text, sizeof text) > 0);
    AIO_CHECK_STR(text, name);
    AIO_CHECK_EQ(aio_socket_send_to(server, "back", 4, &from), 4);
    packet_expect(client, "back");
    AIO_CHECK_EQ(aio_socket_send_to(nameless, "", 0, &to), 0);
    AIO_CHECK_EQ(aio_socket_recv_from(server, bytes, sizeof bytes, &from, NULL), 0);
    AIO_CHECK_EQ(from.length, 0);
    AIO_CHECK_OK(aio_socket_connect(nameless, &to));
    packet_send(nameless, "connected");
    packet_expect(server, "connected");
    aio_socket_close(server);
    AIO_CHECK_ERROR(aio_socket_send(nameless, "x", 1), -ECONNREFUSED);
    AIO_CHECK_ERROR(aio_socket_send_to(client, "x", 1, &to), -ENOENT);
    aio_socket_close(client);
    aio_socket_close(nameless);
    packet_folder_close(&folder);
}

/* Empty packets are packets; the end is told as such, and stays; what was sent before it comes. */
BEHAVIOUR(end_of_a_sequence)
{
    struct aio_socket *ends[2];
    struct packet_message packet;
    char byte;
    REQUIRE_OK(aio_unix_pair_sockets(ends, AIO_UNIX_SEQUENCE));
    for (int i = 0; i < 4; i++)
        packet_send(ends[0], i == 1 ? "one" : "");
    aio_socket_close(ends[0]);
    packet_expect(ends[1], "");
    packet_expect(ends[1], "one");
    packet_message_init(&packet, 8);
    AIO_CHECK_OK(aio_socket_recvmsg(ends[1], &packet.message));
    AIO_CHECK_EQ(packet.message.bytes, 0);
    AIO_CHECK_EQ(aio_socket_recv(ends[1], &byte, 1, NULL), 0);
    for (int i = 0; i < 2; i++) {
        AIO_CHECK_ERROR(aio_socket_recv(ends[1], &byte, 1, NULL), -ENODATA);
        packet_message_init(&packet, 8);
        AIO_CHECK_ERROR(aio_socket_recvmsg(ends[1], &packet.message), -ENODATA);
        AIO_CHECK_ERROR(aio_socket_recv_many(ends[1], &packet.message, 1), -ENODATA);
    }
    AIO_CHECK_ERROR(aio_socket_send(ends[1], "x", 1), -EPIPE);
    aio_socket_close(ends[1]);
}

/* A batch ends before the end. */
BEHAVIOUR(end_within_a_batch)
{
    struct aio_socket *ends[2];
    static struct packet_message packets[8];
    struct aio_message messages[8];
    int got = 0, rc;
    REQUIRE_OK(aio_unix_pair_sockets(ends, AIO_UNIX_SEQUENCE));
    for (int i = 0; i < 3; i++)
        packet_send(ends[0], "");
    aio_socket_close(ends[0]);
    for (int i = 0; i < 8; i++) {
        packet_message_init(&packets[i], 8);
        messages[i] = packets[i].message;
    }
    while ((rc = aio_socket_recv_many(ends[1], messages, 8)) > 0)
        got += rc;
    AIO_CHECK_ERROR(rc, -ENODATA);
    AIO_CHECK_EQ(got, 3);
    aio_socket_close(ends[1]);
}

/* A receive that waits when the peer closes. */
BEHAVIOUR(end_wakes_the_receiver)
{
    struct aio_socket *ends[2];
    REQUIRE_OK(aio_unix_pair_sockets(ends, AIO_UNIX_SEQUENCE));
    struct packet_call call = {.socket = ends[1]};
    REQUIRE(packet_call_start(&call));
    packet_settle();
    aio_socket_close(ends[0]);
    AIO_CHECK_ERROR(packet_call_join(&call), -ENODATA);
    aio_socket_close(ends[1]);
}

BEHAVIOUR(sequence_by_name)
{
    struct aio_unix_options options = AIO_UNIX_OPTIONS;
    struct aio_listener *listener;
    struct aio_socket *client, *server;
    struct aio_address peer;
    size_t whole;
    char name[64], bytes[4];
    options.kind = AIO_UNIX_SEQUENCE;
    snprintf(name, sizeof name, "@aio-sequence-%d", (int)getpid());
    REQUIRE_OK(aio_unix_listen(&listener, name, &options));
    REQUIRE_OK(aio_unix_connect_sequence(&client, name));
    packet_send(client, "early");
    REQUIRE_OK(aio_unix_accept(listener, &server));
    packet_expect(server, "early");
    packet_send(server, "too long for it");
    packet_send(server, "next");
    AIO_CHECK_EQ(aio_socket_recv(client, bytes, 3, &whole), 3);
    AIO_CHECK_EQ(whole, 15);
    packet_expect(client, "next");
    AIO_CHECK_OK(aio_socket_peer(client, &peer));
    AIO_CHECK_ERROR(aio_socket_connect(client, &peer), -EISCONN);
    AIO_CHECK_OK(aio_socket_option_set(client, AIO_SOCKET_RECEIVE_TIMESTAMP, 0));
    packet_send(server, "");
    packet_expect(client, "");
    aio_socket_close(client);
    aio_socket_close(server);
    aio_listener_close(listener);
}

struct sending {
    struct aio_socket *socket;
    struct aio_address to;
    int sent;
    int wanted;
    int result;
};

/* Each datagram carries its number. */
static int send_numbers(void *arg)
{
    struct sending *sending = arg;
    while (sending->sent < sending->wanted) {
        ssize_t rc =
            aio_socket_send_to(sending->socket, &sending->sent, sizeof sending->sent, &sending->to);
        if (rc < 0) {
            sending->result = (int)rc;
            break;
        }
        AIO_CHECK_EQ(rc, sizeof sending->sent);
        sending->sent++;
    }
    return 0;
}

static bool has_sent(void *arg)
{
    return ((struct sending *)arg)->sent > 0;
}

/* A sender waits for a full receiver, whose room its own socket does not tell; every datagram
 * arrives whole and in order. */
BEHAVIOUR(full_receiver)
{
    struct sending sending = {.wanted = 100};
    struct aio_socket *receiver;
    struct aio_task *task;
    char name[64];
    int number;
    snprintf(name, sizeof name, "@aio-full-%d", (int)getpid());
    REQUIRE_OK(aio_unix_bind(&receiver, name, NULL));
    REQUIRE_OK(aio_unix_bind(&sending.socket, NULL, NULL));
    REQUIRE_OK(aio_unix_parse(&sending.to, name));
    REQUIRE_OK(aio_task_spawn(&task, send_numbers, &sending, NULL));
    AIO_CHECK(test_wait(has_sent, &sending));
    AIO_CHECK(sending.sent < sending.wanted);
    for (int i = 0; i < sending.wanted; i++) {
        AIO_CHECK_EQ(aio_socket_recv(receiver, &number, sizeof number, NULL), sizeof number);
        AIO_CHECK_EQ(number, i);
    }
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_OK(sending.result);
    aio_socket_close(receiver);
    aio_socket_close(sending.socket);
}

/* The same sender cancelled: what it counted as sent arrives, and no more. */
BEHAVIOUR(cancelled_sender)
{
    struct sending sending = {.wanted = 1000};
    struct aio_socket *receiver;
    struct aio_task *task;
    char name[64];
    int number, got = 0;
    snprintf(name, sizeof name, "@aio-cut-%d", (int)getpid());
    REQUIRE_OK(aio_unix_bind(&receiver, name, NULL));
    REQUIRE_OK(aio_unix_bind(&sending.socket, NULL, NULL));
    REQUIRE_OK(aio_unix_parse(&sending.to, name));
    REQUIRE_OK(aio_task_spawn(&task, send_numbers, &sending, NULL));
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(2)));
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(sending.result, -ECANCELED);
    for (; got < sending.sent; got++) {
        AIO_CHECK_EQ(aio_socket_recv(receiver, &number, sizeof number, NULL), sizeof number);
        AIO_CHECK_EQ(number, got);
    }
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_socket_recv(receiver, &number, sizeof number, NULL), -ETIMEDOUT);
    }
    aio_socket_close(receiver);
    aio_socket_close(sending.socket);
}

/* Many in a call over a pair of either kind: more than the receiver holds. */
static int send_batches(void *arg)
{
    struct aio_socket *socket = arg;
    uint32_t numbers[100];
    struct iovec vectors[100];
    struct aio_message messages[100];
    for (uint32_t i = 0; i < 100; i++) {
        numbers[i] = i;
        vectors[i] = (struct iovec){&numbers[i], sizeof numbers[i]};
        messages[i] = (struct aio_message){.vectors = &vectors[i], .count = 1};
    }
    AIO_CHECK_EQ(aio_socket_send_many(socket, messages, 100), 100);
    return 0;
}

BEHAVIOUR(batches)
{
    static const enum aio_unix_kind kinds[] = {AIO_UNIX_SEQUENCE, AIO_UNIX_DATAGRAM};
    struct aio_socket *ends[2];
    struct aio_task *task;
    for (int kind = 0; kind < 2; kind++) {
        uint32_t number;
        REQUIRE_OK(aio_unix_pair_sockets(ends, kinds[kind]));
        REQUIRE_OK(aio_task_spawn(&task, send_batches, ends[0], NULL));
        for (uint32_t i = 0; i < 100; i++) {
            AIO_CHECK_EQ(aio_socket_recv(ends[1], &number, sizeof number, NULL), sizeof number);
            AIO_CHECK_EQ(number, i);
        }
        AIO_CHECK_OK(aio_task_join(task, NULL));
        aio_socket_close(ends[0]);
        aio_socket_close(ends[1]);
    }
    AIO_CHECK_ERROR(aio_unix_pair_sockets(ends, AIO_UNIX_STREAM), -EINVAL);
}

/* Too long for a packet. */
BEHAVIOUR(oversized)
{
    struct aio_socket *ends[2];
    char *bytes = calloc(1, 4 << 20);
    REQUIRE(bytes != NULL);
    REQUIRE_OK(aio_unix_pair_sockets(ends, AIO_UNIX_DATAGRAM));
    AIO_CHECK_ERROR(aio_socket_send(ends[0], bytes, 4 << 20), -EMSGSIZE);
    packet_send(ends[0], "fits");
    packet_expect(ends[1], "fits");
    aio_socket_close(ends[0]);
    aio_socket_close(ends[1]);
    free(bytes);
}
