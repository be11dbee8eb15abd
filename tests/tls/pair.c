/*
 * Pairs of streams with TLS between them.
 */
#include "tests/tls/support.h"

struct aio_tls_options tls_server_options(const char *name)
{
    char file[64];
    struct aio_tls_options options = AIO_TLS_OPTIONS;
    options.server = true;
    (void)snprintf(file, sizeof file, "%s.pem", name);
    options.certificate_file = tls_file(file);
    (void)snprintf(file, sizeof file, "%s.key", name);
    options.key_file = tls_file(file);
    return options;
}

struct aio_tls_options tls_client_options(void)
{
    struct aio_tls_options options = AIO_TLS_OPTIONS;
    options.ca_file = tls_file("ca.pem");
    return options;
}

struct aio_tls_context *tls_context(const struct aio_tls_options *options)
{
    struct aio_tls_context *context = NULL;
    AIO_CHECK_OK(aio_tls_create(&context, options));
    return context;
}

static int accept_run(void *arg)
{
    struct tls_pair *pair = arg;
    AIO_TIMEOUT(pair->limit_ns > 0 ? pair->limit_ns : AIO_FOREVER)
    {
        pair->server_result = aio_tls_accept(pair->server, pair->server_context);
    }
    if (pair->server_result < 0)
        (void)aio_stream_shutdown(pair->server, AIO_STREAM_BOTH); /* nothing more will come */
    return 0;
}

bool tls_pair_shake(struct tls_pair *pair, const char *host)
{
    struct tcp_pair wire;
    struct aio_task *task;
    pair->client = pair->server = NULL;
    if (!tcp_pair_open(&wire))
        return false;
    pair->client = wire.near;
    pair->server = wire.far;
    if (!AIO_CHECK_OK(aio_task_spawn(&task, accept_run, pair, NULL)))
        return false;
    AIO_TIMEOUT(pair->limit_ns > 0 ? pair->limit_ns : AIO_FOREVER)
    {
        pair->client_result = aio_tls_connect(pair->client, pair->client_context, host);
    }
    return AIO_CHECK_OK(aio_task_join(task, NULL));
}

bool tls_pair_try(struct tls_pair *pair, const struct aio_tls_options *client,
                  const struct aio_tls_options *server, const char *host)
{
    struct aio_tls_options trusting = tls_client_options(), plain = tls_server_options("server");
    *pair = (struct tls_pair){.client_result = -1, .server_result = -1};
    pair->client_context = tls_context(client != NULL ? client : &trusting);
    pair->server_context = tls_context(server != NULL ? server : &plain);
    return pair->client_context != NULL && pair->server_context != NULL &&
           tls_pair_shake(pair, host);
}

bool tls_pair_open(struct tls_pair *pair)
{
    if (!tls_pair_try(pair, NULL, NULL, "server.test"))
        return false;
    bool client = AIO_CHECK_OK(pair->client_result), server = AIO_CHECK_OK(pair->server_result);
    return client && server;
}

void tls_pair_close(struct tls_pair *pair)
{
    aio_stream_close(pair->client);
    aio_stream_close(pair->server);
    aio_tls_destroy(pair->client_context);
    aio_tls_destroy(pair->server_context);
}

bool tls_pair_exchange(struct tls_pair *pair)
{
    char byte = 'a';
    return AIO_CHECK_EQ(aio_stream_write(pair->client, &byte, 1), 1) &&
           AIO_CHECK_EQ(aio_stream_read(pair->server, &byte, 1), 1) &&
           AIO_CHECK_EQ(aio_stream_write(pair->server, &byte, 1), 1) &&
           AIO_CHECK_EQ(aio_stream_read(pair->client, &byte, 1), 1);
}
