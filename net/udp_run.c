/*
 * Runs of datagrams: one send that the kernel cuts apart (GSO), or many sends in a call. A kernel
 * or a device that refuses to cut is not asked again for segments as long.
 */
#include "net/cut.h"
#include "net/private.h"

#include <aio/udp.h>

struct run {
    struct aio_socket *socket;
    struct aio_address *to;
    const char *bytes;
    size_t size;
    size_t segment;
};

/* Sends `count` datagrams from the front of the run, the last possibly short, as one. */
static ssize_t run_send_cut(const struct run *run, size_t bytes)
{
    char control[CMSG_SPACE(sizeof(uint16_t))];
    uint16_t segment = (uint16_t)run->segment;
    struct iovec vector = {(void *)(uintptr_t)run->bytes, bytes};
    struct aio_message message = {.vectors = &vector,
                                  .count = 1,
                                  .address = run->to,
                                  .control = control,
                                  .control_room = sizeof control};
    int rc = aio_message_put(&message, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
    return rc < 0 ? rc : aio_socket_sendmsg(run->socket, &message);
}

/* The same one by one. Returns the bytes of those sent, or the error of the first. */
static ssize_t run_send_each(const struct run *run, size_t bytes)
{
    struct iovec vectors[AIO__CUT_SEGMENTS_MAX];
    struct aio_message messages[AIO__CUT_SEGMENTS_MAX];
    int count = 0;
    for (size_t at = 0; at < bytes; at += run->segment, count++) {
        size_t left = bytes - at;
        vectors[count] = (struct iovec){(void *)(uintptr_t)(run->bytes + at),
                                        left < run->segment ? left : run->segment};
        messages[count] =
            (struct aio_message){.vectors = &vectors[count], .count = 1, .address = run->to};
    }
    int sent = aio_socket_send_many(run->socket, messages, count);
    return sent < count ? (sent < 0 ? sent : sent * (ssize_t)run->segment) : (ssize_t)bytes;
}

/* Sends the front of the run: as much as goes in one call. */
static ssize_t run_step(const struct run *run)
{
    size_t limit = run->segment * AIO__CUT_SEGMENTS_MAX;
    bool cut = run->size > run->segment && aio__cut_possible(run->socket, run->segment);
    if (cut && limit > AIO__CUT_BYTES_MAX)
        limit = AIO__CUT_BYTES_MAX - AIO__CUT_BYTES_MAX % run->segment;
    size_t bytes = run->size < limit ? run->size : limit;
    if (!cut)
        return run_send_each(run, bytes);
    ssize_t sent = run_send_cut(run, bytes);
    if (!aio__cut_refused(sent))
        return sent;
    size_t before = run->socket->segment_limit;
    run->socket->segment_limit = run->segment;
    sent = run_send_each(run, bytes);
    if (sent < 0) /* it was not the cutting */
        run->socket->segment_limit = before;
    return sent;
}

ssize_t aio_udp_send_run(struct aio_socket *socket, const void *bytes, size_t size, size_t segment,
                         const struct aio_address *to)
{
    struct run run = {socket, (struct aio_address *)(uintptr_t)to, bytes, size, segment};
    (void)aio__handle_core(&socket->handle, __func__);
    if (segment == 0 || segment > UINT16_MAX)
        return segment == 0 ? -EINVAL : -EMSGSIZE;
    while (run.size > 0) {
        ssize_t sent = run_step(&run);
        if (sent < 0)
            return run.size < size ? (ssize_t)(size - run.size) : sent;
        run.bytes += sent;
        run.size -= (size_t)sent;
    }
    return (ssize_t)(size - run.size);
}
