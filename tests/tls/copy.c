/*
 * Copies and relays through streams with TLS: nothing is spliced there, and an end is one only when
 * the peer has said so.
 */
#define SUITE "tls_copy"
#include "tests/tls/support.h"

#include "tests/behaviour/copy_tools.h"

/* path.in.near -> path.in.far -> the relay -> the client with TLS -> the server */
struct relayed {
    struct tls_pair tls;
    struct copy_path path;
    struct copy_call call;
};

static bool relayed_open(struct relayed *relayed)
{
    *relayed = (struct relayed){.call = {.options = AIO_COPY_OPTIONS}};
    if (!tls_pair_open(&relayed->tls) || !tcp_pair_open(&relayed->path.in))
        return false;
    relayed->path.out = (struct tcp_pair){relayed->tls.client, relayed->tls.server};
    return true;
}

static void relayed_close(struct relayed *relayed)
{
    tcp_pair_close(&relayed->path.in);
    tls_pair_close(&relayed->tls);
}

/* Both ways at once, and the ends one after the other. */
BEHAVIOUR(relay_both_ways)
{
    const uint64_t size = (uint64_t)tcp_rounds(1 << 20);
    struct relayed relayed;
    REQUIRE(relayed_open(&relayed));
    struct copy_writer up = {.stream = relayed.path.in.near, .size = size};
    struct copy_writer down = {.stream = relayed.tls.server, .position = 9, .size = size};
    REQUIRE(copy_start(&relayed.call, &relayed.path, true));
    REQUIRE(copy_write_start(&up));
    AIO_CHECK_EQ(copy_check_rest(relayed.tls.server, 0), size);
    AIO_CHECK_OK(copy_write_join(&up));
    AIO_CHECK(!relayed.call.ended);
    REQUIRE(copy_write_start(&down));
    AIO_CHECK_EQ(copy_check_rest(relayed.path.in.near, 9), size);
    AIO_CHECK_OK(copy_write_join(&down));
    AIO_CHECK_OK(copy_join(&relayed.call));
    AIO_CHECK_EQ(relayed.call.done[0].delivered, size);
    AIO_CHECK_EQ(relayed.call.done[1].delivered, size);
    relayed_close(&relayed);
}

/* One way, to a limit: not a byte more is taken from TLS. */
BEHAVIOUR(copy_to_a_limit)
{
    const uint64_t size = 100000, limit = 70001;
    struct relayed relayed;
    REQUIRE(relayed_open(&relayed));
    struct copy_path turned = {.in = {.near = relayed.tls.server, .far = relayed.tls.client},
                               .out = {.near = relayed.path.in.far}};
    struct copy_writer writer = {.stream = relayed.tls.server, .size = size};
    relayed.call.options.limit = limit;
    REQUIRE(copy_write_start(&writer));
    REQUIRE(copy_start(&relayed.call, &turned, false));
    copy_check_bytes(relayed.path.in.near, 0, limit);
    AIO_CHECK_OK(copy_join(&relayed.call));
    AIO_CHECK_EQ(relayed.call.done[0].delivered, limit);
    AIO_CHECK_EQ(copy_check_rest(relayed.tls.client, limit), size - limit);
    AIO_CHECK_OK(copy_write_join(&writer));
    relayed_close(&relayed);
}

/* Somebody cuts the connection off: that is no end to be passed on. */
BEHAVIOUR(truncated)
{
    struct tls_raw raw;
    struct tcp_pair pair;
    struct copy_call call = {.result = 0};
    REQUIRE(tls_raw_start(&raw, true, 0, 0) && tcp_pair_open(&pair));
    struct copy_path path = {.in = {.far = raw.tcp.stream}, .out = {.near = pair.near}};
    REQUIRE(copy_start(&call, &path, true));
    AIO_CHECK_EQ(tls_raw_write(&raw, "cut", 3), 3);
    AIO_CHECK_EQ(shutdown(raw.tcp.fd, SHUT_WR), 0);
    AIO_CHECK_ERROR(copy_join(&call), -ECONNABORTED);
    AIO_CHECK_EQ(call.done[0].delivered, 3);
    tls_raw_close(&raw);
    tcp_pair_close(&pair);
}

/* Returns false when this process was too slow to show anything. */
static bool stalls_while_the_other_moves(int64_t idle_ns)
{
    const uint64_t size = (uint64_t)64 << 20; /* more than buffers hold */
    struct relayed relayed;
    uint64_t moved = 0;
    if (!AIO_CHECK(relayed_open(&relayed)))
        return true;
    struct copy_writer up = {.stream = relayed.path.in.near, .size = size};
    relayed.call.options.idle_ns = idle_ns;
    if (!copy_start(&relayed.call, &relayed.path, true) || !copy_write_start(&up))
        return true;
    bool steady = copy_keep_moving(&relayed.call, relayed.tls.server, relayed.path.in.near, &moved);
    AIO_CHECK(!relayed.call.ended || !steady);
    (void)copy_cancel_or_late(&relayed.call);
    aio_task_cancel(up.task);
    AIO_CHECK_ERROR(copy_write_join(&up), -ECANCELED);
    relayed_close(&relayed);
    return steady;
}

/* The server does not read for longer than nothing may move, while it writes. A write that is
 * interrupted would be the end of TLS. */
BEHAVIOUR(stalled_one_way_while_the_other_moves)
{
    int64_t idle_ns = AIO_MS(150) * test_slowness();
    for (int round = 0; round < 4 && !stalls_while_the_other_moves(idle_ns); round++)
        idle_ns *= 2;
}
