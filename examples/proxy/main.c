/*
 * proxy: passes TCP connections on.
 * Usage: proxy [LISTEN_HOST:PORT] [TARGET_HOST:PORT] [accept-proxy] [send-proxy] [idle=SECONDS]
 *
 * A connection is a task, which connects to the target and relays: aio_stream_relay carries both
 * directions, reads only what it has written, so that a peer that is slow to read slows the other
 * one down, passes the end of a direction on as a half-close, and ends both by an error of either.
 *
 * accept-proxy: each client begins with a header of the PROXY protocol, which is taken off.
 * send-proxy: the target is told by such a header who the client is: whom the client's own header
 * names, if it has one to begin with.
 * idle: a connection on which nothing moves either way for so long, or of which one side takes
 * nothing for so long of what the other one sends, is ended; an hour if not told.
 */
#include "examples/proxy/header.h"

#include <aio/aio.h>
#include <aio/copy.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTION_LIMIT 4000 /* two descriptors each, and while they splice some pipes */
#define CONNECT_NS AIO_SEC(5)
#define HEADER_NS AIO_SEC(5)
#define IDLE_NS AIO_SEC(3600)

static const char *target;
static bool accepts_header, sends_header;
static struct aio_copy_options limits;
static int live_connections;

/* A client, and what is known of it. */
struct client {
    struct aio_stream *stream;
    struct proxy_header header;
    size_t early; /* bytes behind its header that came with it */
    char bytes[PROXY_HEADER_MAX];
};

/* Takes the header off. What came behind it is moved to the start. */
static int read_header(struct client *client)
{
    size_t filled = 0;
    int length = 0;
    while (length == 0 && filled < sizeof client->bytes) {
        ssize_t n =
            aio_stream_read(client->stream, client->bytes + filled, sizeof client->bytes - filled);
        if (n <= 0)
            return n < 0 ? (int)n : -ENODATA;
        filled += (size_t)n;
        length = proxy_header_parse(&client->header, client->bytes, filled);
    }
    if (length <= 0)
        return length < 0 ? length : -EINVAL;
    client->early = filled - (size_t)length;
    memmove(client->bytes, client->bytes + length, client->early);
    return 0;
}

static int know_client(struct client *client)
{
    int rc = 0;
    if (accepts_header) {
        AIO_TIMEOUT(HEADER_NS)
        {
            rc = read_header(client);
        }
    } else if (sends_header) {
        rc = aio_stream_peer(client->stream, &client->header.source);
        if (rc == 0)
            rc = aio_stream_local(client->stream, &client->header.target);
    }
    return rc;
}

/* What the target gets before the client's own bytes. */
static int write_early(struct client *client, struct aio_stream *server)
{
    char line[PROXY_LINE_MAX + 1];
    ssize_t n = 0;
    if (sends_header)
        n = aio_stream_write_all(server, line, (size_t)proxy_header_format(line, &client->header),
                                 NULL);
    if (n >= 0 && client->early > 0)
        n = aio_stream_write_all(server, client->bytes, client->early, NULL);
    return n < 0 ? (int)n : 0;
}

/* Peers that vanish without a word are found by the kernel's probes. */
static void prepare(struct aio_stream *stream)
{
    (void)aio_stream_option_set(stream, AIO_STREAM_KEEPALIVE, 1);
}

static int carry(struct client *client)
{
    struct aio_stream *server = NULL;
    int rc = know_client(client);
    if (rc < 0)
        return rc;
    AIO_TIMEOUT(CONNECT_NS)
    {
        rc = aio_tcp_connect(&server, target);
    }
    if (rc < 0)
        return rc;
    prepare(client->stream);
    prepare(server);
    rc = write_early(client, server);
    if (rc == 0)
        rc = aio_stream_relay(client->stream, server, &limits, NULL);
    aio_stream_close(server);
    return rc;
}

static int serve(void *arg)
{
    struct client client = {.stream = arg};
    int rc = carry(&client);
    aio_stream_close(client.stream);
    live_connections--;
    return rc;
}

static void welcome(struct aio_stream *client)
{
    if (live_connections < CONNECTION_LIMIT && aio_task_spawn(NULL, serve, client, NULL) == 0)
        live_connections++;
    else
        aio_stream_close(client);
}

static bool read_idle(const char *word)
{
    char *end;
    if (strncmp(word, "idle=", 5) != 0)
        return false;
    long seconds = strtol(word + 5, &end, 10);
    limits.idle_ns = limits.stall_ns = AIO_SEC(seconds);
    return *end == '\0' && seconds > 0 && seconds <= 1000000;
}

static int read_options(int count, char **words)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], "accept-proxy") == 0)
            accepts_header = true;
        else if (strcmp(words[i], "send-proxy") == 0)
            sends_header = true;
        else if (!read_idle(words[i]))
            return aio_error_exit(-EINVAL, words[i]);
    }
    return 0;
}

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct aio_address parsed;
    struct aio_listener *listener;
    struct aio_stream *client;
    limits = AIO_COPY_OPTIONS;
    limits.idle_ns = limits.stall_ns = IDLE_NS;
    target = argc > 2 ? argv[2] : "127.0.0.1:8081";
    int rc = aio_address_parse(&parsed, target);
    if (rc < 0)
        return aio_error_exit(rc, target);
    if ((rc = read_options(argc - 3, argv + 3)) != 0)
        return rc;
    if ((rc = aio_tcp_listen(&listener, address, NULL)) < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("proxy: listening on %s for %s\n", address, target), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &client)) == 0)
        welcome(client);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}
