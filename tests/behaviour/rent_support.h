/*
 * What the tests of rented buffers share, beside tcp_support.h.
 */
#ifndef AIO_TESTS_BEHAVIOUR_RENT_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_RENT_SUPPORT_H

#include "tests/behaviour/tcp_support.h"

#include <aio/buf.h>

/* A rented read in a task of its own. */
struct rent_call {
    struct aio_stream *stream;
    int64_t timeout_ns; /* 0: none */
    struct aio_buffer *buffer;
    ssize_t result;
    struct aio_task *task;
    bool ended;
};

bool rent_call_start(struct rent_call *call);
ssize_t rent_call_join(struct rent_call *call);
ssize_t rent_call_cancel(struct rent_call *call);

struct aio_runtime_stats rent_stats(void);

/* A buffer filled with the pattern of a position. NULL, with a failure recorded, if there is none.
 */
struct aio_buffer *rent_filled(size_t size, uint64_t position);

/* Reads rented until `size` bytes have come, checks each and releases the buffers. Returns the
 * bytes. */
uint64_t rent_read_pattern(struct aio_stream *stream, uint64_t size, uint64_t position);

/* Gives so many bytes away, in buffers of at most `piece`. Returns how the last call ended. */
int rent_write_pattern(struct aio_stream *stream, uint64_t size, size_t piece, uint64_t position);

/* Sends a pattern with a plain socket. */
bool rent_plain_send_pattern(int fd, size_t size, uint64_t position);

#endif
