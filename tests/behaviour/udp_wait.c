/*
 * UDP: several tasks at one socket, cancellation, deadlines, close.
 */
#define SUITE "udp_wait"
#include "tests/behaviour/packet_support.h"

#include <string.h>

enum { CALLERS = 5 };

static bool start_callers(struct packet_call *calls, struct aio_socket *socket, int *sequence)
{
    for (int i = 0; i < CALLERS; i++) {
        calls[i] = (struct packet_call){.socket = socket, .sequence = sequence};
        if (!packet_call_start(&calls[i]))
            return false;
    }
    packet_settle();
    return true;
}

/* They are served in the order in which they came, one datagram each. */
BEHAVIOUR(receivers_in_turn)
{
    struct packet_call calls[CALLERS];
    struct udp_ends ends;
    char text[2] = "";
    int sequence = 0;
    REQUIRE(udp_ends_connect(&ends) && start_callers(calls, ends.far, &sequence));
    for (int i = 0; i < CALLERS; i++) {
        text[0] = (char)('a' + i);
        packet_send(ends.near, text);
    }
    for (int i = 0; i < CALLERS; i++) {
        AIO_CHECK_EQ(packet_call_join(&calls[i]), 1);
        AIO_CHECK_EQ(calls[i].bytes[0], 'a' + i);
        AIO_CHECK_EQ(calls[i].place, i + 1);
    }
    udp_ends_close(&ends);
}

/* Cancelled in the middle of the queue or inside: the others get what comes. */
BEHAVIOUR(cancelled_receivers)
{
    struct packet_call calls[CALLERS];
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends) && start_callers(calls, ends.far, NULL));
    AIO_CHECK_ERROR(packet_call_cancel(&calls[2]), -ECANCELED);
    AIO_CHECK_ERROR(packet_call_cancel(&calls[0]), -ECANCELED);
    for (int i = 0; i < 3; i++)
        packet_send(ends.near, "x");
    AIO_CHECK_EQ(packet_call_join(&calls[1]), 1);
    AIO_CHECK_EQ(packet_call_join(&calls[3]), 1);
    AIO_CHECK_EQ(packet_call_join(&calls[4]), 1);
    udp_ends_close(&ends);
}

/* Whenever the cancellation comes, the datagram is received by that call or by the next. */
BEHAVIOUR(no_datagram_is_lost)
{
    struct udp_ends ends;
    uint32_t value, number = 0;
    int kept = 0;
    REQUIRE(udp_ends_connect(&ends));
    for (uint32_t i = 0; i < 200; i++) {
        struct packet_call call = {.socket = ends.far};
        REQUIRE(packet_call_start(&call));
        for (uint64_t turns = test_random() % 3; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (test_random() % 2 == 0)
            aio_task_cancel(call.task);
        AIO_CHECK_EQ(aio_socket_send(ends.near, &i, sizeof i), sizeof i);
        if (test_random() % 2 == 0)
            AIO_CHECK_OK(aio_task_yield());
        ssize_t got = packet_call_cancel(&call);
        if (got == -ECANCELED) {
            kept++;
            got = aio_socket_recv(ends.far, &value, sizeof value, NULL);
        } else {
            memcpy(&value, call.bytes, sizeof value);
        }
        AIO_CHECK_EQ(got, sizeof value);
        AIO_CHECK_EQ(value, number);
        number++;
    }
    AIO_CHECK(kept > 0);
    udp_ends_close(&ends);
}

BEHAVIOUR(deadline)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct packet_call call = {.socket = ends.far, .timeout_ns = AIO_MS(5)};
    REQUIRE(packet_call_start(&call));
    AIO_CHECK_ERROR(packet_call_join(&call), -ETIMEDOUT);
    packet_send(ends.near, "still");
    packet_expect(ends.far, "still");
    udp_ends_close(&ends);
}

/* A pending cancellation starts nothing. */
static int try_all(void *arg)
{
    struct udp_ends *ends = arg;
    struct packet_message packet;
    packet_message_init(&packet, 8);
    aio_task_cancel(aio_task_current());
    AIO_CHECK_ERROR(aio_socket_send(ends->near, "x", 1), -ECANCELED);
    AIO_CHECK_ERROR(aio_socket_send_to(ends->near, "x", 1, &ends->far_at), -ECANCELED);
    AIO_CHECK_ERROR(aio_socket_send_many(ends->near, &packet.message, 1), -ECANCELED);
    AIO_CHECK_ERROR(aio_udp_send_run(ends->near, "xy", 2, 1, NULL), -ECANCELED);
    AIO_CHECK_ERROR(aio_socket_recv(ends->far, packet.bytes, 8, NULL), -ECANCELED);
    AIO_CHECK_ERROR(aio_socket_recvmsg(ends->far, &packet.message), -ECANCELED);
    AIO_CHECK_ERROR(aio_socket_recv_many(ends->far, &packet.message, 1), -ECANCELED);
    return 0;
}

BEHAVIOUR(cancellation_is_sticky)
{
    struct udp_ends ends;
    struct aio_task *task;
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "kept");
    REQUIRE_OK(aio_task_spawn(&task, try_all, &ends, NULL));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    packet_expect(ends.far, "kept");
    udp_ends_close(&ends);
}

/* Close ends the one that waits and those behind it. */
BEHAVIOUR(close_while_they_wait)
{
    struct packet_call calls[CALLERS];
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends) && start_callers(calls, ends.far, NULL));
    aio_socket_close(ends.far);
    for (int i = 0; i < CALLERS; i++)
        AIO_CHECK_ERROR(packet_call_join(&calls[i]), -EBADF);
    aio_socket_close(ends.near);
}

/* What is left open is closed with the runtime, while a detached task still waits on it. */
static int wait_for_ever(void *arg)
{
    char byte;
    ssize_t rc = aio_socket_recv(arg, &byte, 1, NULL);
    AIO_CHECK_ERROR(rc, -ECANCELED);
    return 0;
}

BEHAVIOUR(left_open)
{
    struct aio_address at;
    struct aio_socket *socket = udp_bound("127.0.0.1:0", &at, NULL);
    REQUIRE(socket != NULL);
    REQUIRE_OK(aio_task_spawn(NULL, wait_for_ever, socket, NULL));
    packet_settle();
}
