/*
 * What a connection sends: heads and small bodies gather in a buffer and go out together; larger
 * bodies go from the file to the socket, behind what is gathered.
 */
#ifndef STATIC_OUTPUT_H
#define STATIC_OUTPUT_H

#include "examples/static/file.h"

#include <aio/stream.h>
#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_BYTES 8192

struct output {
    struct aio_stream *stream;
    int error; /* the first one: nothing is sent any more */
    size_t count;
    char bytes[OUTPUT_BYTES];
};

/* All of these return 0 or the error. A text is not longer than OUTPUT_BYTES. */
int output_text(struct output *output, const char *text, size_t size);
int output_file(struct output *output, const struct file *file, uint64_t first, uint64_t length);

/* Sends what is gathered. */
int output_flush(struct output *output);

#endif
