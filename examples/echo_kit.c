/*
 * echo_kit: echo over the server kit. Usage: echo_kit [HOST:PORT]
 *
 * What examples/echo.c leaves out: a limit on connections, time limits, a graceful end, and sockets
 * that a service manager has opened, as in
 *
 *     systemd-socket-activate -l 8080 build/release/examples/echo_kit
 *
 * of which the first is used instead of the address. An echo is a copy of a stream to itself, so a
 * connection that has nothing to say for a minute is ended by the copy's own time limit.
 */
#include <aio/aio.h>
#include <aio/copy.h>
#include <aio/server.h>
#include <stdio.h>

static int echo(struct aio_connection *connection, void *arg)
{
    struct aio_stream *stream = aio_connection_stream(connection);
    struct aio_copy_options options = AIO_COPY_OPTIONS;
    (void)arg;
    options.idle_ns = AIO_SEC(60);
    if (aio_connection_await(connection) <= 0)
        return 0;
    return aio_stream_copy(stream, stream, &options, NULL);
}

static void say_where(struct aio_listener *listener, void *arg)
{
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES] = "?";
    (void)arg;
    if (aio_listener_address(listener, &address) == 0)
        (void)aio_address_format(&address, text, sizeof text);
    printf("echo_kit: listening on %s\n", text), fflush(stdout);
}

AIO_MAIN(argc, argv)
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    options.address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    options.activation = true;
    options.handler = echo;
    options.ready = say_where;
    options.connection_limit = 1000;
    options.drain_ns = AIO_SEC(1);
    int rc = aio_signal_shutdown(); /* SIGINT and SIGTERM end the server, which drains */
    if (rc == 0)
        rc = aio_server_run(&options);
    return aio_error_exit(rc, options.address);
}
