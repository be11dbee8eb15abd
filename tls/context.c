/*
 * Contexts: what many connections share. They are counted: connections go on when their context's
 * maker has given it up.
 */
#include "tls/private.h"

#include <openssl/err.h>
#include <string.h>

void aio__tls_context_get(struct aio_tls_context *context)
{
    atomic_fetch_add_explicit(&context->users, 1, memory_order_relaxed);
}

static void context_free(struct aio_tls_context *context)
{
    struct aio__tls_identity *identity;
    while ((identity = context->identities) != NULL) {
        context->identities = identity->next;
        SSL_CTX_free(identity->ssl);
        OPENSSL_free(identity);
    }
    aio__tls_sessions_close(&context->sessions);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->method);
    OPENSSL_free(context->protocols);
    OPENSSL_free(context);
}

void aio_tls_destroy(struct aio_tls_context *context)
{
    if (context != NULL && atomic_fetch_sub(&context->users, 1) == 1)
        context_free(context);
}

static bool options_valid(const struct aio_tls_options *options)
{
    if (options->size != sizeof *options || options->sessions < -1)
        return false;
    if ((options->certificate_file == NULL) != (options->key_file == NULL))
        return false;
    if (options->server)
        return !options->insecure && options->sessions == 0 &&
               options->client_certificates == (options->ca_file != NULL);
    return !options->client_certificates && !options->no_tickets &&
           !(options->insecure && options->ca_file != NULL);
}

static int context_fill(struct aio_tls_context *context, const struct aio_tls_options *options)
{
    ERR_clear_error();
    context->server = options->server;
    context->insecure = options->insecure;
    context->method = aio__tls_method();
    context->ssl = SSL_CTX_new(options->server ? TLS_server_method() : TLS_client_method());
    if (context->method == NULL || context->ssl == NULL)
        return -ENOMEM;
    int rc = aio__tls_setup(context->ssl, options);
    if (rc == 0 && options->protocols != NULL)
        rc = aio__tls_protocols(context, options->protocols);
    if (rc == 0 && options->server)
        aio__tls_choose_identities(context);
    if (rc == 0 && !options->server)
        rc = aio__tls_sessions_open(context, options->sessions == 0 ? 64 : options->sessions);
    return rc;
}

int aio_tls_create(struct aio_tls_context **out, const struct aio_tls_options *options)
{
    const struct aio_tls_options defaults = AIO_TLS_OPTIONS;
    if (options == NULL)
        options = &defaults;
    if (!options_valid(options))
        return -EINVAL;
    struct aio_tls_context *context = OPENSSL_zalloc(sizeof *context);
    if (context == NULL)
        return -ENOMEM;
    atomic_init(&context->users, 1);
    int rc = context_fill(context, options);
    if (rc < 0) {
        context_free(context);
        return rc;
    }
    *out = context;
    return 0;
}

int aio_tls_certify(struct aio_tls_context *context, const char *host, const char *certificate_file,
                    const char *key_file)
{
    size_t length = host != NULL ? strlen(host) : 0;
    if (!context->server || length == 0 || length >= AIO__TLS_HOST_BYTES ||
        certificate_file == NULL || key_file == NULL)
        return -EINVAL;
    struct aio__tls_identity *identity = OPENSSL_zalloc(sizeof *identity);
    if (identity == NULL)
        return -ENOMEM;
    memcpy(identity->host, host, length);
    identity->ssl = SSL_CTX_new(TLS_server_method());
    int rc = identity->ssl == NULL
                 ? -ENOMEM
                 : aio__tls_certificate(identity->ssl, certificate_file, key_file);
    if (rc < 0) {
        SSL_CTX_free(identity->ssl);
        OPENSSL_free(identity);
        return rc;
    }
    identity->next = context->identities;
    context->identities = identity;
    return 0;
}
