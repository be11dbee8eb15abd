/*
 * The commands. Each works on the store of one core and writes its reply; those of several keys or
 * of all cores only return a number, which session.c adds up.
 */
#include "examples/kv/kv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char out_of_memory[] = "-OOM out of memory";
static const char not_an_integer[] = "-ERR value is not an integer or out of range";

static int64_t run_ping(struct store *store, const struct request *request, struct buffer *out)
{
    (void)store;
    if (request->count > 1)
        reply_bulk(out, request->arguments[1]);
    else
        reply_text(out, "+PONG");
    return 0;
}

static int64_t run_echo(struct store *store, const struct request *request, struct buffer *out)
{
    (void)store;
    reply_bulk(out, request->arguments[1]);
    return 0;
}

static int64_t run_ok(struct store *store, const struct request *request, struct buffer *out)
{
    (void)store;
    (void)request;
    reply_text(out, "+OK");
    return 0;
}

/* COMMAND and the like: clients ask, and can do without. */
static int64_t run_empty(struct store *store, const struct request *request, struct buffer *out)
{
    (void)store;
    (void)request;
    reply_array(out, 0);
    return 0;
}

/* "CONFIG GET name": redis-benchmark asks what is saved to disk, and here that is nothing. */
static int64_t run_config(struct store *store, const struct request *request, struct buffer *out)
{
    (void)store;
    if (request->count != 3) {
        reply_text(out, "-ERR only CONFIG GET is known");
        return 0;
    }
    reply_array(out, 2);
    reply_bulk(out, request->arguments[2]);
    reply_bulk(out, (struct slice){"", 0});
    return 0;
}

static int64_t run_get(struct store *store, const struct request *request, struct buffer *out)
{
    const struct slice *value = store_get(store, request->arguments[1]);
    if (value != NULL)
        reply_bulk(out, *value);
    else
        reply_nil(out);
    return 0;
}

static int64_t run_set(struct store *store, const struct request *request, struct buffer *out)
{
    bool done = store_set(store, request->arguments[1], request->arguments[2]);
    reply_text(out, done ? "+OK" : out_of_memory);
    return 0;
}

static bool slice_number(struct slice text, int64_t *number)
{
    char copy[24];
    char *end;
    if (text.length == 0 || text.length >= sizeof copy || text.data[0] == ' ')
        return false;
    memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    errno = 0;
    *number = strtoll(copy, &end, 10);
    return errno == 0 && *end == '\0';
}

static void add(struct store *store, struct slice key, int64_t by, struct buffer *out)
{
    int64_t number = 0;
    char text[24];
    const struct slice *value = store_get(store, key);
    if ((value != NULL && !slice_number(*value, &number)) ||
        __builtin_add_overflow(number, by, &number)) {
        reply_text(out, not_an_integer);
        return;
    }
    int length = snprintf(text, sizeof text, "%lld", (long long)number);
    if (store_set(store, key, (struct slice){text, (size_t)length}))
        reply_number(out, number);
    else
        reply_text(out, out_of_memory);
}

static int64_t run_incr(struct store *store, const struct request *request, struct buffer *out)
{
    add(store, request->arguments[1], 1, out);
    return 0;
}

static int64_t run_decr(struct store *store, const struct request *request, struct buffer *out)
{
    add(store, request->arguments[1], -1, out);
    return 0;
}

static int64_t run_incrby(struct store *store, const struct request *request, struct buffer *out)
{
    int64_t by;
    if (slice_number(request->arguments[2], &by))
        add(store, request->arguments[1], by, out);
    else
        reply_text(out, not_an_integer);
    return 0;
}

static int64_t run_del(struct store *store, const struct request *request, struct buffer *out)
{
    (void)out;
    return store_remove(store, request->arguments[1]);
}

static int64_t run_exists(struct store *store, const struct request *request, struct buffer *out)
{
    (void)out;
    return store_get(store, request->arguments[1]) != NULL;
}

static int64_t run_dbsize(struct store *store, const struct request *request, struct buffer *out)
{
    (void)request;
    (void)out;
    return (int64_t)store->entry_count;
}

static int64_t run_flushall(struct store *store, const struct request *request, struct buffer *out)
{
    (void)request;
    (void)out;
    store_clear(store);
    return 0;
}

static const struct command commands[] = {
    {"get", 2, 2, AT_ITS_KEY, run_get},
    {"set", 3, 3, AT_ITS_KEY, run_set},
    {"incr", 2, 2, AT_ITS_KEY, run_incr},
    {"decr", 2, 2, AT_ITS_KEY, run_decr},
    {"incrby", 3, 3, AT_ITS_KEY, run_incrby},
    {"ping", 1, 2, AT_ANY_CORE, run_ping},
    {"echo", 2, 2, AT_ANY_CORE, run_echo},
    {"del", 2, 0, AT_EACH_KEY, run_del},
    {"exists", 2, 0, AT_EACH_KEY, run_exists},
    {"dbsize", 1, 1, AT_ALL_CORES, run_dbsize},
    {"flushall", 1, 2, AT_ALL_CORES, run_flushall},
    {"flushdb", 1, 2, AT_ALL_CORES, run_flushall},
    {"select", 2, 2, AT_ANY_CORE, run_ok},
    {"client", 2, 0, AT_ANY_CORE, run_ok},
    {"quit", 1, 1, AT_ANY_CORE, run_ok},
    {"config", 2, 0, AT_ANY_CORE, run_config},
    {"command", 1, 0, AT_ANY_CORE, run_empty},
};

const struct command *command_find(const struct request *request)
{
    struct slice name = request->arguments[0];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strlen(commands[i].name) == name.length &&
            strncasecmp(commands[i].name, name.data, name.length) == 0)
            return &commands[i];
    return NULL;
}
