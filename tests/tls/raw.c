/*
 * Raw peers: OpenSSL over a plain non-blocking socket. What they wait for is waited for as in all
 * tests, so that the runtime runs on.
 */
#include "tests/tls/support.h"

#include <openssl/err.h>
#include <unistd.h>

bool tls_raw_open(struct tls_raw *raw, bool server, int version, int buffer_bytes)
{
    *raw = (struct tls_raw){.context = SSL_CTX_new(TLS_method())};
    SSL_CTX_set_security_level(raw->context, 0); /* else there is no TLS 1.1 */
    SSL_CTX_set_min_proto_version(raw->context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(raw->context, version);
    SSL_CTX_set_cipher_list(raw->context, "ALL:@SECLEVEL=0");
    if (server) {
        AIO_CHECK_EQ(SSL_CTX_use_certificate_chain_file(raw->context, tls_file("server.pem")), 1);
        AIO_CHECK_EQ(
            SSL_CTX_use_PrivateKey_file(raw->context, tls_file("server.key"), SSL_FILETYPE_PEM), 1);
    }
    if (!tcp_raw_open(&raw->tcp, buffer_bytes))
        return false;
    raw->ssl = SSL_new(raw->context);
    SSL_set_fd(raw->ssl, raw->tcp.fd);
    if (server)
        SSL_set_accept_state(raw->ssl);
    else
        SSL_set_connect_state(raw->ssl);
    return true;
}

/* A call of OpenSSL that is made until it need not wait. */
struct raw_call {
    SSL *ssl;
    enum { SHAKE, READ, WRITE } kind;
    void *bytes;
    int size;
    int result;
    int error;
};

static bool raw_try(void *arg)
{
    struct raw_call *call = arg;
    ERR_clear_error();
    if (call->kind == SHAKE)
        call->result = SSL_do_handshake(call->ssl);
    else if (call->kind == READ)
        call->result = SSL_read(call->ssl, call->bytes, call->size);
    else
        call->result = SSL_write(call->ssl, call->bytes, call->size);
    call->error = SSL_get_error(call->ssl, call->result);
    ERR_clear_error();
    return call->error != SSL_ERROR_WANT_READ && call->error != SSL_ERROR_WANT_WRITE;
}

struct our_shake {
    struct tls_raw *raw;
    struct aio_tls_context *context;
    int result;
};

static int our_shake_run(void *arg)
{
    struct our_shake *shake = arg;
    struct aio_stream *stream = shake->raw->tcp.stream;
    shake->result = SSL_is_server(shake->raw->ssl)
                        ? aio_tls_connect(stream, shake->context, "server.test")
                        : aio_tls_accept(stream, shake->context);
    if (shake->result < 0)
        (void)aio_stream_shutdown(stream, AIO_STREAM_BOTH);
    return 0;
}

int tls_raw_shake(struct tls_raw *raw, struct aio_tls_context *context, int *theirs)
{
    struct our_shake shake = {raw, context, -1};
    struct raw_call call = {.ssl = raw->ssl, .kind = SHAKE};
    struct aio_task *task;
    if (!AIO_CHECK_OK(aio_task_spawn(&task, our_shake_run, &shake, NULL)))
        return -1;
    AIO_CHECK(test_wait(raw_try, &call));
    AIO_CHECK_OK(aio_task_join(task, NULL));
    *theirs = call.result == 1 ? 0 : call.error;
    return shake.result;
}

bool tls_raw_start(struct tls_raw *raw, bool server, int version, int buffer_bytes)
{
    struct aio_tls_options options = server ? tls_client_options() : tls_server_options("server");
    struct aio_tls_context *context = tls_context(&options);
    int theirs = 0;
    bool good = context != NULL && tls_raw_open(raw, server, version, buffer_bytes) &&
                AIO_CHECK_OK(tls_raw_shake(raw, context, &theirs)) && AIO_CHECK_EQ(theirs, 0);
    aio_tls_destroy(context);
    return good;
}

int tls_raw_read(struct tls_raw *raw, void *bytes, int size)
{
    struct raw_call call = {.ssl = raw->ssl, .kind = READ, .bytes = bytes, .size = size};
    AIO_CHECK(test_wait(raw_try, &call));
    return call.result;
}

int tls_raw_write(struct tls_raw *raw, const void *bytes, int size)
{
    void *source = (void *)(uintptr_t)bytes;
    struct raw_call call = {.ssl = raw->ssl, .kind = WRITE, .bytes = source, .size = size};
    AIO_CHECK(test_wait(raw_try, &call));
    return call.result;
}

void tls_raw_close(struct tls_raw *raw)
{
    aio_stream_close(raw->tcp.stream);
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    if (raw->tcp.fd >= 0)
        close(raw->tcp.fd);
    ERR_clear_error();
}
