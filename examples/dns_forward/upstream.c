/*
 * Asking the upstream server: over UDP, with a port and an id for each attempt that nobody can
 * guess; and over TCP when the answer does not fit.
 */
#include "examples/dns_forward/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { ATTEMPTS = 3 };

#define TCP_NS AIO_SEC(3)

static const char *upstream_address;
static int64_t attempt_ns = AIO_MS(1000);

void upstream_patience(int64_t duration_ns)
{
    attempt_ns = duration_ns;
}

int upstream_set(const char *address)
{
    struct aio_address parsed;
    int rc = aio_address_parse(&parsed, address);
    if (rc == 0 && aio_address_port(&parsed) == 0)
        rc = -EINVAL;
    upstream_address = address;
    return rc;
}

static int random_id(uint16_t *id)
{
    return getrandom(id, sizeof *id, 0) == sizeof *id ? 0 : -errno;
}

/* Takes what comes until it is the answer. Others may send here what they like. */
static int await_answer(struct aio_socket *socket, const struct wire_query *query, uint16_t id,
                        struct answer **out)
{
    uint8_t bytes[WIRE_UDP_MOST];
    struct wire_answer said;
    for (;;) {
        size_t whole = 0;
        ssize_t n = aio_socket_recv(socket, bytes, sizeof bytes, &whole);
        if (n < 0)
            return (int)n;
        if (whole > sizeof bytes || !wire_read_answer(&said, bytes, (size_t)n, query, id))
            continue;
        *out = answer_make(bytes, (size_t)n, &said);
        return *out == NULL ? -ENOMEM : 0;
    }
}

/* A socket of its own has a port that the kernel has picked at random. */
static int ask_once(struct answer **out, const struct wire_query *query)
{
    struct aio_socket *socket;
    uint8_t bytes[WIRE_SHORT_MAX];
    uint16_t id;
    int rc = random_id(&id);
    if (rc == 0)
        rc = aio_udp_connect(&socket, upstream_address, NULL);
    if (rc < 0)
        return rc;
    AIO_TIMEOUT(attempt_ns)
    {
        ssize_t n = aio_socket_send(socket, bytes, wire_write_query(bytes, query, id));
        rc = n < 0 ? (int)n : await_answer(socket, query, id, out);
    }
    aio_socket_close(socket);
    return rc;
}

static int read_answer(struct aio_stream *stream, const struct wire_query *query, uint16_t id,
                       struct answer **out)
{
    uint8_t length[2];
    struct wire_answer said;
    ssize_t n = aio_stream_read_exact(stream, length, sizeof length, NULL);
    if (n < 0)
        return (int)n;
    size_t size = (size_t)length[0] << 8 | length[1];
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        return -ENOMEM;
    n = aio_stream_read_exact(stream, bytes, size, NULL);
    if (n >= 0 && !wire_read_answer(&said, bytes, size, query, id))
        n = -EBADMSG;
    if (n >= 0 && (*out = answer_make(bytes, size, &said)) == NULL)
        n = -ENOMEM;
    free(bytes);
    return n < 0 ? (int)n : 0;
}

static int ask_on_stream(struct aio_stream *stream, const struct wire_query *query,
                         struct answer **out)
{
    uint8_t bytes[2 + WIRE_SHORT_MAX];
    uint16_t id;
    int rc = random_id(&id);
    if (rc < 0)
        return rc;
    size_t size = wire_write_query(bytes + 2, query, id);
    bytes[0] = (uint8_t)(size >> 8);
    bytes[1] = (uint8_t)size;
    ssize_t n = aio_stream_write_all(stream, bytes, 2 + size, NULL);
    return n < 0 ? (int)n : read_answer(stream, query, id, out);
}

static int ask_by_tcp(struct answer **out, const struct wire_query *query)
{
    struct aio_stream *stream;
    int rc = 0;
    AIO_TIMEOUT(TCP_NS)
    {
        rc = aio_tcp_connect(&stream, upstream_address);
        if (rc == 0) {
            rc = ask_on_stream(stream, query, out);
            aio_stream_close(stream);
        }
    }
    return rc;
}

int upstream_ask(struct answer **out, const struct wire_query *query)
{
    struct answer *answer = NULL, *whole = NULL;
    int rc = -ETIMEDOUT;
    for (int i = 0; i < ATTEMPTS && rc == -ETIMEDOUT; i++)
        rc = ask_once(&answer, query);
    if (rc < 0)
        return rc;
    if (answer->truncated && ask_by_tcp(&whole, query) == 0) {
        answer_release(answer);
        answer = whole;
    }
    *out = answer;
    return 0;
}
