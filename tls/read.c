/*
 * Reading: OpenSSL opens what stands in `in`, and when that is not a whole record, more is
 * received. What was received stays, so a read that is cancelled loses nothing.
 */
#include "tls/private.h"

#include <openssl/err.h>

ssize_t aio__tls_receive(struct aio__tls *tls)
{
    struct aio__tls_buffer *in = &tls->in;
    in->begin = in->end = 0; /* it is empty, or OpenSSL would not ask for more */
    int rc = aio__tls_reserve(in, AIO__TLS_SEALED);
    if (rc < 0)
        return rc;
    ssize_t n = aio_filter_receive(&tls->filter, in->block, in->capacity);
    if (n > 0)
        in->end = (size_t)n;
    return n;
}

/* Returns bytes; 0 after the peer's goodbye; -EAGAIN when there is no whole record. */
static ssize_t read_open(struct aio__tls *tls, void *bytes, size_t size)
{
    size_t opened;
    ERR_clear_error();
    if (SSL_read_ex(tls->ssl, bytes, size, &opened) == 1)
        return (ssize_t)opened;
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        tls->failed = aio__tls_error(tls);
        return tls->failed;
    }
}

/* The first record is worth an answer; the rest of it, which is open already, fills what room there
 * is. */
static ssize_t read_vectors(struct aio__tls *tls, const struct iovec *vectors, int count)
{
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len == 0)
            continue;
        if (total > 0 && SSL_pending(tls->ssl) == 0)
            break;
        ssize_t n = read_open(tls, vectors[i].iov_base, vectors[i].iov_len);
        if (n <= 0)
            return total > 0 ? total : n;
        total += n;
    }
    return total;
}

/* The socket has ended. */
static ssize_t read_end(struct aio__tls *tls)
{
    if (tls->filter.reading_ended)
        return 0;
    tls->truncated = true;
    return aio__tls_say(tls, -ECONNABORTED, "the peer ended the connection without close_notify");
}

ssize_t aio__tls_read(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    struct aio__tls *tls = aio__tls_from(filter);
    if (tls->failed != 0)
        return tls->failed;
    if (tls->truncated)
        return read_end(tls);
    for (;;) {
        ssize_t n = read_vectors(tls, vectors, count);
        if (aio__tls_used(&tls->out) > 0)
            aio__tls_push(tls);
        if (n != -EAGAIN)
            return n;
        n = aio__tls_receive(tls);
        if (n <= 0)
            return n == 0 ? read_end(tls) : n;
    }
}
