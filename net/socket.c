/*
 * Sockets as descriptors: opened, set, named, connected and dropped here, for streams, listeners
 * and packets alike. All are close-on-exec and non-blocking.
 */
#include "net/private.h"

#include <aio/offload.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

int aio__socket_open(int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    return fd < 0 ? -errno : fd;
}

void aio__socket_drop(struct aio__core *core, int fd)
{
    struct aio__op op = {.opcode = AIO__OP_FORGET, .fd = fd};
    (void)aio__op_submit(core, &op);
    (void)close(fd); /* tidy: allow close: forgotten above */
}

static int socket_close_blocking(void *fd)
{
    return close(*(int *)fd) < 0 ? -errno : 0; /* tidy: allow close: forgotten by the caller */
}

/* Without a thread the kernel goes on by itself. */
void aio__socket_close_slowly(int fd)
{
    static const struct linger off = {.l_onoff = 0};
    if (aio_offload_call(socket_close_blocking, &fd, NULL) == 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
    (void)close(fd); /* tidy: allow close: forgotten by the caller */
}

bool aio__socket_lingers(int fd)
{
    struct linger linger = {.l_onoff = 0};
    socklen_t length = sizeof linger;
    (void)getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &length);
    return linger.l_onoff != 0 && linger.l_linger > 0;
}

int aio__socket_type(int fd)
{
    int type;
    int rc = aio__socket_get(fd, SOL_SOCKET, SO_TYPE, &type);
    return rc < 0 ? rc : type;
}

int aio__socket_take(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int aio__socket_set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int aio__socket_get(int fd, int level, int name, int *value)
{
    socklen_t length = sizeof *value;
    return getsockopt(fd, level, name, value, &length) < 0 ? -errno : 0;
}

int aio__socket_bind(int fd, const struct aio_address *address)
{
    return bind(fd, &address->any, address->length) < 0 ? -errno : 0;
}

int aio__socket_address(int fd, aio__socket_name_fn *name, struct aio_address *out)
{
    *out = (struct aio_address){.length = 0};
    socklen_t length = sizeof out->storage;
    if (name(fd, &out->any, &length) < 0)
        return -errno;
    out->length = length;
    return 0;
}

/* The op with the address it names, which must stay until the op is done. */
struct socket_connect {
    struct aio__op_frame run;
    struct aio_address address;
};

static int socket_connect_run(struct aio__core *core, int fd, const struct aio_address *address)
{
    struct socket_connect frame = {.address = *address};
    frame.run.op.opcode = AIO__OP_CONNECT;
    frame.run.op.fd = fd;
    frame.run.op.connect.address = &frame.address.any;
    frame.run.op.connect.length = frame.address.length;
    return aio__op_run(core, &frame.run, "connect");
}

int aio__socket_connect(struct aio__core *core, const struct aio_address *address, int type)
{
    int rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    int fd = aio__socket_open(address->any.sa_family, type, 0);
    if (fd < 0)
        return fd;
    if (address->any.sa_family != AF_UNIX)
        rc = aio__socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (rc == 0)
        rc = socket_connect_run(core, fd, address);
    if (rc == 0)
        return fd;
    aio__socket_drop(core, fd);
    return rc;
}
