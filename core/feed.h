/*
 * A feed: rented buffers in a row, linked through the buffers themselves. A receiving stream op
 * puts into one what it has received until it is taken (backend pushes, core pops), and a stream
 * has one of what it is to send. Bounded by `limit`, which its owner keeps to: what the kernel has
 * received by the time a receive is disarmed is still pushed.
 */
#ifndef AIO_CORE_FEED_H
#define AIO_CORE_FEED_H

#include "core/buffers.h"

struct aio__feed {
    struct aio_buffer *head;
    struct aio_buffer *tail;
    uint32_t count;
    uint32_t limit;
};

static inline void aio__feed_push(struct aio__feed *feed, struct aio_buffer *buffer)
{
    buffer->next = NULL;
    if (feed->head == NULL)
        feed->head = buffer;
    else
        feed->tail->next = buffer;
    feed->tail = buffer;
    feed->count++;
}

/* Takes the oldest buffer; NULL when there is none. */
static inline struct aio_buffer *aio__feed_pop(struct aio__feed *feed)
{
    struct aio_buffer *buffer = feed->head;
    if (buffer == NULL)
        return NULL;
    feed->head = buffer->next;
    feed->count--;
    return buffer;
}

static inline bool aio__feed_full(const struct aio__feed *feed)
{
    return feed->count >= feed->limit;
}

/* The same for what a backend has received and nobody has read yet, which the pool counts. */
static inline void aio__feed_deliver(struct aio__feed *feed, struct aio_buffer *buffer)
{
    buffer->pool->unread++;
    aio__feed_push(feed, buffer);
}

static inline struct aio_buffer *aio__feed_collect(struct aio__feed *feed)
{
    struct aio_buffer *buffer = aio__feed_pop(feed);
    if (buffer != NULL)
        buffer->pool->unread--;
    return buffer;
}

/* Releases whatever it holds. */
static inline void aio__feed_clear(struct aio__feed *feed)
{
    struct aio_buffer *buffer;
    while ((buffer = aio__feed_pop(feed)) != NULL)
        aio__buffer_release(buffer);
}

#endif
