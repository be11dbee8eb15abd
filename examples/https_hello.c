/*
 * https_hello: answers GET / and HEAD / with a greeting, over TLS.
 * Usage: https_hello HOST:PORT CERTIFICATE KEY [header=SECONDS]
 *
 * CERTIFICATE (with its chain) and KEY are PEM files; for a try on one machine:
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
 *         -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem
 *     https_hello 127.0.0.1:8443 certificate.pem key.pem
 *     curl --cacert certificate.pem https://localhost:8443/
 *
 * After the handshake a stream is read and written as without TLS. HTTP is what http_hello has in
 * full; here a request is its head, up to the empty line, and bodies are refused. A head has 10
 * seconds from its first byte on, or as many as are said.
 */
#include "examples/common/http_wire.h"

#include <aio-tls/tls.h>
#include <aio/aio.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONNECTION_LIMIT 10000
#define HEAD_LIMIT 4096
#define HANDSHAKE_NS AIO_SEC(5)
#define IDLE_NS AIO_SEC(60)
#define GOODBYE_NS AIO_SEC(2)
#define LAST "\r\nConnection: close" /* behind a status */

static struct aio_tls_context *context;
static int live_connections;

/* The bytes that were read and not yet answered. */
struct input {
    char bytes[HEAD_LIMIT + 1];
    size_t count;
};

/* Reads until a head is complete. Returns its size; 0 at the end; or an error. */
static ssize_t read_head(struct aio_stream *stream, struct input *input)
{
    struct http_clock clock;
    http_clock_enter(&clock, HTTP_BETWEEN_REQUESTS);
    for (;;) {
        input->bytes[input->count] = '\0';
        const char *end = strstr(input->bytes, "\r\n\r\n");
        if (end != NULL)
            return end + 4 - input->bytes;
        if (input->count == HEAD_LIMIT)
            return -EMSGSIZE;
        if (input->count > 0 && clock.phase == HTTP_BETWEEN_REQUESTS)
            http_clock_enter(&clock, HTTP_IN_HEADER);
        ssize_t n =
            http_receive(stream, &clock, input->bytes + input->count, HEAD_LIMIT - input->count);
        if (n <= 0)
            return n;
        input->count += (size_t)n;
    }
}

static ssize_t answer(struct aio_stream *stream, const char *status, const char *body, bool head)
{
    char text[256];
    int length =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", status,
                 strlen(body), head ? "" : body);
    return aio_stream_write_all(stream, text, (size_t)length, NULL);
}

/* Answers one request. Returns whether another may follow. */
static bool answer_request(struct aio_stream *stream, const char *head)
{
    bool asks_head = strncmp(head, "HEAD / ", 7) == 0;
    if (strcasestr(head, "\r\nContent-Length:") != NULL ||
        strcasestr(head, "\r\nTransfer-Encoding:") != NULL) {
        (void)answer(stream, "413 Content Too Large" LAST, "No bodies\n", false);
        return false;
    }
    if (asks_head || strncmp(head, "GET / ", 6) == 0)
        return answer(stream, "200 OK", "Hello, world!\n", asks_head) > 0 &&
               strcasestr(head, "\r\nConnection: close") == NULL;
    if (strncmp(head, "GET ", 4) == 0)
        return answer(stream, "404 Not Found", "Not found\n", false) > 0;
    (void)answer(stream, "405 Method Not Allowed" LAST, "Method not allowed\n", false);
    return false;
}

static void serve_requests(struct aio_stream *stream)
{
    struct input input = {.count = 0};
    ssize_t size = 0;
    bool more = true;
    while (more && (size = read_head(stream, &input)) > 0) {
        input.bytes[size - 2] = '\0'; /* the last line of the head ends it */
        more = answer_request(stream, input.bytes);
        input.count -= (size_t)size;
        memmove(input.bytes, input.bytes + size, input.count);
    }
    if (size == -ETIMEDOUT && input.count > 0)
        (void)answer(stream, "408 Request Timeout" LAST, "Too slow\n", false);
}

/* Says goodbye and waits a while for the client's, so that no reset overtakes the last answer. */
static void say_goodbye(struct aio_stream *stream)
{
    char byte;
    AIO_TIMEOUT(GOODBYE_NS)
    {
        if (aio_stream_shutdown(stream, AIO_STREAM_WRITE) == 0)
            while (aio_stream_read(stream, &byte, 1) > 0)
                ;
    }
}

static int serve(void *arg)
{
    struct aio_stream *stream = arg;
    int rc = -ETIMEDOUT;
    AIO_TIMEOUT(HANDSHAKE_NS)
    {
        rc = aio_tls_accept(stream, context);
    }
    if (rc == 0) {
        (void)aio_stream_timeout(stream, IDLE_NS, IDLE_NS);
        serve_requests(stream);
        say_goodbye(stream);
    }
    aio_stream_close(stream);
    live_connections--;
    return rc;
}

static void welcome(struct aio_stream *stream)
{
    if (live_connections < CONNECTION_LIMIT && aio_task_spawn(NULL, serve, stream, NULL) == 0)
        live_connections++;
    else
        aio_stream_close(stream);
}

static int make_context(const char *certificate, const char *key)
{
    struct aio_tls_options options = AIO_TLS_OPTIONS;
    options.server = true;
    options.certificate_file = certificate;
    options.key_file = key;
    options.protocols = "http/1.1";
    return aio_tls_create(&context, &options);
}

AIO_MAIN(argc, argv)
{
    struct aio_listener *listener;
    struct aio_stream *stream;
    if (argc != 4 && (argc != 5 || http_read_limit(argv[4]) < 0))
        return fprintf(stderr, "usage: https_hello HOST:PORT CERTIFICATE KEY [header=SECONDS]\n"),
               2;
    int rc = make_context(argv[2], argv[3]);
    if (rc < 0)
        return aio_error_exit(rc, argv[2]);
    if ((rc = aio_tcp_listen(&listener, argv[1], NULL)) < 0)
        return aio_error_exit(rc, argv[1]);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    printf("https_hello: listening on %s\n", argv[1]), fflush(stdout);
    while ((rc = aio_listener_accept(listener, &stream)) == 0)
        welcome(stream);
    aio_listener_close(listener);
    aio_tls_destroy(context);
    return aio_error_exit(rc, "accept");
}
