/*
 * Rented buffers through TLS: records that are larger than the buffers, and parts of records.
 */
#define SUITE "tls_rent"
#include "tests/tls/support.h"

#include <aio/buf.h>
#include <stdlib.h>

/* The wire between a client and a server with TLS, on which bytes go one by one. */
struct trickle {
    struct aio_stream *from;
    struct aio_stream *to;
};

static int trickle_run(void *arg)
{
    const struct trickle *trickle = arg;
    char byte;
    while (aio_stream_read(trickle->from, &byte, 1) == 1)
        if (aio_stream_write(trickle->to, &byte, 1) != 1)
            break;
    return aio_stream_shutdown(trickle->to, AIO_STREAM_WRITE);
}

/* Reads to the end; each buffer is released at once. Returns the bytes. */
static uint64_t drain(struct aio_stream *stream)
{
    struct aio_buffer *buffer;
    uint64_t total = 0;
    ssize_t n;
    while ((n = aio_stream_read_rent(stream, &buffer)) > 0) {
        AIO_CHECK(test_pattern_check(aio_buffer_data(buffer), (size_t)n, total));
        total += (uint64_t)n;
        aio_buffer_release(buffer);
    }
    AIO_CHECK_EQ(n, 0);
    return total;
}

struct source {
    struct aio_stream *stream;
    size_t size;
};

static int send_pattern(void *arg)
{
    const struct source *source = arg;
    char *bytes = malloc(source->size);
    test_pattern_fill(bytes, source->size, 0);
    ssize_t n = aio_stream_write_all(source->stream, bytes, source->size, NULL);
    free(bytes);
    return n < 0 ? (int)n : aio_stream_shutdown(source->stream, AIO_STREAM_WRITE);
}

/* Whole records, of which a buffer holds a part. */
BEHAVIOUR_WITH(larger_than_buffers, .buffer_bytes = 1000, .buffer_limit = 4)
{
    struct tls_pair pair;
    struct aio_task *task;
    REQUIRE(tls_pair_open(&pair));
    struct source source = {pair.client, (size_t)tcp_rounds(300000)};
    REQUIRE_OK(aio_task_spawn(&task, send_pattern, &source, NULL));
    AIO_CHECK_EQ(drain(pair.server), source.size);
    AIO_CHECK_OK(aio_task_join(task, NULL));
    tls_pair_close(&pair);
}

static int accept_tls(void *arg)
{
    struct tls_pair *pair = arg;
    return aio_tls_accept(pair->server, pair->server_context);
}

/* Parts of records: the read waits for the rest, and does not spin. */
BEHAVIOUR(parts_of_records)
{
    struct tls_pair pair = {.client = NULL};
    struct tcp_pair near, far;
    struct aio_task *server, *tasks[2], *sender;
    struct aio_tls_options client = tls_client_options(), of_server = tls_server_options("server");
    REQUIRE(tcp_pair_open(&near) && tcp_pair_open(&far));
    struct trickle ways[2] = {{near.far, far.near}, {far.near, near.far}};
    pair.client = near.near;
    pair.server = far.far;
    pair.client_context = tls_context(&client);
    pair.server_context = tls_context(&of_server);
    for (int i = 0; i < 2; i++)
        REQUIRE_OK(aio_task_spawn(&tasks[i], trickle_run, &ways[i], NULL));
    REQUIRE_OK(aio_task_spawn(&server, accept_tls, &pair, NULL));
    AIO_CHECK_OK(aio_tls_connect(pair.client, pair.client_context, "server.test"));
    AIO_CHECK_OK(aio_task_join(server, NULL));
    struct source source = {pair.client, (size_t)tcp_rounds(3000)};
    REQUIRE_OK(aio_task_spawn(&sender, send_pattern, &source, NULL));
    AIO_CHECK_EQ(drain(pair.server), source.size);
    AIO_CHECK_OK(aio_task_join(sender, NULL));
    tls_pair_close(&pair);
    for (int i = 0; i < 2; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
    aio_stream_close(near.far);
    aio_stream_close(far.near);
}
