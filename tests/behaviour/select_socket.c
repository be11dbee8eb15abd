/*
 * Select over sockets that carry packets: nothing is received or sent by it, closing ends it, and
 * it leaves nothing in flight.
 */
#define SUITE "select_socket"
#include "tests/behaviour/packet_support.h"

#include <aio/buf.h>
#include <aio/select.h>
#include <string.h>
#include <sys/socket.h>

static uint32_t ops_pending(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats.ops_pending;
}

static int send_soon(void *socket)
{
    AIO_CHECK_OK(aio_time_sleep(AIO_US(200)));
    packet_send(socket, "hello");
    return 0;
}

/* There before the select, or while it waits: then a receive gets the packet. */
BEHAVIOUR(receivable_then_receive)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct aio_select_case cases[] = {aio_select_receivable(ends.far),
                                      aio_select_after(AIO_SEC(15))};
    AIO_CHECK_ERROR(aio_select_try(cases, 2), -EAGAIN);
    for (int round = 0; round < 20; round++) {
        struct aio_task *sender;
        REQUIRE_OK(aio_task_spawn(&sender, send_soon, ends.near, NULL));
        if (round % 2 == 1)
            AIO_CHECK_OK(aio_task_join(sender, NULL));
        AIO_CHECK_EQ(aio_select_wait(cases, 2), 0);
        AIO_CHECK_OK(cases[0].result);
        packet_expect(ends.far, "hello");
        if (round % 2 == 0)
            AIO_CHECK_OK(aio_task_join(sender, NULL));
        AIO_CHECK_EQ(ops_pending(), 0);
    }
    udp_ends_close(&ends);
}

/* Two sockets and a timer, as a server with several addresses has them: the one that is ready. */
BEHAVIOUR(the_ready_one_of_two)
{
    struct udp_ends first, second;
    REQUIRE(udp_ends_connect(&first) && udp_ends_connect(&second));
    struct aio_select_case cases[] = {aio_select_receivable(first.far),
                                      aio_select_receivable(second.far),
                                      aio_select_after(AIO_SEC(15))};
    for (int round = 0; round < 10; round++) {
        struct udp_ends *ends = round % 2 == 0 ? &first : &second;
        struct aio_task *sender;
        REQUIRE_OK(aio_task_spawn(&sender, send_soon, ends->near, NULL));
        AIO_CHECK_EQ(aio_select_wait(cases, 3), round % 2);
        packet_expect(ends->far, "hello");
        AIO_CHECK_OK(aio_task_join(sender, NULL));
    }
    AIO_CHECK_EQ(aio_select_wait(&(struct aio_select_case){0}, 0), -EINVAL);
    AIO_CHECK_EQ(ops_pending(), 0);
    udp_ends_close(&first);
    udp_ends_close(&second);
}

/* What the peer's host answered is something to receive, once. */
BEHAVIOUR(an_error_is_ready)
{
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES], byte;
    struct aio_socket *socket, *deaf = udp_deaf(&at, text);
    REQUIRE(deaf != NULL);
    REQUIRE_OK(aio_udp_connect(&socket, text, NULL));
    AIO_CHECK_EQ(aio_socket_send(socket, "x", 1), 1);
    struct aio_select_case cases[] = {aio_select_receivable(socket), aio_select_after(AIO_SEC(15))};
    AIO_CHECK_EQ(aio_select_wait(cases, 2), 0);
    AIO_CHECK_ERROR(aio_socket_recv(socket, &byte, 1, NULL), -ECONNREFUSED);
    AIO_CHECK_ERROR(aio_select_try(cases, 2), -EAGAIN);
    aio_socket_close(socket);
    aio_socket_close(deaf);
}

/* A pair of Unix sockets whose packets keep their order is full until the other side receives. */
BEHAVIOUR(sendable_when_there_is_room)
{
    struct aio_socket *near, *far;
    char bytes[2048] = "";
    int fds[2];
    REQUIRE(AIO_CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0));
    REQUIRE_OK(aio_socket_adopt(&near, fds[0]));
    REQUIRE_OK(aio_socket_adopt(&far, fds[1]));
    struct aio_select_case cases[] = {aio_select_sendable(near), aio_select_after(AIO_MS(3))};
    AIO_CHECK_EQ(aio_select_try(cases, 1), 0);
    while (aio_select_wait(cases, 2) == 0)
        AIO_CHECK_EQ(aio_socket_send(near, bytes, sizeof bytes), (ssize_t)sizeof bytes);
    AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
    cases[1] = aio_select_receivable(far);
    int which;
    while ((which = aio_select_wait(cases, 2)) == 1)
        AIO_CHECK(aio_socket_recv(far, bytes, sizeof bytes, NULL) > 0);
    AIO_CHECK_EQ(which, 0);
    aio_socket_close(near);
    aio_socket_close(far);
}

struct waiting {
    struct aio_select_case *cases;
    size_t count;
};

static int select_them(void *arg)
{
    const struct waiting *waiting = arg;
    return aio_select_wait(waiting->cases, waiting->count);
}

/* A socket that is closed while selected: -EBADF, for that case. */
BEHAVIOUR(closed_while_selected)
{
    struct udp_ends ends;
    int which = -1;
    struct aio_task *task;
    REQUIRE(udp_ends_connect(&ends));
    struct aio_select_case cases[] = {aio_select_receivable(ends.near),
                                      aio_select_receivable(ends.far)};
    struct waiting waiting = {cases, 2};
    REQUIRE_OK(aio_task_spawn(&task, select_them, &waiting, NULL));
    packet_settle();
    aio_socket_close(ends.far);
    AIO_CHECK_OK(aio_task_join(task, &which));
    AIO_CHECK_EQ(which, 1);
    AIO_CHECK_ERROR(cases[1].result, -EBADF);
    AIO_CHECK_EQ(ops_pending(), 0);
    aio_socket_close(ends.near);
}

/* Another case wins, or the select is cancelled at any moment: the packet is there for the next. */
BEHAVIOUR(losing_cases_leave_nothing)
{
    struct udp_ends ends;
    struct aio_channel *channel;
    REQUIRE(udp_ends_connect(&ends));
    REQUIRE_OK(aio_channel_open(&channel, 0, 0));
    struct aio_select_case cases[] = {aio_select_receivable(ends.far),
                                      aio_select_receive(channel, NULL)};
    for (int round = 0; round < 100; round++) {
        struct waiting waiting = {cases, 2};
        struct aio_task *task;
        int which = -1;
        REQUIRE_OK(aio_task_spawn(&task, select_them, &waiting, NULL));
        for (uint64_t turns = test_random() % 4; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        packet_send(ends.near, "x");
        if (round % 2 == 0)
            aio_task_cancel(task);
        else
            AIO_CHECK(aio_channel_trysend(channel, NULL) <= 0); /* -EAGAIN when it came too late */
        AIO_CHECK_OK(aio_task_join(task, &which));
        AIO_CHECK(which >= 0 || (round % 2 == 0 && which == -ECANCELED));
        AIO_CHECK_EQ(ops_pending(), 0);
        packet_expect(ends.far, "x");
    }
    aio_channel_free(channel);
    udp_ends_close(&ends);
}

static void rent_expect(struct aio_socket *socket, const char *text)
{
    struct aio_buffer *buffer;
    ssize_t size = (ssize_t)strlen(text);
    if (AIO_CHECK_EQ(aio_socket_rent(socket, &buffer, NULL), size)) {
        AIO_CHECK_EQ(memcmp(aio_buffer_data(buffer), text, (size_t)size), 0);
        aio_buffer_release(buffer);
    }
}

/* A receive into rented buffers that stays armed takes the packet: it is asked for it, whichever
 * call receives then. */
BEHAVIOUR(beside_rented_receives)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct aio_select_case cases[] = {aio_select_receivable(ends.far),
                                      aio_select_after(AIO_SEC(15))};
    struct waiting waiting = {cases, 2};
    for (int round = 0; round < 40; round++) {
        struct aio_task *task;
        int which = -1;
        packet_send(ends.near, "arms");
        rent_expect(ends.far, "arms");
        AIO_CHECK_ERROR(aio_select_try(cases, 2), -EAGAIN);
        REQUIRE_OK(aio_task_spawn(&task, select_them, &waiting, NULL));
        for (uint64_t turns = test_random() % 4; turns > 0; turns--)
            AIO_CHECK_OK(aio_task_yield());
        if (round % 4 < 2)
            packet_send(ends.near, "x");
        else
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, &which));
        AIO_CHECK_EQ(which, round % 4 < 2 ? 0 : -ECANCELED);
        if (round % 4 == 0)
            rent_expect(ends.far, "x");
        else if (round % 4 == 1)
            packet_expect(ends.far, "x");
    }
    udp_ends_close(&ends);
}

/* A plain receive ends the armed one under a select, which then asks by itself. */
BEHAVIOUR(a_plain_receive_disarms_the_rented_one)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    struct aio_select_case cases[] = {aio_select_receivable(ends.far),
                                      aio_select_after(AIO_SEC(15))};
    struct waiting waiting = {cases, 2};
    for (int round = 0; round < 20; round++) {
        struct packet_call call = {.socket = ends.far};
        struct aio_task *task;
        int which = -1;
        packet_send(ends.near, "arms");
        rent_expect(ends.far, "arms");
        REQUIRE_OK(aio_task_spawn(&task, select_them, &waiting, NULL));
        packet_settle();
        REQUIRE(packet_call_start(&call));
        packet_settle();
        AIO_CHECK_ERROR(packet_call_cancel(&call), -ECANCELED);
        packet_settle();
        packet_send(ends.near, "x");
        AIO_CHECK_OK(aio_task_join(task, &which));
        AIO_CHECK_EQ(which, 0);
        packet_expect(ends.far, "x");
    }
    udp_ends_close(&ends);
}
