/*
 * UDP: many datagrams in one call.
 */
#define SUITE "udp_batch"
#include "tests/behaviour/packet_support.h"

#include <string.h>

enum { MANY = 150 };

struct batch {
    struct aio_message messages[MANY];
    struct iovec vectors[MANY];
    struct aio_address addresses[MANY];
    uint32_t numbers[MANY];
};

static struct batch out, in;

static void batch_init(struct batch *batch, uint32_t first)
{
    for (uint32_t i = 0; i < MANY; i++) {
        batch->numbers[i] = first + i;
        batch->vectors[i] = (struct iovec){&batch->numbers[i], sizeof batch->numbers[i]};
        batch->messages[i] = (struct aio_message){
            .vectors = &batch->vectors[i], .count = 1, .address = &batch->addresses[i]};
        batch->addresses[i].length = 0;
    }
}

/* Receives them all in as many calls as it takes, and checks that they are in order. */
static int receive_all(const struct udp_ends *ends, int count)
{
    int got = 0, calls = 0;
    batch_init(&in, 1000);
    while (got < count) {
        int rc = aio_socket_recv_many(ends->far, &in.messages[got], count - got);
        if (!AIO_CHECK(rc > 0))
            break;
        got += rc;
        calls++;
    }
    for (int i = 0; i < got; i++) {
        AIO_CHECK_EQ(in.numbers[i], i);
        AIO_CHECK_EQ(in.messages[i].bytes, sizeof in.numbers[i]);
        AIO_CHECK_EQ(aio_address_port(&in.addresses[i]), aio_address_port(&ends->near_at));
    }
    return calls;
}

BEHAVIOUR(many_at_once)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    batch_init(&out, 0);
    AIO_CHECK_EQ(aio_socket_send_many(ends.near, out.messages, MANY), MANY);
    AIO_CHECK_EQ(receive_all(&ends, MANY), 3); /* 64 each */
    AIO_CHECK_EQ(aio_socket_send_many(ends.near, out.messages, 0), 0);
    AIO_CHECK_EQ(aio_socket_recv_many(ends.far, in.messages, 0), 0);
    udp_ends_close(&ends);
}

/* Each to its own address. */
BEHAVIOUR(to_addresses)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_open(&ends));
    batch_init(&out, 0);
    for (int i = 0; i < 10; i++)
        out.addresses[i] = ends.far_at;
    AIO_CHECK_EQ(aio_socket_send_many(ends.near, out.messages, 10), 10);
    receive_all(&ends, 10);
    udp_ends_close(&ends);
}

/* It waits for the first, however often it found nothing before, and takes no more than there is.
 */
static int send_later(void *arg)
{
    struct udp_ends *ends = arg;
    for (uint32_t i = 0; i < 5; i++) {
        AIO_CHECK_EQ(aio_socket_send(ends->near, &i, sizeof i), sizeof i);
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    }
    return 0;
}

BEHAVIOUR(waits_for_one)
{
    struct udp_ends ends;
    struct aio_task *task;
    REQUIRE(udp_ends_connect(&ends));
    REQUIRE_OK(aio_task_spawn(&task, send_later, &ends, NULL));
    receive_all(&ends, 5);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    udp_ends_close(&ends);
}

/* One that cannot be sent: those before it are, and its error is told by the next call. */
BEHAVIOUR(one_is_too_long)
{
    static char long_bytes[70000];
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    batch_init(&out, 0);
    out.vectors[3] = (struct iovec){long_bytes, sizeof long_bytes};
    AIO_CHECK_EQ(aio_socket_send_many(ends.near, out.messages, 10), 3);
    AIO_CHECK_ERROR(aio_socket_send_many(ends.near, &out.messages[3], 7), -EMSGSIZE);
    receive_all(&ends, 3);
    udp_ends_close(&ends);
}

/* Empty, whole and truncated ones, each told apart. */
BEHAVIOUR(each_has_its_length)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    packet_send(ends.near, "");
    packet_send(ends.near, "1234");
    packet_send(ends.near, "123456");
    batch_init(&in, 0);
    int got = 0;
    while (got < 3 && AIO_CHECK_OK(got))
        got += aio_socket_recv_many(ends.far, &in.messages[got], 3 - got);
    AIO_CHECK_EQ(in.messages[0].bytes, 0);
    AIO_CHECK_EQ(in.messages[0].whole, 0);
    AIO_CHECK_EQ(in.messages[1].bytes, 4);
    AIO_CHECK_EQ(in.messages[1].flags, 0);
    AIO_CHECK_EQ(in.messages[2].bytes, 4);
    AIO_CHECK_EQ(in.messages[2].whole, 6);
    AIO_CHECK_EQ(in.messages[2].flags, AIO_MESSAGE_TRUNCATED);
    udp_ends_close(&ends);
}

struct receiver {
    struct aio_socket *socket;
    uint32_t next;
    int canceled;
    bool done;
};

/* Receives batches; a cancellation that finds none is counted. */
static int receive_batches(void *arg)
{
    struct receiver *receiver = arg;
    int rc;
    batch_init(&in, 0);
    while ((rc = aio_socket_recv_many(receiver->socket, in.messages, 8)) > 0)
        for (int i = 0; i < rc; i++)
            AIO_CHECK_EQ(in.numbers[i], receiver->next++);
    AIO_CHECK_ERROR(rc, -ECANCELED);
    receiver->canceled++;
    return 0;
}

/* However often the receiver is cancelled, every datagram arrives, in order. */
BEHAVIOUR(cancelled_batches_lose_nothing)
{
    struct udp_ends ends;
    struct aio_task *task;
    REQUIRE(udp_ends_connect(&ends));
    struct receiver receiver = {.socket = ends.far};
    uint32_t sent = 0;
    for (int round = 0; round < 60; round++) {
        REQUIRE_OK(aio_task_spawn(&task, receive_batches, &receiver, NULL));
        for (uint64_t i = test_random() % 4; i > 0; i--, sent++)
            AIO_CHECK_EQ(aio_socket_send(ends.near, &sent, sizeof sent), sizeof sent);
        for (uint64_t i = test_random() % 3; i > 0; i--)
            AIO_CHECK_OK(aio_task_yield());
        aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
    }
    batch_init(&in, 0);
    while (receiver.next < sent) {
        int rc = aio_socket_recv_many(ends.far, in.messages, 8);
        REQUIRE(rc > 0);
        for (int i = 0; i < rc; i++)
            AIO_CHECK_EQ(in.numbers[i], receiver.next++);
    }
    AIO_CHECK_EQ(receiver.canceled, 60);
    udp_ends_close(&ends);
}
