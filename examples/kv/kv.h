/*
 * What the files of kv share: requests as they stand in a connection's input, replies as they are
 * put together, the store of one core, and the commands that work on it.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <aio/aio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_ARGUMENTS_MAX 64         /* of a request */
#define KV_BULK_MAX (1024 * 1024)   /* bytes of one argument */
#define KV_REQUEST_MAX (4 << 20)    /* bytes of a request in all */
#define KV_BATCH_MAX 64             /* requests of a pipeline that are answered together */
#define KV_OUTPUT_FLUSH (64 * 1024) /* replies are sent when there are so many bytes */

/* Bytes that belong to somebody else. */
struct slice {
    const char *data;
    size_t length;
};

/* Bytes of our own, growing. `failed`: there was no memory, and something is missing. */
struct buffer {
    char *data;
    size_t length, capacity;
    bool failed;
};

struct request {
    struct slice arguments[KV_ARGUMENTS_MAX];
    int count;
};

/* resp.c: the Redis protocol, https://redis.io/docs/latest/develop/reference/protocol-spec/ */

/*
 * Reads a request from the start of size bytes. Returns how many bytes it took; 0 when it is not
 * complete; -1 with *problem when it never will be. A request without arguments is an empty line.
 */
long resp_parse(const char *data, size_t size, struct request *request, const char **problem);

void buffer_append(struct buffer *buffer, const void *data, size_t length);
void buffer_free(struct buffer *buffer);
void reply_text(struct buffer *out,
                const char *line); /* with its first character: "+OK", "-ERR ..." */
void reply_number(struct buffer *out, int64_t number);
void reply_bulk(struct buffer *out, struct slice bytes);
void reply_nil(struct buffer *out);
void reply_array(struct buffer *out, int count);

/* store.c: keys and values of one core */

struct store {
    struct entry **buckets;
    size_t bucket_count, entry_count;
};

uint64_t store_hash(struct slice key);
struct slice *store_get(struct store *store, struct slice key); /* NULL: not there */
bool store_set(struct store *store, struct slice key, struct slice value);
bool store_remove(struct store *store, struct slice key);
void store_clear(struct store *store);

/* commands.c */

enum command_place {
    AT_ANY_CORE,  /* needs no store */
    AT_ITS_KEY,   /* the core of its first argument */
    AT_EACH_KEY,  /* several keys: one after the other */
    AT_ALL_CORES, /* the sum of all */
};

struct command {
    const char *name;
    int arguments_min, arguments_max; /* its name included; 0: no limit */
    enum command_place place;
    int64_t (*run)(struct store *store, const struct request *request, struct buffer *out);
};

/* NULL when there is none of that name. */
const struct command *command_find(const struct request *request);

/* session.c: a connection from its start to its end; takes the stream */
int session_run(void *stream);

/* main.c: the store of the calling task's core */
struct store *kv_store(void);

#endif
