/* udp_echo: sends back each datagram that it receives, in the buffer that brought it. Datagrams
 * that the kernel has put together (GRO) go back together and are cut apart again. Usage: udp_echo
 * [HOST:PORT] */
#include <aio/aio.h>
#include <aio/udp.h>
#include <errno.h>
#include <stdio.h>

/* No UDP datagram is longer. Of each buffer only as much is backed by memory as was ever used. */
#define BUFFER_BYTES (65536 + AIO_SOCKET_RENT_BYTES)

/* One that cannot be sent back is passed over, as the network would lose it. */
static int serve(struct aio_socket *socket)
{
    struct aio_address from;
    struct aio_message message = {.address = &from};
    struct aio_buffer *buffer;
    ssize_t rc;
    while ((rc = aio_socket_rent(socket, &buffer, &message)) >= 0)
        if (aio_udp_give_run(socket, buffer, aio_message_segment(&message), &from) == -ECANCELED)
            return -ECANCELED;
    return (int)rc;
}

static int run(void *arg)
{
    const char *address = arg;
    struct aio_socket *socket;
    int rc = aio_udp_bind(&socket, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_socket_option_set(socket, AIO_SOCKET_RECEIVE_SEGMENTS, 1)) < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("udp_echo: listening on %s\n", address), fflush(stdout);
    rc = serve(socket);
    aio_socket_close(socket);
    return aio_error_exit(rc, "receive");
}

int main(int argc, char **argv)
{
    static char address[] = "127.0.0.1:8080";
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.buffer_bytes = BUFFER_BYTES;
    int rc = aio_runtime_run(&options, run, argc > 1 ? argv[1] : address);
    return rc < 0 ? aio_error_exit(rc, "udp_echo") : rc;
}
