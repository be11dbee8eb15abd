/*
 * Lookups, see resolve.h: the order in which hosts file, cache and servers are asked.
 */
#include "net/resolve.h"

#include <string.h>

void aio__answer_add(struct aio__answer *answer, const void *address)
{
    size_t bytes = answer->family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    if (answer->count < AIO__ANSWER_MAX)
        memcpy(&answer->hosts[answer->count++], address, bytes);
}

struct aio_address aio__answer_address(const struct aio__answer *answer, uint32_t index,
                                       in_port_t port)
{
    struct aio_address address = {.length = 0};
    if (answer->family == AF_INET) {
        address.length = sizeof address.v4;
        address.v4 = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = port, .sin_addr = answer->hosts[index].v4};
    } else {
        address.length = sizeof address.v6;
        address.v6 = (struct sockaddr_in6){
            .sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = answer->hosts[index].v6};
    }
    return address;
}

bool aio__lookup_pending(const struct aio__lookup *lookup)
{
    return lookup->answers[AIO__V6].pending || lookup->answers[AIO__V4].pending;
}

/* That there is no such name holds for both families; that one has no address, for one. */
int aio__lookup_error(const struct aio__lookup *lookup)
{
    int v6 = lookup->answers[AIO__V6].error, v4 = lookup->answers[AIO__V4].error;
    if (v6 == -ENOENT || v4 == -ENOENT)
        return -ENOENT;
    return v4 == 0 || v4 == -ENODATA ? (v6 != 0 ? v6 : v4) : v4;
}

static void lookup_settle(struct aio__answer *answer)
{
    answer->pending = false;
    answer->error = answer->count > 0 ? 0 : -ENODATA;
}

static void lookup_settle_both(struct aio__lookup *lookup)
{
    for (int i = 0; i < 2; i++)
        if (lookup->answers[i].pending)
            lookup_settle(&lookup->answers[i]);
}

void aio__lookup_answered(struct aio__answer *answer, int error, int64_t ttl_ns)
{
    struct aio__resolver *resolver = answer->lookup->resolver;
    const struct aio_resolve_options *options = &resolver->options;
    answer->pending = false;
    answer->error = error;
    if (error == -ENOENT || error == -ENODATA)
        ttl_ns = options->negative_ttl_ns;
    else if (error != 0)
        return;
    ttl_ns = ttl_ns < options->cache_ttl_ns ? ttl_ns : options->cache_ttl_ns;
    if (ttl_ns > 0)
        aio__cache_store(&resolver->cache, answer->lookup->host, answer, aio__time_after(ttl_ns));
}

/* RFC 6761: names of the loopback are not for servers to answer. */
static bool lookup_localhost(struct aio__lookup *lookup)
{
    static const char name[] = "localhost";
    const struct in_addr v4 = {htonl(INADDR_LOOPBACK)};
    size_t length = strlen(lookup->host), bytes = sizeof name - 1;
    if (length > 0 && lookup->host[length - 1] == '.')
        length--;
    if (length < bytes || memcmp(lookup->host + length - bytes, name, bytes) != 0 ||
        (length > bytes && lookup->host[length - bytes - 1] != '.'))
        return false;
    if (lookup->answers[AIO__V6].pending)
        aio__answer_add(&lookup->answers[AIO__V6], &in6addr_loopback);
    if (lookup->answers[AIO__V4].pending)
        aio__answer_add(&lookup->answers[AIO__V4], &v4);
    return true;
}

static void lookup_ask_cache(struct aio__lookup *lookup)
{
    for (int i = 0; i < 2; i++) {
        struct aio__answer *answer = &lookup->answers[i];
        if (answer->pending && aio__cache_find(&lookup->resolver->cache, lookup->host, answer,
                                               lookup->bell->core->now_ns))
            answer->pending = false;
    }
}

/* Returns 0 with what is known without a server; or as aio__hosts_find. */
static int lookup_ask_here(struct aio__lookup *lookup)
{
    struct aio__resolver *resolver = lookup->resolver;
    int rc =
        aio__hosts_find(&resolver->hosts, resolver->options.hosts, lookup->host, lookup->answers);
    if (rc < 0)
        return rc;
    if (rc > 0 || lookup_localhost(lookup))
        lookup_settle_both(lookup);
    else
        lookup_ask_cache(lookup);
    return 0;
}

static int lookup_open(struct aio__lookup *lookup)
{
    struct aio__resolver *resolver = lookup->resolver;
    while (resolver->idle_count > 0) {
        lookup->dns = resolver->idle[--resolver->idle_count];
        if (!aio__dns_stale(lookup->dns))
            return 0;
        aio__dns_free(lookup->dns);
    }
    lookup->dns = NULL;
    return aio__dns_open(&lookup->dns, &resolver->options);
}

/* Gives back the channel, which is quiet. */
static void lookup_release(struct aio__lookup *lookup)
{
    struct aio__resolver *resolver = lookup->resolver;
    if (resolver->idle_count < AIO__DNS_IDLE)
        resolver->idle[resolver->idle_count++] = lookup->dns;
    else
        aio__dns_free(lookup->dns);
    lookup->dns = NULL;
    aio_semaphore_release(&resolver->permits, 1);
}

/* While it waits for its turn others may have got the same answer. */
static int lookup_ask_servers(struct aio__lookup *lookup)
{
    struct aio_semaphore *permits = &lookup->resolver->permits;
    int rc = aio_semaphore_acquire(permits, 1);
    if (rc < 0)
        return rc;
    lookup_ask_cache(lookup);
    if (aio__lookup_pending(lookup))
        rc = lookup_open(lookup);
    if (lookup->dns != NULL)
        aio__dns_ask(lookup->dns, lookup);
    else
        aio_semaphore_release(permits, 1);
    return rc;
}

int aio__lookup_begin(struct aio__lookup *lookup, struct aio__bell *bell, const char *host,
                      enum aio_resolve_family family)
{
    *lookup = (struct aio__lookup){.bell = bell, .host = host};
    lookup->answers[AIO__V6] = (struct aio__answer){.lookup = lookup, .family = AF_INET6};
    lookup->answers[AIO__V4] = (struct aio__answer){.lookup = lookup, .family = AF_INET};
    lookup->answers[AIO__V6].pending = family != AIO_RESOLVE_V4;
    lookup->answers[AIO__V4].pending = family != AIO_RESOLVE_V6;
    int rc = aio__resolver_get(&lookup->resolver, bell->core);
    if (rc == 0)
        rc = lookup_ask_here(lookup);
    if (rc == 0 && aio__lookup_pending(lookup))
        rc = lookup_ask_servers(lookup);
    return rc;
}

int64_t aio__lookup_turn(struct aio__lookup *lookup)
{
    if (lookup->dns == NULL)
        return AIO_FOREVER;
    aio__dns_turn(lookup->dns);
    if (aio__lookup_pending(lookup) || !aio__dns_quiet(lookup->dns))
        return aio__dns_next(lookup->dns);
    lookup_release(lookup);
    return AIO_FOREVER;
}

void aio__lookup_end(struct aio__lookup *lookup)
{
    struct aio_shield shield;
    if (lookup->dns == NULL)
        return;
    aio_shield_enter(&shield);
    aio__dns_cancel(lookup->dns);
    while (!aio__dns_quiet(lookup->dns))
        (void)aio__bell_wait(lookup->bell, AIO_FOREVER);
    aio_shield_leave(&shield);
    lookup_release(lookup);
}
