/* echo_rent: how cheap can an echo be with rented buffers? As examples/echo.c, which reads into a
 * buffer of its task. Usage: echo_rent [HOST:PORT] */
#include <aio/aio.h>
#include <aio/buf.h>
#include <stdio.h>

static int echo(void *arg)
{
    struct aio_stream *peer = arg;
    struct aio_buffer *buffer;
    ssize_t n;
    while ((n = aio_stream_read_rent(peer, &buffer)) > 0)
        if ((n = aio_stream_write_rent(peer, buffer)) < 0)
            break;
    aio_stream_close(peer);
    return (int)n;
}

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct aio_listener *listener;
    struct aio_stream *peer;
    int rc = aio_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0)
        return aio_error_exit(rc, "signals");
    printf("echo: listening on %s\n", address), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_task_spawn(NULL, echo, peer, NULL) < 0)
            aio_stream_close(peer);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}
