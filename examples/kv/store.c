/*
 * The store of one core: a hash table with chains, which doubles when it is full. Only tasks of its
 * core use it, and none of them suspends meanwhile, so it needs no lock.
 */
#include "examples/kv/kv.h"

#include <stdlib.h>
#include <string.h>

#define STORE_BUCKETS_MIN 1024

struct entry {
    struct entry *next;
    uint64_t hash;
    struct slice value; /* ours */
    size_t key_length;
    char key[];
};

/* FNV-1a, with a last mix: the low bits choose the bucket, the high ones the core. */
uint64_t store_hash(struct slice key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < key.length; i++)
        hash = (hash ^ (unsigned char)key.data[i]) * 0x100000001b3u;
    hash ^= hash >> 32;
    return hash * 0x9e3779b97f4a7c15u;
}

static struct entry **store_find(struct store *store, struct slice key, uint64_t hash)
{
    struct entry **at = &store->buckets[hash & (store->bucket_count - 1)];
    while (*at != NULL && ((*at)->hash != hash || (*at)->key_length != key.length ||
                           memcmp((*at)->key, key.data, key.length) != 0))
        at = &(*at)->next;
    return at;
}

/* A table that cannot grow works on, with longer chains. */
static bool store_grow(struct store *store)
{
    size_t count = store->bucket_count > 0 ? 2 * store->bucket_count : STORE_BUCKETS_MIN;
    if (store->entry_count < store->bucket_count)
        return true;
    struct entry **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return store->buckets != NULL;
    for (size_t i = 0; i < store->bucket_count; i++) {
        struct entry *entry, *next = store->buckets[i];
        while ((entry = next) != NULL) {
            next = entry->next;
            entry->next = buckets[entry->hash & (count - 1)];
            buckets[entry->hash & (count - 1)] = entry;
        }
    }
    free(store->buckets);
    store->buckets = buckets;
    store->bucket_count = count;
    return true;
}

struct slice *store_get(struct store *store, struct slice key)
{
    if (store->buckets == NULL)
        return NULL;
    struct entry *entry = *store_find(store, key, store_hash(key));
    return entry != NULL ? &entry->value : NULL;
}

/* Over the old value where the new one fits. */
static bool value_assign(struct slice *value, struct slice bytes)
{
    char *data = (char *)(uintptr_t)value->data;
    if (value->length != bytes.length || data == NULL) {
        data = realloc(data, bytes.length > 0 ? bytes.length : 1);
        if (data == NULL)
            return false;
    }
    if (bytes.length > 0)
        memcpy(data, bytes.data, bytes.length);
    *value = (struct slice){data, bytes.length};
    return true;
}

bool store_set(struct store *store, struct slice key, struct slice value)
{
    uint64_t hash = store_hash(key);
    if (!store_grow(store))
        return false;
    struct entry **at = store_find(store, key, hash);
    if (*at != NULL)
        return value_assign(&(*at)->value, value);
    struct entry *entry = malloc(sizeof *entry + key.length);
    if (entry == NULL)
        return false;
    *entry = (struct entry){.hash = hash, .key_length = key.length};
    memcpy(entry->key, key.data, key.length);
    if (!value_assign(&entry->value, value)) {
        free(entry);
        return false;
    }
    *at = entry;
    store->entry_count++;
    return true;
}

static void entry_free(struct entry *entry)
{
    free((void *)(uintptr_t)entry->value.data);
    free(entry);
}

bool store_remove(struct store *store, struct slice key)
{
    if (store->buckets == NULL)
        return false;
    struct entry **at = store_find(store, key, store_hash(key));
    struct entry *entry = *at;
    if (entry == NULL)
        return false;
    *at = entry->next;
    entry_free(entry);
    store->entry_count--;
    return true;
}

void store_clear(struct store *store)
{
    for (size_t i = 0; i < store->bucket_count; i++) {
        struct entry *entry, *next = store->buckets[i];
        while ((entry = next) != NULL) {
            next = entry->next;
            entry_free(entry);
        }
    }
    free(store->buckets);
    *store = (struct store){0};
}
