/*
 * Queries by UDP. What is known is answered at once, many in a call; each of the others gets a
 * task, which answers when it knows.
 */
#include "examples/dns_forward/dns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, QUERY_ROOM = 1024, ASKER_LIMIT = 4500 };

/* Datagrams of one call, and the answers that are known. */
static struct {
    struct aio_message queries[BATCH];
    struct iovec query_vectors[BATCH];
    struct aio_address clients[BATCH];
    uint8_t query_bytes[BATCH][QUERY_ROOM];
    struct aio_message answers[BATCH];
    struct iovec answer_vectors[BATCH];
    uint8_t answer_bytes[BATCH][WIRE_UDP_MOST];
    int answered;
} batch;

/* A query that waits for its answer. */
struct asker {
    struct aio_socket *socket;
    struct aio_address client;
    struct wire_query query;
};

static struct aio_scope askers; /* who use the socket */
static unsigned asker_count;

static int ask(void *arg)
{
    struct asker *asker = arg;
    struct answer *answer;
    uint8_t bytes[WIRE_UDP_MOST];
    size_t size;
    int rc = resolve_query(&answer, &asker->query);
    if (rc == 0) {
        size = resolve_write(bytes, asker->query.udp_bytes, &asker->query, answer);
        answer_release(answer);
    } else {
        size = resolve_fail(bytes, &asker->query, rc);
    }
    if (rc != -ECANCELED) /* what cannot be sent is lost, as on the way */
        (void)!aio_socket_send_to(asker->socket, bytes, size, &asker->client);
    free(asker);
    asker_count--;
    return 0;
}

static bool start_asker(struct aio_socket *socket, const struct aio_address *client,
                        const struct wire_query *query)
{
    struct asker *asker = asker_count < ASKER_LIMIT ? malloc(sizeof *asker) : NULL;
    if (asker == NULL)
        return false;
    *asker = (struct asker){socket, *client, *query};
    if (aio_scope_spawn(&askers, ask, asker) < 0) {
        free(asker);
        return false;
    }
    asker_count++;
    return true;
}

/* Writes what can be answered now. Returns its bytes; 0 when a task does, or nobody. */
static size_t answer_now(struct aio_socket *socket, const struct aio_message *message, uint8_t *out)
{
    struct wire_query query;
    const uint8_t *bytes = message->vectors->iov_base;
    bool cut = (message->flags & AIO_MESSAGE_TRUNCATED) != 0;
    int code = wire_read_query(&query, bytes, message->bytes);
    if (code < 0)
        return 0;
    if (cut || code != WIRE_OK)
        return wire_write_short(out, &query, cut ? WIRE_FORMERR : (enum wire_code)code);
    struct answer *known = cache_get(&query.key);
    if (known != NULL)
        return resolve_write(out, query.udp_bytes, &query, known);
    if (start_asker(socket, message->address, &query))
        return 0;
    return resolve_fail(out, &query, -EBUSY);
}

static void take_batch(struct aio_socket *socket, int count)
{
    batch.answered = 0;
    for (int i = 0; i < count; i++) {
        uint8_t *out = batch.answer_bytes[batch.answered];
        size_t size = answer_now(socket, &batch.queries[i], out);
        if (size == 0)
            continue;
        batch.answer_vectors[batch.answered].iov_len = size;
        batch.answers[batch.answered].address = &batch.clients[i];
        batch.answered++;
    }
}

/* One that cannot be sent is passed over. */
static int send_batch(struct aio_socket *socket)
{
    for (int sent = 0; sent < batch.answered;) {
        int rc = aio_socket_send_many(socket, &batch.answers[sent], batch.answered - sent);
        if (rc == -ECANCELED)
            return rc;
        sent += rc > 0 ? rc : 1;
    }
    return 0;
}

int udp_serve(struct aio_socket *socket)
{
    for (int i = 0; i < BATCH; i++) {
        batch.query_vectors[i] = (struct iovec){batch.query_bytes[i], QUERY_ROOM};
        batch.queries[i] = (struct aio_message){
            .vectors = &batch.query_vectors[i], .count = 1, .address = &batch.clients[i]};
        batch.answer_vectors[i] = (struct iovec){batch.answer_bytes[i], 0};
        batch.answers[i] = (struct aio_message){.vectors = &batch.answer_vectors[i], .count = 1};
    }
    int rc = aio_scope_open(&askers, NULL);
    while (rc >= 0 && (rc = aio_socket_recv_many(socket, batch.queries, BATCH)) > 0) {
        take_batch(socket, rc);
        rc = send_batch(socket);
    }
    aio_scope_cancel(&askers);
    int joined = aio_scope_join(&askers);
    return rc < 0 ? rc : joined;
}
