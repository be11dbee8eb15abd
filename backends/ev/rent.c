/*
 * RENT, the stream op that receives into buffers of the pool. A buffer is chosen when the socket
 * is readable, the one used last. As ACCEPT it receives only while it is submitted: in between the
 * socket's own queue is the buffer. Ops that find the pool empty stand in a queue, which each poll
 * looks at.
 */
#include <errno.h>

#include "backends/ev/private.h"
#include "core/sanitize.h"

int32_t aio__ev_rent(struct aio__ev_backend *self, struct aio__ev_fd *entry, struct aio__op *op)
{
    struct aio__feed *feed = op->rent.feed;
    struct aio_buffer *buffer;
    ssize_t got;
    int32_t result;

    if (feed->count > 0)
        return 0;
    if ((entry->flags & AIO__EV_FD_DRAINED) != 0)
        return AIO__EV_WAIT;
    buffer = aio__buffers_take(self->buffers);
    if (buffer == NULL)
        return AIO__EV_STARVED;
    do
        got = recv(op->fd, buffer->data, buffer->room, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    result = aio__ev_received(self, entry, got, buffer->room, 0);
    if (got > 0) {
        aio__buffer_fill(buffer, (uint32_t)got);
        aio__feed_deliver(feed, buffer);
        return 0;
    }
    aio__buffer_release(buffer);
    return got == 0 ? AIO__STREAM_END : result;
}

void aio__ev_starved_add(struct aio__ev_backend *self, struct aio__op *op)
{
    self->buffers->shortages++;
    op->flags = AIO__EV_IN_STARVED_QUEUE;
    aio__op_list_append(&self->starved, op);
}

void aio__ev_starved_serve(struct aio__ev_backend *self)
{
    struct aio__op *op;

    while (aio__buffers_left(self->buffers) > 0 &&
           (op = aio__op_list_pop(&self->starved)) != NULL) {
        struct aio__ev_fd *entry = aio__ev_fd_find(self, op->fd);

        aio__ev_settle(self, entry, op, aio__ev_rent(self, entry, op));
    }
}
