/*
 * aio_stream_relay: both directions, their ends, and errors that end both.
 */
#define SUITE "copy_relay"
#include "tests/behaviour/copy_tools.h"

BEHAVIOUR(relay_both_ways)
{
    const uint64_t size = (uint64_t)tcp_rounds(4 << 20);
    struct copy_path path;
    struct copy_call call = {.result = 0};
    REQUIRE(copy_path_open(&path));
    struct copy_writer up = {.stream = path.in.near, .size = size};
    struct copy_writer down = {.stream = path.out.far, .position = 7, .size = 2 * size};
    REQUIRE(copy_start(&call, &path, true));
    REQUIRE(copy_write_start(&up));
    copy_check_bytes(path.out.far, 0, size);
    AIO_CHECK_EQ(copy_check_rest(path.out.far, size), 0); /* the half-close is passed on */
    AIO_CHECK_OK(copy_write_join(&up));
    AIO_CHECK(!call.ended);
    REQUIRE(copy_write_start(&down));
    AIO_CHECK_EQ(copy_check_rest(path.in.near, 7), 2 * size);
    AIO_CHECK_OK(copy_write_join(&down));
    AIO_CHECK_EQ(copy_join(&call), 0);
    AIO_CHECK_EQ(call.done[0].delivered, size);
    AIO_CHECK_EQ(call.done[1].delivered, 2 * size);
    copy_path_close(&path);
}

BEHAVIOUR(relay_of_both_ways_at_once)
{
    const uint64_t size = (uint64_t)tcp_rounds(4 << 20);
    struct copy_path path;
    struct copy_call call = {.result = 0};
    REQUIRE(copy_path_open(&path));
    struct copy_writer up = {.stream = path.in.near, .size = size};
    struct copy_writer down = {.stream = path.out.far, .size = 100};
    REQUIRE(copy_start(&call, &path, true));
    REQUIRE(copy_write_start(&up));
    REQUIRE(copy_write_start(&down));
    AIO_CHECK_EQ(copy_check_rest(path.in.near, 0), 100);
    AIO_CHECK_EQ(copy_check_rest(path.out.far, 0), size);
    AIO_CHECK_OK(copy_write_join(&up));
    AIO_CHECK_OK(copy_write_join(&down));
    AIO_CHECK_EQ(copy_join(&call), 0);
    copy_path_close(&path);
}

/* In either direction, whichever task carries it. */
BEHAVIOUR(relay_ends_with_an_error_of_one_side)
{
    for (int side = 0; side < 2; side++) {
        struct tcp_raw raw;
        struct tcp_pair pair;
        struct copy_path path;
        struct copy_call call = {.result = 0};
        REQUIRE(tcp_raw_open(&raw, 0) && tcp_pair_open(&pair));
        path.in.far = side == 0 ? raw.stream : pair.near;
        path.out.near = side == 0 ? pair.near : raw.stream;
        REQUIRE(copy_start(&call, &path, true));
        tcp_settle();
        tcp_plain_reset(raw.fd);
        AIO_CHECK_ERROR(copy_join(&call), -ECONNRESET);
        aio_stream_close(raw.stream);
        tcp_pair_close(&pair);
    }
}

BEHAVIOUR(relay_is_cancelled)
{
    for (int half = 0; half < 3; half++) {
        struct copy_path path;
        struct copy_call call = {.result = 0};
        char byte;
        REQUIRE(copy_path_open(&path));
        REQUIRE(copy_start(&call, &path, true));
        tcp_settle();
        if (half == 1) { /* only the other task is left */
            AIO_CHECK_OK(aio_stream_shutdown(path.in.near, AIO_STREAM_WRITE));
            AIO_CHECK_EQ(aio_stream_read(path.out.far, &byte, 1), 0);
        }
        if (half == 2) {
            AIO_CHECK_OK(aio_stream_shutdown(path.out.far, AIO_STREAM_WRITE));
            AIO_CHECK_EQ(aio_stream_read(path.in.near, &byte, 1), 0);
        }
        AIO_CHECK_ERROR(copy_cancel(&call), -ECANCELED);
        copy_path_close(&path);
    }
}

BEHAVIOUR(relay_under_a_deadline)
{
    struct copy_path path;
    struct copy_call call = {.timeout_ns = AIO_MS(1)};
    REQUIRE(copy_path_open(&path));
    REQUIRE(copy_start(&call, &path, true));
    AIO_CHECK_ERROR(copy_join(&call), -ETIMEDOUT);
    AIO_CHECK(!call.done[0].idle && !call.done[1].idle);
    call = (struct copy_call){.options = AIO_COPY_OPTIONS};
    call.options.idle_ns = AIO_MS(1);
    REQUIRE(copy_start(&call, &path, true));
    AIO_CHECK_ERROR(copy_join(&call), -ETIMEDOUT);
    AIO_CHECK(call.done[0].idle || call.done[1].idle);
    copy_path_close(&path);
}

/* Returns false when this process was too slow to show anything. */
static bool moves_one_way(int64_t idle_ns)
{
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    uint64_t moved = 0;
    call.options.idle_ns = idle_ns;
    if (!AIO_CHECK(copy_path_open(&path)) || !copy_start(&call, &path, true))
        return true;
    bool steady = copy_keep_moving(&call, path.in.near, path.out.far, &moved);
    AIO_CHECK(!call.ended || !steady);
    bool late = copy_cancel_or_late(&call);
    AIO_CHECK(late || call.done[0].delivered == moved);
    copy_path_close(&path);
    return steady;
}

/* One direction is silent for longer than it may while the other one moves. */
BEHAVIOUR(relay_is_not_idle_while_either_direction_moves)
{
    int64_t idle_ns = AIO_MS(200) * test_slowness();
    for (int round = 0; round < 4 && !moves_one_way(idle_ns); round++)
        idle_ns *= 2;
}

/* Returns false when the limit came before a byte, or to the direction that is not stalled: a slow
 * machine may be late with any write. */
static bool stalls_one_way(int64_t stall_ns)
{
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    if (!AIO_CHECK(copy_path_open(&path)))
        return true;
    struct copy_writer up = {.stream = path.in.near, .size = 64 << 20};
    call.options.idle_ns = AIO_SEC(60);
    call.options.stall_ns = stall_ns;
    if (!copy_start(&call, &path, true) || !copy_write_start(&up))
        return true;
    while (!call.ended) {
        AIO_CHECK_EQ(aio_stream_write(path.out.far, "x", 1), 1);
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(5)));
    }
    AIO_CHECK_ERROR(copy_join(&call), -ETIMEDOUT);
    AIO_CHECK(!call.done[0].idle && !call.done[1].idle);
    AIO_CHECK(call.done[0].undelivered <= 1 << 20);
    copy_check_bytes(path.out.far, 0, call.done[0].delivered);
    aio_stream_close(path.in.far);
    path.in.far = NULL;
    AIO_CHECK(copy_write_join(&up) < 0);
    copy_path_close(&path);
    return call.done[0].stalled && !call.done[1].stalled && call.done[0].delivered > 0 &&
           call.done[1].delivered > 0;
}

/* A receiver that takes nothing any more, while the other direction is busy: no idleness, but its
 * own limit ends the relay. */
BEHAVIOUR(relay_with_one_direction_stalled)
{
    int64_t stall_ns = AIO_MS(50) * test_slowness(), most_ns = 32 * stall_ns;
    while (!stalls_one_way(stall_ns) && AIO_CHECK(stall_ns < most_ns))
        stall_ns *= 2;
}

/* Returns false when the receiver had the text so late that its sender may have been stalled. */
static bool passes_in_time(struct copy_call *call, struct copy_path *path)
{
    char text[4];
    size_t done = 0;
    int64_t start_ns = aio_time_now();
    AIO_CHECK_EQ(aio_stream_write_all(path->in.near, "slow", 4, NULL), 4);
    while (done < 4 && !call->ended) {
        ssize_t n = 0;
        AIO_TIMEOUT(AIO_MS(20))
        {
            n = aio_stream_read(path->out.far, text + done, 4 - done);
        }
        if (n != -ETIMEDOUT && !AIO_CHECK(n > 0))
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    tcp_settle(); /* until the relay knows that it is through */
    return aio_time_now() - start_ns < call->options.stall_ns / 2;
}

/* Returns false when this process was too slow to show anything. */
static bool is_silent_and_not_stalled(int64_t stall_ns)
{
    struct copy_path path;
    struct copy_call call = {.options = AIO_COPY_OPTIONS};
    call.options.stall_ns = stall_ns;
    if (!AIO_CHECK(copy_path_open(&path)) || !copy_start(&call, &path, true))
        return true;
    AIO_CHECK_OK(aio_time_sleep(stall_ns + stall_ns / 2));
    AIO_CHECK(!call.ended);
    bool in_time = passes_in_time(&call, &path);
    if (in_time)
        AIO_CHECK_OK(aio_time_sleep(stall_ns + stall_ns / 2));
    AIO_CHECK(!call.ended || !in_time);
    bool late = copy_cancel_or_late(&call);
    AIO_CHECK_EQ(call.done[0].stalled, late);
    copy_path_close(&path);
    return in_time;
}

/* A sender that is silent, before and after it has sent something, stalls nobody. */
BEHAVIOUR(relay_of_a_silent_sender_is_not_stalled)
{
    int64_t stall_ns = AIO_MS(50) * test_slowness();
    for (int round = 0; round < 6 && !is_silent_and_not_stalled(stall_ns); round++)
        stall_ns *= 2;
}

/* Whoever uses the same streams waits; relays the other way round are no deadlock. */
BEHAVIOUR(relays_of_the_same_streams_take_turns)
{
    struct copy_path path;
    struct copy_call first = {.result = 0}, second = {.result = 0};
    REQUIRE(copy_path_open(&path));
    struct copy_path turned = {.in = {.far = path.out.near}, .out = {.near = path.in.far}};
    REQUIRE(copy_start(&first, &path, true));
    REQUIRE(copy_start(&second, &turned, true));
    tcp_settle();
    AIO_CHECK_ERROR(copy_cancel(&first), -ECANCELED);
    tcp_settle();
    AIO_CHECK_OK(aio_stream_shutdown(path.in.near, AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_stream_shutdown(path.out.far, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(copy_join(&second), 0);
    copy_path_close(&path);
}
