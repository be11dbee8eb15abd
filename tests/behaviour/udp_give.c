/*
 * Datagrams given away: what is sent, in which order with other sends, runs, errors, and that each
 * buffer comes back.
 */
#define SUITE "udp_give"
#include "tests/behaviour/packet_support.h"

#include <stdlib.h>
#include <string.h>

static uint64_t held(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    return stats.buffers_held;
}

static struct aio_buffer *filled(const void *bytes, size_t size)
{
    struct aio_buffer *buffer;
    if (!AIO_CHECK_OK(aio_buffer_rent(&buffer)))
        return NULL;
    memcpy(aio_buffer_data(buffer), bytes, size);
    AIO_CHECK_OK(aio_buffer_resize(buffer, size));
    return buffer;
}

static struct aio_buffer *patterned(size_t size, uint64_t position)
{
    struct aio_buffer *buffer = filled("", 0);
    if (buffer != NULL && AIO_CHECK_OK(aio_buffer_resize(buffer, size)))
        test_pattern_fill(aio_buffer_data(buffer), size, position);
    return buffer;
}

static void give(struct aio_socket *socket, const char *text)
{
    AIO_CHECK_OK(aio_socket_give(socket, filled(text, strlen(text)), NULL));
}

/* The next datagram is that part of the pattern. */
static bool expect_pattern(struct aio_socket *socket, size_t size, uint64_t position)
{
    static char bytes[65536];
    return AIO_CHECK_EQ(aio_socket_recv(socket, bytes, sizeof bytes, NULL), size) &&
           AIO_CHECK(test_pattern_check(bytes, size, position));
}

BEHAVIOUR(sent_in_order)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    give(ends.near, "one");
    give(ends.near, "two");
    give(ends.near, "");
    packet_send(ends.near, "three");
    give(ends.near, "four");
    struct aio_message message;
    struct iovec vector = {(char[]){"five"}, 4};
    message = (struct aio_message){.vectors = &vector, .count = 1};
    AIO_CHECK_EQ(aio_socket_send_many(ends.near, &message, 1), 1);
    give(ends.near, "six");
    packet_expect(ends.far, "one");
    packet_expect(ends.far, "two");
    packet_expect(ends.far, "");
    packet_expect(ends.far, "three");
    packet_expect(ends.far, "four");
    packet_expect(ends.far, "five");
    packet_expect(ends.far, "six");
    AIO_CHECK_OK(aio_socket_flush(ends.near));
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

/* To several peers in turns: each gets its own. */
BEHAVIOUR(to_many_peers)
{
    enum { PEERS = 5, EACH = 30 };
    struct udp_ends ends;
    struct aio_socket *peers[PEERS];
    struct aio_address at[PEERS];
    REQUIRE(udp_ends_open(&ends));
    for (int i = 0; i < PEERS; i++)
        REQUIRE((peers[i] = udp_bound("127.0.0.1:0", &at[i], NULL)) != NULL);
    for (int i = 0; i < PEERS * EACH; i++) {
        int peer = i / 3 % PEERS;
        size_t size = 10 + (size_t)(i % 7 == 0);
        AIO_CHECK_OK(aio_socket_give(ends.near, patterned(size, (uint64_t)i), &at[peer]));
    }
    for (int i = 0; i < PEERS * EACH; i++)
        REQUIRE(expect_pattern(peers[i / 3 % PEERS], 10 + (size_t)(i % 7 == 0), (uint64_t)i));
    for (int i = 0; i < PEERS; i++)
        aio_socket_close(peers[i]);
    udp_ends_close(&ends);
}

/* What stands in a row may go as a run: the lengths stay, empty ones too. */
BEHAVIOUR(lengths_in_a_row)
{
    static const size_t sizes[] = {100, 100, 100, 40, 100,   100,   200,   0,     200,   200, 0,
                                   1,   1,   1,   1,  16000, 16000, 16000, 16000, 16000, 5};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    for (int segments = 0; segments < 2; segments++) {
        struct aio_socket *socket;
        struct udp_ends ends;
        options.segments = segments == 1;
        REQUIRE(udp_ends_open(&ends));
        REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", &options));
        AIO_CHECK_OK(aio_socket_connect(socket, &ends.far_at));
        for (int i = 0; i < COUNT; i++)
            AIO_CHECK_OK(aio_socket_give(socket, patterned(sizes[i], (uint64_t)i), NULL));
        for (int i = 0; i < COUNT; i++)
            REQUIRE(expect_pattern(ends.far, sizes[i], (uint64_t)i));
        aio_socket_close(socket);
        udp_ends_close(&ends);
    }
    AIO_CHECK_EQ(held(), 0);
}

/* More than one call's worth, without a wait between. */
BEHAVIOUR(more_than_a_batch)
{
    enum { COUNT = 3 * AIO_SOCKET_BATCH_MAX + 5 };
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    for (int i = 0; i < COUNT; i++)
        AIO_CHECK_OK(aio_socket_give(ends.near, patterned(8 + i % 3, (uint64_t)i), NULL));
    AIO_CHECK_OK(aio_socket_flush(ends.near));
    AIO_CHECK_EQ(held(), 0);
    for (int i = 0; i < COUNT; i++)
        REQUIRE(expect_pattern(ends.far, 8 + (size_t)(i % 3), (uint64_t)i));
    udp_ends_close(&ends);
}

/* A run in one buffer, cut by the kernel or sent one by one. */
BEHAVIOUR_WITH(runs, .buffer_bytes = 65536)
{
    static const size_t shapes[][2] = {{5000, 1000}, {5001, 1000}, {999, 1000},  {1000, 1000},
                                       {0, 10},      {300, 2},     {65536, 1200}};
    struct aio_udp_options options = AIO_UDP_OPTIONS;
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof shapes[0]; i++) {
        size_t size = shapes[i / 2][0], segment = shapes[i / 2][1], got = 0;
        struct aio_socket *socket;
        struct udp_ends ends;
        options.segments = i % 2 == 0;
        REQUIRE(udp_ends_open(&ends));
        AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_BUFFER, 1 << 20));
        REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", &options));
        AIO_CHECK_OK(aio_udp_give_run(socket, patterned(size, 0), segment, &ends.far_at));
        do {
            size_t part = size - got < segment ? size - got : segment;
            REQUIRE(expect_pattern(ends.far, part, got));
            got += part;
        } while (got < size);
        AIO_CHECK_OK(aio_socket_flush(socket));
        aio_socket_close(socket);
        udp_ends_close(&ends);
    }
    AIO_CHECK_EQ(held(), 0);
}

/* What GRO has put together goes back as it came. */
BEHAVIOUR_WITH(echo_of_a_run, .buffer_bytes = 65536 + AIO_SOCKET_RENT_BYTES)
{
    static char bytes[20000];
    struct udp_ends ends;
    struct aio_address from;
    size_t got = 0;
    REQUIRE(udp_ends_connect(&ends));
    AIO_CHECK_OK(aio_socket_option_set(ends.far, AIO_SOCKET_RECEIVE_SEGMENTS, 1));
    test_pattern_fill(bytes, sizeof bytes, 0);
    AIO_CHECK_EQ(aio_udp_send_run(ends.near, bytes, sizeof bytes, 700, NULL), sizeof bytes);
    while (got < sizeof bytes) {
        struct aio_message message = {.address = &from};
        struct aio_buffer *buffer;
        ssize_t n = aio_socket_rent(ends.far, &buffer, &message);
        REQUIRE(n > 0);
        AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), (size_t)n, got));
        AIO_CHECK_OK(aio_udp_give_run(ends.far, buffer, aio_message_segment(&message), &from));
        got += (size_t)n;
    }
    AIO_CHECK_EQ(got, sizeof bytes);
    for (got = 0; got < sizeof bytes; got += 700)
        REQUIRE(
            expect_pattern(ends.near, sizeof bytes - got < 700 ? sizeof bytes - got : 700, got));
    udp_ends_close(&ends);
    AIO_CHECK_EQ(held(), 0);
}

/* One that cannot be sent is dropped and told once, those behind it go. */
BEHAVIOUR_WITH(errors, .buffer_bytes = 70000)
{
    struct udp_ends ends;
    struct aio_buffer *buffer;
    REQUIRE(udp_ends_connect(&ends));
    give(ends.near, "before");
    AIO_CHECK_OK(aio_socket_give(ends.near, patterned(66000, 0), NULL));
    give(ends.near, "after");
    AIO_CHECK_ERROR(aio_socket_flush(ends.near), -EMSGSIZE);
    AIO_CHECK_OK(aio_socket_flush(ends.near));
    packet_expect(ends.far, "before");
    packet_expect(ends.far, "after");
    AIO_CHECK_ERROR(aio_udp_give_run(ends.near, filled("x", 1), 0, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_udp_give_run(ends.near, filled("x", 1), 65536, NULL), -EMSGSIZE);
    REQUIRE_OK(aio_buffer_rent(&buffer));
    AIO_CHECK_OK(aio_socket_connect(ends.near, &(struct aio_address){.length = 0}));
    AIO_CHECK_OK(aio_socket_give(ends.near, buffer, NULL));
    AIO_CHECK_ERROR(aio_socket_flush(ends.near), -EDESTADDRREQ);
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

/* Nobody is there: the datagram that is told so is lost, the next are sent. */
BEHAVIOUR(refused)
{
    struct aio_address at;
    char text[AIO_ADDRESS_TEXT_BYTES];
    struct aio_socket *socket, *gone = udp_bound("127.0.0.1:0", &at, text);
    REQUIRE(gone != NULL);
    REQUIRE_OK(aio_udp_connect(&socket, text, NULL));
    aio_socket_close(gone);
    give(socket, "anybody?");
    AIO_CHECK_OK(aio_socket_flush(socket));
    give(socket, "anybody?");
    AIO_CHECK_ERROR(aio_socket_flush(socket), -ECONNREFUSED);
    REQUIRE_OK(aio_udp_bind(&gone, text, NULL));
    give(socket, "now");
    AIO_CHECK_OK(aio_socket_flush(socket));
    packet_expect(gone, "now");
    aio_socket_close(gone);
    aio_socket_close(socket);
}

/* The same when they may go as a run: only the first of them is lost. */
BEHAVIOUR_WITH(refused_run, .buffer_bytes = 65536)
{
    enum { COUNT = 10, EACH = 100 };
    for (int whole = 0; whole < 2; whole++) {
        struct aio_address at;
        char text[AIO_ADDRESS_TEXT_BYTES];
        struct aio_socket *socket, *gone = udp_bound("127.0.0.1:0", &at, text);
        REQUIRE(gone != NULL);
        REQUIRE_OK(aio_udp_connect(&socket, text, NULL));
        aio_socket_close(gone);
        packet_send(socket, "anybody?");
        REQUIRE_OK(aio_udp_bind(&gone, text, NULL));
        if (whole == 1)
            AIO_CHECK_OK(aio_udp_give_run(socket, patterned(COUNT * EACH, 0), EACH, NULL));
        for (int i = 0; whole == 0 && i < COUNT; i++)
            AIO_CHECK_OK(aio_socket_give(socket, patterned(EACH, (uint64_t)i * EACH), NULL));
        AIO_CHECK_ERROR(aio_socket_flush(socket), -ECONNREFUSED);
        AIO_CHECK_OK(aio_socket_flush(socket));
        for (int i = 1; i < COUNT; i++)
            REQUIRE(expect_pattern(gone, EACH, (uint64_t)i * EACH));
        aio_socket_close(gone);
        aio_socket_close(socket);
    }
    AIO_CHECK_EQ(held(), 0);
}

BEHAVIOUR(bad_address)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_open(&ends));
    struct aio_address at = ends.far_at;
    at.length = sizeof at.storage + 1;
    AIO_CHECK_ERROR(aio_socket_give(ends.near, filled("x", 1), &at), -EINVAL);
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

/* Sticky: a cancelled or late task gives nothing, and the buffer is back. */
BEHAVIOUR(interrupted)
{
    struct udp_ends ends;
    struct aio_buffer *buffer = filled("x", 1);
    REQUIRE(udp_ends_connect(&ends));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_socket_give(ends.near, buffer, NULL), -ETIMEDOUT);
        AIO_CHECK_ERROR(aio_socket_flush(ends.near), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(held(), 0);
    udp_ends_close(&ends);
}

struct flood {
    struct aio_socket *socket;
    int given;
    int result;
};

static int flood_run(void *arg)
{
    struct flood *flood = arg;
    while ((flood->result = aio_socket_give(flood->socket, patterned(100, 0), NULL)) == 0)
        flood->given++;
    return 0;
}

/* A receiver that is full (a Unix one: UDP would lose it) makes the giver wait: the queue is
 * bounded, a cancel ends the wait, and what was given goes on its way. */
BEHAVIOUR(full_receiver)
{
    struct aio_socket *pair[2];
    struct aio_task *task;
    REQUIRE_OK(aio_unix_pair_sockets(pair, AIO_UNIX_DATAGRAM));
    struct flood flood = {.socket = pair[0]};
    REQUIRE_OK(aio_task_spawn(&task, flood_run, &flood, NULL));
    for (int before = -1; before != flood.given;) {
        before = flood.given;
        packet_settle();
    }
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(flood.result, -ECANCELED);
    AIO_CHECK(held() <= AIO_SOCKET_BATCH_MAX);
    for (int i = 0; i < flood.given; i++)
        REQUIRE(expect_pattern(pair[1], 100, 0));
    AIO_CHECK_OK(aio_socket_flush(pair[0]));
    AIO_CHECK_EQ(held(), 0);
    aio_socket_close(pair[0]);
    aio_socket_close(pair[1]);
}

/* Closing sends what can be sent at once, and ends a wait of the queue. */
BEHAVIOUR(close_with_a_queue)
{
    struct aio_socket *pair[2];
    struct aio_task *task;
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    give(ends.near, "last words");
    aio_socket_close(ends.near);
    packet_expect(ends.far, "last words");
    aio_socket_close(ends.far);
    REQUIRE_OK(aio_unix_pair_sockets(pair, AIO_UNIX_DATAGRAM));
    struct flood flood = {.socket = pair[0]};
    REQUIRE_OK(aio_task_spawn(&task, flood_run, &flood, NULL));
    packet_settle();
    aio_socket_close(pair[0]);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    AIO_CHECK_ERROR(flood.result, -EBADF);
    aio_socket_close(pair[1]);
    AIO_CHECK_EQ(held(), 0);
}

/* A socket with something to send is not released; nothing is lost. */
BEHAVIOUR(release_waits_for_the_queue)
{
    struct udp_ends ends;
    REQUIRE(udp_ends_connect(&ends));
    give(ends.near, "first");
    AIO_CHECK_ERROR(aio_socket_release(ends.near), -EBUSY);
    AIO_CHECK_OK(aio_socket_flush(ends.near));
    int fd = aio_socket_release(ends.near);
    REQUIRE(fd >= 0);
    REQUIRE_OK(aio_socket_adopt(&ends.near, fd));
    packet_expect(ends.far, "first");
    udp_ends_close(&ends);
}
