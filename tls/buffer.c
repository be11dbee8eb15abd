/*
 * The buffers between OpenSSL and the socket, and the BIO by which OpenSSL sees them: it takes from
 * `in` what has come and puts into `out` what is to go, and never waits; that is done between its
 * calls, by the task.
 */
#include "tls/private.h"

#include <openssl/bio.h>
#include <string.h>

size_t aio__tls_used(const struct aio__tls_buffer *buffer)
{
    return buffer->end - buffer->begin;
}

void aio__tls_release(struct aio__tls_buffer *buffer)
{
    OPENSSL_free(buffer->block);
    *buffer = (struct aio__tls_buffer){.block = NULL};
}

int aio__tls_reserve(struct aio__tls_buffer *buffer, size_t size)
{
    size_t used = aio__tls_used(buffer);
    if (buffer->capacity - buffer->end >= size)
        return 0;
    if (used > 0 && buffer->begin > 0)
        memmove(buffer->block, buffer->block + buffer->begin, used);
    buffer->begin = 0;
    buffer->end = used;
    if (buffer->capacity - used >= size)
        return 0;
    size_t capacity = used + size <= AIO__TLS_SEALED ? AIO__TLS_SEALED : 2 * (used + size);
    unsigned char *block = OPENSSL_realloc(buffer->block, capacity);
    if (block == NULL)
        return -ENOMEM;
    buffer->block = block;
    buffer->capacity = capacity;
    return 0;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    struct aio__tls_buffer *in = &((struct aio__tls *)BIO_get_data(bio))->in;
    size_t count = aio__tls_used(in);
    BIO_clear_retry_flags(bio);
    if (count == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (count > (size_t)size)
        count = (size_t)size;
    memcpy(bytes, in->block + in->begin, count);
    in->begin += count;
    return (int)count;
}

static int bio_write(BIO *bio, const char *bytes, int size)
{
    struct aio__tls_buffer *out = &((struct aio__tls *)BIO_get_data(bio))->out;
    BIO_clear_retry_flags(bio);
    if (size <= 0)
        return 0;
    if (aio__tls_used(out) + (size_t)size > AIO__TLS_OUT_LIMIT ||
        aio__tls_reserve(out, (size_t)size) < 0)
        return -1;
    memcpy(out->block + out->end, bytes, (size_t)size);
    out->end += (size_t)size;
    return size;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *aio__tls_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "aio-tls");
    if (method == NULL)
        return NULL;
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

BIO *aio__tls_bio(struct aio__tls *tls)
{
    BIO *bio = BIO_new(tls->context->method);
    if (bio != NULL) {
        BIO_set_data(bio, tls);
        BIO_set_init(bio, 1);
    }
    return bio;
}
