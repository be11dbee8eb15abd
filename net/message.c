/*
 * Messages: building and reading of control data. Every step is checked against the buffer, and
 * headers are copied, so that neither wrong lengths nor a lack of alignment matter.
 */
#include "net/private.h"

#include <limits.h>
#include <linux/errqueue.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

bool aio__message_valid(const struct aio_message *message)
{
    return message->count >= 0 && message->count <= IOV_MAX;
}

void aio__message_to_send(const struct aio_message *message, struct msghdr *header)
{
    *header = (struct msghdr){.msg_iov = message->vectors, .msg_iovlen = (size_t)message->count};
    if (message->address != NULL && message->address->length > 0) {
        header->msg_name = &message->address->any;
        header->msg_namelen = message->address->length;
    }
    if (message->control_bytes > 0) {
        header->msg_control = message->control;
        header->msg_controllen = message->control_bytes;
    }
}

void aio__message_to_receive(const struct aio_message *message, struct msghdr *header)
{
    *header = (struct msghdr){.msg_iov = message->vectors, .msg_iovlen = (size_t)message->count};
    if (message->address != NULL) {
        header->msg_name = &message->address->any;
        header->msg_namelen = sizeof message->address->storage;
    }
    if (message->control != NULL) {
        header->msg_control = message->control;
        header->msg_controllen = message->control_room;
    }
}

static size_t message_room(const struct aio_message *message)
{
    size_t room = 0;
    for (int i = 0; i < message->count; i++)
        room += message->vectors[i].iov_len;
    return room;
}

void aio__message_describe(struct aio_message *message, const struct msghdr *header, size_t bytes,
                           size_t whole)
{
    message->whole = whole;
    message->bytes = bytes;
    message->control_bytes = message->control != NULL ? header->msg_controllen : 0;
    message->flags = (header->msg_flags & MSG_TRUNC) != 0 ? AIO_MESSAGE_TRUNCATED : 0;
    if ((header->msg_flags & MSG_CTRUNC) != 0 && message->control_room > 0)
        message->flags |= AIO_MESSAGE_CONTROL_TRUNCATED;
    if ((header->msg_flags & MSG_EOR) != 0)
        message->flags |= AIO_MESSAGE_END_OF_RECORD;
    if (message->address != NULL)
        message->address->length = header->msg_namelen;
}

void aio__message_received(struct aio_message *message, const struct msghdr *header, size_t whole)
{
    size_t room = message_room(message);
    aio__message_describe(message, header, whole < room ? whole : room, whole);
    if (!message->keep_fds)
        aio_message_drop_fds(message);
}

int aio_message_put(struct aio_message *message, int level, int type, const void *data, size_t size)
{
    size_t room = message->control != NULL ? message->control_room : 0;
    if (message->control_bytes > room || size > room)
        return -ENOSPC;
    size_t used = CMSG_ALIGN(message->control_bytes);
    if (used > room || room - used < CMSG_SPACE(size))
        return -ENOSPC;
    char *at = (char *)message->control + used;
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
    memset(at, 0, CMSG_SPACE(size));
    memcpy(at, &header, sizeof header);
    memcpy(at + CMSG_LEN(0), data, size);
    message->control_bytes = used + CMSG_SPACE(size);
    return 0;
}

int aio_message_put_fds(struct aio_message *message, const int *fds, int count)
{
    if (count < 1 || count > AIO_MESSAGE_FDS_MAX)
        return -EINVAL;
    return aio_message_put(message, SOL_SOCKET, SCM_RIGHTS, fds, (size_t)count * sizeof *fds);
}

static int message_put_octet(struct aio_message *message, int family, int v4_type, int v6_type,
                             int value)
{
    if ((family != AF_INET && family != AF_INET6) || value < 0 || value > 255)
        return -EINVAL;
    if (family == AF_INET)
        return aio_message_put(message, IPPROTO_IP, v4_type, &value, sizeof value);
    return aio_message_put(message, IPPROTO_IPV6, v6_type, &value, sizeof value);
}

int aio_message_put_hops(struct aio_message *message, int family, int hops)
{
    return message_put_octet(message, family, IP_TTL, IPV6_HOPLIMIT, hops);
}

int aio_message_put_class(struct aio_message *message, int family, int value)
{
    return message_put_octet(message, family, IP_TOS, IPV6_TCLASS, value);
}

int aio_message_put_source(struct aio_message *message, const struct aio_address *source,
                           int interface)
{
    if (source->length > 0 && source->any.sa_family == AF_INET) {
        struct in_pktinfo v4 = {.ipi_ifindex = interface, .ipi_spec_dst = source->v4.sin_addr};
        return aio_message_put(message, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4);
    }
    if (source->length > 0 && source->any.sa_family == AF_INET6) {
        struct in6_pktinfo v6 = {.ipi6_addr = source->v6.sin6_addr,
                                 .ipi6_ifindex = (unsigned)interface};
        return aio_message_put(message, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6);
    }
    return -EAFNOSUPPORT;
}

bool aio_message_next(const struct aio_message *message, struct aio_message_item *item)
{
    struct cmsghdr header;
    size_t at = item->position, end = message->control_bytes;
    if (message->control == NULL || end > message->control_room || at > end ||
        end - at < sizeof header)
        return false;
    memcpy(&header, (const char *)message->control + at, sizeof header);
    if (header.cmsg_len < CMSG_LEN(0) || header.cmsg_len > end - at)
        return false;
    item->level = header.cmsg_level;
    item->type = header.cmsg_type;
    item->data = (const char *)message->control + at + CMSG_LEN(0);
    item->size = header.cmsg_len - CMSG_LEN(0);
    item->position = at + CMSG_ALIGN(header.cmsg_len);
    return true;
}

int aio_message_find(const struct aio_message *message, int level, int type, void *out, size_t size)
{
    struct aio_message_item item = {0};
    while (aio_message_next(message, &item)) {
        if (item.level != level || item.type != type || item.size < size)
            continue;
        memcpy(out, item.data, size);
        return 0;
    }
    return -ENOENT;
}

int aio_message_timestamp(const struct aio_message *message, int64_t *realtime_ns)
{
    struct timespec at;
    int rc = aio_message_find(message, SOL_SOCKET, SCM_TIMESTAMPNS, &at, sizeof at);
    if (rc == 0)
        *realtime_ns = AIO_SEC(at.tv_sec) + at.tv_nsec;
    return rc;
}

/* An octet that the kernel gives as an int, or, for IP_TOS, as the octet it is. */
static int message_octet(const struct aio_message *message, int level, int type)
{
    int value;
    uint8_t octet;
    if (aio_message_find(message, level, type, &value, sizeof value) == 0)
        return value & 255;
    return aio_message_find(message, level, type, &octet, sizeof octet) == 0 ? octet : -ENOENT;
}

int aio_message_hops(const struct aio_message *message)
{
    int value = message_octet(message, IPPROTO_IPV6, IPV6_HOPLIMIT);
    return value >= 0 ? value : message_octet(message, IPPROTO_IP, IP_TTL);
}

int aio_message_class(const struct aio_message *message)
{
    int value = message_octet(message, IPPROTO_IPV6, IPV6_TCLASS);
    return value >= 0 ? value : message_octet(message, IPPROTO_IP, IP_TOS);
}

int aio_message_destination(const struct aio_message *message, struct aio_address *out)
{
    struct in_pktinfo v4;
    struct in6_pktinfo v6;
    if (aio_message_find(message, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4) == 0) {
        *out = (struct aio_address){.length = sizeof out->v4};
        out->v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = v4.ipi_addr};
        return v4.ipi_ifindex;
    }
    if (aio_message_find(message, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6) < 0)
        return -ENOENT;
    *out = (struct aio_address){.length = sizeof out->v6};
    out->v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = v6.ipi6_addr};
    if (IN6_IS_ADDR_LINKLOCAL(&v6.ipi6_addr) || IN6_IS_ADDR_MC_LINKLOCAL(&v6.ipi6_addr))
        out->v6.sin6_scope_id = v6.ipi6_ifindex;
    return (int)v6.ipi6_ifindex;
}

size_t aio_message_segment(const struct aio_message *message)
{
    int segment;
    if (aio_message_find(message, IPPROTO_UDP, UDP_GRO, &segment, sizeof segment) == 0 &&
        segment > 0)
        return (size_t)segment;
    return message->whole;
}

uint32_t aio_message_drops(const struct aio_message *message)
{
    uint32_t drops = 0;
    (void)aio_message_find(message, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof drops);
    return drops;
}

int aio_message_credentials(const struct aio_message *message, struct aio_credentials *out)
{
    struct ucred peer;
    int rc = aio_message_find(message, SOL_SOCKET, SCM_CREDENTIALS, &peer, sizeof peer);
    if (rc == 0)
        *out = (struct aio_credentials){peer.pid, peer.uid, peer.gid};
    return rc;
}

/* The offender's address stands behind the error, as far as the kernel knows it. */
static void message_offender(const struct aio_message_item *item, struct aio_address *out)
{
    size_t size = item->size - sizeof(struct sock_extended_err);
    *out = (struct aio_address){.length = 0};
    if (size < sizeof out->v4)
        return;
    size = size < sizeof out->v6 ? size : sizeof out->v6;
    memcpy(&out->storage, (const char *)item->data + sizeof(struct sock_extended_err), size);
    if (out->any.sa_family == AF_INET)
        out->length = sizeof out->v4;
    else if (out->any.sa_family == AF_INET6 && size == sizeof out->v6)
        out->length = sizeof out->v6;
}

int aio_message_error(const struct aio_message *message, struct aio_message_error *out)
{
    struct aio_message_item item = {0};
    struct sock_extended_err error;
    while (aio_message_next(message, &item)) {
        bool v4 = item.level == IPPROTO_IP && item.type == IP_RECVERR;
        bool v6 = item.level == IPPROTO_IPV6 && item.type == IPV6_RECVERR;
        if ((!v4 && !v6) || item.size < sizeof error)
            continue;
        memcpy(&error, item.data, sizeof error);
        *out = (struct aio_message_error){.code = -(int)error.ee_errno,
                                          .origin = error.ee_origin,
                                          .type = error.ee_type,
                                          .subtype = error.ee_code,
                                          .info = error.ee_info};
        message_offender(&item, &out->offender);
        return 0;
    }
    return -ENOENT;
}

/* What is taken is marked by -1. */
int aio_message_take_fds(struct aio_message *message, int *fds, int room)
{
    static const int taken = -1;
    struct aio_message_item item = {0};
    int count = 0;
    while (aio_message_next(message, &item)) {
        if (item.level != SOL_SOCKET || item.type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; item.size - at >= sizeof taken; at += sizeof taken) {
            int fd;
            char *place = (char *)(uintptr_t)item.data + at;
            memcpy(&fd, place, sizeof fd);
            memcpy(place, &taken, sizeof taken);
            if (fd >= 0 && count++ < room)
                fds[count - 1] = fd;
            else if (fd >= 0)
                (void)close(fd); /* tidy: allow close: no op has used it */
        }
    }
    return count;
}

void aio_message_drop_fds(struct aio_message *message)
{
    int dropped = aio_message_take_fds(message, NULL, 0);
    (void)dropped;
}
