/*
 * A connection as a stream's filter, its end, and what can be asked of it.
 */
#include "tls/private.h"

#include <openssl/err.h>
#include <openssl/x509.h>

static bool tls_pending(const struct aio_filter *filter)
{
    const struct aio__tls *tls = (const struct aio__tls *)(const void *)filter;
    return tls->failed != 0 || tls->truncated || SSL_has_pending(tls->ssl) ||
           aio__tls_used(&tls->in) > 0;
}

static void tls_close(struct aio_filter *filter)
{
    struct aio__tls *tls = aio__tls_from(filter);
    if (tls->established && tls->failed == 0 && !tls->broken)
        (void)aio__tls_goodbye(tls);
    aio__tls_push(tls);
    aio_filter_drop(filter);
    aio__tls_free(tls);
}

const struct aio_filter_kind aio__tls_kind = {
    .size = sizeof(struct aio_filter_kind),
    .name = "tls",
    .open = aio__tls_open,
    .read = aio__tls_read,
    .write = aio__tls_write,
    .shutdown = aio__tls_shutdown,
    .pending = tls_pending,
    .close = tls_close,
};

void aio__tls_free(struct aio__tls *tls)
{
    if (tls == NULL)
        return;
    SSL_free(tls->ssl);
    aio__tls_release(&tls->in);
    aio__tls_release(&tls->out);
    aio__tls_release(&tls->sending);
    OPENSSL_free(tls->peer);
    aio_tls_destroy(tls->context);
    OPENSSL_free(tls);
    ERR_clear_error();
}

/* The subject of the peer's certificate, on one line. */
static char *peer_text(const X509 *certificate)
{
    char *text = NULL, *bytes;
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio == NULL)
        return NULL;
    if (X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE) >= 0) {
        long length = BIO_get_mem_data(bio, &bytes);
        text = OPENSSL_strndup(length > 0 ? bytes : "", length > 0 ? (size_t)length : 0);
    }
    (void)BIO_free(bio);
    return text;
}

int aio_tls_info(struct aio_stream *stream, struct aio_tls_info *info)
{
    struct aio_filter *filter = aio_filter_find(stream, &aio__tls_kind);
    struct aio__tls *tls = filter != NULL ? aio__tls_from(filter) : NULL;
    if (info->size != sizeof *info)
        return -EINVAL;
    if (tls == NULL || !tls->established)
        return -ENOTCONN;
    ERR_clear_error();
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (tls->peer == NULL && certificate != NULL && (tls->peer = peer_text(certificate)) == NULL)
        return -ENOMEM;
    info->version = SSL_get_version(tls->ssl);
    info->cipher = SSL_get_cipher_name(tls->ssl);
    info->protocol = tls->protocol;
    info->host = tls->host;
    info->peer = tls->peer != NULL ? tls->peer : "";
    info->resumed = SSL_session_reused(tls->ssl) == 1;
    info->verified = certificate != NULL && !tls->context->insecure &&
                     SSL_get_verify_result(tls->ssl) == X509_V_OK;
    return 0;
}

const char *aio_tls_problem(struct aio_stream *stream)
{
    struct aio_filter *filter = aio_filter_find(stream, &aio__tls_kind);
    return filter != NULL ? aio__tls_from(filter)->problem : "";
}
