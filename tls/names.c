/*
 * Names in a handshake: the protocols of ALPN, and the host that a client asks for (SNI), by which
 * a server chooses its certificate.
 */
#include "tls/private.h"

#include <string.h>
#include <strings.h>

/* "h2,http/1.1" as on the wire: each name with its length before it. */
static int protocols_parse(unsigned char *wire, const char *text)
{
    unsigned char *length = wire;
    size_t count = strlen(text);
    for (size_t i = 0; i <= count; i++) {
        size_t bytes = (size_t)(wire + i - length);
        if (i < count && text[i] != ',') {
            wire[i + 1] = (unsigned char)text[i];
            continue;
        }
        if (bytes == 0 || bytes > 255)
            return -EINVAL;
        *length = (unsigned char)bytes;
        length = wire + i + 1;
    }
    return 0;
}

static int protocols_choose(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                            const unsigned char *offered, unsigned offered_bytes, void *arg)
{
    const struct aio_tls_context *context = arg;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_bytes, context->protocols, context->protocols_bytes,
                              offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
        aio__tls_of(ssl)->no_protocol = true;
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

int aio__tls_protocols(struct aio_tls_context *context, const char *text)
{
    size_t bytes = strlen(text) + 1;
    if (bytes > UINT16_MAX)
        return -EINVAL;
    context->protocols = OPENSSL_malloc(bytes);
    if (context->protocols == NULL)
        return -ENOMEM;
    context->protocols_bytes = (unsigned)bytes;
    int rc = protocols_parse(context->protocols, text);
    if (rc < 0)
        return rc;
    if (context->server)
        SSL_CTX_set_alpn_select_cb(context->ssl, protocols_choose, context);
    else if (SSL_CTX_set_alpn_protos(context->ssl, context->protocols, (unsigned)bytes) != 0)
        return -ENOMEM;
    return 0;
}

/* Whether a certificate for `pattern` is meant for `host`; '*' stands for the first label. */
static bool identity_matches(const char *pattern, const char *host)
{
    if (pattern[0] != '*' || pattern[1] != '.')
        return strcasecmp(pattern, host) == 0;
    const char *rest = strchr(host, '.');
    return rest != NULL && rest != host && strcasecmp(pattern + 1, rest) == 0;
}

static const struct aio__tls_identity *identity_find(const struct aio_tls_context *context,
                                                     const char *host)
{
    const struct aio__tls_identity *wild = NULL;
    for (const struct aio__tls_identity *identity = context->identities; identity != NULL;
         identity = identity->next) {
        if (strcasecmp(identity->host, host) == 0)
            return identity;
        if (wild == NULL && identity_matches(identity->host, host))
            wild = identity;
    }
    return wild;
}

static int identity_choose(SSL *ssl, int *alert, void *arg)
{
    const struct aio_tls_context *context = arg;
    const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    const struct aio__tls_identity *identity = host != NULL ? identity_find(context, host) : NULL;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    if (identity == NULL)
        return SSL_get_certificate(ssl) != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    *alert = SSL_AD_INTERNAL_ERROR;
    STACK_OF(X509) *chain = NULL;
    (void)SSL_CTX_get0_chain_certs(identity->ssl, &chain);
    SSL_certs_clear(ssl); /* there may be one for each type of key, of which the client chooses */
    if (SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(identity->ssl),
                             SSL_CTX_get0_privatekey(identity->ssl), chain, 1) != 1)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

void aio__tls_choose_identities(struct aio_tls_context *context)
{
    SSL_CTX_set_tlsext_servername_callback(context->ssl, identity_choose);
    SSL_CTX_set_tlsext_servername_arg(context->ssl, context);
}
