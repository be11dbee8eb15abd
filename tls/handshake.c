/*
 * Handshakes: making a connection of a stream, and the exchange with the peer, in both turns.
 */
#include "tls/private.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

static int handshake_fail(struct aio__tls *tls, int code)
{
    tls->failed = code == -ECANCELED || code == -ETIMEDOUT || code == -EBADF ? -ENOTCONN : code;
    if (tls->problem[0] == '\0')
        (void)aio__tls_say(tls, code,
                           code == -ECONNABORTED ? "the peer ended the connection in the handshake"
                                                 : "the handshake was interrupted");
    return code;
}

/* What the handshake has settled, kept as texts. */
static void handshake_done(struct aio__tls *tls)
{
    const unsigned char *protocol;
    unsigned bytes;
    SSL_get0_alpn_selected(tls->ssl, &protocol, &bytes);
    if (bytes > 0 && bytes < sizeof tls->protocol)
        memcpy(tls->protocol, protocol, bytes);
    const char *host = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    if (tls->context->server && host != NULL && strlen(host) < sizeof tls->host)
        memcpy(tls->host, host, strlen(host) + 1);
    tls->established = true;
}

int aio__tls_open(struct aio_filter *filter)
{
    struct aio__tls *tls = aio__tls_from(filter);
    for (;;) {
        ERR_clear_error();
        int done = SSL_do_handshake(tls->ssl);
        if (done != 1 && SSL_get_error(tls->ssl, done) != SSL_ERROR_WANT_READ) {
            int code = aio__tls_error(tls);
            aio__tls_push(tls); /* the alert */
            return handshake_fail(tls, code);
        }
        ssize_t rc = aio__tls_flush(tls);
        if (rc < 0)
            return handshake_fail(tls, (int)rc);
        if (done == 1) {
            handshake_done(tls);
            return 0;
        }
        rc = aio__tls_receive(tls);
        if (rc <= 0)
            return handshake_fail(tls, rc == 0 ? -ECONNABORTED : (int)rc);
    }
}

static struct aio__tls *handshake_make(struct aio_tls_context *context)
{
    struct aio__tls *tls = OPENSSL_zalloc(sizeof *tls);
    if (tls == NULL)
        return NULL;
    aio__tls_context_get(context);
    tls->context = context;
    tls->filter.kind = &aio__tls_kind;
    ERR_clear_error();
    tls->ssl = SSL_new(context->ssl);
    BIO *bio = tls->ssl != NULL ? aio__tls_bio(tls) : NULL;
    if (bio == NULL) {
        aio__tls_free(tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    return tls;
}

static int handshake_run(struct aio__tls *tls, struct aio_stream *stream)
{
    int rc = aio_filter_attach(stream, &tls->filter);
    if (tls->filter.stream == NULL)
        aio__tls_free(tls);
    return rc;
}

int aio_tls_accept(struct aio_stream *stream, struct aio_tls_context *context)
{
    if (!context->server)
        return -EINVAL;
    struct aio__tls *tls = handshake_make(context);
    if (tls == NULL)
        return -ENOMEM;
    SSL_set_accept_state(tls->ssl);
    return handshake_run(tls, stream);
}

static bool host_is_numeric(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Whom to ask for, and what the certificate must then say. A numeric address is not asked for. */
static int connect_name(struct aio__tls *tls)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
    bool checked = !tls->context->insecure;
    if (host_is_numeric(tls->host))
        return !checked || X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1 ? 0 : -ENOMEM;
    if (SSL_set_tlsext_host_name(tls->ssl, tls->host) != 1)
        return -ENOMEM;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !checked || X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1 ? 0 : -ENOMEM;
}

static int connect_prepare(struct aio__tls *tls, const char *host, size_t length)
{
    memcpy(tls->host, host, length);
    SSL_set_connect_state(tls->ssl);
    int rc = connect_name(tls);
    SSL_SESSION *session = aio__tls_sessions_take(&tls->context->sessions, tls->host);
    if (session != NULL) {
        (void)SSL_set_session(tls->ssl, session); /* else it is a handshake like any other */
        SSL_SESSION_free(session);
    }
    return rc;
}

int aio_tls_connect(struct aio_stream *stream, struct aio_tls_context *context, const char *host)
{
    size_t length = host != NULL ? strlen(host) : 0;
    if (length > 1 && host[length - 1] == '.')
        length--; /* the root of all names, which certificates do not write */
    if (context->server || length == 0 || length >= AIO__TLS_HOST_BYTES)
        return -EINVAL;
    if (host[0] == '.') /* OpenSSL would take it for any name below */
        return -EINVAL;
    struct aio__tls *tls = handshake_make(context);
    int rc = tls == NULL ? -ENOMEM : connect_prepare(tls, host, length);
    if (rc == 0)
        return handshake_run(tls, stream);
    aio__tls_free(tls);
    return rc;
}
