/*
 * A core's resolver: its options, and what it keeps; and the public calls.
 */
#include "net/resolve.h"

#include "core/alloc.h"

#include <string.h>

#define RESOLVE_HOSTS "/etc/hosts"
#define RESOLVE_TIMEOUT_NS AIO_SEC(2)
#define RESOLVE_TIMEOUT_MAX_NS AIO_SEC(3600)
#define RESOLVE_TRIES 3u
#define RESOLVE_TRIES_MAX 100u
#define RESOLVE_LOOKUPS 64u
#define RESOLVE_CACHE 512u
#define RESOLVE_CACHE_TTL_NS AIO_SEC(3600)
#define RESOLVE_NEGATIVE_TTL_NS AIO_SEC(5)

/* The resolver and the copies of its texts. */
struct resolver_block {
    struct aio__resolver resolver; /* first member */
    char texts[];
};

static void resolver_free(struct aio__resolver *resolver)
{
    while (resolver->idle_count > 0)
        aio__dns_free(resolver->idle[--resolver->idle_count]);
    aio__cache_free(&resolver->cache);
    aio__hosts_free(&resolver->hosts);
    aio__free(resolver);
}

static void resolver_close(struct aio__core *core)
{
    resolver_free(core->resolver);
    core->resolver = NULL;
}

static void resolver_default(uint32_t *option, uint32_t value)
{
    if (*option == 0)
        *option = value;
}

static void resolver_default_ns(int64_t *option, int64_t value)
{
    if (*option == 0)
        *option = value;
}

static int resolver_settle(struct aio_resolve_options *options)
{
    if (options->size != sizeof *options || options->timeout_ns < 0 || options->cache_ttl_ns < 0 ||
        options->negative_ttl_ns < 0 || options->timeout_ns > RESOLVE_TIMEOUT_MAX_NS ||
        options->tries > RESOLVE_TRIES_MAX)
        return -EINVAL;
    if (options->servers != NULL && options->servers[0] == '\0')
        return -EINVAL;
    if (options->hosts == NULL)
        options->hosts = RESOLVE_HOSTS;
    resolver_default_ns(&options->timeout_ns, RESOLVE_TIMEOUT_NS);
    resolver_default_ns(&options->cache_ttl_ns, RESOLVE_CACHE_TTL_NS);
    resolver_default_ns(&options->negative_ttl_ns, RESOLVE_NEGATIVE_TTL_NS);
    resolver_default(&options->tries, RESOLVE_TRIES);
    resolver_default(&options->lookups, RESOLVE_LOOKUPS);
    resolver_default(&options->cache_entries, RESOLVE_CACHE);
    return 0;
}

static const char *resolver_copy(char **to, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(*to, text, bytes);
    *to += bytes;
    return copy;
}

static int resolver_make(struct aio__resolver **out, struct aio_resolve_options options)
{
    int rc = resolver_settle(&options);
    if (rc < 0)
        return rc;
    size_t texts =
        strlen(options.hosts) + 1 + (options.servers != NULL ? strlen(options.servers) + 1 : 0);
    struct resolver_block *block = aio__alloc_zero(sizeof *block + texts);
    if (block == NULL)
        return -ENOMEM;
    struct aio__resolver *resolver = &block->resolver;
    char *to = block->texts;
    options.hosts = resolver_copy(&to, options.hosts);
    options.servers = resolver_copy(&to, options.servers);
    resolver->options = options;
    resolver->permits = (struct aio_semaphore)AIO_SEMAPHORE_INIT(options.lookups);
    resolver->cache.limit =
        options.cache_entries == AIO_RESOLVE_UNCACHED ? 0 : options.cache_entries;
    *out = resolver;
    return 0;
}

static void resolver_install(struct aio__core *core, struct aio__resolver *resolver)
{
    if (core->resolver != NULL)
        resolver_free(core->resolver);
    core->resolver = resolver;
    core->resolver_close = resolver_close;
}

int aio__resolver_get(struct aio__resolver **out, struct aio__core *core)
{
    *out = core->resolver;
    if (*out != NULL)
        return 0;
    int rc = resolver_make(out, AIO_RESOLVE_OPTIONS);
    if (rc == 0)
        resolver_install(core, *out);
    return rc;
}

/* Bad servers are found by opening a channel to them. */
static int resolver_try(struct aio__resolver *resolver)
{
    if (resolver->options.servers == NULL)
        return 0;
    int rc = aio__dns_open(&resolver->idle[0], &resolver->options);
    if (rc == 0)
        resolver->idle_count = 1;
    return rc;
}

int aio_resolve_setup(const struct aio_resolve_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio__resolver *before = core->resolver, *resolver;
    if (before != NULL && (before->permits.queue.head != NULL ||
                           aio_semaphore_available(&before->permits) < before->options.lookups))
        return -EBUSY;
    int rc = resolver_make(&resolver, options != NULL ? *options : AIO_RESOLVE_OPTIONS);
    if (rc < 0)
        return rc;
    rc = resolver_try(resolver);
    if (rc == 0)
        resolver_install(core, resolver);
    else
        resolver_free(resolver);
    return rc;
}

static bool resolve_wants(enum aio_resolve_family family, const struct aio_address *address)
{
    return family == AIO_RESOLVE_ANY ||
           (family == AIO_RESOLVE_V6) == (address->any.sa_family == AF_INET6);
}

/* Both families in turn, IPv6 first, while there are of both. */
static int resolve_gather(const struct aio__lookup *lookup, in_port_t port, struct aio_address *out,
                          size_t capacity)
{
    const struct aio__answer *answers = lookup->answers;
    size_t count = 0;
    for (uint32_t at = 0; at < AIO__ANSWER_MAX; at++)
        for (int i = 0; i < 2; i++)
            if (at < answers[i].count && count < capacity)
                out[count++] = aio__answer_address(&answers[i], at, port);
    return count > 0 ? (int)count : aio__lookup_error(lookup);
}

static int resolve_wait(struct aio__lookup *lookup, struct aio__bell *bell)
{
    for (;;) {
        int64_t until_ns = aio__lookup_turn(lookup);
        if (!aio__lookup_pending(lookup))
            return 0;
        int rc = aio__bell_wait(bell, until_ns);
        if (rc < 0)
            return rc;
    }
}

static int resolve_host(struct aio__core *core, const struct aio__name *name,
                        enum aio_resolve_family family, struct aio_address *out, size_t capacity)
{
    struct aio__bell bell;
    struct aio__lookup lookup;
    aio__bell_init(&bell, core, "resolve");
    int rc = aio__lookup_begin(&lookup, &bell, name->host, family);
    if (rc < 0)
        return rc;
    rc = resolve_wait(&lookup, &bell);
    if (rc == 0)
        rc = resolve_gather(&lookup, name->port, out, capacity);
    aio__lookup_end(&lookup);
    return rc;
}

int aio_resolve_name(struct aio_address *out, size_t capacity, const char *name,
                     enum aio_resolve_family family)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_address numeric;
    struct aio__name parsed;
    if (capacity == 0 || (unsigned)family > AIO_RESOLVE_V6)
        return -EINVAL;
    int rc = aio_address_parse(&numeric, name);
    bool numbers = rc != -EINVAL;
    if (!numbers)
        rc = aio__name_parse(&parsed, name);
    if (rc == 0)
        rc = aio__interrupted(core);
    if (rc < 0)
        return rc;
    if (!numbers)
        return resolve_host(core, &parsed, family, out, capacity);
    if (!resolve_wants(family, &numeric))
        return -ENODATA;
    out[0] = numeric;
    return 1;
}
