/*
 * What the files of dns_forward share: answers, the cache of them, and how one is had.
 */
#ifndef DNS_FORWARD_DNS_H
#define DNS_FORWARD_DNS_H

#include "examples/dns_forward/wire.h"

#include <aio/aio.h>

/* An answer as the upstream server gave it; counted by those who hold it. */
struct answer {
    unsigned holders;
    bool truncated; /* the upstream server had more, but not for us */
    uint32_t ttl;   /* seconds for which it may be kept */
    int64_t born_ns;
    size_t size;
    uint8_t bytes[];
};

/* A copy of these bytes, held once; NULL when there is no memory. */
struct answer *answer_make(const uint8_t *bytes, size_t size, const struct wire_answer *said);
struct answer *answer_hold(struct answer *answer);
void answer_release(struct answer *answer);

/* cache.c: what is known, bounded; what was used longest ago goes first. */
void cache_bound(size_t entries); /* how many; 20000 if it is not called */
void cache_put(const struct wire_key *key, struct answer *answer);
struct answer *cache_get(const struct wire_key *key); /* not held; NULL: not known */
void cache_clear(void);
uint32_t key_hash(const struct wire_key *key);

/* upstream.c: asks the upstream server. Returns 0 with *out held, or -errno. */
int upstream_set(const char *address);
void upstream_patience(int64_t attempt_ns); /* for one attempt */
int upstream_ask(struct answer **out, const struct wire_query *query);

/*
 * resolve.c: the answer to a query, held: known, being asked for already, or asked for now.
 * Returns 0; -EBUSY when too much is being asked for; or -errno.
 */
int resolve_query(struct answer **out, const struct wire_query *query);

/* The bytes of the message for this client, at out: of `room` bytes at most, else it is cut off. */
size_t resolve_write(uint8_t *out, size_t room, const struct wire_query *query,
                     const struct answer *answer);

/* The same for a query that could not be resolved. */
size_t resolve_fail(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query, int rc);

/* udp.c, tcp.c: the two sides of the server. Return when the task is cancelled. */
int udp_serve(struct aio_socket *socket);
int tcp_serve(const char *address, void (*ready)(struct aio_listener *listener, void *arg));

#endif
