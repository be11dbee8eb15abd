/* echo: sends back what it receives. Usage: echo [HOST:PORT] */
#include <aio/aio.h>
#include <stdio.h>

static int echo(void *arg)
{
    struct aio_stream *peer = arg;
    char buffer[1024];
    ssize_t n;
    while ((n = aio_stream_read(peer, buffer, sizeof buffer)) > 0)
        if ((n = aio_stream_write_all(peer, buffer, (size_t)n, NULL)) < 0)
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
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("echo: listening on %s\n", address), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_task_spawn(NULL, echo, peer, NULL) < 0)
            aio_stream_close(peer);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}
