/*
 * <aio-tls/tls.h>: TLS 1.2 and 1.3 over streams, on OpenSSL 3. The pkg-config module is aio-tls.
 *
 *     struct aio_tls_options options = AIO_TLS_OPTIONS;
 *     struct aio_tls_context *context;
 *     rc = aio_tls_create(&context, &options);        (once)
 *     ...
 *     rc = aio_tcp_connect(&stream, "192.0.2.1:443");
 *     rc = aio_tls_connect(stream, context, "www.example.org");
 *
 * After that the stream is read, written, shut down, selected on and closed by the functions of
 * <aio/stream.h>, and what they say holds, with these differences:
 *
 * - aio_stream_read returns 0 only when the peer has said goodbye (close_notify). A connection that
 *   just ends is -ECONNABORTED: somebody may have cut it off. -EPROTO is a violation of the
 *   protocol, or an alert of the peer; aio_tls_problem says which.
 * - aio_stream_write returns when the kernel has taken the bytes, sealed. If it ends in the middle
 * of that (-ECANCELED, -ETIMEDOUT, or an error of the socket), a sealed part may have gone out and
 *   cannot be taken back: the bytes of that call must be taken for lost, and each later write
 * returns -EPIPE. Reading goes on. aio_stream_write_all counts in *done what went out whole.
 * - aio_stream_shutdown of the writing side sends close_notify first. aio_stream_close sends it too
 *   if the socket takes it at once. A polite end is: shut down the writing side, read to 0, close.
 * - A cancelled read loses nothing.
 * - aio_select_readable may say yes to what turns out to be a part of a record; the read then
 * waits.
 *
 * One task may read while another writes. Renegotiation and compression are off. A handshake takes
 * processor time (1 ms or so for RSA), during which the core does nothing else; it fits in a stack
 * of 16 KiB. What OpenSSL allocates (some 40 KiB for a connection, and 17 more while it writes) is
 * not counted by the runtime's memory limit.
 */
#ifndef AIO_TLS_TLS_H
#define AIO_TLS_TLS_H

#include <aio/base.h>
#include <aio/stream.h>

AIO_BEGIN_DECLS

struct aio_tls_context;

/* Options of a context. Start from AIO_TLS_OPTIONS; a field that is zero has its default. */
struct aio_tls_options {
    size_t size;
    bool server; /* for aio_tls_accept; default: for aio_tls_connect */
    /* Our own certificate and the chain that leads to its issuer, and its key, both PEM. A server
     * needs one, here or by aio_tls_certify. */
    const char *certificate_file;
    const char *key_file;
    /* PEM certificates that are trusted. Default: the system's store. */
    const char *ca_file;
    /* Client: takes any certificate of anybody. The connection is then secret, but with whom? */
    bool insecure;
    /* Server: refuses clients that have no certificate signed by one of ca_file, which is needed.
     */
    bool client_certificates;
    /* Protocols for ALPN by preference, with commas: "h2,http/1.1". A server refuses clients that
     * offer some and none of these. Default: no ALPN. */
    const char *protocols;
    /* Client: sessions to keep for resumption, by host name. Default: 64; -1: none. */
    int sessions;
    /* Server: no session tickets, so no resumption. */
    bool no_tickets;
    /* Nothing below TLS 1.3. */
    bool only_1_3;
};

#define AIO_TLS_OPTIONS ((struct aio_tls_options){.size = sizeof(struct aio_tls_options)})

/*
 * aio_tls_create makes a context: what many connections share. It may be used by tasks of several
 * cores and runtimes at once. options NULL means AIO_TLS_OPTIONS: a client that trusts the system's
 * store.
 *
 * Suspends:  never; reads files.
 * Context:   anywhere.
 * Lifetime:  texts and options only during the call. The context lives until aio_tls_destroy.
 * Returns:   0; -EINVAL for bad options, and for a file that is not what it should be or a key with
 *            a passphrase; -EKEYREJECTED for a key that is not the certificate's; -ENOENT, -EACCES
 *            or another -errno of open(2); -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_tls_create(struct aio_tls_context **out,
                                         const struct aio_tls_options *options);

/*
 * aio_tls_destroy gives a context up. Connections that use it go on. NULL is ignored.
 *
 * Suspends:  never.
 * Context:   anywhere.
 * Lifetime:  the handle is gone after the call.
 */
AIO_API void aio_tls_destroy(struct aio_tls_context *context);

/*
 * aio_tls_certify adds a certificate to a server: clients that ask for this host (SNI) get it; the
 * others the one of the options, or a refusal if there is none. "*.example.org" is every name with
 * one label more. Before the context's first connection.
 *
 * Suspends:  never; reads files.
 * Context:   anywhere, one thread at a time.
 * Lifetime:  texts only during the call.
 * Returns:   0; or as aio_tls_create for its files.
 */
AIO_API AIO_NODISCARD int aio_tls_certify(struct aio_tls_context *context, const char *host,
                                          const char *certificate_file, const char *key_file);

/*
 * aio_tls_connect makes a stream a client's end of TLS: the handshake, in which the peer has to
 * prove that it is host, a DNS name or a numeric address (without a port). It resumes a session of
 * that host if the context has one. After an error the stream is good for nothing but
 * aio_tls_problem and aio_stream_close.
 *
 * Suspends:  until the handshake has ended; the stream's time limit for reading, if it has one,
 *            bounds it as a whole.
 * Context:   a task of the stream's core.
 * Lifetime:  the text only during the call; the context may be destroyed after it.
 * Returns:   0; -EKEYEXPIRED for a certificate whose time is over; -EKEYREVOKED; -EKEYREJECTED for
 *            one that is not to be trusted or not host's; -EPROTONOSUPPORT when there is no version
 *            or no ALPN protocol in common; -EPROTO when the peer refuses or does not speak TLS;
 *            -ECONNABORTED when it ends the connection; -EALREADY for a stream that has TLS or
 *            another filter; -EINVAL for a host that is NULL, empty, too long or begins with a dot,
 *            and for a server's context; -ENOMEM; -ECANCELED; -ETIMEDOUT; -EBADF; or another error
 *            of aio_stream_read and aio_stream_write.
 */
AIO_API AIO_NODISCARD int aio_tls_connect(struct aio_stream *stream,
                                          struct aio_tls_context *context, const char *host);

/*
 * aio_tls_accept makes a stream a server's end of TLS: the handshake. As aio_tls_connect, but for
 * whose certificate is looked at.
 *
 * Suspends:  as aio_tls_connect.
 * Context:   a task of the stream's core.
 * Lifetime:  the context may be destroyed after the call.
 * Returns:   as aio_tls_connect; -EINVAL for a client's context.
 */
AIO_API AIO_NODISCARD int aio_tls_accept(struct aio_stream *stream,
                                         struct aio_tls_context *context);

/* What a handshake has agreed on. The texts live as long as the stream; "" for nothing. */
struct aio_tls_info {
    size_t size;          /* sizeof(struct aio_tls_info), set by the caller */
    const char *version;  /* "TLSv1.3" */
    const char *cipher;   /* "TLS_AES_256_GCM_SHA384" */
    const char *protocol; /* by ALPN */
    const char *host;     /* by SNI: what the client asks for */
    const char *peer;     /* the subject of the peer's certificate: "CN = www.example.org" */
    bool resumed;         /* a session was resumed */
    bool verified;        /* the peer has shown a certificate that we trust */
};

/*
 * aio_tls_info tells what the handshake of a stream has agreed on.
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Returns:   0; -ENOTCONN when there was no handshake, or it has failed; -EINVAL for another size;
 *            -ENOMEM.
 */
AIO_API AIO_NODISCARD int aio_tls_info(struct aio_stream *stream, struct aio_tls_info *info);

/*
 * aio_tls_problem says in words what the last error of a stream's TLS was: "certificate has
 * expired", "the peer ended the connection without close_notify".
 *
 * Suspends:  never.
 * Context:   a task of the stream's core.
 * Lifetime:  the text lives until the next call on the stream.
 * Returns:   the text; "" when there was none.
 */
AIO_API const char *aio_tls_problem(struct aio_stream *stream);

AIO_END_DECLS

#endif
