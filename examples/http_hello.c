/*
 * http_hello: answers GET / and HEAD / with a greeting.
 * Usage: http_hello [HOST:PORT] [header=SECONDS]
 *
 * HTTP/1.1 with keep-alive, pipelining and request bodies, which it reads and drops. A task serves
 * a connection from start to end, so the code is straight: read, parse, write. Buffers are rented,
 * so a connection that waits for a request holds none. The parser is Debian's libhttp-parser; its
 * callbacks run on the task's stack and may therefore wait too, as flush() does when the answers of
 * one read do not fit in a buffer. Everything a client can use up has a limit: connections, header
 * and body bytes, and the time it may take.
 */
#include "examples/common/http_wire.h"

#include <aio/aio.h>
#include <aio/buf.h>
#include <errno.h>
#include <http_parser.h>
#include <stdio.h>
#include <string.h>

#define CONNECTION_LIMIT 10000
#define STREAM_BUFFERS 2 /* a client that does not take its answers has so many, and one more */
#define BUFFER_BYTES 4096
#define HEADER_LIMIT 8192
#define BODY_LIMIT (1024 * 1024)
#define IDLE_NS AIO_SEC(60) /* between requests, and for a client to take an answer */

/* What may be answered. The head is written once, at the start, and lacks only its last lines. */
struct reply {
    const char *status, *extra, *body;
    char head[160];
    size_t head_bytes, body_bytes;
};

enum reply_id { OK, BAD, NOT_FOUND, NOT_ALLOWED, TIMEOUT, TOO_LARGE, HEADER_TOO_LARGE, BUSY };

static struct reply replies[] = {
    [OK] = {.status = "200 OK", .body = "Hello, world!\n"},
    [BAD] = {.status = "400 Bad Request", .body = "Bad request\n"},
    [NOT_FOUND] = {.status = "404 Not Found", .body = "Not found\n"},
    [NOT_ALLOWED] = {.status = "405 Method Not Allowed",
                     .extra = "Allow: GET, HEAD\r\n",
                     .body = "Method not allowed\n"},
    [TIMEOUT] = {.status = "408 Request Timeout", .body = "Request timeout\n"},
    [TOO_LARGE] = {.status = "413 Content Too Large", .body = "Content too large\n"},
    [HEADER_TOO_LARGE] = {.status = "431 Request Header Fields Too Large",
                          .body = "Header too large\n"},
    [BUSY] = {.status = "503 Service Unavailable", .body = "Too many connections\n"},
};

/* A connection, in its task's frame. */
struct connection {
    struct aio_stream *stream;
    http_parser parser;
    struct aio_buffer *output; /* answers not yet sent; NULL: none */
    uint64_t body_bytes;
    struct http_clock clock;
    enum reply_id refusal; /* if the parser stops: why, unless it knows better */
    int error;             /* of a write */
    unsigned url_bytes, hosts, name_bytes;
    char url[2];  /* its start, which is all we look at */
    char name[7]; /* start of a header field's name in small letters; 7: none we look for */
    bool in_value, expects, closing;
};

static int live_connections;

static void prepare_replies(void)
{
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct reply *reply = &replies[i];
        reply->body_bytes = strlen(reply->body);
        reply->head_bytes =
            (size_t)snprintf(reply->head, sizeof reply->head,
                             "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nContent-Length: %zu\r\n",
                             reply->status, reply->extra ? reply->extra : "", reply->body_bytes);
    }
}

/* Gives the answers away. An error of theirs comes with a later call. */
static int flush(struct connection *c)
{
    if (c->output != NULL && c->error == 0)
        c->error = aio_stream_write_rent(c->stream, c->output);
    else
        aio_buffer_release(c->output);
    c->output = NULL;
    return c->error;
}

/* Room for so many bytes behind the answers that wait. */
static int make_room(struct connection *c, size_t bytes)
{
    if (c->output != NULL && aio_buffer_room(c->output) - aio_buffer_size(c->output) < bytes &&
        flush(c) < 0)
        return c->error;
    if (c->output == NULL && c->error == 0)
        c->error = aio_buffer_rent(&c->output);
    return c->error;
}

static void append(struct connection *c, const char *text, size_t bytes)
{
    size_t filled = aio_buffer_size(c->output);
    memcpy((char *)aio_buffer_data(c->output) + filled, text, bytes);
    (void)aio_buffer_resize(c->output, filled + bytes);
}

/* Puts an answer behind those that wait. The longest is under 300 bytes. */
static int answer(struct connection *c, enum reply_id id, const char *last_lines, bool with_body)
{
    const struct reply *reply = &replies[id];
    size_t last_bytes = strlen(last_lines);
    if (make_room(c, reply->head_bytes + last_bytes + reply->body_bytes) < 0)
        return -1;
    append(c, reply->head, reply->head_bytes);
    append(c, last_lines, last_bytes);
    if (with_body)
        append(c, reply->body, reply->body_bytes);
    return 0;
}

/* An answer after which the connection ends. */
static void refuse(struct connection *c, enum reply_id id)
{
    c->closing = true;
    (void)answer(c, id, "Connection: close\r\n\r\n", true);
}

static struct connection *connection_of(const http_parser *parser)
{
    return parser->data;
}

/* The parser's callbacks, in the order of a request. Names and values may come in pieces. */

static int on_begin(http_parser *parser)
{
    struct connection *c = connection_of(parser);
    http_clock_enter(&c->clock, HTTP_IN_HEADER);
    c->url_bytes = c->hosts = c->name_bytes = 0;
    c->body_bytes = 0;
    c->in_value = c->expects = false;
    return 0;
}

static int on_url(http_parser *parser, const char *text, size_t bytes)
{
    struct connection *c = connection_of(parser);
    for (size_t i = 0; i < bytes && c->url_bytes < sizeof c->url; i++)
        c->url[c->url_bytes++] = text[i];
    return 0;
}

static int on_name(http_parser *parser, const char *text, size_t bytes)
{
    struct connection *c = connection_of(parser);
    if (memchr(text, ' ', bytes) != NULL) /* Debian's build of the parser lets it pass */
        return -1;
    if (c->in_value)
        c->name_bytes = 0;
    c->in_value = false;
    for (size_t i = 0; i < bytes && c->name_bytes < sizeof c->name; i++)
        c->name[c->name_bytes++] = (char)(text[i] | 0x20);
    return 0;
}

static int on_value(http_parser *parser, const char *text, size_t bytes)
{
    struct connection *c = connection_of(parser);
    (void)text, (void)bytes;
    if (!c->in_value && c->name_bytes == 4 && memcmp(c->name, "host", 4) == 0)
        c->hosts++;
    if (!c->in_value && c->name_bytes == 6 && memcmp(c->name, "expect", 6) == 0)
        c->expects = true;
    c->in_value = true;
    return 0;
}

static bool is_http_1_1(const http_parser *parser)
{
    return parser->http_major == 1 && parser->http_minor >= 1;
}

/* Makes the parser stop with an error: what cannot be right is refused before its body comes. */
static int on_header_end(http_parser *parser)
{
    struct connection *c = connection_of(parser);
    bool chunked = (parser->flags & F_CHUNKED) != 0;
    bool has_length = (parser->flags & F_CONTENTLENGTH) != 0;
    http_clock_enter(&c->clock, HTTP_IN_BODY);
    if (parser->http_major != 1 || c->hosts > 1 || (is_http_1_1(parser) && c->hosts == 0))
        return -1;
    if (has_length && parser->content_length > BODY_LIMIT) {
        c->refusal = TOO_LARGE;
        return -1;
    }
    if (c->expects && is_http_1_1(parser) && (chunked || has_length)) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        if (make_room(c, sizeof go_on) < 0)
            return -1;
        append(c, go_on, sizeof go_on - 1);
    }
    return 0;
}

static int on_body(http_parser *parser, const char *text, size_t bytes)
{
    struct connection *c = connection_of(parser);
    (void)text;
    c->body_bytes += bytes;
    if (c->body_bytes <= BODY_LIMIT)
        return 0;
    c->refusal = TOO_LARGE;
    return -1;
}

static enum reply_id choose_reply(const http_parser *parser)
{
    const struct connection *c = connection_of(parser);
    if (c->url[0] != '/' || (c->url_bytes > 1 && c->url[1] != '?'))
        return NOT_FOUND;
    return parser->method == HTTP_GET || parser->method == HTTP_HEAD ? OK : NOT_ALLOWED;
}

static int on_end(http_parser *parser)
{
    struct connection *c = connection_of(parser);
    const char *last_lines = is_http_1_1(parser) ? "\r\n" : "Connection: keep-alive\r\n\r\n";
    http_clock_enter(&c->clock, HTTP_BETWEEN_REQUESTS);
    if (!http_should_keep_alive(parser)) {
        last_lines = "Connection: close\r\n\r\n";
        c->closing = true;
        http_parser_pause(parser, 1); /* what follows is not a request */
    }
    return answer(c, choose_reply(parser), last_lines, parser->method != HTTP_HEAD);
}

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_header_end,
    .on_body = on_body,
    .on_message_complete = on_end,
};

/* Parses what was read and answers it. The parser also stops, without an error, at a wish to change
 * the protocol, which we do not grant: the next request follows. */
static void consume(struct connection *c, const char *input, size_t bytes)
{
    size_t used = 0;
    while (used < bytes && HTTP_PARSER_ERRNO(&c->parser) == HPE_OK)
        used += http_parser_execute(&c->parser, &callbacks, input + used, bytes - used);
    if (HTTP_PARSER_ERRNO(&c->parser) == HPE_HEADER_OVERFLOW)
        c->refusal = HEADER_TOO_LARGE;
    if (HTTP_PARSER_ERRNO(&c->parser) != HPE_OK && !c->closing)
        refuse(c, c->refusal);
}

static int serve(void *arg)
{
    struct connection c = {.stream = arg, .refusal = BAD};
    struct aio_buffer *input;
    ssize_t n = 0;
    http_parser_init(&c.parser, HTTP_REQUEST);
    c.parser.data = &c;
    (void)aio_stream_timeout(c.stream, IDLE_NS, IDLE_NS);
    while (!c.closing && (n = http_receive_rent(c.stream, &c.clock, &input)) > 0) {
        consume(&c, aio_buffer_data(input), (size_t)n);
        aio_buffer_release(input);
        if (flush(&c) < 0)
            break;
    }
    if (!c.closing && n == -ETIMEDOUT && c.clock.phase != HTTP_BETWEEN_REQUESTS) {
        refuse(&c, TIMEOUT);
        (void)flush(&c);
    }
    if (c.error == 0)
        c.error = aio_stream_flush(c.stream);
    if (c.closing && c.error == 0)
        http_drain(c.stream);
    aio_stream_close(c.stream);
    live_connections--;
    return c.error;
}

/* Starts a task for a connection; one too many is told so, which takes no waiting: nothing has been
 * written to it yet. */
static void welcome(struct aio_stream *stream)
{
    if (live_connections < CONNECTION_LIMIT && aio_task_spawn(NULL, serve, stream, NULL) == 0) {
        live_connections++;
        return;
    }
    const struct reply *busy = &replies[BUSY];
    char text[300];
    int bytes =
        snprintf(text, sizeof text, "%sConnection: close\r\n\r\n%s", busy->head, busy->body);
    (void)aio_stream_write(stream, text, (size_t)bytes);
    aio_stream_close(stream);
}

static int run(void *arg)
{
    const char *address = arg;
    struct aio_listener *listener;
    struct aio_stream *stream;
    int rc = aio_tcp_listen(&listener, address, NULL);
    if (rc < 0)
        return aio_error_exit(rc, address);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("http_hello: listening on %s\n", address), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &stream)) == 0)
        welcome(stream);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}

/* There are buffers for all clients, so that none can keep them from the others. Memory is taken
 * only by those that were used. */
int main(int argc, char **argv)
{
    static char address[] = "127.0.0.1:8080";
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    options.buffer_bytes = BUFFER_BYTES;
    options.stream_buffers = STREAM_BUFFERS;
    options.buffer_limit = 2 * CONNECTION_LIMIT * (STREAM_BUFFERS + 1);
    prepare_replies();
    http_parser_set_max_header_size(HEADER_LIMIT);
    if (argc > 2 && http_read_limit(argv[2]) < 0)
        return aio_error_exit(-EINVAL, argv[2]);
    int rc = aio_runtime_run(&options, run, argc > 1 ? argv[1] : address);
    return rc < 0 ? aio_error_exit(rc, "http_hello") : rc;
}
