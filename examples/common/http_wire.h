/*
 * What HTTP servers do to a client's connection besides answering: give a request its time, and
 * end it so that the last answer arrives.
 */
#ifndef EXAMPLES_HTTP_WIRE_H
#define EXAMPLES_HTTP_WIRE_H

#include <aio/buf.h>
#include <aio/stream.h>
#include <aio/time.h>

#define HTTP_HEADER_NS AIO_SEC(10) /* from a request's first byte to the end of its header */
#define HTTP_BODY_NS AIO_SEC(60)

/* Sets another limit for the header from a word of the command line, header=SECONDS. Returns 0;
 * -EINVAL for any other word. */
int http_read_limit(const char *word);

/* Reads a word NAME=SECONDS. Returns 0; -EINVAL. */
int http_read_seconds(const char *word, const char *name, int64_t *duration_ns);

enum http_phase { HTTP_BETWEEN_REQUESTS, HTTP_IN_HEADER, HTTP_IN_BODY };

/* How long the phase of a request may still take. */
struct http_clock {
    enum http_phase phase;
    int64_t ends_ns; /* 0: not looked at the clock yet, most requests never have to */
};

static inline void http_clock_enter(struct http_clock *clock, enum http_phase phase)
{
    *clock = (struct http_clock){.phase = phase};
}

/* Reads, into a buffer of one's own or a rented one. Between requests the stream's own timeout
 * bounds the wait; within one, the time for its phase as a whole does, however small the pieces in
 * which it comes. */
ssize_t http_receive(struct aio_stream *stream, struct http_clock *clock, void *buffer,
                     size_t size);
ssize_t http_receive_rent(struct aio_stream *stream, struct http_clock *clock,
                          struct aio_buffer **out);

/* Closing while the client still sends would reset the connection, and the client might never see
 * the answer: tells it that we are done, and takes what it sends for a while. */
void http_drain(struct aio_stream *stream);

#endif
