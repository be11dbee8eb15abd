/*
 * UDP: opening, multicast.
 */
#include "net/private.h"

#include <aio/udp.h>
#include <netinet/udp.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* No limit: whatever length the kernel agrees to. */
#define UDP_SEGMENT_MAX 65535

static int udp_set_options(int fd, int family, const struct aio_udp_options *options)
{
    int rc = 0;
    if (options->reuseaddr)
        rc = aio__socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (rc == 0 && options->reuseport)
        rc = aio__socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (rc == 0 && options->broadcast)
        rc = aio__socket_set(fd, SOL_SOCKET, SO_BROADCAST, 1);
    if (rc == 0 && family == AF_INET6)
        rc = aio__socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, options->v6only);
    return rc;
}

static int udp_open(struct aio_socket **out, const char *address,
                    const struct aio_udp_options *options, bool bound)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_udp_options settled = options != NULL ? *options : AIO_UDP_OPTIONS;
    struct aio_address parsed;
    int rc = settled.size == sizeof settled ? aio_address_parse(&parsed, address) : -EINVAL;
    if (rc < 0)
        return rc;
    int fd = aio__socket_open(parsed.any.sa_family, SOCK_DGRAM, 0);
    if (fd < 0)
        return fd;
    rc = udp_set_options(fd, parsed.any.sa_family, &settled);
    if (rc == 0 && bound)
        rc = aio__socket_bind(fd, &parsed);
    if (rc < 0) {
        aio__socket_drop(core, fd);
        return rc;
    }
    rc = aio__packet_open(out, core, fd, NULL);
    if (rc == 0 && settled.segments && aio__socket_set(fd, IPPROTO_UDP, UDP_SEGMENT, 0) == 0)
        (*out)->segment_limit = UDP_SEGMENT_MAX;
    if (rc < 0 || bound)
        return rc;
    rc = aio_socket_connect(*out, &parsed);
    if (rc < 0)
        aio_socket_close(*out);
    return rc;
}

int aio_udp_bind(struct aio_socket **out, const char *address,
                 const struct aio_udp_options *options)
{
    return udp_open(out, address, options, true);
}

int aio_udp_connect(struct aio_socket **out, const char *address,
                    const struct aio_udp_options *options)
{
    return udp_open(out, address, options, false);
}

/* The protocol-independent form of membership, see RFC 3678. */
static int udp_membership(struct aio_socket *socket, int name, const struct aio_address *group,
                          int interface)
{
    struct group_req request = {.gr_interface = (uint32_t)interface, .gr_group = group->storage};
    if (group->length == 0 || interface < 0)
        return -EINVAL;
    int level = group->any.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    return setsockopt(socket->handle.fd, level, name, &request, sizeof request) < 0 ? -errno : 0;
}

int aio_udp_join(struct aio_socket *socket, const struct aio_address *group, int interface)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return udp_membership(socket, MCAST_JOIN_GROUP, group, interface);
}

int aio_udp_leave(struct aio_socket *socket, const struct aio_address *group, int interface)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return udp_membership(socket, MCAST_LEAVE_GROUP, group, interface);
}
