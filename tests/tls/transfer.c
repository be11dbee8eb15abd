/*
 * Reading and writing through TLS: all that the stream promises without it, and what is TLS's own.
 */
#define SUITE "tls_transfer"
#include "tests/tls/support.h"

#include <aio/buf.h>
#include <aio/message.h>
#include <aio/select.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BIG = UNDER_ASAN || UNDER_TSAN ? 300000 : 1000000 };

struct flow {
    struct aio_stream *from;
    struct aio_stream *to;
};

static int send_flow(void *arg)
{
    struct flow *flow = arg;
    unsigned char *bytes = malloc(BIG);
    size_t done = 0;
    if (bytes == NULL)
        return -ENOMEM;
    test_pattern_fill(bytes, BIG, 0);
    AIO_CHECK_EQ(aio_stream_write_all(flow->from, bytes, BIG, &done), BIG);
    AIO_CHECK_EQ(done, BIG);
    AIO_CHECK_OK(aio_stream_shutdown(flow->from, AIO_STREAM_WRITE));
    free(bytes);
    return 0;
}

static int receive_flow(void *arg)
{
    struct flow *flow = arg;
    unsigned char bytes[5000];
    uint64_t position = 0;
    ssize_t n;
    while ((n = aio_stream_read(flow->to, bytes, sizeof bytes)) > 0) {
        AIO_CHECK(test_pattern_check(bytes, (size_t)n, position));
        position += (uint64_t)n;
    }
    AIO_CHECK_EQ(n, 0);
    AIO_CHECK_EQ(position, BIG);
    return 0;
}

/* Both ways at once, four tasks on two streams; each way ends politely, and the other goes on. */
BEHAVIOUR(both_ways)
{
    struct tls_pair pair;
    REQUIRE(tls_pair_open(&pair));
    struct flow flows[2] = {{pair.client, pair.server}, {pair.server, pair.client}};
    struct aio_task *tasks[4];
    for (int i = 0; i < 2; i++) {
        REQUIRE_OK(aio_task_spawn(&tasks[i], send_flow, &flows[i], NULL));
        REQUIRE_OK(aio_task_spawn(&tasks[2 + i], receive_flow, &flows[i], NULL));
    }
    for (int i = 0; i < 4; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    tls_pair_close(&pair);
}

/* Vectors: gathered into a record, and filled from one. */
BEHAVIOUR(vectors)
{
    struct tls_pair pair;
    char text[] = "abcdefgh", left[3] = "", right[8] = "";
    struct iovec out[] = {{text, 1}, {NULL, 0}, {text + 1, 3}, {text + 4, 4}};
    struct iovec in[] = {{NULL, 0}, {left, 2}, {right, 7}};
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_writev(pair.client, out, 4), 8);
    AIO_CHECK_EQ(aio_stream_readv(pair.server, in, 3), 8);
    AIO_CHECK_STR(left, "ab");
    AIO_CHECK_STR(right, "cdefgh");
    AIO_CHECK_EQ(aio_stream_writev(pair.client, out + 1, 1), 0);
    AIO_CHECK_EQ(aio_stream_write(pair.client, "", 0), 0);
    AIO_CHECK_EQ(aio_stream_read(pair.server, left, 0), 0);
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

/* What is open already is there at once, and select knows. */
BEHAVIOUR(selects)
{
    struct tls_pair pair;
    char bytes[8];
    REQUIRE(tls_pair_open(&pair));
    REQUIRE(tls_pair_exchange(&pair)); /* the client has seen its tickets */
    struct aio_select_case cases[] = {aio_select_readable(pair.client)};
    AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
    AIO_CHECK_EQ(aio_stream_write_all(pair.server, "12345678", 8, NULL), 8);
    AIO_CHECK_EQ(aio_select_wait(cases, 1), 0);
    AIO_CHECK_EQ(aio_stream_read(pair.client, bytes, 3), 3);
    AIO_CHECK_EQ(aio_select_try(cases, 1), 0);
    AIO_CHECK_OK(cases[0].result);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.client, bytes, 5, NULL), 5);
    AIO_CHECK_ERROR(aio_select_try(cases, 1), -EAGAIN);
    tls_pair_close(&pair);
}

/* Half-close: close_notify one way, data the other way, then both are done. */
BEHAVIOUR(half_close)
{
    struct tls_pair pair;
    char bytes[8] = "";
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_write_all(pair.client, "ask", 3, NULL), 3);
    AIO_CHECK_OK(aio_stream_shutdown(pair.client, AIO_STREAM_WRITE));
    AIO_CHECK_ERROR(aio_stream_write(pair.client, "x", 1), -EPIPE);
    AIO_CHECK_STR(aio_tls_problem(pair.client), "the writing side was shut down");
    AIO_CHECK_EQ(aio_stream_read_exact(pair.server, bytes, 3, NULL), 3);
    AIO_CHECK_EQ(aio_stream_read(pair.server, bytes, 1), 0);
    AIO_CHECK_EQ(aio_stream_read(pair.server, bytes, 1), 0);
    AIO_CHECK_EQ(aio_stream_write_all(pair.server, "answer", 6, NULL), 6);
    AIO_CHECK_EQ(aio_stream_read_exact(pair.client, bytes, 6, NULL), 6);
    AIO_CHECK_STR(bytes, "answer");
    AIO_CHECK_OK(aio_stream_shutdown(pair.server, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(pair.client, bytes, 1), 0);
    tls_pair_close(&pair);
}

/* Ending our own reading side is no truncation. */
BEHAVIOUR(reading_side)
{
    struct tls_pair pair;
    char byte;
    REQUIRE(tls_pair_open(&pair));
    REQUIRE(tls_pair_exchange(&pair));
    struct tcp_call reader = {.kind = TCP_READ, .object = pair.client, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    AIO_CHECK_OK(aio_stream_shutdown(pair.client, AIO_STREAM_READ));
    AIO_CHECK_EQ(tcp_call_join(&reader), 0);
    AIO_CHECK_EQ(aio_stream_write(pair.client, "w", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.server, &byte, 1), 1);
    tls_pair_close(&pair);
}

/* A close is an end for the peer, not a truncation, and ends calls under way here. */
BEHAVIOUR(closes)
{
    struct tls_pair pair;
    char byte, other;
    REQUIRE(tls_pair_open(&pair));
    struct tcp_call reader = {.kind = TCP_READ, .object = pair.client, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&reader));
    tcp_settle();
    aio_stream_close(pair.client);
    pair.client = NULL;
    AIO_CHECK_ERROR(tcp_call_join(&reader), -EBADF);
    AIO_CHECK_EQ(aio_stream_read(pair.server, &other, 1), 0);
    tls_pair_close(&pair);
}

/* What is written and left by a close arrives, though the tickets were never read. */
BEHAVIOUR(close_loses_nothing)
{
    struct tls_pair pair;
    char bytes[4] = "";
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_write_all(pair.client, "end", 3, NULL), 3);
    aio_stream_close(pair.client);
    pair.client = NULL;
    AIO_CHECK_EQ(aio_stream_read_exact(pair.server, bytes, 3, NULL), 3);
    AIO_CHECK_STR(bytes, "end");
    AIO_CHECK_EQ(aio_stream_read(pair.server, bytes, 1), 0);
    tls_pair_close(&pair);
}

/* A connection that is cut off is told from one that ends; our side can still say something. */
BEHAVIOUR(truncation)
{
    struct tls_raw raw;
    char bytes[4];
    REQUIRE(tls_raw_start(&raw, false, 0, 0));
    AIO_CHECK_EQ(tls_raw_write(&raw, "abc", 3), 3);
    AIO_CHECK_EQ(shutdown(raw.tcp.fd, SHUT_WR), 0);
    size_t done = 0;
    AIO_CHECK_ERROR(aio_stream_read_exact(raw.tcp.stream, bytes, 4, &done), -ECONNABORTED);
    AIO_CHECK_EQ(done, 3);
    AIO_CHECK_ERROR(aio_stream_read(raw.tcp.stream, bytes, 1), -ECONNABORTED);
    AIO_CHECK_STR(aio_tls_problem(raw.tcp.stream),
                  "the peer ended the connection without close_notify");
    AIO_CHECK_EQ(aio_stream_write(raw.tcp.stream, "w", 1), 1);
    AIO_CHECK_EQ(tls_raw_read(&raw, bytes, 1), 1);
    tls_raw_close(&raw);
}

/* In the middle of a record too. */
BEHAVIOUR(truncated_record)
{
    static const unsigned char part[] = {0x17, 3, 3, 1, 0, 1, 2, 3};
    struct tls_raw raw;
    char byte;
    REQUIRE(tls_raw_start(&raw, false, 0, 0));
    AIO_CHECK(tcp_plain_send(raw.tcp.fd, part, sizeof part));
    AIO_CHECK_EQ(shutdown(raw.tcp.fd, SHUT_WR), 0);
    AIO_CHECK_ERROR(aio_stream_read(raw.tcp.stream, &byte, 1), -ECONNABORTED);
    tls_raw_close(&raw);
}

/* A record that was tampered with ends both directions, and the peer gets an alert. */
BEHAVIOUR(forged_record)
{
    static const unsigned char forged[] = {0x17, 3,  3,  0,  20, 1,  2,  3,  4,  5,  6,  7, 8,
                                           9,    10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
    struct tls_raw raw;
    char byte;
    REQUIRE(tls_raw_start(&raw, false, 0, 0));
    AIO_CHECK(tcp_plain_send(raw.tcp.fd, forged, sizeof forged));
    AIO_CHECK_ERROR(aio_stream_read(raw.tcp.stream, &byte, 1), -EPROTO);
    AIO_CHECK_STR(aio_tls_problem(raw.tcp.stream), "decryption failed or bad record mac");
    AIO_CHECK_ERROR(aio_stream_write(raw.tcp.stream, "x", 1), -EPROTO);
    AIO_CHECK_ERROR(aio_stream_shutdown(raw.tcp.stream, AIO_STREAM_WRITE), -EPROTO);
    AIO_CHECK(tls_raw_read(&raw, &byte, 1) <= 0);
    AIO_CHECK_EQ(SSL_get_shutdown(raw.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
    tls_raw_close(&raw);
}

/* A read that is given up loses nothing, in whatever pieces a record comes. */
BEHAVIOUR(interrupted_reads)
{
    enum { SIZE = 40000 };
    struct tls_pair pair;
    static unsigned char out[SIZE], in[SIZE];
    size_t have = 0;
    REQUIRE(tls_pair_open(&pair));
    test_pattern_fill(out, SIZE, 0);
    struct tcp_call writer = {
        .kind = TCP_WRITE_ALL, .object = pair.server, .buffer = out, .size = SIZE};
    REQUIRE(tcp_call_start(&writer));
    while (have < SIZE) {
        ssize_t n = 0;
        AIO_TIMEOUT(AIO_US(test_random() % 200))
        {
            n = aio_stream_read(pair.client, in + have, SIZE - have);
        }
        if (n != -ETIMEDOUT && !AIO_CHECK(n > 0))
            break;
        have += n > 0 ? (size_t)n : 0;
    }
    AIO_CHECK_EQ(tcp_call_join(&writer), SIZE);
    AIO_CHECK(memcmp(in, out, SIZE) == 0);
    tls_pair_close(&pair);
}

/* Waits until the peer's side and ours take no more of what a task writes: what is unsent, or not
 * acknowledged, stays as it is. */
static void wait_until_full(struct aio_stream *stream)
{
    int fd = tcp_fd_of_stream(stream), left = 0, same = 0;
    for (int looks = 0; looks < 500 && same < 3; looks++) {
        int before = left;
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(10)));
        AIO_CHECK_EQ(ioctl(fd, SIOCOUTQ, &left), 0);
        same = left > 0 && left == before ? same + 1 : 0;
    }
    AIO_CHECK(same == 3);
}

/* A write that is given up in the middle: later ones say so, reading goes on, the peer gets nothing
 * that is wrong. */
BEHAVIOUR(interrupted_write)
{
    enum { SIZE = 1 << 20 };
    struct tls_raw raw;
    unsigned char *bytes = malloc(SIZE);
    unsigned char byte;
    size_t have = 0;
    REQUIRE(bytes != NULL);
    REQUIRE(tls_raw_start(&raw, false, 0, 16384));
    test_pattern_fill(bytes, SIZE, 0);
    struct tcp_call call = {
        .kind = TCP_WRITE_ALL, .object = raw.tcp.stream, .buffer = bytes, .size = SIZE};
    REQUIRE(tcp_call_start(&call));
    wait_until_full(raw.tcp.stream);
    AIO_CHECK_ERROR(tcp_call_cancel(&call), -ECANCELED);
    AIO_CHECK(call.done % 16384 == 0 && call.done < SIZE);
    AIO_CHECK_ERROR(aio_stream_write(raw.tcp.stream, bytes, 1), -EPIPE);
    AIO_CHECK_STR(aio_tls_problem(raw.tcp.stream),
                  "an earlier write ended in the middle of a record");
    AIO_CHECK_ERROR(aio_stream_shutdown(raw.tcp.stream, AIO_STREAM_WRITE), -EPIPE);
    AIO_CHECK_EQ(tls_raw_write(&raw, "r", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(raw.tcp.stream, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'r');
    aio_stream_close(raw.tcp.stream);
    raw.tcp.stream = NULL;
    int n;
    while ((n = tls_raw_read(&raw, bytes, SIZE)) > 0) {
        AIO_CHECK(test_pattern_check(bytes, (size_t)n, have));
        have += (size_t)n;
    }
    AIO_CHECK_EQ(have, call.done);
    AIO_CHECK_EQ(SSL_get_shutdown(raw.ssl) & SSL_RECEIVED_SHUTDOWN, 0);
    tls_raw_close(&raw);
    free(bytes);
}

/* A goodbye that is given up can be said again. */
BEHAVIOUR(interrupted_shutdown)
{
    struct tls_pair pair;
    char byte;
    REQUIRE(tls_pair_open(&pair));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_stream_shutdown(pair.client, AIO_STREAM_WRITE), -ETIMEDOUT);
    }
    AIO_CHECK(tls_pair_exchange(&pair));
    AIO_CHECK_OK(aio_stream_shutdown(pair.client, AIO_STREAM_WRITE));
    AIO_CHECK_OK(aio_stream_shutdown(pair.client, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(pair.server, &byte, 1), 0);
    tls_pair_close(&pair);
}

/* New keys in the middle, asked for by the peer. */
BEHAVIOUR(key_update)
{
    struct tls_raw raw;
    char byte = 0;
    REQUIRE(tls_raw_start(&raw, false, 0, 0));
    for (int i = 0; i < 3; i++) {
        AIO_CHECK_EQ(SSL_key_update(raw.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        AIO_CHECK_EQ(tls_raw_write(&raw, "k", 1), 1);
        AIO_CHECK_EQ(aio_stream_read(raw.tcp.stream, &byte, 1), 1);
        AIO_CHECK_EQ(aio_stream_write(raw.tcp.stream, "l", 1), 1);
        AIO_CHECK_EQ(tls_raw_read(&raw, &byte, 1), 1);
        AIO_CHECK_EQ(byte, 'l');
    }
    tls_raw_close(&raw);
}

static int read_one(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

/* A client of TLS 1.2 that wants to renegotiate is told that there is no such thing, at once. */
BEHAVIOUR(no_renegotiation)
{
    struct tls_raw raw;
    struct aio_task *task;
    char byte;
    int read = 0;
    REQUIRE(tls_raw_start(&raw, false, TLS1_2_VERSION, 0));
    AIO_CHECK_EQ(tls_raw_write(&raw, "a", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(raw.tcp.stream, &byte, 1), 1);
    AIO_CHECK_EQ(SSL_renegotiate(raw.ssl), 1);
    REQUIRE_OK(aio_task_spawn(&task, read_one, raw.tcp.stream, NULL));
    AIO_CHECK(tls_raw_write(&raw, "b", 1) <= 0); /* the alert ends the handshake */
    aio_task_cancel(task);
    AIO_CHECK_OK(aio_task_join(task, &read));
    AIO_CHECK(read < 0);
    tls_raw_close(&raw);
}

/* TLS 1.2 is as good for the rest. */
BEHAVIOUR(version_1_2)
{
    for (int server = 0; server < 2; server++) {
        struct tls_raw raw;
        char byte = 0;
        struct aio_tls_info info = {.size = sizeof info};
        REQUIRE(tls_raw_start(&raw, server, TLS1_2_VERSION, 0));
        AIO_CHECK_OK(aio_tls_info(raw.tcp.stream, &info));
        AIO_CHECK_STR(info.version, "TLSv1.2");
        AIO_CHECK_EQ(aio_stream_write(raw.tcp.stream, "o", 1), 1);
        AIO_CHECK_EQ(tls_raw_read(&raw, &byte, 1), 1);
        AIO_CHECK_EQ(SSL_shutdown(raw.ssl), 0);
        AIO_CHECK_EQ(aio_stream_read(raw.tcp.stream, &byte, 1), 0);
        tls_raw_close(&raw);
    }
}

/* What TLS has no room for. */
BEHAVIOUR(unsupported)
{
    struct tls_pair pair;
    char byte = 0;
    struct iovec vector = {&byte, 1};
    struct aio_message message = {.vectors = &vector, .count = 1};
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_ERROR(aio_stream_release(pair.client), -EOPNOTSUPP);
    AIO_CHECK_ERROR(aio_stream_sendmsg(pair.client, &message), -EOPNOTSUPP);
    AIO_CHECK_ERROR(aio_stream_recvmsg(pair.client, &message), -EOPNOTSUPP);
    AIO_CHECK_OK(aio_stream_detach(pair.client));
    aio_stream_attach(pair.client);
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

/* Rented buffers go through TLS as other bytes do. */
BEHAVIOUR(rented)
{
    struct tls_pair pair;
    struct aio_buffer *buffer;
    char bytes[8] = "";
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_EQ(aio_stream_write_all(pair.client, "rent", 4, NULL), 4);
    REQUIRE(aio_stream_read_rent(pair.server, &buffer) == 4);
    AIO_CHECK(memcmp(aio_buffer_data(buffer), "rent", 4) == 0);
    AIO_CHECK_OK(aio_stream_write_rent(pair.server, buffer));
    AIO_CHECK_OK(aio_stream_flush(pair.server));
    AIO_CHECK_EQ(aio_stream_read_exact(pair.client, bytes, 4, NULL), 4);
    AIO_CHECK_STR(bytes, "rent");
    AIO_TIMEOUT(AIO_MS(1))
    {
        AIO_CHECK_ERROR(aio_stream_read_rent(pair.server, &buffer), -ETIMEDOUT);
    }
    AIO_CHECK(buffer == NULL);
    AIO_CHECK_OK(aio_stream_shutdown(pair.client, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read_rent(pair.server, &buffer), 0);
    tls_pair_close(&pair);
}

static int start_server(void *arg)
{
    struct tls_pair *pair = arg;
    struct aio_buffer *buffer;
    ssize_t n = aio_stream_read_rent(pair->server, &buffer);
    if (n > 0)
        n = aio_stream_write_rent(pair->server, buffer);
    return n < 0 ? (int)n : aio_tls_accept(pair->server, pair->server_context);
}

/* TLS that begins in the middle, after rented buffers: the receive that brought them is still armed
 * and brings the first bytes of the handshake. */
BEHAVIOUR(begins_in_the_middle)
{
    struct tcp_pair wire;
    struct aio_task *task;
    char byte = 0;
    int result;
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    REQUIRE(tcp_pair_open(&wire));
    struct tls_pair pair = {.client_context = tls_context(&client),
                            .server_context = tls_context(&server),
                            .client = wire.near,
                            .server = wire.far};
    REQUIRE_OK(aio_task_spawn(&task, start_server, &pair, NULL));
    AIO_CHECK_EQ(aio_stream_write(pair.client, "S", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(pair.client, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'S');
    AIO_CHECK_OK(aio_tls_connect(pair.client, pair.client_context, "server.test"));
    AIO_CHECK_OK(aio_task_join(task, &result));
    AIO_CHECK_OK(result);
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}
