/*
 * Connecting a stream over TCP, to an address or a name.
 */
#include "net/eyeballs.h"
#include "net/private.h"

#include "core/alloc.h"

/* Makes the stream first, so that a connection is never lost for want of memory. One of address and
 * name is NULL. */
static int connect_stream(struct aio_stream **out, struct aio__core *core,
                          const struct aio_address *address, const struct aio__name *name)
{
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    int fd = name != NULL ? aio__eyeballs_connect(core, name)
                          : aio__socket_connect(core, address, SOCK_STREAM);
    if (fd < 0) {
        aio__free(stream);
        return fd;
    }
    aio__stream_open(stream, core, fd);
    *out = stream;
    return 0;
}

int aio__stream_connect(struct aio_stream **out, struct aio__core *core,
                        const struct aio_address *address)
{
    return connect_stream(out, core, address, NULL);
}

static int connect_name(struct aio_stream **out, struct aio__core *core, const char *text)
{
    struct aio__name name;
    int rc = aio__name_parse(&name, text);
    if (rc == 0)
        rc = aio__interrupted(core);
    return rc < 0 ? rc : connect_stream(out, core, NULL, &name);
}

int aio_tcp_connect(struct aio_stream **out, const char *address)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_address parsed;
    int rc = aio_address_parse(&parsed, address);
    if (rc == -EINVAL)
        return connect_name(out, core, address);
    return rc < 0 ? rc : aio__stream_connect(out, core, &parsed);
}
