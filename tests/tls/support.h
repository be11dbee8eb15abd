/*
 * What the tests of TLS share: certificates made for the run, two streams with TLS between them,
 * and raw peers: OpenSSL over a plain socket, which can do what ours never does.
 */
#ifndef AIO_TESTS_TLS_SUPPORT_H
#define AIO_TESTS_TLS_SUPPORT_H

#include "tests/behaviour/tcp_support.h"

#include <aio-tls/tls.h>
#include <openssl/ssl.h>

/*
 * The path of a file in a temporary folder of the process, which is filled at the first call:
 * NAME.pem, a certificate, and NAME.key, its key, for these names:
 *
 *     ca        issuer of the others          expired   for server.test, until last year
 *     server    server.test, 127.0.0.1        future    for server.test, from next year
 *     other     other.test, *.wild.test       selfmade  for server.test, its own issuer
 *     client    a client's                    stranger  for server.test, of an unknown issuer
 *     edwards   edwards.test, by a key of Ed25519; the others' are of P-256
 *
 * and locked.key, the key of server with a passphrase, and junk.pem. The path lives until the test
 * program ends.
 */
const char *tls_file(const char *name);

/* Options with the certificate of that name, and those of a client that trusts ca. */
struct aio_tls_options tls_server_options(const char *name);
struct aio_tls_options tls_client_options(void);

/* A context, or NULL with a failure recorded. */
struct aio_tls_context *tls_context(const struct aio_tls_options *options);

/* Two contexts, and two streams of this runtime with TLS between them. */
struct tls_pair {
    struct aio_tls_context *client_context;
    struct aio_tls_context *server_context;
    struct aio_stream *client;
    struct aio_stream *server;
    ssize_t client_result; /* of the handshake */
    ssize_t server_result;
    int64_t limit_ns; /* of each handshake; 0: none */
};

/* Connects them and does both handshakes, whatever comes of them; options NULL: those above. */
bool tls_pair_try(struct tls_pair *pair, const struct aio_tls_options *client,
                  const struct aio_tls_options *server, const char *host);

/* The same with contexts that the pair has already. */
bool tls_pair_shake(struct tls_pair *pair, const char *host);

/* A pair whose handshakes succeeded. */
bool tls_pair_open(struct tls_pair *pair);
void tls_pair_close(struct tls_pair *pair);

/* A byte there and one back: afterwards tickets have been seen. */
bool tls_pair_exchange(struct tls_pair *pair);

/* One of our streams, and OpenSSL over a plain socket at its other end. */
struct tls_raw {
    struct tcp_raw tcp;
    SSL_CTX *context;
    SSL *ssl;
};

/* A raw peer of that side, with a version at most (0: any), and our stream, before any handshake.
 */
bool tls_raw_open(struct tls_raw *raw, bool server, int version, int buffer_bytes);

/* Both handshakes. Returns our result; *theirs is 0 or what SSL_get_error says. */
int tls_raw_shake(struct tls_raw *raw, struct aio_tls_context *context, int *theirs);

/* Such a peer of a client of ours, or of a server, shaken. */
bool tls_raw_start(struct tls_raw *raw, bool server, int version, int buffer_bytes);

/* Reads, writes; the task waits meanwhile. Return what SSL_read and SSL_write do in the end. */
int tls_raw_read(struct tls_raw *raw, void *bytes, int size);
int tls_raw_write(struct tls_raw *raw, const void *bytes, int size);
void tls_raw_close(struct tls_raw *raw);

#endif
