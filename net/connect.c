/*
 * Connecting.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <netinet/tcp.h>
#include <unistd.h>

/* The op with the address it names, which must stay until the op is done. */
struct connect_frame {
    struct aio__op_frame run;
    struct aio_address address;
};

static int connect_run(struct aio__core *core, struct connect_frame *frame, int fd)
{
    frame->run.op.opcode = AIO__OP_CONNECT;
    frame->run.op.fd = fd;
    frame->run.op.connect.address = &frame->address.any;
    frame->run.op.connect.length = frame->address.length;
    return aio__op_run(core, &frame->run, "connect");
}

/* A socket that is no handle yet: the backend forgets it here. */
static void connect_drop(struct aio__core *core, int fd)
{
    struct aio__op op = {.opcode = AIO__OP_FORGET, .fd = fd};
    (void)aio__op_submit(core, &op);
    (void)close(fd); /* tidy: allow close: forgotten above */
}

static int connect_open(struct aio__core *core, struct connect_frame *frame)
{
    int fd = socket(frame->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int rc = aio__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0)
        rc = connect_run(core, frame, fd);
    if (rc == 0)
        return fd;
    connect_drop(core, fd);
    return rc;
}

int aio_tcp_connect(struct aio_stream **out, const char *address)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct connect_frame frame;
    int rc = aio_address_parse(&frame.address, address);
    if (rc == 0)
        rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    struct aio_stream *stream = aio__stream_alloc();
    if (stream == NULL)
        return -ENOMEM;
    int fd = connect_open(core, &frame);
    if (fd < 0) {
        aio__free(stream);
        return fd;
    }
    aio__stream_open(stream, core, fd);
    *out = stream;
    return 0;
}
