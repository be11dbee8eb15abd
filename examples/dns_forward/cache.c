/*
 * What is known: answers by their key, in a hash table and a list by their last use.
 */
#include "examples/dns_forward/dns.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    CACHE_BUCKETS = 1 << 14,
    CACHE_BYTES = 32 << 20,
};

struct entry {
    struct wire_key key;
    struct answer *answer;
    struct entry *chain;
    struct entry *newer;
    struct entry *older;
};

static size_t cache_limit = 20000; /* entries */

static struct {
    struct entry *buckets[CACHE_BUCKETS];
    struct entry *newest;
    struct entry *oldest;
    size_t entries;
    size_t bytes;
} cache;

struct answer *answer_make(const uint8_t *bytes, size_t size, const struct wire_answer *said)
{
    struct answer *answer = malloc(sizeof *answer + size);
    if (answer == NULL)
        return NULL;
    *answer = (struct answer){.holders = 1,
                              .truncated = said->truncated,
                              .ttl = said->ttl,
                              .born_ns = aio_time_now(),
                              .size = size};
    memcpy(answer->bytes, bytes, size);
    return answer;
}

struct answer *answer_hold(struct answer *answer)
{
    answer->holders++;
    return answer;
}

void answer_release(struct answer *answer)
{
    if (answer != NULL && --answer->holders == 0)
        free(answer);
}

/* FNV-1a, from a start that nobody outside knows. */
uint32_t key_hash(const struct wire_key *key)
{
    static uint32_t start;
    while (start == 0)
        if (getrandom(&start, sizeof start, 0) < 0)
            start = 2166136261u;
    uint32_t hash = start ^ ((uint32_t)key->type << 8 | key->wants) ^ (uint32_t)key->class << 24;
    for (size_t i = 0; i < key->bytes; i++)
        hash = (hash ^ key->name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static struct entry **cache_find(const struct wire_key *key)
{
    struct entry **at = &cache.buckets[key_hash(key) % CACHE_BUCKETS];
    while (*at != NULL && memcmp(&(*at)->key, key, sizeof *key) != 0)
        at = &(*at)->chain;
    return at;
}

static void cache_unlink(struct entry *entry)
{
    *(entry->newer != NULL ? &entry->newer->older : &cache.newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &cache.oldest) = entry->newer;
}

static void cache_link(struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache.newest;
    *(cache.newest != NULL ? &cache.newest->newer : &cache.oldest) = entry;
    cache.newest = entry;
}

static size_t entry_bytes(const struct entry *entry)
{
    return sizeof *entry + sizeof *entry->answer + entry->answer->size;
}

static void cache_drop(struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->chain;
    cache_unlink(entry);
    cache.entries--;
    cache.bytes -= entry_bytes(entry);
    answer_release(entry->answer);
    free(entry);
}

void cache_put(const struct wire_key *key, struct answer *answer)
{
    struct entry **at = cache_find(key);
    if (*at != NULL)
        cache_drop(at);
    struct entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return; /* it will be asked for again */
    struct entry **bucket = &cache.buckets[key_hash(key) % CACHE_BUCKETS];
    *entry = (struct entry){.key = *key, .answer = answer_hold(answer), .chain = *bucket};
    *bucket = entry;
    cache_link(entry);
    cache.entries++;
    cache.bytes += entry_bytes(entry);
    while (cache.entries > cache_limit || cache.bytes > CACHE_BYTES)
        cache_drop(cache_find(&cache.oldest->key));
}

void cache_bound(size_t entries)
{
    cache_limit = entries;
}

struct answer *cache_get(const struct wire_key *key)
{
    struct entry **at = cache_find(key), *entry = *at;
    if (entry == NULL)
        return NULL;
    if (aio_time_now() - entry->answer->born_ns >= AIO_SEC(entry->answer->ttl)) {
        cache_drop(at);
        return NULL;
    }
    cache_unlink(entry);
    cache_link(entry);
    return entry->answer;
}

void cache_clear(void)
{
    while (cache.oldest != NULL)
        cache_drop(cache_find(&cache.oldest->key));
}
