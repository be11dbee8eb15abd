/*
 * Buffered reading, see <aio/buffered.h>. What is buffered stands in one piece, so that texts can
 * be shown where they are; it is moved to the front when there is little room behind it.
 */
#include "net/buffered.h"

#include <string.h>

int aio_reader_open(struct aio_reader *reader, struct aio_stream *stream, void *memory, size_t size)
{
    *reader = (struct aio_reader){.stream = stream, .left = AIO_READER_UNFRAMED};
    int rc = aio__buffer_open(&reader->memory, memory, &size, &reader->owned);
    reader->size = reader->limit = size;
    return rc;
}

void aio_reader_close(struct aio_reader *reader)
{
    AIO__REQUIRE(reader->user == NULL, "aio_reader_close: task '%s' is in a call on it",
                 aio_task_name(reader->user));
    if (reader->owned)
        aio__free(reader->memory);
    *reader = (struct aio_reader){.stream = NULL};
}

int aio_reader_limit(struct aio_reader *reader, size_t bytes)
{
    if (bytes == 0 || bytes > reader->size)
        return -EINVAL;
    reader->limit = bytes;
    return 0;
}

void aio_reader_frame(struct aio_reader *reader, uint64_t bytes)
{
    reader->left = bytes;
}

/* What is buffered and belongs to the frame. */
static size_t reader_available(const struct aio_reader *reader)
{
    size_t buffered = reader->end - reader->begin;
    return buffered < reader->left ? buffered : (size_t)reader->left;
}

static const char *reader_at(const struct aio_reader *reader)
{
    return reader->memory + reader->begin;
}

static void reader_consume(struct aio_reader *reader, size_t count)
{
    reader->begin += count;
    if (reader->left != AIO_READER_UNFRAMED)
        reader->left -= count;
}

size_t aio_reader_buffered(struct aio_reader *reader, const char **bytes)
{
    if (bytes != NULL)
        *bytes = reader_at(reader);
    return reader_available(reader);
}

void aio_reader_skip(struct aio_reader *reader, size_t count)
{
    AIO__REQUIRE(count <= reader_available(reader), "aio_reader_skip: %zu bytes, %zu are buffered",
                 count, reader_available(reader));
    reader_consume(reader, count);
}

static void reader_make_room(struct aio_reader *reader)
{
    size_t buffered = reader->end - reader->begin;
    if (buffered > 0 && reader->size - reader->end >= reader->size / 2)
        return;
    memmove(reader->memory, reader_at(reader), buffered);
    reader->begin = 0;
    reader->end = buffered;
}

/* Gets more into a buffer that is not full. Returns the bytes; 0 at the end of stream or frame; or
 * -errno. */
static ssize_t reader_fill(struct aio_reader *reader)
{
    if (reader->end - reader->begin >= reader->left)
        return 0;
    reader_make_room(reader);
    ssize_t rc =
        aio_stream_read(reader->stream, reader->memory + reader->end, reader->size - reader->end);
    if (rc > 0)
        reader->end += (size_t)rc;
    return rc;
}

static ssize_t reader_wait(struct aio_reader *reader, size_t count)
{
    while (reader_available(reader) < count) {
        ssize_t rc = reader_fill(reader);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
    }
    return (ssize_t)reader_available(reader);
}

ssize_t aio_reader_peek(struct aio_reader *reader, const char **bytes, size_t count)
{
    ssize_t rc = aio__buffer_enter(&reader->user, __func__);
    if (rc < 0)
        return rc;
    rc = count <= reader->size ? reader_wait(reader, count) : -EMSGSIZE;
    *bytes = reader_at(reader);
    aio__buffer_leave(&reader->user);
    return rc;
}

static size_t reader_take(struct aio_reader *reader, void *buffer, size_t size)
{
    size_t count = reader_available(reader);
    count = count < size ? count : size;
    if (count > 0)
        memcpy(buffer, reader_at(reader), count);
    reader_consume(reader, count);
    return count;
}

/* A large read passes the empty buffer by. */
static ssize_t reader_direct(struct aio_reader *reader, void *buffer, size_t size)
{
    size_t count = size < reader->left ? size : (size_t)reader->left;
    ssize_t rc = count > 0 ? aio_stream_read(reader->stream, buffer, count) : 0;
    if (rc > 0 && reader->left != AIO_READER_UNFRAMED)
        reader->left -= (uint64_t)rc;
    return rc;
}

static ssize_t reader_some(struct aio_reader *reader, void *buffer, size_t size)
{
    if (size == 0)
        return 0;
    if (reader_available(reader) == 0) {
        bool direct = size >= reader->size && reader->end == reader->begin;
        ssize_t rc = direct ? reader_direct(reader, buffer, size) : reader_fill(reader);
        if (direct || rc <= 0)
            return rc;
    }
    return (ssize_t)reader_take(reader, buffer, size);
}

ssize_t aio_reader_read(struct aio_reader *reader, void *buffer, size_t size)
{
    ssize_t rc = aio__buffer_enter(&reader->user, __func__);
    if (rc < 0)
        return rc;
    rc = reader_some(reader, buffer, size);
    aio__buffer_leave(&reader->user);
    return rc;
}

static ssize_t reader_exact(struct aio_reader *reader, char *buffer, size_t size, size_t *through)
{
    while (*through < size) {
        ssize_t rc = reader_some(reader, buffer + *through, size - *through);
        if (rc == 0 && *through > 0)
            return -ENODATA;
        if (rc <= 0)
            return rc;
        *through += (size_t)rc;
    }
    return (ssize_t)size;
}

ssize_t aio_reader_read_exact(struct aio_reader *reader, void *buffer, size_t size, size_t *done)
{
    size_t through = 0;
    ssize_t rc = aio__buffer_enter(&reader->user, __func__);
    if (rc == 0) {
        rc = reader_exact(reader, buffer, size, &through);
        aio__buffer_leave(&reader->user);
    }
    if (done != NULL)
        *done = through;
    return rc;
}

/* Bytes with which a text ends that holds the delimiter; 0: it has not come. *seen bytes have been
 * looked at before. */
static size_t reader_find(const struct aio_reader *reader, const void *delimiter,
                          size_t delimiter_bytes, size_t *seen)
{
    size_t count = reader_available(reader);
    count = count < reader->limit ? count : reader->limit;
    const char *text = reader_at(reader);
    const char *found = memmem(text + *seen, count - *seen, delimiter, delimiter_bytes);
    if (found != NULL)
        return (size_t)(found - text) + delimiter_bytes;
    if (count >= delimiter_bytes)
        *seen = count - delimiter_bytes + 1; /* it may have begun */
    return 0;
}

static ssize_t reader_until(struct aio_reader *reader, const void *delimiter,
                            size_t delimiter_bytes)
{
    size_t length, seen = 0;
    while ((length = reader_find(reader, delimiter, delimiter_bytes, &seen)) == 0) {
        if (reader_available(reader) >= reader->limit)
            return -EMSGSIZE;
        ssize_t rc = reader_fill(reader);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return reader_available(reader) > 0 ? -ENODATA : 0;
    }
    return (ssize_t)length;
}

ssize_t aio_reader_read_until(struct aio_reader *reader, const char **text, const void *delimiter,
                              size_t delimiter_bytes)
{
    if (delimiter_bytes == 0)
        return -EINVAL;
    ssize_t rc = aio__buffer_enter(&reader->user, __func__);
    if (rc < 0)
        return rc;
    rc = reader_until(reader, delimiter, delimiter_bytes);
    if (rc > 0) {
        *text = reader_at(reader);
        reader_consume(reader, (size_t)rc);
    }
    aio__buffer_leave(&reader->user);
    return rc;
}

int aio_reader_read_line(struct aio_reader *reader, const char **line, size_t *length)
{
    ssize_t rc = aio_reader_read_until(reader, line, "\n", 1);
    if (rc <= 0)
        return (int)rc;
    size_t count = (size_t)rc - 1;
    if (count > 0 && (*line)[count - 1] == '\r')
        count--;
    reader->memory[(size_t)(*line - reader->memory) + count] = '\0';
    if (length != NULL)
        *length = count;
    return 1;
}
