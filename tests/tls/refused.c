/*
 * Handshakes that come to nothing: peers that speak something else, too old a version, or not at
 * all; ones that are given up; contexts that cannot be made.
 */
#define SUITE "tls_refused"
#include "tests/tls/support.h"

#include <string.h>
#include <unistd.h>

/* A client of ours whose peer is a plain socket that says this and, if so told, ends. */
static void check_garbage(const void *bytes, size_t size, bool ends, int error)
{
    struct tcp_raw raw;
    char byte;
    struct aio_tls_options options = tls_client_options();
    struct aio_tls_context *context = tls_context(&options);
    REQUIRE(context != NULL && tcp_raw_open(&raw, 0));
    AIO_CHECK(tcp_plain_send(raw.fd, bytes, size));
    if (ends)
        AIO_CHECK_EQ(shutdown(raw.fd, SHUT_WR), 0);
    AIO_CHECK_ERROR(aio_tls_connect(raw.stream, context, "server.test"), error);
    AIO_CHECK(aio_tls_problem(raw.stream)[0] != '\0');
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), error);
    AIO_CHECK_ERROR(aio_stream_write_all(raw.stream, "x", 1, NULL), error);
    AIO_CHECK_ERROR(aio_stream_shutdown(raw.stream, AIO_STREAM_WRITE), error);
    tcp_raw_close(&raw);
    aio_tls_destroy(context);
}

/* What is not TLS is a violation of the protocol; what just ends was cut off. */
BEHAVIOUR(garbage)
{
    static const unsigned char part[] = {0x16, 3, 3, 0, 200, 2, 0, 0, 100, 3, 3};
    static const unsigned char huge[] = {0x16, 3, 3, 0xff, 0xff, 2, 0, 0, 100, 3, 3};
    static const unsigned char alert[] = {0x15, 3, 3, 0, 2, 2, 40};
    check_garbage("HTTP/1.0 400 Bad Request\r\n\r\n", 28, false, -EPROTO);
    check_garbage("\0\0\0\0\0\0\0\0\0\0\0\0", 12, false, -EPROTO);
    check_garbage(huge, sizeof huge, false, -EPROTO);
    check_garbage(alert, sizeof alert, false, -EPROTO);
    check_garbage(part, sizeof part, true, -ECONNABORTED);
    check_garbage("", 0, true, -ECONNABORTED);
}

/* The same for a server, who says so in an alert. */
BEHAVIOUR(garbage_to_a_server)
{
    struct tcp_raw raw;
    unsigned char alert[7] = "";
    struct aio_tls_options options = tls_server_options("server");
    struct aio_tls_context *context = tls_context(&options);
    REQUIRE(context != NULL && tcp_raw_open(&raw, 0));
    AIO_CHECK(tcp_plain_send(raw.fd, "GET / HTTP/1.1\r\n\r\n", 18));
    AIO_CHECK_ERROR(aio_tls_accept(raw.stream, context), -EPROTO);
    AIO_CHECK_STR(aio_tls_problem(raw.stream), "http request");
    tcp_raw_close(&raw);
    static const unsigned char hello[] = {0x16, 3, 1, 0, 4, 1, 0, 0, 0};
    REQUIRE(tcp_raw_open(&raw, 0));
    AIO_CHECK(tcp_plain_send(raw.fd, hello, sizeof hello));
    AIO_CHECK_ERROR(aio_tls_accept(raw.stream, context), -EPROTO);
    AIO_CHECK(tcp_plain_receive(raw.fd, alert, sizeof alert));
    AIO_CHECK_EQ(alert[0], 0x15);
    AIO_CHECK_EQ(alert[5], 2);
    tcp_raw_close(&raw);
    aio_tls_destroy(context);
}

static void check_version(bool server, int version, bool only_1_3)
{
    struct tls_raw raw;
    int theirs;
    struct aio_tls_options options = server ? tls_client_options() : tls_server_options("server");
    options.only_1_3 = only_1_3;
    struct aio_tls_context *context = tls_context(&options);
    REQUIRE(context != NULL && tls_raw_open(&raw, server, version, 0));
    AIO_CHECK_ERROR(tls_raw_shake(&raw, context, &theirs), -EPROTONOSUPPORT);
    AIO_CHECK(theirs != 0);
    tls_raw_close(&raw);
    aio_tls_destroy(context);
}

/* Nothing below 1.2, or 1.3 where that is asked for, whatever the peer would like. */
BEHAVIOUR(old_versions)
{
    check_version(true, TLS1_1_VERSION, false);
    check_version(false, TLS1_1_VERSION, false);
    check_version(true, TLS1_2_VERSION, true);
    check_version(false, TLS1_2_VERSION, true);
}

/* A peer that never answers: a deadline, the stream's own time limit, or a cancellation ends it. */
BEHAVIOUR(silence)
{
    struct tcp_raw raw;
    char byte;
    struct aio_tls_options options = tls_client_options();
    struct aio_tls_context *context = tls_context(&options);
    REQUIRE(context != NULL && tcp_raw_open(&raw, 0));
    AIO_TIMEOUT(AIO_MS(5))
    {
        AIO_CHECK_ERROR(aio_tls_connect(raw.stream, context, "server.test"), -ETIMEDOUT);
    }
    AIO_CHECK(!aio_stream_expired(raw.stream));
    AIO_CHECK_STR(aio_tls_problem(raw.stream), "the handshake was interrupted");
    AIO_CHECK_ERROR(aio_stream_read(raw.stream, &byte, 1), -ENOTCONN);
    tcp_raw_close(&raw);
    REQUIRE(tcp_raw_open(&raw, 0));
    REQUIRE_OK(aio_stream_timeout(raw.stream, AIO_MS(5), 0));
    AIO_CHECK_ERROR(aio_tls_connect(raw.stream, context, "server.test"), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(raw.stream));
    tcp_raw_close(&raw);
    aio_tls_destroy(context);
}

struct shake {
    struct aio_stream *stream;
    struct aio_tls_context *context;
    int result;
};

static int shake_run(void *arg)
{
    struct shake *shake = arg;
    shake->result = aio_tls_connect(shake->stream, shake->context, "server.test");
    return 0;
}

/* A handshake can be cancelled, and the stream closed under it; what waits behind it gets its turn
 * then. */
BEHAVIOUR(given_up)
{
    struct tcp_raw raw;
    char byte;
    struct aio_task *task;
    struct aio_tls_options options = tls_client_options();
    struct shake shake = {.context = tls_context(&options)};
    for (int closes = 0; closes < 2; closes++) {
        REQUIRE(shake.context != NULL && tcp_raw_open(&raw, 0));
        shake.stream = raw.stream;
        REQUIRE_OK(aio_task_spawn(&task, shake_run, &shake, NULL));
        tcp_settle();
        struct tcp_call reader = {
            .kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
        REQUIRE(tcp_call_start(&reader));
        tcp_settle();
        AIO_CHECK(!reader.ended);
        if (closes)
            aio_stream_close(raw.stream);
        else
            aio_task_cancel(task);
        AIO_CHECK_OK(aio_task_join(task, NULL));
        AIO_CHECK_ERROR(shake.result, closes ? -EBADF : -ECANCELED);
        AIO_CHECK_ERROR(tcp_call_join(&reader), closes ? -EBADF : -ENOTCONN);
        if (!closes)
            aio_stream_close(raw.stream);
        close(raw.fd);
    }
    aio_tls_destroy(shake.context);
}

/* Pending at the start: nothing is sent, and the stream is still what it was. */
BEHAVIOUR(pending_deadline)
{
    struct tcp_pair wire;
    char byte = 0;
    struct aio_tls_options options = tls_client_options();
    struct aio_tls_context *context = tls_context(&options);
    REQUIRE(context != NULL && tcp_pair_open(&wire));
    AIO_TIMEOUT(0)
    {
        AIO_CHECK_ERROR(aio_tls_connect(wire.near, context, "server.test"), -ETIMEDOUT);
    }
    AIO_CHECK_EQ(aio_stream_write(wire.near, "p", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(wire.far, &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'p');
    tcp_pair_close(&wire);
    aio_tls_destroy(context);
}

static void check_context(struct aio_tls_options options, int error)
{
    struct aio_tls_context *context = NULL;
    AIO_CHECK_ERROR(aio_tls_create(&context, &options), error);
    AIO_CHECK(context == NULL);
}

/* What a context is made of is checked when it is made. */
BEHAVIOUR(bad_contexts)
{
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    struct aio_tls_options bad = client;
    bad.size--;
    check_context(bad, -EINVAL);
    bad = client, bad.sessions = -2;
    check_context(bad, -EINVAL);
    bad = client, bad.client_certificates = true;
    check_context(bad, -EINVAL);
    bad = client, bad.insecure = true;
    check_context(bad, -EINVAL);
    bad = client, bad.ca_file = tls_file("absent.pem");
    check_context(bad, -ENOENT);
    bad = client, bad.ca_file = tls_file("junk.pem");
    check_context(bad, -EINVAL);
    bad = client, bad.ca_file = "/dev/null";
    check_context(bad, -EINVAL);
    static const char *const protocols[] = {"", ",", "h2,", ",h2", "h2,,http/1.1"};
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        bad = client, bad.protocols = protocols[i];
        check_context(bad, -EINVAL);
    }
    bad = server, bad.key_file = NULL;
    check_context(bad, -EINVAL);
    bad = server, bad.insecure = true;
    check_context(bad, -EINVAL);
    bad = server, bad.client_certificates = true;
    check_context(bad, -EINVAL);
    bad = server, bad.key_file = tls_file("other.key");
    check_context(bad, -EKEYREJECTED);
    bad = server, bad.key_file = tls_file("locked.key");
    check_context(bad, -EINVAL);
    bad = server, bad.key_file = tls_file("absent.key");
    check_context(bad, -ENOENT);
    bad = server, bad.certificate_file = tls_file("junk.pem");
    check_context(bad, -EINVAL);
    aio_tls_destroy(NULL);
}

/* The same for a certificate that is added. */
BEHAVIOUR(bad_identities)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[299] = '\0';
    const char *pem = tls_file("other.pem"), *key = tls_file("other.key");
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    struct aio_tls_context *ours = tls_context(&client), *theirs = tls_context(&server);
    REQUIRE(ours != NULL && theirs != NULL);
    AIO_CHECK_ERROR(aio_tls_certify(ours, "other.test", pem, key), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, NULL, pem, key), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, "", pem, key), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, name, pem, key), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, "a.test", pem, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, "a.test", pem, tls_file("client.key")), -EKEYREJECTED);
    AIO_CHECK_ERROR(aio_tls_certify(theirs, "a.test", tls_file("absent.pem"), key), -ENOENT);
    aio_tls_destroy(ours);
    aio_tls_destroy(theirs);
}
