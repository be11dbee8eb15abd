/*
 * Sockets that carry packets: names, peer, options; nothing here suspends.
 */
#include "net/private.h"

#include <arpa/inet.h>
#include <netinet/udp.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

int aio_socket_local(struct aio_socket *socket, struct aio_address *out)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return aio__socket_address(socket->handle.fd, getsockname, out);
}

int aio_socket_peer(struct aio_socket *socket, struct aio_address *out)
{
    (void)aio__handle_core(&socket->handle, __func__);
    return aio__socket_address(socket->handle.fd, getpeername, out);
}

static int packet_connect(int fd, const struct sockaddr *to, socklen_t length)
{
    return connect(fd, to, length) < 0 ? -errno : 0; /* tidy: allow connect: it never waits */
}

/* With the peer the kernel takes away a port that it had chosen itself: it is bound to it again. */
static int packet_disconnect(int fd)
{
    static const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    struct aio_address before, after;
    int rc = aio__socket_address(fd, getsockname, &before);
    if (rc == 0)
        rc = packet_connect(fd, &nobody, sizeof nobody);
    if (rc == 0)
        rc = aio__socket_address(fd, getsockname, &after);
    if (rc != 0 || aio_address_port(&after) != 0 || aio_address_port(&before) <= 0)
        return rc;
    in_port_t port = htons((in_port_t)aio_address_port(&before));
    if (after.any.sa_family == AF_INET6)
        after.v6.sin6_port = port;
    else
        after.v4.sin_port = port;
    return aio__socket_bind(fd, &after);
}

int aio_socket_connect(struct aio_socket *socket, const struct aio_address *peer)
{
    (void)aio__handle_core(&socket->handle, __func__);
    if (socket->type != SOCK_DGRAM)
        return -EISCONN;
    if (peer->length == 0)
        return packet_disconnect(socket->handle.fd);
    return packet_connect(socket->handle.fd, &peer->any, peer->length);
}

/* Which families an option is for. An IPv6 socket carries IPv4 as well, so it is set for both. */
enum packet_family { PACKET_ANY, PACKET_IP, PACKET_UDP, PACKET_UNIX };

struct packet_option {
    enum packet_family family;
    int level;
    int name;
    int v6_name; /* PACKET_IP: of IPPROTO_IPV6; 0: none */
};

static const struct packet_option packet_options[] = {
    [AIO_SOCKET_BROADCAST] = {PACKET_ANY, SOL_SOCKET, SO_BROADCAST, 0},
    [AIO_SOCKET_SEND_BUFFER] = {PACKET_ANY, SOL_SOCKET, SO_SNDBUF, 0},
    [AIO_SOCKET_RECEIVE_BUFFER] = {PACKET_ANY, SOL_SOCKET, SO_RCVBUF, 0},
    [AIO_SOCKET_HOPS] = {PACKET_IP, IPPROTO_IP, IP_TTL, IPV6_UNICAST_HOPS},
    [AIO_SOCKET_CLASS] = {PACKET_IP, IPPROTO_IP, IP_TOS, IPV6_TCLASS},
    [AIO_SOCKET_MULTICAST_HOPS] = {PACKET_IP, IPPROTO_IP, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS},
    [AIO_SOCKET_MULTICAST_LOOP] = {PACKET_IP, IPPROTO_IP, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP},
    [AIO_SOCKET_MULTICAST_INTERFACE] = {PACKET_IP, IPPROTO_IP, IP_MULTICAST_IF, IPV6_MULTICAST_IF},
    [AIO_SOCKET_RECEIVE_TIMESTAMP] = {PACKET_ANY, SOL_SOCKET, SO_TIMESTAMPNS, 0},
    [AIO_SOCKET_RECEIVE_DESTINATION] = {PACKET_IP, IPPROTO_IP, IP_PKTINFO, IPV6_RECVPKTINFO},
    [AIO_SOCKET_RECEIVE_HOPS] = {PACKET_IP, IPPROTO_IP, IP_RECVTTL, IPV6_RECVHOPLIMIT},
    [AIO_SOCKET_RECEIVE_CLASS] = {PACKET_IP, IPPROTO_IP, IP_RECVTOS, IPV6_RECVTCLASS},
    [AIO_SOCKET_RECEIVE_ERRORS] = {PACKET_IP, IPPROTO_IP, IP_RECVERR, IPV6_RECVERR},
    [AIO_SOCKET_RECEIVE_DROPS] = {PACKET_ANY, SOL_SOCKET, SO_RXQ_OVFL, 0},
    [AIO_SOCKET_RECEIVE_CREDENTIALS] = {PACKET_UNIX, SOL_SOCKET, SO_PASSCRED, 0},
    [AIO_SOCKET_RECEIVE_SEGMENTS] = {PACKET_UDP, IPPROTO_UDP, UDP_GRO, 0},
};

/* Finds the option's row. Returns 0 or -errno. */
static int packet_option_find(const struct aio_socket *socket, enum aio_socket_option option,
                              const struct packet_option **out)
{
    unsigned index = (unsigned)option;
    if (index >= sizeof packet_options / sizeof packet_options[0])
        return -EINVAL;
    *out = &packet_options[index];
    bool unix_socket = socket->family == AF_UNIX;
    bool fits = (*out)->family == PACKET_ANY || unix_socket == ((*out)->family == PACKET_UNIX);
    return fits ? 0 : -EOPNOTSUPP;
}

/* IPv4's form of it wants more than an index. */
static int packet_set_interface(int fd, int index)
{
    struct ip_mreqn request = {.imr_ifindex = index};
    int rc = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
    return rc < 0 ? -errno : 0;
}

static int packet_set_ip(const struct aio_socket *socket, const struct packet_option *row,
                         int value)
{
    int fd = socket->handle.fd, rc6 = 0;
    if (socket->family == AF_INET6)
        rc6 = aio__socket_set(fd, IPPROTO_IPV6, row->v6_name, value);
    if (rc6 < 0)
        return rc6;
    int rc4 = row->name == IP_MULTICAST_IF ? packet_set_interface(fd, value)
                                           : aio__socket_set(fd, row->level, row->name, value);
    return socket->family == AF_INET6 ? 0 : rc4;
}

int aio_socket_option_set(struct aio_socket *socket, enum aio_socket_option option, int value)
{
    const struct packet_option *row;
    (void)aio__handle_core(&socket->handle, __func__);
    int rc = packet_option_find(socket, option, &row);
    if (rc < 0)
        return rc;
    if (row->family == PACKET_IP)
        return packet_set_ip(socket, row, value);
    if (socket->type == SOCK_SEQPACKET && option == AIO_SOCKET_RECEIVE_TIMESTAMP)
        return 0; /* always on, see packet.c */
    rc = aio__socket_set(socket->handle.fd, row->level, row->name, value);
    return rc == -ENOPROTOOPT && row->family == PACKET_UDP ? 0 : rc;
}

int aio_socket_option_get(struct aio_socket *socket, enum aio_socket_option option, int *value)
{
    const struct packet_option *row;
    (void)aio__handle_core(&socket->handle, __func__);
    int rc = packet_option_find(socket, option, &row);
    if (rc < 0)
        return rc;
    if (option == AIO_SOCKET_MULTICAST_INTERFACE)
        return -EOPNOTSUPP; /* IPv4 would tell an address */
    if (row->family == PACKET_IP && socket->family == AF_INET6)
        return aio__socket_get(socket->handle.fd, IPPROTO_IPV6, row->v6_name, value);
    rc = aio__socket_get(socket->handle.fd, row->level, row->name, value);
    if (rc != -ENOPROTOOPT || row->family != PACKET_UDP)
        return rc;
    *value = 0;
    return 0;
}
