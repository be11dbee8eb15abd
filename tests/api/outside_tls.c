/* A program outside the project that uses TLS: a context, and a handshake with nobody. */
#include <aio-tls/tls.h>
#include <aio/aio.h>
#include <errno.h>
#include <stdio.h>

static int entry(void *arg)
{
    struct aio_listener *listener;
    struct aio_stream *stream;
    struct aio_address address;
    char text[AIO_ADDRESS_TEXT_BYTES];
    int rc = -1;

    if (aio_tcp_listen(&listener, "127.0.0.1:0", NULL) < 0 ||
        aio_listener_address(listener, &address) < 0 ||
        aio_address_format(&address, text, sizeof text) < 0 || aio_tcp_connect(&stream, text) < 0)
        return -1;
    AIO_TIMEOUT(AIO_MS(1))
    {
        rc = aio_tls_connect(stream, arg, "localhost");
    }
    aio_stream_close(stream);
    aio_listener_close(listener);
    return rc;
}

int main(void)
{
    struct aio_tls_context *context;
    int rc = aio_tls_create(&context, NULL);

    if (rc == 0) {
        rc = aio_runtime_run(NULL, entry, context);
        aio_tls_destroy(context);
    }
    printf("%s\n", aio_error_name(rc));
    return rc != -ETIMEDOUT;
}
