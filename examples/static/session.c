/*
 * See session.h. Requests of a pipeline are answered in the order in which they come, and what is
 * gathered of the answers is sent when there is no further request.
 */
#include "examples/static/session.h"

#include "examples/common/http_wire.h"
#include "examples/static/respond.h"

#include <aio/aio.h>
#include <errno.h>

#define INPUT_BYTES 4096

struct session {
    struct aio_connection *connection;
    struct aio_stream *stream;
    struct request request;
    size_t begin, end; /* what was received and not looked at */
    char input[INPUT_BYTES];
    struct output output;
};

/* Receives more. Returns how much; 0 when there is nothing more to come; or an error. */
static ssize_t receive(struct session *session)
{
    int rc = output_flush(&session->output);
    if (rc == 0 && session->request.clock.phase == HTTP_BETWEEN_REQUESTS) {
        rc = aio_connection_await(session->connection);
        if (rc == 0)
            return 0;
    }
    if (rc < 0)
        return rc;
    return http_receive(session->stream, &session->request.clock, session->input, INPUT_BYTES);
}

/* Reads a request. Returns whether there is one; one that does not come in its time is refused. */
static bool next_request(struct session *session)
{
    struct request *request = &session->request;
    while (!request->complete && request->refusal == 0) {
        if (session->begin == session->end) {
            ssize_t n = receive(session);
            if (n == -ETIMEDOUT && request->clock.phase != HTTP_BETWEEN_REQUESTS)
                request->refusal = 408;
            else if (n <= 0)
                return false;
            session->begin = 0;
            session->end = n > 0 ? (size_t)n : 0;
        }
        session->begin +=
            request_feed(request, session->input + session->begin, session->end - session->begin);
    }
    return true;
}

static void refuse(struct session *session)
{
    respond_refusal(&session->output, session->request.refusal, false);
    if (output_flush(&session->output) == 0)
        http_drain(session->stream, session->input, INPUT_BYTES);
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
                http_drain(session.stream, session.input, INPUT_BYTES);
            break;
        }
        request_next(request);
    }
    return session.output.error;
}
