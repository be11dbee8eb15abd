/*
 * Runs of datagrams that the kernel cuts apart (GSO): how long they may be, and what is said where
 * it cannot. A socket is not asked again for segments as long as those that were refused.
 */
#ifndef AIO_NET_CUT_H
#define AIO_NET_CUT_H

#include "net/private.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define AIO__CUT_SEGMENTS_MAX 64 /* the kernel's limit until 6.10 */
#define AIO__CUT_BYTES_MAX 65000 /* a datagram's, headers of IPv6 counted */

/* Whether more than one segment of so many bytes can go at once. */
static inline bool aio__cut_possible(const struct aio_socket *socket, size_t segment)
{
    return segment < socket->segment_limit && 2 * segment <= AIO__CUT_BYTES_MAX;
}

/* What a kernel or device says that cannot cut, or not so. */
static inline bool aio__cut_refused(ssize_t error)
{
    return error == -EINVAL || error == -EMSGSIZE || error == -EIO || error == -EOPNOTSUPP ||
           error == -ENOPROTOOPT;
}

#endif
