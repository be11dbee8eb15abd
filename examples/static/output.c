/*
 * See output.h.
 */
#include "examples/static/output.h"

#include <aio/copy.h>
#include <errno.h>
#include <string.h>

#define SMALL_BYTES (OUTPUT_BYTES / 2)
/* A client that takes less than this in the time for a write is not slow but stuck, or wants to be
 * waited for. */
#define PROGRESS_BYTES ((size_t)32 * 1024)

typedef ssize_t write_fn(struct aio_stream *stream, const void *buffer, size_t size, size_t *done);

static int send_gathered(struct output *output, write_fn *write)
{
    if (output->error == 0 && output->count > 0) {
        ssize_t n = write(output->stream, output->bytes, output->count, NULL);
        output->error = n < 0 ? (int)n : 0;
    }
    output->count = 0;
    return output->error;
}

int output_flush(struct output *output)
{
    return send_gathered(output, aio_stream_write_all);
}

/* Sends what is gathered, if there is no room for so much more. Returns whether there is now. */
static bool make_room(struct output *output, size_t size)
{
    return OUTPUT_BYTES - output->count >= size || output_flush(output) == 0;
}

int output_text(struct output *output, const char *text, size_t size)
{
    if (make_room(output, size)) {
        memcpy(output->bytes + output->count, text, size);
        output->count += size;
    }
    return output->error;
}

/* A body that goes out with its head. */
static int output_small(struct output *output, const struct file *file, uint64_t first, size_t size)
{
    if (!make_room(output, size))
        return output->error;
    ssize_t n = aio_file_read_exact_at(file->handle, output->bytes + output->count, size,
                                       (int64_t)first, NULL);
    if (n == (ssize_t)size)
        output->count += size;
    else if (output->error == 0)
        output->error = n < 0 ? (int)n : -ENODATA;
    return output->error;
}

int output_file(struct output *output, const struct file *file, uint64_t first, uint64_t length)
{
    if (length == 0 || output->error != 0)
        return output->error;
    if (length <= SMALL_BYTES)
        return output_small(output, file, first, (size_t)length);
    (void)send_gathered(output, aio_stream_write_more); /* one packet for the head and the file */
    while (output->error == 0 && length > 0) {
        size_t done;
        ssize_t n = aio_stream_sendfile(output->stream, aio_file_fd(file->handle), (int64_t)first,
                                        length, &done);
        bool slow = n == -ETIMEDOUT && done >= PROGRESS_BYTES; /* and may go on */
        first += done;
        length -= done;
        if (length > 0 && !slow)
            output->error = n < 0 ? (int)n : -ENODATA; /* it has become shorter meanwhile */
    }
    return output->error;
}
