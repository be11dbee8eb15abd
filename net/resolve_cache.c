/*
 * The cache of answers: a hash table of limited size, whose entries also stand in a list, those
 * used last first. An entry is one block: head, addresses, name.
 */
#include "net/resolve.h"

#include "core/alloc.h"

#include <string.h>

struct aio__cached {
    struct aio__cached *chain; /* in its bucket */
    struct aio__cached *newer;
    struct aio__cached *older;
    int64_t until_ns;
    uint32_t hash;
    int family;
    int error;
    uint32_t count;
    union aio__host hosts[]; /* and the name behind them */
};

static char *cached_name(struct aio__cached *entry)
{
    return (char *)&entry->hosts[entry->count];
}

static uint32_t cache_hash(const char *host, int family)
{
    uint32_t hash = 2166136261u ^ (uint32_t)family; /* FNV-1a */
    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619u;
    return hash ^ hash >> 16;
}

static struct aio__cached **cache_bucket(struct aio__cache *cache, uint32_t hash)
{
    return &cache->buckets[hash & cache->mask];
}

static void cache_list(struct aio__cache *cache, struct aio__cached *entry)
{
    entry->newer = NULL;
    entry->older = cache->first;
    if (cache->first != NULL)
        cache->first->newer = entry;
    else
        cache->last = entry;
    cache->first = entry;
}

static void cache_unlist(struct aio__cache *cache, struct aio__cached *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        cache->first = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        cache->last = entry->newer;
}

static void cache_drop(struct aio__cache *cache, struct aio__cached *entry)
{
    struct aio__cached **at = cache_bucket(cache, entry->hash);
    while (*at != entry)
        at = &(*at)->chain;
    *at = entry->chain;
    cache_unlist(cache, entry);
    cache->count--;
    aio__free(entry);
}

static struct aio__cached *cache_search(struct aio__cache *cache, const char *host, int family,
                                        uint32_t hash)
{
    struct aio__cached *entry = cache->buckets != NULL ? *cache_bucket(cache, hash) : NULL;
    while (entry != NULL && (entry->hash != hash || entry->family != family ||
                             strcmp(cached_name(entry), host) != 0))
        entry = entry->chain;
    return entry;
}

bool aio__cache_find(struct aio__cache *cache, const char *host, struct aio__answer *answer,
                     int64_t now_ns)
{
    uint32_t hash = cache_hash(host, answer->family);
    struct aio__cached *entry = cache_search(cache, host, answer->family, hash);
    if (entry == NULL)
        return false;
    if (entry->until_ns <= now_ns) {
        cache_drop(cache, entry);
        return false;
    }
    cache_unlist(cache, entry);
    cache_list(cache, entry);
    answer->error = entry->error;
    answer->count = entry->count;
    memcpy(answer->hosts, entry->hosts, entry->count * sizeof entry->hosts[0]);
    return true;
}

static bool cache_ready(struct aio__cache *cache)
{
    if (cache->buckets != NULL || cache->limit == 0)
        return cache->limit > 0;
    uint32_t buckets = 16;
    while (buckets < cache->limit && buckets < 1u << 20)
        buckets *= 2;
    cache->buckets = aio__alloc_zero(buckets * sizeof(struct aio__cached *));
    cache->mask = buckets - 1;
    return cache->buckets != NULL;
}

void aio__cache_store(struct aio__cache *cache, const char *host, const struct aio__answer *answer,
                      int64_t until_ns)
{
    if (!cache_ready(cache))
        return;
    uint32_t hash = cache_hash(host, answer->family);
    struct aio__cached *old = cache_search(cache, host, answer->family, hash);
    if (old != NULL)
        cache_drop(cache, old);
    size_t bytes = answer->count * sizeof old->hosts[0], length = strlen(host) + 1;
    struct aio__cached *entry = aio__alloc(sizeof *entry + bytes + length);
    if (entry == NULL)
        return;
    if (cache->count >= cache->limit)
        cache_drop(cache, cache->last);
    struct aio__cached **bucket = cache_bucket(cache, hash);
    *entry = (struct aio__cached){*bucket, NULL,           NULL,          until_ns,
                                  hash,    answer->family, answer->error, answer->count};
    memcpy(entry->hosts, answer->hosts, bytes);
    memcpy(cached_name(entry), host, length);
    *bucket = entry;
    cache_list(cache, entry);
    cache->count++;
}

void aio__cache_free(struct aio__cache *cache)
{
    while (cache->last != NULL)
        cache_drop(cache, cache->last);
    aio__free(cache->buckets);
    cache->buckets = NULL;
}
