/*
 * In the place of resolve_dns.c where there is no c-ares: a channel can never be had.
 */
#include "net/resolve.h"

int aio__dns_open(struct aio__dns **out, const struct aio_resolve_options *options)
{
    (void)out;
    (void)options;
    aio__log_info("name servers cannot be asked: this libaio was built without c-ares");
    return -ENOSYS;
}

void aio__dns_free(struct aio__dns *dns)
{
    (void)dns;
}

void aio__dns_ask(struct aio__dns *dns, struct aio__lookup *lookup)
{
    (void)dns;
    (void)lookup;
}

void aio__dns_turn(struct aio__dns *dns)
{
    (void)dns;
}

int64_t aio__dns_next(struct aio__dns *dns)
{
    (void)dns;
    return AIO_FOREVER;
}

void aio__dns_cancel(struct aio__dns *dns)
{
    (void)dns;
}

bool aio__dns_quiet(const struct aio__dns *dns)
{
    (void)dns;
    return true;
}

bool aio__dns_stale(const struct aio__dns *dns)
{
    (void)dns;
    return false;
}
