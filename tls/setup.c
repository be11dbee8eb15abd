/*
 * From options to OpenSSL's settings: versions, whom to trust, who we are.
 */
#include "tls/private.h"

#include <openssl/err.h>

/* Nobody is asked: a passphrase is typed at a terminal, and a server has none. */
static int setup_passphrase(char *buffer, int size, int writing, void *unused)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)unused;
    return -1;
}

int aio__tls_certificate(SSL_CTX *ssl, const char *certificate_file, const char *key_file)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ssl, setup_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ssl, certificate_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl) != 1)
        return aio__tls_load_error();
    return 0;
}

static int setup_clients(SSL_CTX *ssl, const char *ca_file)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(ca_file);
    if (names == NULL || SSL_CTX_load_verify_file(ssl, ca_file) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return aio__tls_load_error();
    }
    SSL_CTX_set_client_CA_list(ssl, names);
    SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return 0;
}

static int setup_trust(SSL_CTX *ssl, const struct aio_tls_options *options)
{
    if (options->server)
        return options->client_certificates ? setup_clients(ssl, options->ca_file) : 0;
    SSL_CTX_set_verify(ssl, options->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (options->insecure)
        return 0;
    int done = options->ca_file != NULL ? SSL_CTX_load_verify_file(ssl, options->ca_file)
                                        : SSL_CTX_set_default_verify_paths(ssl);
    return done == 1 ? 0 : aio__tls_load_error();
}

/* Tickets hold a session's state themselves, so a server keeps none, and its cores share no table.
 */
static int setup_tickets(SSL_CTX *ssl, const struct aio_tls_options *options)
{
    static const unsigned char name[] = "aio-tls";
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_session_id_context(ssl, name, sizeof name - 1) != 1)
        return aio__tls_load_error();
    if (options->no_tickets) {
        SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
        (void)SSL_CTX_set_num_tickets(ssl, 0);
    }
    return 0;
}

int aio__tls_setup(SSL_CTX *ssl, const struct aio_tls_options *options)
{
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    if (SSL_CTX_set_min_proto_version(ssl, options->only_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION) !=
        1)
        return aio__tls_load_error();
    int rc = setup_trust(ssl, options);
    if (rc == 0 && options->certificate_file != NULL)
        rc = aio__tls_certificate(ssl, options->certificate_file, options->key_file);
    if (rc == 0 && options->server)
        rc = setup_tickets(ssl, options);
    return rc;
}
