/*
 * What the tests of copying share: a copy or a relay in a task of its own, between two connections
 * whose far ends are the test's.
 */
#ifndef AIO_TESTS_BEHAVIOUR_COPY_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_COPY_TOOLS_H

#include "tests/behaviour/tcp_support.h"

#include <aio/copy.h>

/* in.near -> in.far -> the copy -> out.near -> out.far */
struct copy_path {
    struct tcp_pair in;
    struct tcp_pair out;
};

bool copy_path_open(struct copy_path *path);
void copy_path_close(struct copy_path *path);

/* A call in a task of its own. */
struct copy_call {
    const struct copy_path *path;
    bool relay; /* between in.far and out.near */
    struct aio_copy_options options;
    int64_t timeout_ns; /* 0: none */
    int result;
    struct aio_copy_done done[2];
    struct aio_task *task;
    bool ended;
    int64_t ended_ns;
};

bool copy_start(struct copy_call *call, const struct copy_path *path, bool relay);
int copy_join(struct copy_call *call);
int copy_cancel(struct copy_call *call);
bool copy_ended(void *call);

/* Cancels it, and checks that this ended it: or that a limit did, before that or meanwhile. Returns
 * whether it was a limit. */
bool copy_cancel_or_late(struct copy_call *call);

/* Sends a byte after the other through a relay, for twice the time for which nothing may move or
 * until it ends; *moved says how many came. Returns false when none came for half of that time: a
 * relay that ends then is right, as it is this process that was too slow. */
bool copy_keep_moving(const struct copy_call *call, struct aio_stream *from, struct aio_stream *to,
                      uint64_t *moved);

/* A task that writes `size` bytes of the pattern, from `position` of it, and ends its side. */
struct copy_writer {
    struct aio_stream *stream;
    uint64_t position;
    uint64_t size;
    bool stay_open;
    struct aio_task *task;
};

bool copy_write_start(struct copy_writer *writer);

/* Waits for its end. Returns the error of its last write, or 0. */
int copy_write_join(struct copy_writer *writer);

/* Reads `size` bytes and checks that they are the pattern from `position` on. */
bool copy_check_bytes(struct aio_stream *stream, uint64_t position, uint64_t size);

/* The same to the end of the stream. Returns how many came. */
uint64_t copy_check_rest(struct aio_stream *stream, uint64_t position);

#endif
