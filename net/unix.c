/*
 * Unix sockets: names, listeners, connections, datagrams, pairs.
 */
#include "net/private.h"

#include "core/alloc.h"

#include <aio/unix.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

_Static_assert(AIO_UNIX_NAME_MAX == sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1,
               "a path and its NUL, or the NUL of an abstract name and the name");

int aio_unix_parse(struct aio_address *out, const char *name)
{
    if (name == NULL || name[0] == '\0' || strcmp(name, "@") == 0)
        return -EINVAL;
    size_t length = strlen(name);
    if (length > AIO_UNIX_NAME_MAX)
        return -ENAMETOOLONG;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, length);
    bool abstract = name[0] == '@';
    if (abstract)
        address.sun_path[0] = '\0';
    *out = (struct aio_address){
        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + !abstract)};
    memcpy(&out->storage, &address, sizeof address);
    return 0;
}

/* Abstract names have a length, paths end with a NUL, or at the end where there is no room for it.
 */
static size_t unix_name_length(const struct aio_address *address)
{
    const struct sockaddr_un *name = (const struct sockaddr_un *)(const void *)&address->storage;
    size_t before = offsetof(struct sockaddr_un, sun_path);
    size_t length = address->length > before ? address->length - before : 0;
    length = length < sizeof name->sun_path ? length : sizeof name->sun_path;
    return length > 0 && name->sun_path[0] != '\0' ? strnlen(name->sun_path, length) : length;
}

int aio_unix_format(const struct aio_address *address, char *buffer, size_t size)
{
    const struct sockaddr_un *name = (const struct sockaddr_un *)(const void *)&address->storage;
    if (size > 0)
        buffer[0] = '\0';
    if (address->length < sizeof name->sun_family || address->any.sa_family != AF_UNIX)
        return -EAFNOSUPPORT;
    size_t length = unix_name_length(address);
    if (length >= size)
        return -ENOSPC;
    for (size_t i = 0; i < length; i++)
        buffer[i] = (char)(name->sun_path[i] == '\0' ? '@' : name->sun_path[i]);
    buffer[length] = '\0';
    return (int)length;
}

static int unix_settle(struct aio_unix_options *settled, const struct aio_unix_options *options)
{
    *settled = options != NULL ? *options : AIO_UNIX_OPTIONS;
    if (settled->size != sizeof *settled || settled->backlog < 0 || (settled->mode & ~07777u) != 0)
        return -EINVAL;
    return 0;
}

/* Returns a socket bound to the name or -errno. */
static int unix_bound(struct aio__path **path, int type, const struct aio_address *address,
                      const struct aio_unix_options *options)
{
    int fd = aio__socket_open(AF_UNIX, type, 0);
    if (fd < 0)
        return fd;
    int rc = aio__path_bind(path, fd, address, options);
    if (rc == 0)
        return fd;
    (void)close(fd); /* tidy: allow close: no op has used it */
    return rc;
}

int aio_unix_listen(struct aio_listener **out, const char *name,
                    const struct aio_unix_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_unix_options settled;
    struct aio_address address;
    int rc = unix_settle(&settled, options);
    if (rc == 0 && settled.kind != AIO_UNIX_STREAM && settled.kind != AIO_UNIX_SEQUENCE)
        rc = -EINVAL;
    if (rc == 0)
        rc = aio_unix_parse(&address, name);
    if (rc < 0)
        return rc;
    struct aio__listener_plan plan = {.backlog = settled.backlog};
    plan.type = settled.kind == AIO_UNIX_STREAM ? SOCK_STREAM : SOCK_SEQPACKET;
    plan.fd = unix_bound(&plan.path, plan.type, &address, &settled);
    return plan.fd < 0 ? plan.fd : aio__listener_create(out, core, &plan);
}

int aio_unix_connect(struct aio_stream **out, const char *name)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_address address;
    int rc = aio_unix_parse(&address, name);
    return rc < 0 ? rc : aio__stream_connect(out, core, &address);
}

/* Gives the descriptor, or the error that came instead, to the socket made for it. */
static int unix_give(struct aio_socket **out, struct aio__core *core, struct aio_socket *socket,
                     int fd)
{
    if (fd < 0) {
        aio__free(socket);
        return fd;
    }
    aio__packet_start(socket, core, fd, NULL);
    *out = socket;
    return 0;
}

int aio_unix_connect_sequence(struct aio_socket **out, const char *name)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_address address;
    int rc = aio_unix_parse(&address, name);
    if (rc < 0)
        return rc;
    struct aio_socket *socket = aio__packet_alloc();
    if (socket == NULL)
        return -ENOMEM;
    return unix_give(out, core, socket, aio__socket_connect(core, &address, SOCK_SEQPACKET));
}

int aio_unix_accept(struct aio_listener *listener, struct aio_socket **out)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_socket *socket = aio__packet_alloc(); /* first: no connection is taken in vain */
    if (socket == NULL)
        return -ENOMEM;
    return unix_give(out, core, socket, aio__listener_accept(listener, SOCK_SEQPACKET));
}

int aio_unix_bind(struct aio_socket **out, const char *name, const struct aio_unix_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_unix_options settled;
    struct aio_address address;
    struct aio__path *path = NULL;
    int rc = unix_settle(&settled, options);
    if (rc == 0 && name != NULL)
        rc = aio_unix_parse(&address, name);
    if (rc < 0)
        return rc;
    int fd = name == NULL ? aio__socket_open(AF_UNIX, SOCK_DGRAM, 0)
                          : unix_bound(&path, SOCK_DGRAM, &address, &settled);
    return fd < 0 ? fd : aio__packet_open(out, core, fd, path);
}

static int unix_pair(int fds[2], int type)
{
    return socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? -errno : 0;
}

int aio_unix_pair(struct aio_stream *out[2])
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_stream *streams[2] = {aio__stream_alloc(), aio__stream_alloc()};
    int fds[2];
    int rc = streams[0] == NULL || streams[1] == NULL ? -ENOMEM : unix_pair(fds, SOCK_STREAM);
    for (int i = 0; i < 2; i++) {
        if (rc < 0) {
            aio__free(streams[i]);
            continue;
        }
        aio__stream_open(streams[i], core, fds[i]);
        out[i] = streams[i];
    }
    return rc;
}

int aio_unix_pair_sockets(struct aio_socket *out[2], enum aio_unix_kind kind)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    if (kind != AIO_UNIX_SEQUENCE && kind != AIO_UNIX_DATAGRAM)
        return -EINVAL;
    struct aio_socket *sockets[2] = {aio__packet_alloc(), aio__packet_alloc()};
    int fds[2] = {-ENOMEM, -ENOMEM}, rc = -ENOMEM;
    if (sockets[0] != NULL && sockets[1] != NULL)
        rc = unix_pair(fds, kind == AIO_UNIX_SEQUENCE ? SOCK_SEQPACKET : SOCK_DGRAM);
    for (int i = 0; i < 2; i++)
        (void)unix_give(&out[i], core, sockets[i], rc < 0 ? rc : fds[i]);
    return rc;
}

static int unix_credentials(int fd, struct aio_credentials *out)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    int family = AF_UNSPEC;
    (void)aio__socket_get(fd, SOL_SOCKET, SO_DOMAIN, &family);
    if (family != AF_UNIX)
        return -EOPNOTSUPP;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return -errno;
    if (peer.pid == 0 && peer.uid == (uid_t)-1) /* what the kernel gives for none */
        return -ENOTCONN;
    *out = (struct aio_credentials){peer.pid, peer.uid, peer.gid};
    return 0;
}

int aio_stream_credentials(struct aio_stream *stream, struct aio_credentials *out)
{
    (void)aio__handle_core(&stream->handle, __func__);
    return unix_credentials(stream->handle.fd, out);
}

int aio_socket_credentials(struct aio_socket *socket, struct aio_credentials *out)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return unix_credentials(socket->handle.fd, out);
}
