/*
 * Handshakes: what they agree on, whom they trust, and what they refuse.
 */
#define SUITE "tls_handshake"
#include "tests/tls/support.h"

#include <string.h>

static struct aio_tls_info info_of(struct aio_stream *stream)
{
    struct aio_tls_info info = {.size = sizeof info};
    if (!AIO_CHECK_OK(aio_tls_info(stream, &info)))
        info.version = info.cipher = info.protocol = info.host = info.peer = "?";
    return info;
}

/* Both ends know what was agreed on. */
BEHAVIOUR(agrees)
{
    struct tls_pair pair;
    struct aio_tls_info wrong = {.size = 1};
    REQUIRE(tls_pair_open(&pair));
    struct aio_tls_info client = info_of(pair.client), server = info_of(pair.server);
    AIO_CHECK_STR(client.version, "TLSv1.3");
    AIO_CHECK_STR(client.cipher, server.cipher);
    AIO_CHECK_STR(client.peer, "CN = server");
    AIO_CHECK_STR(server.peer, "");
    AIO_CHECK_STR(server.host, "server.test");
    AIO_CHECK_STR(client.protocol, "");
    AIO_CHECK(client.verified && !server.verified);
    AIO_CHECK(!client.resumed && !server.resumed);
    AIO_CHECK_ERROR(aio_tls_info(pair.client, &wrong), -EINVAL);
    AIO_CHECK_STR(aio_tls_problem(pair.client), "");
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

/* A numeric host is looked for among the certificate's addresses. */
BEHAVIOUR(numeric_host)
{
    struct tls_pair pair;
    REQUIRE(tls_pair_try(&pair, NULL, NULL, "127.0.0.1"));
    AIO_CHECK_OK(pair.client_result);
    AIO_CHECK_STR(info_of(pair.server).host, "");
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
    REQUIRE(tls_pair_try(&pair, NULL, NULL, "127.0.0.2"));
    AIO_CHECK_ERROR(pair.client_result, -EKEYREJECTED);
    tls_pair_close(&pair);
}

/* The dot at the end of a full name is not part of it. */
BEHAVIOUR(full_name)
{
    struct tls_pair pair;
    REQUIRE(tls_pair_try(&pair, NULL, NULL, "server.test."));
    AIO_CHECK_OK(pair.client_result);
    tls_pair_close(&pair);
}

static void check_refused(const char *certificate, const char *host, int error, const char *problem)
{
    struct tls_pair pair;
    char byte;
    struct aio_tls_options server = tls_server_options(certificate);
    REQUIRE(tls_pair_try(&pair, NULL, &server, host));
    AIO_CHECK_ERROR(pair.client_result, error);
    AIO_CHECK_STR(aio_tls_problem(pair.client), problem);
    AIO_CHECK_ERROR(pair.server_result, -EPROTO);
    AIO_CHECK_ERROR(aio_stream_read(pair.client, &byte, 1), error);
    AIO_CHECK_ERROR(aio_stream_write(pair.client, "x", 1), error);
    struct aio_tls_info info = {.size = sizeof info};
    AIO_CHECK_ERROR(aio_tls_info(pair.client, &info), -ENOTCONN);
    tls_pair_close(&pair);
}

/* Whom we do not trust is refused, and told why. */
BEHAVIOUR(refuses_certificates)
{
    check_refused("expired", "server.test", -EKEYEXPIRED, "certificate has expired");
    check_refused("future", "server.test", -EKEYREJECTED, "certificate is not yet valid");
    check_refused("selfmade", "server.test", -EKEYREJECTED, "self-signed certificate");
    check_refused("stranger", "server.test", -EKEYREJECTED,
                  "unable to get local issuer certificate");
    check_refused("server", "other.test", -EKEYREJECTED, "hostname mismatch");
    check_refused("other", "a.b.wild.test", -EKEYREJECTED, "hostname mismatch");
}

/* The system's store does not know our issuer. */
BEHAVIOUR(system_store)
{
    struct tls_pair pair;
    REQUIRE(tls_pair_try(&pair, &AIO_TLS_OPTIONS, NULL, "server.test"));
    AIO_CHECK_ERROR(pair.client_result, -EKEYREJECTED);
    tls_pair_close(&pair);
}

/* Unless one asks for it, in so many words. */
BEHAVIOUR(insecure)
{
    struct tls_pair pair;
    struct aio_tls_options client = AIO_TLS_OPTIONS, server = tls_server_options("expired");
    client.insecure = true;
    REQUIRE(tls_pair_try(&pair, &client, &server, "elsewhere.test"));
    AIO_CHECK_OK(pair.client_result);
    AIO_CHECK(!info_of(pair.client).verified);
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

static void check_protocol(const char *client_offers, const char *server_has, const char *agreed)
{
    struct tls_pair pair;
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    client.protocols = client_offers;
    server.protocols = server_has;
    REQUIRE(tls_pair_try(&pair, &client, &server, "server.test"));
    if (agreed == NULL) {
        AIO_CHECK_ERROR(pair.client_result, -EPROTONOSUPPORT);
        AIO_CHECK_ERROR(pair.server_result, -EPROTONOSUPPORT);
        AIO_CHECK_STR(aio_tls_problem(pair.client), "the peer says: no application protocol");
        AIO_CHECK_STR(aio_tls_problem(pair.server), "no application protocol in common");
    } else {
        AIO_CHECK_STR(info_of(pair.client).protocol, agreed);
        AIO_CHECK_STR(info_of(pair.server).protocol, agreed);
    }
    tls_pair_close(&pair);
}

/* ALPN: the server's preference decides; nothing in common is a refusal. */
BEHAVIOUR(protocols)
{
    check_protocol("h2,http/1.1", "http/1.1,h2", "http/1.1");
    check_protocol("h2", "http/1.1,h2", "h2");
    check_protocol("h2", "http/1.1", NULL);
    check_protocol("h2", NULL, "");
    check_protocol(NULL, "h2", "");
}

static void check_identity(struct tls_pair *pair, const char *host, const char *peer)
{
    REQUIRE(tls_pair_shake(pair, host));
    if (peer == NULL)
        AIO_CHECK_ERROR(pair->client_result, -EPROTO);
    else if (AIO_CHECK_OK(pair->client_result))
        AIO_CHECK_STR(info_of(pair->client).peer, peer);
    aio_stream_close(pair->client);
    aio_stream_close(pair->server);
    pair->client = pair->server = NULL;
}

/* SNI: each name has its certificate, however it is written; an unknown one the default. */
BEHAVIOUR(identities)
{
    struct tls_pair pair = {.client = NULL};
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    REQUIRE((pair.client_context = tls_context(&client)) != NULL);
    REQUIRE((pair.server_context = tls_context(&server)) != NULL);
    const char *file = tls_file("other.pem"), *key = tls_file("other.key");
    REQUIRE_OK(aio_tls_certify(pair.server_context, "other.test", file, key));
    REQUIRE_OK(aio_tls_certify(pair.server_context, "*.wild.test", file, key));
    check_identity(&pair, "other.test", "CN = other");
    check_identity(&pair, "OTHER.Test", "CN = other");
    check_identity(&pair, "very.wild.test", "CN = other");
    check_identity(&pair, "server.test", "CN = server");
    check_identity(&pair, "127.0.0.1", "CN = server");
    tls_pair_close(&pair);
}

/* Whichever types the keys are of: a client that takes both gets the one of the name. */
BEHAVIOUR(identities_of_other_keys)
{
    static const char *const names[] = {"server", "edwards"};
    for (int i = 0; i < 2; i++) {
        struct tls_pair pair = {.client = NULL};
        struct aio_tls_options client = tls_client_options(), server = tls_server_options(names[i]);
        struct aio_tls_options other = tls_server_options(names[1 - i]);
        REQUIRE((pair.client_context = tls_context(&client)) != NULL);
        REQUIRE((pair.server_context = tls_context(&server)) != NULL);
        const char *host = i == 0 ? "edwards.test" : "server.test";
        REQUIRE_OK(
            aio_tls_certify(pair.server_context, host, other.certificate_file, other.key_file));
        check_identity(&pair, "server.test", "CN = server");
        check_identity(&pair, "edwards.test", "CN = edwards");
        tls_pair_close(&pair);
    }
}

/* A server without a default certificate refuses other names. */
BEHAVIOUR(no_default_identity)
{
    struct tls_pair pair = {.client = NULL};
    struct aio_tls_options client = tls_client_options(), server = AIO_TLS_OPTIONS;
    server.server = true;
    REQUIRE((pair.client_context = tls_context(&client)) != NULL);
    REQUIRE((pair.server_context = tls_context(&server)) != NULL);
    REQUIRE_OK(aio_tls_certify(pair.server_context, "other.test", tls_file("other.pem"),
                               tls_file("other.key")));
    check_identity(&pair, "other.test", "CN = other");
    check_identity(&pair, "server.test", NULL);
    check_identity(&pair, "127.0.0.1", NULL);
    tls_pair_close(&pair);
}

static void check_client(const char *name, int server_result)
{
    struct tls_pair pair;
    char byte;
    struct aio_tls_options client = tls_client_options(), server = tls_server_options("server");
    server.client_certificates = true;
    server.ca_file = tls_file("ca.pem");
    if (name != NULL) {
        struct aio_tls_options own = tls_server_options(name);
        client.certificate_file = own.certificate_file;
        client.key_file = own.key_file;
    }
    REQUIRE(tls_pair_try(&pair, &client, &server, "server.test"));
    AIO_CHECK_EQ(pair.server_result, server_result);
    if (server_result == 0) {
        AIO_CHECK(info_of(pair.server).verified);
        AIO_CHECK_STR(info_of(pair.server).peer, "CN = client");
        AIO_CHECK(tls_pair_exchange(&pair));
    } else { /* in TLS 1.3 the client is done before the server looks */
        AIO_CHECK_ERROR(aio_stream_read(pair.client, &byte, 1), -EPROTO);
        AIO_CHECK(strncmp(aio_tls_problem(pair.client), "the peer says: ", 15) == 0);
    }
    tls_pair_close(&pair);
}

/* A server may want certificates too. */
BEHAVIOUR(client_certificates)
{
    check_client("client", 0);
    check_client(NULL, -EPROTO);
    check_client("stranger", -EKEYREJECTED);
    check_client("expired", -EKEYEXPIRED);
}

/* One TLS at a time, and none after a failure. */
BEHAVIOUR(once)
{
    struct tls_pair pair;
    REQUIRE(tls_pair_open(&pair));
    AIO_CHECK_ERROR(aio_tls_connect(pair.client, pair.client_context, "server.test"), -EALREADY);
    AIO_CHECK_ERROR(aio_tls_accept(pair.server, pair.server_context), -EALREADY);
    AIO_CHECK(tls_pair_exchange(&pair));
    tls_pair_close(&pair);
}

/* Bad arguments touch nothing: the stream is as it was. */
BEHAVIOUR(bad_arguments)
{
    struct tls_pair pair;
    char name[300];
    memset(name, 'n', sizeof name);
    name[299] = '\0';
    REQUIRE(tls_pair_open(&pair));
    struct tcp_pair wire;
    REQUIRE(tcp_pair_open(&wire));
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.client_context, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.client_context, ""), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.client_context, name), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.client_context, ".test"), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.client_context, "."), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_connect(wire.near, pair.server_context, "server.test"), -EINVAL);
    AIO_CHECK_ERROR(aio_tls_accept(wire.near, pair.client_context), -EINVAL);
    struct aio_tls_info info = {.size = sizeof info};
    AIO_CHECK_ERROR(aio_tls_info(wire.near, &info), -ENOTCONN);
    AIO_CHECK_STR(aio_tls_problem(wire.near), "");
    AIO_CHECK_EQ(aio_stream_write(wire.near, "p", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(wire.far, name, 1), 1);
    AIO_CHECK_EQ(name[0], 'p');
    tcp_pair_close(&wire);
    tls_pair_close(&pair);
}
