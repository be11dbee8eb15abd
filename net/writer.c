/*
 * Buffered writing, see <aio/buffered.h>. A byte is the writer's once it is in the buffer or sent,
 * and never both: what does not fit is sent from where it is, behind what is buffered.
 */
#include "net/buffered.h"

#include <limits.h>
#include <string.h>

/* Pieces sent at once, the buffer included. */
#define WRITER_PIECES 16

int aio_writer_open(struct aio_writer *writer, struct aio_stream *stream, void *memory, size_t size)
{
    *writer = (struct aio_writer){.stream = stream, .policy = AIO_WRITER_FULL};
    int rc = aio__buffer_open(&writer->memory, memory, &size, &writer->owned);
    writer->size = size;
    return rc;
}

int aio_writer_policy(struct aio_writer *writer, enum aio_writer_policy policy)
{
    if (policy != AIO_WRITER_FULL && policy != AIO_WRITER_LINE && policy != AIO_WRITER_EACH)
        return -EINVAL;
    writer->policy = policy;
    return 0;
}

size_t aio_writer_buffered(const struct aio_writer *writer)
{
    return writer->end - writer->begin;
}

static int writer_flush(struct aio_writer *writer)
{
    size_t done, buffered = aio_writer_buffered(writer);
    if (buffered == 0)
        return 0;
    ssize_t rc =
        aio_stream_write_all(writer->stream, writer->memory + writer->begin, buffered, &done);
    writer->begin += done;
    if (rc >= 0)
        writer->due = false;
    return rc < 0 ? (int)rc : 0;
}

int aio_writer_flush(struct aio_writer *writer)
{
    int rc = aio__buffer_enter(&writer->user, __func__);
    if (rc < 0)
        return rc;
    rc = writer_flush(writer);
    aio__buffer_leave(&writer->user);
    return rc;
}

int aio_writer_close(struct aio_writer *writer)
{
    int rc = aio_writer_buffered(writer) > 0 ? aio_writer_flush(writer) : 0;
    AIO__REQUIRE(writer->user == NULL, "aio_writer_close: task '%s' is in a call on it",
                 aio_task_name(writer->user));
    if (writer->owned)
        aio__free(writer->memory);
    *writer = (struct aio_writer){.stream = NULL};
    return rc;
}

/* Where a call is in its pieces. */
struct writer_source {
    const struct iovec *vectors;
    int count;
    size_t offset; /* in the first of them */
    size_t left;
};

static void source_advance(struct writer_source *source, size_t bytes)
{
    source->left -= bytes;
    source->offset += bytes;
    while (source->count > 0 && source->offset >= source->vectors->iov_len) {
        source->offset -= source->vectors->iov_len;
        source->vectors++;
        source->count--;
    }
}

static struct iovec source_piece(const struct writer_source *source, int index)
{
    struct iovec piece = source->vectors[index];
    if (index == 0 && source->offset > 0) {
        piece.iov_base = (char *)piece.iov_base + source->offset;
        piece.iov_len -= source->offset;
    }
    return piece;
}

/* Sends once: what is buffered, and the pieces behind it. */
static ssize_t writer_send(struct aio_writer *writer, struct writer_source *source)
{
    struct iovec pieces[WRITER_PIECES];
    size_t buffered = aio_writer_buffered(writer);
    int count = 0;
    if (buffered > 0)
        pieces[count++] = (struct iovec){writer->memory + writer->begin, buffered};
    for (int i = 0; i < source->count && count < WRITER_PIECES; i++)
        pieces[count++] = source_piece(source, i);
    ssize_t rc = aio_stream_writev(writer->stream, pieces, count);
    if (rc < 0)
        return rc;
    size_t ours = (size_t)rc < buffered ? (size_t)rc : buffered;
    writer->begin += ours;
    source_advance(source, (size_t)rc - ours);
    return rc;
}

static size_t writer_room(struct aio_writer *writer)
{
    size_t buffered = aio_writer_buffered(writer);
    if (writer->begin > 0) {
        memmove(writer->memory, writer->memory + writer->begin, buffered);
        writer->begin = 0;
        writer->end = buffered;
    }
    return writer->size - buffered;
}

static void writer_keep(struct aio_writer *writer, struct writer_source *source)
{
    for (int i = 0; i < source->count; i++) {
        struct iovec piece = source_piece(source, i);
        if (piece.iov_len > 0)
            memcpy(writer->memory + writer->end, piece.iov_base, piece.iov_len);
        writer->end += piece.iov_len;
    }
    source->left = 0;
}

static ssize_t writer_take(struct aio_writer *writer, struct writer_source *source)
{
    source_advance(source, 0); /* past empty ones */
    while (source->left > writer->size - writer->end && source->left > writer_room(writer)) {
        ssize_t rc = writer_send(writer, source);
        if (rc < 0)
            return rc;
    }
    writer_keep(writer, source);
    return 0;
}

static bool writer_wants(const struct aio_writer *writer, const struct iovec *vectors, int count)
{
    if (writer->policy != AIO_WRITER_LINE)
        return writer->policy == AIO_WRITER_EACH;
    for (int i = 0; i < count; i++)
        if (vectors[i].iov_len > 0 && memchr(vectors[i].iov_base, '\n', vectors[i].iov_len) != NULL)
            return true;
    return false;
}

/* What the policy makes of a call. */
static ssize_t writer_settle(struct aio_writer *writer, const struct iovec *vectors, int count)
{
    if (writer_wants(writer, vectors, count))
        writer->due = true;
    return writer->due && writer->corks == 0 ? writer_flush(writer) : 0;
}

static ssize_t vectors_bytes(const struct iovec *vectors, int count)
{
    size_t total = 0;
    if (count < 0)
        return -EINVAL;
    for (int i = 0; i < count; i++)
        if (__builtin_add_overflow(total, vectors[i].iov_len, &total) || total > SSIZE_MAX)
            return -EINVAL;
    return (ssize_t)total;
}

ssize_t aio_writer_writev(struct aio_writer *writer, const struct iovec *vectors, int count,
                          size_t *done)
{
    ssize_t total = vectors_bytes(vectors, count);
    struct writer_source source = {vectors, count, 0, total < 0 ? 0 : (size_t)total};
    ssize_t rc = total < 0 ? total : aio__buffer_enter(&writer->user, __func__);
    if (rc == 0) {
        rc = writer_take(writer, &source);
        if (rc == 0)
            rc = writer_settle(writer, vectors, count);
        aio__buffer_leave(&writer->user);
        if (done != NULL)
            *done = (size_t)total - source.left;
        return rc < 0 ? rc : total;
    }
    if (done != NULL)
        *done = 0;
    return rc;
}

ssize_t aio_writer_write(struct aio_writer *writer, const void *bytes, size_t size, size_t *done)
{
    const struct iovec vector = {(void *)(uintptr_t)bytes, size};
    return aio_writer_writev(writer, &vector, 1, done);
}

void aio_writer_cork(struct aio_writer *writer)
{
    writer->corks++;
}

int aio_writer_uncork(struct aio_writer *writer)
{
    AIO__REQUIRE(writer->corks > 0, "aio_writer_uncork: the writer is not corked");
    if (--writer->corks > 0 || !writer->due)
        return 0;
    return aio_writer_flush(writer);
}
