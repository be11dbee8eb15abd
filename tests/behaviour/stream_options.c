/*
 * Addresses of the two ends and options of a stream.
 */
#define SUITE "stream_options"
#include "tests/behaviour/tcp_support.h"

#include <string.h>
#include <unistd.h>

static bool same(const struct aio_address *left, const struct aio_address *right)
{
    return left->length == right->length && memcmp(&left->any, &right->any, left->length) == 0;
}

/* Each end's local address is the other's peer. */
BEHAVIOUR(addresses)
{
    struct tcp_pair pair;
    struct aio_address local, peer;
    REQUIRE(tcp_pair_open(&pair));
    REQUIRE_OK(aio_stream_local(pair.near, &local));
    REQUIRE_OK(aio_stream_peer(pair.far, &peer));
    AIO_CHECK(same(&local, &peer));
    AIO_CHECK_EQ(local.any.sa_family, AF_INET);
    AIO_CHECK(aio_address_port(&local) > 0);
    REQUIRE_OK(aio_stream_local(pair.far, &local));
    REQUIRE_OK(aio_stream_peer(pair.near, &peer));
    AIO_CHECK(same(&local, &peer));
    tcp_pair_close(&pair);
}

/* A peer that is gone has no address; our own end still has. */
BEHAVIOUR(peer_is_gone)
{
    struct tcp_raw raw;
    struct aio_address address;
    char byte;
    REQUIRE(tcp_raw_open(&raw, 0));
    tcp_plain_reset(raw.fd);
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ECONNRESET);
    AIO_CHECK_ERROR(aio_stream_peer(raw.stream, &address), -ENOTCONN);
    AIO_CHECK_OK(aio_stream_local(raw.stream, &address));
    AIO_CHECK_EQ(address.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    aio_stream_close(raw.stream);
}

/* Sets an option and reads it back. */
static void set_and_get(struct aio_stream *stream, enum aio_stream_option option, int value,
                        int wanted)
{
    int got = -99;
    AIO_CHECK_EQ(aio_stream_option_set(stream, option, value), 0);
    AIO_CHECK_EQ(aio_stream_option_get(stream, option, &got), 0);
    AIO_CHECK_EQ(got, wanted);
}

/* Switches can be turned on and off. */
BEHAVIOUR(switches)
{
    static const enum aio_stream_option options[] = {AIO_STREAM_NODELAY, AIO_STREAM_CORK,
                                                     AIO_STREAM_QUICKACK, AIO_STREAM_KEEPALIVE};
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        set_and_get(pair.near, options[i], 0, 0);
        set_and_get(pair.near, options[i], 1, 1);
        set_and_get(pair.near, options[i], 0, 0);
    }
    tcp_pair_close(&pair);
}

/* Numbers are kept as they are, each its own. */
BEHAVIOUR(numbers)
{
    static const enum aio_stream_option options[] = {
        AIO_STREAM_KEEPALIVE_IDLE, AIO_STREAM_KEEPALIVE_INTERVAL, AIO_STREAM_KEEPALIVE_COUNT,
        AIO_STREAM_USER_TIMEOUT, AIO_STREAM_LINGER};
    enum { COUNT = sizeof options / sizeof options[0] };
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    for (int i = 0; i < COUNT; i++)
        set_and_get(pair.near, options[i], 10 + i, 10 + i);
    for (int i = 0; i < COUNT; i++) {
        int got = -1;
        AIO_CHECK_OK(aio_stream_option_get(pair.near, options[i], &got));
        AIO_CHECK_EQ(got, 10 + i);
    }
    tcp_pair_close(&pair);
}

/* Buffer sizes are doubled by the kernel. */
BEHAVIOUR(buffers)
{
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    set_and_get(pair.near, AIO_STREAM_SEND_BUFFER, 20000, 40000);
    set_and_get(pair.near, AIO_STREAM_RECEIVE_BUFFER, 30000, 60000);
    tcp_pair_close(&pair);
}

/* -1 turns lingering off, which is how a stream begins; less is no value. */
BEHAVIOUR(linger_off)
{
    struct tcp_pair pair;
    int value = 0;
    REQUIRE(tcp_pair_open(&pair));
    AIO_CHECK_OK(aio_stream_option_get(pair.near, AIO_STREAM_LINGER, &value));
    AIO_CHECK_EQ(value, -1);
    set_and_get(pair.near, AIO_STREAM_LINGER, 3, 3);
    AIO_CHECK_ERROR(aio_stream_option_set(pair.near, AIO_STREAM_LINGER, -2), -EINVAL);
    set_and_get(pair.near, AIO_STREAM_LINGER, 0, 0);
    set_and_get(pair.near, AIO_STREAM_LINGER, -1, -1);
    tcp_pair_close(&pair);
}

/* With linger 0 a close resets the connection; without, the peer gets its end. */
BEHAVIOUR(linger_0_resets)
{
    for (int i = 0; i < 2; i++) {
        struct tcp_raw raw;
        REQUIRE(tcp_raw_open(&raw, 0));
        if (i == 0)
            AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_LINGER, 0));
        aio_stream_close(raw.stream);
        AIO_CHECK_EQ(tcp_plain_drain(raw.fd), i == 0 ? -ECONNRESET : 0);
        close(raw.fd);
    }
}

/* Corked bytes wait for the cork to be drawn. */
BEHAVIOUR(cork)
{
    struct tcp_raw raw;
    char bytes[4] = "";
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_CORK, 1));
    int64_t start = aio_time_now();
    AIO_CHECK_EQ(aio_stream_write_all(raw.stream, "co", 2, NULL), 2);
    ssize_t early = recv(raw.fd, bytes, 4, MSG_DONTWAIT | MSG_PEEK);
    AIO_CHECK(early < 0 || aio_time_now() - start > AIO_MS(150)); /* 200, says tcp(7) */
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_CORK, 0));
    AIO_CHECK(tcp_plain_receive(raw.fd, bytes, 2));
    AIO_CHECK_STR(bytes, "co");
    tcp_raw_close(&raw);
}

/* Unknown options are -EINVAL, in both calls; the value is not touched. */
BEHAVIOUR(unknown)
{
    static const int unknown[] = {-1, AIO_STREAM_LINGER + 1, 1000000};
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        enum aio_stream_option option = (enum aio_stream_option)unknown[i];
        int value = 77;
        AIO_CHECK_ERROR(aio_stream_option_set(pair.near, option, 1), -EINVAL);
        AIO_CHECK_ERROR(aio_stream_option_get(pair.near, option, &value), -EINVAL);
        AIO_CHECK_EQ(value, 77);
    }
    tcp_pair_close(&pair);
}

/* Values that the kernel refuses are -EINVAL and leave the option as it was. */
BEHAVIOUR(bad_values)
{
    static const struct {
        enum aio_stream_option option;
        int value;
    } bad[] = {{AIO_STREAM_KEEPALIVE_IDLE, 0},     {AIO_STREAM_KEEPALIVE_IDLE, -1},
               {AIO_STREAM_KEEPALIVE_INTERVAL, 0}, {AIO_STREAM_KEEPALIVE_COUNT, 0},
               {AIO_STREAM_KEEPALIVE_COUNT, 1000}, {AIO_STREAM_USER_TIMEOUT, -1}};
    struct tcp_pair pair;
    REQUIRE(tcp_pair_open(&pair));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int before = -1, after = -2;
        AIO_CHECK_OK(aio_stream_option_get(pair.near, bad[i].option, &before));
        AIO_CHECK_ERROR(aio_stream_option_set(pair.near, bad[i].option, bad[i].value), -EINVAL);
        AIO_CHECK_OK(aio_stream_option_get(pair.near, bad[i].option, &after));
        AIO_CHECK_EQ(after, before);
    }
    tcp_pair_close(&pair);
}

/* Options can be changed while calls wait. */
BEHAVIOUR(while_calls_wait)
{
    struct tcp_raw raw;
    char byte = 0;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    set_and_get(raw.stream, AIO_STREAM_NODELAY, 0, 0);
    set_and_get(raw.stream, AIO_STREAM_RECEIVE_BUFFER, 30000, 60000);
    REQUIRE(tcp_plain_send(raw.fd, "o", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    tcp_raw_close(&raw);
}

/* Fills what lies between the two ends: until a while passes in which nothing goes any more. */
static void fill_up(struct aio_stream *stream)
{
    static char bytes[65536];
    int64_t total = 0, before = 0;
    do {
        before = total;
        AIO_TIMEOUT(AIO_MS(20))
        {
            for (ssize_t n = 0; n >= 0; total += n > 0 ? n : 0)
                n = aio_stream_write(stream, bytes, sizeof bytes);
        }
    } while (total == 0 || total > before);
}

/* A close that lingers waits for the peer, and only the task that closes does. */
static void check_lingering_close(struct tcp_raw *raw, struct aio_stream *stream)
{
    fill_up(stream);
    struct tcp_call call = {.kind = TCP_CLOSE, .object = stream};
    REQUIRE(tcp_call_start(&call));
    for (int i = 0; i < 100; i++)
        AIO_CHECK_OK(aio_task_yield());
    AIO_CHECK(!call.ended);
    AIO_CHECK(tcp_plain_drain(raw->fd) > 0);
    (void)tcp_call_join(&call);
    close(raw->fd);
}

BEHAVIOUR(linger_keeps_nobody_waiting)
{
    struct tcp_raw raw;
    REQUIRE(tcp_raw_open(&raw, 4096));
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_LINGER, 10));
    check_lingering_close(&raw, raw.stream);
    REQUIRE(tcp_raw_open(&raw, 4096));
    AIO_CHECK_OK(aio_stream_option_set(raw.stream, AIO_STREAM_LINGER, 10));
    int fd = aio_stream_release(raw.stream);
    REQUIRE_OK(aio_stream_adopt(&raw.stream, fd)); /* it lingers still */
    check_lingering_close(&raw, raw.stream);
}
