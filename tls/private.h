/*
 * What the files of libaio-tls share. It stands on <aio/...> alone, as a program would.
 *
 * Every block here is OpenSSL's (OPENSSL_malloc): what a handshake takes is mostly its own, and one
 * allocator is easier to watch than two.
 */
#ifndef AIO_TLS_PRIVATE_H
#define AIO_TLS_PRIVATE_H

#include <aio-tls/tls.h>
#include <aio/filter.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

/* The plain bytes of a record, at most; and what it takes sealed. */
#define AIO__TLS_RECORD 16384
#define AIO__TLS_SEALED (AIO__TLS_RECORD + 512)
/* Sealed bytes that wait to be sent, at most: a record, and a handshake's or an alert's. */
#define AIO__TLS_OUT_LIMIT ((size_t)256 * 1024)
#define AIO__TLS_HOST_BYTES 256

/* Bytes on their way between OpenSSL and the socket: [begin, end) of the block. */
struct aio__tls_buffer {
    unsigned char *block;
    size_t capacity;
    size_t begin;
    size_t end;
};

struct aio__tls_identity {
    struct aio__tls_identity *next;
    SSL_CTX *ssl; /* holds certificate, chain and key, and makes no connections */
    char host[AIO__TLS_HOST_BYTES];
};

/* A client's sessions, a ring of slots; of a host the newest is used first. */
struct aio__tls_sessions {
    pthread_mutex_t lock;
    struct aio__tls_session *slots;
    size_t count;
    size_t next;
};

struct aio_tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *method;
    struct aio__tls_identity *identities; /* of a server, besides the one of ssl */
    unsigned char *protocols;             /* as they stand on the wire */
    unsigned protocols_bytes;
    struct aio__tls_sessions sessions;
    atomic_uint users; /* connections, and the caller */
    bool server;
    bool insecure;
};

/* The TLS of a stream. */
struct aio__tls {
    struct aio_filter filter; /* first member */
    struct aio_tls_context *context;
    SSL *ssl;
    struct aio__tls_buffer in;      /* from the socket, sealed */
    struct aio__tls_buffer out;     /* to the socket, sealed */
    struct aio__tls_buffer sending; /* what was out, while it is sent: only the writer's */
    bool established;
    bool goodbye_sealed;                /* close_notify is sent, or stands in out */
    bool no_protocol;                   /* the client offered protocols, and none is ours */
    bool truncated;                     /* the socket ended before the peer had said goodbye */
    bool broken;                        /* a write ended in the middle */
    int failed;                         /* 0, or what every read and write returns from now on */
    char *peer;                         /* of aio_tls_info, made when it asks */
    char host[AIO__TLS_HOST_BYTES];     /* the client asks for, "" for none */
    char protocol[AIO__TLS_HOST_BYTES]; /* by ALPN */
    char problem[192];
};

/* buffer.c: a BIO over the two buffers of a connection; nothing in it waits. */
BIO_METHOD *aio__tls_method(void);
BIO *aio__tls_bio(struct aio__tls *tls);

/* Makes room for size bytes at the end. Returns 0 or -ENOMEM. */
int aio__tls_reserve(struct aio__tls_buffer *buffer, size_t size);
size_t aio__tls_used(const struct aio__tls_buffer *buffer);
void aio__tls_release(struct aio__tls_buffer *buffer);

/* context.c */
void aio__tls_context_get(struct aio_tls_context *context);

/* setup.c: settings of an SSL_CTX, from the options. Return 0 or -errno. */
int aio__tls_setup(SSL_CTX *ssl, const struct aio_tls_options *options);
int aio__tls_certificate(SSL_CTX *ssl, const char *certificate_file, const char *key_file);

/* names.c: ALPN and SNI. Return 0 or -errno. */
int aio__tls_protocols(struct aio_tls_context *context, const char *text);
void aio__tls_choose_identities(struct aio_tls_context *context);

/* sessions.c: take gives a session for the host, with a reference, or NULL. */
int aio__tls_sessions_open(struct aio_tls_context *context, int count);
void aio__tls_sessions_close(struct aio__tls_sessions *sessions);
SSL_SESSION *aio__tls_sessions_take(struct aio__tls_sessions *sessions, const char *host);

/* The connection that an SSL is of. */
static inline struct aio__tls *aio__tls_of(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

/* error.c: what the error queue says, as -errno. The queue is empty afterwards. */
int aio__tls_load_error(void);

/* The same of a connection, whose problem it tells. */
int aio__tls_error(struct aio__tls *tls);

/* Tells a problem; returns code. */
int aio__tls_say(struct aio__tls *tls, int code, const char *text);

/* connection.c: the kind of filter that a connection is, and its end. */
extern const struct aio_filter_kind aio__tls_kind;
void aio__tls_free(struct aio__tls *tls);

/* handshake.c, read.c, write.c: what it does. */
int aio__tls_open(struct aio_filter *filter);
ssize_t aio__tls_read(struct aio_filter *filter, const struct iovec *vectors, int count);
ssize_t aio__tls_write(struct aio_filter *filter, const struct iovec *vectors, int count);
int aio__tls_shutdown(struct aio_filter *filter);

/* read.c: receives into `in`, which must be empty. Returns as aio_filter_receive. */
ssize_t aio__tls_receive(struct aio__tls *tls);

/* write.c: sends all of `out`; or what the socket takes at once, for what is said in passing. */
int aio__tls_flush(struct aio__tls *tls);
void aio__tls_push(struct aio__tls *tls);

/* Seals close_notify, once. Returns 0 or -errno. */
int aio__tls_goodbye(struct aio__tls *tls);

static inline struct aio__tls *aio__tls_from(struct aio_filter *filter)
{
    return (struct aio__tls *)(void *)filter;
}

#endif
