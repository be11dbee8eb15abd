/*
 * Writing: sealing a record, sending it, saying goodbye. OpenSSL seals into `out`, without waiting;
 * then the writer sends that, from a buffer of its own, for a reader may put an alert into `out`
 * meanwhile.
 */
#include "tls/private.h"

#include <openssl/err.h>
#include <string.h>

int aio__tls_flush(struct aio__tls *tls)
{
    struct aio__tls_buffer *sending = &tls->sending;
    for (;;) {
        while (aio__tls_used(sending) > 0) {
            ssize_t n = aio_filter_send(&tls->filter, sending->block + sending->begin,
                                        aio__tls_used(sending));
            if (n < 0)
                return (int)n;
            sending->begin += (size_t)n;
        }
        aio__tls_release(sending);
        if (aio__tls_used(&tls->out) == 0)
            return 0;
        *sending = tls->out;
        tls->out = (struct aio__tls_buffer){.block = NULL};
    }
}

/* Returns whether the buffer is empty then. */
static bool push_buffer(struct aio__tls *tls, struct aio__tls_buffer *buffer)
{
    size_t used = aio__tls_used(buffer);
    if (used == 0)
        return true;
    ssize_t n = aio_filter_push(&tls->filter, buffer->block + buffer->begin, used);
    if (n > 0)
        buffer->begin += (size_t)n;
    return n == (ssize_t)used;
}

void aio__tls_push(struct aio__tls *tls)
{
    if (!tls->broken && push_buffer(tls, &tls->sending))
        (void)push_buffer(tls, &tls->out);
}

/* Seals up to a record's worth. */
static ssize_t write_seal(struct aio__tls *tls, const void *bytes, size_t size)
{
    size_t sealed;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, bytes, size < AIO__TLS_RECORD ? size : AIO__TLS_RECORD, &sealed) ==
        1)
        return (ssize_t)sealed;
    tls->failed = aio__tls_error(tls);
    return tls->failed;
}

/* Several small pieces go into one record. */
static ssize_t write_seal_gathered(struct aio__tls *tls, const struct iovec *vectors, int count)
{
    size_t filled = 0;
    unsigned char *bytes = OPENSSL_malloc(AIO__TLS_RECORD);
    if (bytes == NULL)
        return -ENOMEM;
    for (int i = 0; i < count && filled < AIO__TLS_RECORD; i++) {
        size_t part = vectors[i].iov_len;
        if (part > AIO__TLS_RECORD - filled)
            part = AIO__TLS_RECORD - filled;
        if (part > 0)
            memcpy(bytes + filled, vectors[i].iov_base, part);
        filled += part;
    }
    ssize_t n = write_seal(tls, bytes, filled);
    OPENSSL_free(bytes);
    return n;
}

static int write_check(struct aio__tls *tls)
{
    if (tls->failed != 0)
        return tls->failed;
    if (tls->broken)
        return aio__tls_say(tls, -EPIPE, "an earlier write ended in the middle of a record");
    if (tls->goodbye_sealed)
        return aio__tls_say(tls, -EPIPE, "the writing side was shut down");
    return 0;
}

ssize_t aio__tls_write(struct aio_filter *filter, const struct iovec *vectors, int count)
{
    struct aio__tls *tls = aio__tls_from(filter);
    int rc = write_check(tls);
    if (rc == 0)
        rc = aio__tls_flush(tls); /* an alert that a reader left */
    if (rc < 0)
        return rc;
    ssize_t n = count == 1 ? write_seal(tls, vectors->iov_base, vectors->iov_len)
                           : write_seal_gathered(tls, vectors, count);
    if (n < 0)
        return n;
    rc = aio__tls_flush(tls);
    tls->broken = rc < 0;
    return rc < 0 ? aio__tls_say(tls, rc, "a write ended in the middle of a record") : n;
}

int aio__tls_goodbye(struct aio__tls *tls)
{
    if (tls->goodbye_sealed)
        return 0;
    ERR_clear_error();
    if (SSL_shutdown(tls->ssl) < 0) {
        tls->failed = aio__tls_error(tls);
        return tls->failed;
    }
    tls->goodbye_sealed = true;
    return 0;
}

int aio__tls_shutdown(struct aio_filter *filter)
{
    struct aio__tls *tls = aio__tls_from(filter);
    int rc = tls->goodbye_sealed && !tls->broken ? tls->failed : write_check(tls);
    if (rc == 0)
        rc = aio__tls_goodbye(tls);
    return rc == 0 ? aio__tls_flush(tls) : rc;
}
