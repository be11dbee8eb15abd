/*
 * proxy: passes TCP connections on. Usage: proxy [LISTEN_HOST:PORT] [TARGET_HOST:PORT]
 *
 * A connection is two tasks, one for each direction. Each owns one buffer and reads only when that
 * buffer is written: a peer that is slow to read slows the other one down, and memory stays
 * bounded. The end of one direction is passed on as a half-close, and the other goes on; an error
 * in one ends both. The task that accepted the work joins the other one before it closes the
 * streams, so neither is ever used after its end, nor closed twice.
 */
#include <aio/aio.h>
#include <stdio.h>

#define CONNECTION_LIMIT 4000 /* two descriptors each */
#define BUFFER_BYTES 16384
#define CONNECT_NS AIO_SEC(5)

struct direction {
    struct aio_stream *from, *to;
    struct aio_task *other; /* the task of the other direction */
};

static const char *target;
static int live_connections;

/* Carries one direction until its end. Cancelling the other task is how an error ends it too: it
 * wakes from whatever it waits for. */
static int carry(void *arg)
{
    const struct direction *way = arg;
    char buffer[BUFFER_BYTES];
    ssize_t n;
    while ((n = aio_stream_read(way->from, buffer, sizeof buffer)) > 0)
        if ((n = aio_stream_write_all(way->to, buffer, (size_t)n, NULL)) < 0)
            break;
    if (n == 0)
        n = aio_stream_shutdown(way->to, AIO_STREAM_WRITE);
    if (n < 0)
        aio_task_cancel(way->other);
    return (int)n;
}

/* Carries both directions, this task one and a new task the other, and returns when both ended. */
static int carry_both(struct aio_stream *client, struct aio_stream *server)
{
    struct direction up = {.from = client, .to = server};
    struct direction down = {.from = server, .to = client, .other = aio_task_current()};
    int other = 0;
    int rc = aio_task_spawn(&up.other, carry, &down, NULL);
    if (rc < 0)
        return rc;
    rc = carry(&up);
    AIO_SHIELD /* the other task may have cancelled us, and it still uses this frame */
    {
        if (aio_task_join(up.other, &other) == 0 && rc == 0)
            rc = other;
    }
    return rc;
}

/* Peers that vanish without a word are found by the kernel's probes. */
static void prepare(struct aio_stream *stream)
{
    (void)aio_stream_option_set(stream, AIO_STREAM_KEEPALIVE, 1);
}

static int serve(void *arg)
{
    struct aio_stream *client = arg;
    struct aio_stream *server = NULL;
    int rc = 0;
    AIO_TIMEOUT(CONNECT_NS)
    {
        rc = aio_tcp_connect(&server, target);
    }
    if (rc == 0) {
        prepare(client);
        prepare(server);
        rc = carry_both(client, server);
        aio_stream_close(server);
    }
    aio_stream_close(client);
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

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct aio_address parsed;
    struct aio_listener *listener;
    struct aio_stream *client;
    target = argc > 2 ? argv[2] : "127.0.0.1:8081";
    int rc = aio_address_parse(&parsed, target);
    if (rc < 0)
        return aio_error_exit(rc, target);
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
