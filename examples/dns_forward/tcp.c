/*
 * Queries by TCP, each behind its length; those of one connection are answered in turn.
 */
#include "examples/dns_forward/dns.h"

#include <errno.h>
#include <stdlib.h>

enum { CONNECTION_LIMIT = 256 };

#define IDLE_NS AIO_SEC(10)

/* The answer, behind its length. Returns the bytes of both; 0: there is none, and no more to hear
 * from such a client. */
static size_t answer_query(uint8_t *out, const uint8_t *bytes, size_t size)
{
    struct wire_query query;
    struct answer *answer;
    int code = wire_read_query(&query, bytes, size);
    if (code < 0)
        return 0;
    size_t written;
    int rc = code == WIRE_OK ? resolve_query(&answer, &query) : 0;
    if (code != WIRE_OK) {
        written = wire_write_short(out + 2, &query, (enum wire_code)code);
    } else if (rc < 0) {
        written = resolve_fail(out + 2, &query, rc);
    } else {
        written = resolve_write(out + 2, WIRE_MESSAGE_MAX, &query, answer);
        answer_release(answer);
    }
    out[0] = (uint8_t)(written >> 8);
    out[1] = (uint8_t)written;
    return 2 + written;
}

/* The room is for the query, and for the answer once the query has been read. */
static int exchange(struct aio_stream *stream, uint8_t *query, uint8_t *answer)
{
    uint8_t length[2];
    ssize_t n = aio_stream_read_exact(stream, length, sizeof length, NULL);
    if (n < 0)
        return (int)n;
    size_t size = (size_t)length[0] << 8 | length[1];
    n = aio_stream_read_exact(stream, query, size, NULL);
    if (n < 0)
        return (int)n;
    size = answer_query(answer, query, size);
    n = size == 0 ? -EBADMSG : aio_stream_write_all(stream, answer, size, NULL);
    return n < 0 ? (int)n : 0;
}

static int serve(struct aio_connection *connection, void *unused)
{
    (void)unused;
    uint8_t *room = malloc(2 * (2 + WIRE_MESSAGE_MAX));
    int rc = room == NULL ? -ENOMEM : 0;
    while (rc == 0 && (rc = aio_connection_await(connection)) > 0)
        rc = exchange(aio_connection_stream(connection), room, room + 2 + WIRE_MESSAGE_MAX);
    free(room);
    return rc;
}

int tcp_serve(const char *address, void (*ready)(struct aio_listener *listener, void *arg))
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    options.address = address;
    options.handler = serve;
    options.ready = ready;
    options.connection_limit = CONNECTION_LIMIT;
    options.keep_alive_ns = options.idle_ns = IDLE_NS;
    options.drain_ns = AIO_SEC(2);
    return aio_server_run(&options);
}
