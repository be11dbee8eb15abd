/*
 * Resumption: sessions that a client keeps, and tickets that a server gives.
 */
#define SUITE "tls_resume"
#include "tests/tls/support.h"

#include <string.h>
#include <unistd.h>

/* A handshake for the host, after which tickets have been seen. Returns whether it was resumed. */
static bool resumed(struct tls_pair *pair, const char *host)
{
    struct aio_tls_info info = {.size = sizeof info}, server = info;
    bool good = tls_pair_shake(pair, host) && AIO_CHECK_OK(pair->client_result) &&
                AIO_CHECK_OK(pair->server_result) && tls_pair_exchange(pair) &&
                AIO_CHECK_OK(aio_tls_info(pair->client, &info)) &&
                AIO_CHECK_OK(aio_tls_info(pair->server, &server));
    AIO_CHECK_EQ(info.resumed, server.resumed);
    AIO_CHECK_EQ(info.verified, good);
    aio_stream_close(pair->client);
    aio_stream_close(pair->server);
    pair->client = pair->server = NULL;
    return good && info.resumed;
}

static bool contexts_open(struct tls_pair *pair, int sessions, bool no_tickets)
{
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    client.sessions = sessions;
    server.no_tickets = no_tickets;
    *pair = (struct tls_pair){.client_context = tls_context(&client),
                              .server_context = tls_context(&server)};
    return pair->client_context != NULL && pair->server_context != NULL;
}

/* The second connection to a host resumes the first one's session, and so on. */
BEHAVIOUR(resumes)
{
    struct tls_pair pair;
    REQUIRE(contexts_open(&pair, 0, false));
    AIO_CHECK(!resumed(&pair, "server.test"));
    for (int i = 0; i < 3; i++)
        AIO_CHECK(resumed(&pair, "server.test"));
    tls_pair_close(&pair);
}

/* Another name is another host: it must prove itself. */
BEHAVIOUR(other_host)
{
    struct tls_pair pair;
    REQUIRE(contexts_open(&pair, 0, false));
    AIO_CHECK(!resumed(&pair, "server.test"));
    AIO_CHECK(!resumed(&pair, "127.0.0.1"));
    AIO_CHECK(resumed(&pair, "127.0.0.1"));
    AIO_CHECK(resumed(&pair, "server.test"));
    tls_pair_close(&pair);
}

/* Either side may do without. */
BEHAVIOUR(switched_off)
{
    struct tls_pair pair;
    REQUIRE(contexts_open(&pair, -1, false));
    for (int i = 0; i < 2; i++)
        AIO_CHECK(!resumed(&pair, "server.test"));
    tls_pair_close(&pair);
    REQUIRE(contexts_open(&pair, 0, true));
    for (int i = 0; i < 2; i++)
        AIO_CHECK(!resumed(&pair, "server.test"));
    tls_pair_close(&pair);
}

/* The store is bounded: the newest sessions stay. */
BEHAVIOUR(bounded)
{
    struct tls_pair pair;
    REQUIRE(contexts_open(&pair, 2, false)); /* a handshake of TLS 1.3 brings two */
    AIO_CHECK(!resumed(&pair, "server.test"));
    AIO_CHECK(!resumed(&pair, "127.0.0.1"));
    AIO_CHECK(!resumed(&pair, "server.test"));
    tls_pair_close(&pair);
}

/* A server that does not know the ticket any more makes a full handshake of it. */
BEHAVIOUR(forgotten)
{
    struct tls_pair pair;
    struct aio_tls_options server = tls_server_options("server");
    REQUIRE(contexts_open(&pair, 0, false));
    AIO_CHECK(!resumed(&pair, "server.test"));
    aio_tls_destroy(pair.server_context);
    REQUIRE((pair.server_context = tls_context(&server)) != NULL);
    AIO_CHECK(!resumed(&pair, "server.test"));
    AIO_CHECK(resumed(&pair, "server.test"));
    tls_pair_close(&pair);
}

/* TLS 1.2: a session is used again and again. */
BEHAVIOUR(version_1_2)
{
    struct aio_tls_options options = tls_client_options();
    struct aio_tls_context *context = tls_context(&options);
    for (int i = 0; i < 3; i++) {
        struct tls_raw raw;
        struct aio_tls_info info = {.size = sizeof info};
        int theirs;
        REQUIRE(context != NULL && tls_raw_open(&raw, true, TLS1_2_VERSION, 0));
        unsigned char ticket_keys[80]; /* each round's peer knows the others' tickets */
        memset(ticket_keys, 7, sizeof ticket_keys);
        AIO_CHECK_EQ(SSL_CTX_set_tlsext_ticket_keys(raw.context, ticket_keys, sizeof ticket_keys),
                     1);
        AIO_CHECK_OK(tls_raw_shake(&raw, context, &theirs));
        AIO_CHECK_OK(aio_tls_info(raw.tcp.stream, &info));
        AIO_CHECK_EQ(info.resumed, i > 0);
        AIO_CHECK_EQ(SSL_session_reused(raw.ssl), i > 0);
        tls_raw_close(&raw);
    }
    aio_tls_destroy(context);
}

static int shard(void *arg)
{
    struct tls_pair pair = *(struct tls_pair *)arg;
    for (int i = 0; i < 3; i++)
        (void)resumed(&pair, "server.test");
    return 0;
}

/* Cores share a context and its sessions. */
BEHAVIOUR_OUTSIDE(shared_by_cores)
{
    struct tls_pair pair;
    struct aio_runtime_options options = test_options();
    options.cores = 2;
    REQUIRE(contexts_open(&pair, 0, false));
    AIO_CHECK_OK(aio_runtime_run(&options, shard, &pair));
    aio_tls_destroy(pair.client_context);
    aio_tls_destroy(pair.server_context);
}
