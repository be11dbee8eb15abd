/* udp_echo: sends back each datagram that it receives, many in a call where many come at once.
 * Usage: udp_echo [HOST:PORT] */
#include <aio/aio.h>
#include <aio/udp.h>
#include <errno.h>
#include <stdio.h>

enum { BATCH = 16, DATAGRAM_BYTES = 65536 }; /* no UDP datagram is longer */

static struct {
    struct aio_message messages[BATCH];
    struct aio_address addresses[BATCH];
    struct iovec vectors[BATCH];
    char bytes[BATCH][DATAGRAM_BYTES];
} batch;

static void prepare(void)
{
    for (int i = 0; i < BATCH; i++) {
        batch.vectors[i] = (struct iovec){batch.bytes[i], DATAGRAM_BYTES};
        batch.messages[i] = (struct aio_message){
            .vectors = &batch.vectors[i], .count = 1, .address = &batch.addresses[i]};
    }
}

/* One that cannot be sent back is passed over, as the network would lose it. */
static int send_back(struct aio_socket *socket, int count)
{
    for (int i = 0; i < count; i++)
        batch.vectors[i].iov_len = batch.messages[i].bytes;
    for (int sent = 0, rc; sent<count; sent += rc> 0 ? rc : 1) {
        rc = aio_socket_send_many(socket, &batch.messages[sent], count - sent);
        if (rc == -ECANCELED)
            return rc;
    }
    for (int i = 0; i < count; i++)
        batch.vectors[i].iov_len = DATAGRAM_BYTES;
    return 0;
}

AIO_MAIN(argc, argv)
{
    const char *address = argc > 1 ? argv[1] : "127.0.0.1:8080";
    struct aio_socket *socket;
    int rc = aio_udp_bind(&socket, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("udp_echo: listening on %s\n", address), fflush(stdout);
    prepare();
    while ((rc = aio_socket_recv_many(socket, batch.messages, BATCH)) > 0)
        if ((rc = send_back(socket, rc)) < 0)
            break;
    aio_socket_close(socket);
    return aio_error_exit(rc, "receive");
}
