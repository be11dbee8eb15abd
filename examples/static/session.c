/*
 * See session.h. Requests of a pipeline are answered in the order in which they come, and what is
 * gathered of the answers is sent when there is no further request.
 */
#include "examples/static/session.h"

#include "examples/common/http_wire.h"
#include "examples/static/respond.h"

#include <aio/aio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct aio_connection *connection;
    struct aio_stream *stream;
    struct request request;
    char *left; /* of a pipeline: what was received and not looked at; NULL: nothing */
    size_t left_begin, left_end;
    struct output output;
};

/* Takes what was received. What belongs to the next request is copied: a rented buffer must not be
 * kept while a client is slow to take its answer. Returns 0; -ENOMEM. */
static int feed(struct session *session, struct aio_buffer *buffer)
{
    const char *bytes = aio_buffer_data(buffer);
    size_t size = aio_buffer_size(buffer), used = request_feed(&session->request, bytes, size);
    if (used < size) {
        session->left = malloc(size - used);
        session->left_begin = 0;
        session->left_end = size - used;
        if (session->left != NULL)
            memcpy(session->left, bytes + used, size - used);
    }
    aio_buffer_release(buffer);
    return used < size && session->left == NULL ? -ENOMEM : 0;
}

static void feed_left(struct session *session)
{
    session->left_begin += request_feed(&session->request, session->left + session->left_begin,
                                        session->left_end - session->left_begin);
    if (session->left_begin < session->left_end)
        return;
    free(session->left);
    session->left = NULL;
}

/* Receives more. Returns 1; 0 when there is nothing more to come; or an error. */
static int receive(struct session *session)
{
    struct request *request = &session->request;
    struct aio_buffer *buffer;
    int rc = output_flush(&session->output);
    if (rc == 0 && request->clock.phase == HTTP_BETWEEN_REQUESTS) {
        rc = aio_connection_await(session->connection);
        if (rc == 0)
            return 0;
    }
    if (rc < 0)
        return rc;
    ssize_t n = http_receive_rent(session->stream, &request->clock, &buffer);
    if (n <= 0)
        return (int)n;
    rc = feed(session, buffer);
    return rc < 0 ? rc : 1;
}

/* Reads a request. Returns whether there is one; one that does not come in its time is refused. */
static bool next_request(struct session *session)
{
    struct request *request = &session->request;
    while (!request->complete && request->refusal == 0) {
        int rc = 1;
        if (session->left != NULL)
            feed_left(session);
        else
            rc = receive(session);
        if (rc == -ETIMEDOUT && request->clock.phase != HTTP_BETWEEN_REQUESTS)
            request->refusal = 408;
        else if (rc <= 0)
            return false;
    }
    return true;
}

static void refuse(struct session *session)
{
    const struct request *request = &session->request;
    bool head = request->target_bytes > 0 && request->parser.method == HTTP_HEAD;
    respond_refusal(&session->output, request->refusal, head);
    if (output_flush(&session->output) == 0)
        http_drain(session->stream);
}

int session_run(struct aio_connection *connection, void *arg)
{
    struct session session = {.connection = connection,
                              .stream = aio_connection_stream(connection)};
    struct request *request = &session.request;
    (void)arg;
    session.output.stream = session.stream;
    request_init(request);
    while (session.output.error == 0 && next_request(&session)) {
        if (request->refusal != 0) {
            refuse(&session);
            break;
        }
        bool closing =
            !http_should_keep_alive(&request->parser) || aio_connection_draining(connection);
        respond(request, &session.output, closing);
        if (closing) {
            if (output_flush(&session.output) == 0)
                http_drain(session.stream);
            break;
        }
        request_next(request);
    }
    free(session.left);
    return session.output.error;
}
