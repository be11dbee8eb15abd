/*
 * What the tests of the server kit share: a server in a task of its own, whose requests are lines.
 * The handler answers each line with itself; what it saw is counted.
 */
#ifndef AIO_TESTS_BEHAVIOUR_SERVER_TOOLS_H
#define AIO_TESTS_BEHAVIOUR_SERVER_TOOLS_H

#include "tests/behaviour/tcp_support.h"

#include <aio/server.h>

struct kit {
    struct aio_server_options options;
    char address[AIO_ADDRESS_TEXT_BYTES]; /* where it listens */
    struct aio_task *task;
    int result;
    bool ended;
    int live;                          /* handlers at this moment */
    int most;                          /* and at once */
    int begun;                         /* requests of which something has come */
    int requests;                      /* answered */
    struct aio_connection *connection; /* the last one accepted */
    int error;                         /* of the last handler that failed */
    bool expired;                      /* that was the stream's own time limit */
};

/* Starts a server with these options, on a port of the kernel's choice, and waits until it listens.
 */
bool kit_start(struct kit *kit);

/* Cancels it and gives what aio_server_run returned. */
int kit_stop(struct kit *kit);

/* Connects to it. */
struct aio_stream *kit_connect(const struct kit *kit);

/* Sends bytes; reads that many and checks that they are these. */
bool kit_send(struct aio_stream *stream, const char *text);
bool kit_expect(struct aio_stream *stream, const char *text);

/* Whether the server has ended the connection. */
bool kit_expect_end(struct aio_stream *stream);

/* Conditions for test_wait. */
bool kit_has_none(void *kit);
bool kit_drains(void *kit);       /* while a connection lives */
bool kit_began_second(void *kit); /* request of all */

#endif
