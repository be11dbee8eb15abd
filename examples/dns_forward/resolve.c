/*
 * The way of a query to its answer. What several ask for at the same time is asked for once: the
 * first one's task does so, the others wait for it.
 */
#include "examples/dns_forward/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Questions to the upstream server at once, and tasks that wait for the answers. */
enum { FLIGHT_LIMIT = 400, WAITER_LIMIT = 4000, FLIGHT_BUCKETS = 256 };

/* A question that is being asked; kept by those who wait for its end. */
struct flight {
    struct wire_key key;
    struct flight *chain;
    unsigned holders;
    bool landed;
    int rc;
    struct answer *answer;
    struct aio_notify landing;
};

static struct flight *flights[FLIGHT_BUCKETS];
static unsigned flight_count, waiter_count;

static struct flight **flight_find(const struct wire_key *key)
{
    struct flight **at = &flights[key_hash(key) % FLIGHT_BUCKETS];
    while (*at != NULL && memcmp(&(*at)->key, key, sizeof *key) != 0)
        at = &(*at)->chain;
    return at;
}

static void flight_release(struct flight *flight)
{
    if (--flight->holders > 0)
        return;
    answer_release(flight->answer);
    aio_notify_destroy(&flight->landing);
    free(flight);
}

/* Takes one out of what the flight has brought. */
static int flight_leave(struct flight *flight, struct answer **out)
{
    int rc = flight->rc;
    if (rc == 0)
        *out = answer_hold(flight->answer);
    flight_release(flight);
    return rc;
}

static int flight_await(struct flight *flight, struct answer **out)
{
    int rc = 0;
    if (waiter_count == WAITER_LIMIT)
        return -EBUSY;
    waiter_count++;
    flight->holders++;
    while (rc == 0 && !flight->landed)
        rc = aio_notify_wait(&flight->landing);
    waiter_count--;
    if (rc == 0)
        return flight_leave(flight, out);
    flight_release(flight);
    return rc;
}

static void flight_land(struct flight *flight)
{
    *flight_find(&flight->key) = flight->chain;
    flight_count--;
    if (flight->rc == 0 && flight->answer->ttl > 0 && !flight->answer->truncated)
        cache_put(&flight->key, flight->answer);
    flight->landed = true;
    aio_notify_all(&flight->landing);
}

static int flight_make(struct flight **at, const struct wire_query *query, struct answer **out)
{
    struct flight *flight = flight_count < FLIGHT_LIMIT ? malloc(sizeof *flight) : NULL;
    if (flight == NULL)
        return -EBUSY;
    *flight = (struct flight){.key = query->key, .holders = 1, .landing = AIO_NOTIFY_INIT};
    *at = flight; /* at the end of its chain */
    flight_count++;
    flight->rc = upstream_ask(&flight->answer, query);
    flight_land(flight);
    return flight_leave(flight, out);
}

int resolve_query(struct answer **out, const struct wire_query *query)
{
    struct answer *known = cache_get(&query->key);
    if (known != NULL) {
        *out = answer_hold(known);
        return 0;
    }
    struct flight **at = flight_find(&query->key);
    return *at != NULL ? flight_await(*at, out) : flight_make(at, query, out);
}

size_t resolve_write(uint8_t *out, size_t room, const struct wire_query *query,
                     const struct answer *answer)
{
    if (answer->size > room)
        return wire_write_short(out, query, WIRE_OK);
    memcpy(out, answer->bytes, answer->size);
    int64_t age_ns = aio_time_now() - answer->born_ns;
    wire_readdress(out, answer->size, query, (uint32_t)(age_ns / AIO_SEC(1)));
    return answer->size;
}

size_t resolve_fail(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query, int rc)
{
    return wire_write_short(out, query, rc == -EBUSY ? WIRE_REFUSED : WIRE_SERVFAIL);
}
