/*
 * Connecting a stream over TCP.
 */
#include "net/private.h"

#include "core/alloc.h"

int aio__stream_connect(struct aio_stream **out, struct aio__core *core,
                        const struct aio_address *address)
{
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    int fd = aio__socket_connect(core, address, SOCK_STREAM);
    if (fd < 0) {
        aio__free(stream);
        return fd;
    }
    aio__stream_open(stream, core, fd);
    *out = stream;
    return 0;
}

int aio_tcp_connect(struct aio_stream **out, const char *address)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_address parsed;
    int rc = aio_address_parse(&parsed, address);
    return rc < 0 ? rc : aio__stream_connect(out, core, &parsed);
}
