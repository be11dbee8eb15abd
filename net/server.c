/*
 * The server kit's loop: accepting up to a limit, and draining; see <aio/server.h>.
 */
#include "net/private.h"

#include "core/alloc.h"
#include "core/runtime.h"

#include <aio/select.h>
#include <aio/server.h>
#include <aio/sync.h>

/* How long to wait for memory, unless a connection ends before and gives some back. */
#define SERVER_BACKOFF_NS AIO_MS(10)

struct server {
    struct aio_server_options options;
    uint32_t limit; /* this core's share */
    uint32_t live;
    bool draining;
    bool cutting;            /* the time to drain is over */
    struct aio_notify freed; /* a connection has ended */
    struct aio_connection *connections;
};

struct aio_connection {
    struct server *server;
    struct aio_stream *stream;
    struct aio_task *task;   /* NULL until it runs */
    struct aio_task *awaits; /* a request, at the moment; NULL: nobody does */
    struct aio_connection *next;
    struct aio_connection *prev;
};

static void connection_link(struct server *server, struct aio_connection *connection)
{
    connection->server = server;
    connection->prev = NULL;
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->prev = connection;
    server->connections = connection;
    server->live++;
}

static void connection_unlink(struct server *server, struct aio_connection *connection)
{
    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        server->connections = connection->next;
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    server->live--;
    aio_notify_one(&server->freed);
}

static int connection_task(void *arg)
{
    struct aio_connection *connection = arg;
    struct server *server = connection->server;
    const struct aio_server_options *options = &server->options;
    connection->task = aio_task_current();
    if (server->cutting)
        aio_task_cancel(connection->task);
    (void)aio_stream_timeout(connection->stream, options->idle_ns, options->idle_ns);
    int rc = options->handler(connection, options->arg);
    aio_stream_close(connection->stream);
    connection_unlink(server, connection);
    aio__free(connection);
    return rc;
}

struct aio_stream *aio_connection_stream(struct aio_connection *connection)
{
    return connection->stream;
}

bool aio_connection_draining(const struct aio_connection *connection)
{
    return connection->server->draining;
}

int aio_connection_await(struct aio_connection *connection)
{
    struct aio_select_case readable = aio_select_readable(connection->stream);
    struct aio__core *core = aio__handle_core(&connection->stream->handle, __func__);
    struct aio_deadline keep_alive;
    int rc = aio__interrupted(core);
    if (rc < 0 || connection->server->draining)
        return rc;
    aio_deadline_set(&keep_alive, connection->server->options.keep_alive_ns);
    connection->awaits = core->current;
    rc = aio_select_wait(&readable, 1);
    connection->awaits = NULL;
    aio_deadline_clear(&keep_alive);
    if (rc == -ESHUTDOWN || (rc == -ETIMEDOUT && aio_deadline_expired(&keep_alive)))
        return 0;
    return rc == 0 ? readable.result < 0 ? readable.result : 1 : rc;
}

/* There is no memory: waits for a connection's end, or a little, for others hold some too. */
static int server_wait_room(struct server *server)
{
    struct aio_deadline pause;
    aio_deadline_set(&pause, SERVER_BACKOFF_NS);
    int rc = aio_notify_wait(&server->freed);
    aio_deadline_clear(&pause);
    return rc == -ETIMEDOUT && aio_deadline_expired(&pause) ? 0 : rc;
}

static int server_start(struct server *server, struct aio_stream *stream)
{
    static const struct aio_task_options options = {.size = sizeof options, .name = "connection"};
    struct aio_connection *connection = aio__alloc_zero(sizeof *connection);
    if (connection == NULL)
        return -ENOMEM;
    connection->stream = stream;
    int rc = aio_task_spawn(NULL, connection_task, connection, &options);
    if (rc < 0)
        aio__free(connection);
    else
        connection_link(server, connection);
    return rc;
}

static bool server_short_of(int rc)
{
    return rc == -ENOMEM || rc == -EAGAIN;
}

static int server_welcome(struct server *server, struct aio_stream *stream)
{
    int rc;
    while (server_short_of(rc = server_start(server, stream)))
        if ((rc = server_wait_room(server)) < 0)
            break;
    if (rc < 0)
        aio_stream_close(stream);
    return rc;
}

static int server_accept(struct server *server, struct aio_listener *listener)
{
    struct aio_stream *stream;
    int rc = 0;
    while (rc == 0 && server->live >= server->limit)
        rc = aio_notify_wait(&server->freed);
    if (rc == 0) {
        aio__listener_room(listener, server->limit - server->live);
        rc = aio_listener_accept(listener, &stream);
    }
    if (rc == 0)
        return server_welcome(server, stream);
    return server_short_of(rc) ? server_wait_room(server) : rc;
}

static void server_await_all(struct server *server)
{
    while (server->live > 0 && aio_notify_wait(&server->freed) == 0)
        continue;
}

/* Shielded. Returns how many connections were cancelled. */
static int server_drain(struct server *server)
{
    int cut = 0;
    server->draining = true;
    for (struct aio_connection *at = server->connections; at != NULL; at = at->next)
        if (at->awaits != NULL && at->awaits->wait != NULL)
            aio__wait_interrupt(at->awaits->wait, -ESHUTDOWN);
    AIO_TIMEOUT(server->options.drain_ns)
    {
        server_await_all(server);
    }
    server->cutting = true;
    for (struct aio_connection *at = server->connections; at != NULL; at = at->next, cut++)
        if (at->task != NULL)
            aio_task_cancel(at->task);
    server_await_all(server);
    return cut;
}

static int server_listen(const struct aio_server_options *options, uint32_t cores,
                         struct aio_listener **out)
{
    struct aio_listen_options listen = options->listen;
    int count = options->activation ? aio_activation_count() : 0;
    if (count != 0)
        return count < 0 ? count : aio_activation_listen(out, 0);
    listen.sharded = listen.sharded || cores > 1;
    return aio_tcp_listen(out, options->address, &listen);
}

static int server_check(const struct aio_server_options *options)
{
    if (options == NULL || options->size != sizeof *options || options->handler == NULL)
        return -EINVAL;
    if (options->connection_limit == 0 || options->keep_alive_ns <= 0 || options->idle_ns <= 0 ||
        options->drain_ns < 0)
        return -EINVAL;
    return 0;
}

/* This core's part of the limit. */
static uint32_t server_share(const struct aio__core *core, uint32_t limit)
{
    uint32_t cores = core->runtime->count;
    uint32_t share = limit / cores + (core->index < limit % cores ? 1 : 0);
    return share > 0 ? share : 1;
}

int aio_server_run(const struct aio_server_options *options)
{
    struct aio__core *core = AIO__CORE_OR_DIE();
    struct aio_listener *listener;
    int rc = server_check(options);
    if (rc == 0)
        rc = server_listen(options, core->runtime->count, &listener);
    if (rc < 0)
        return rc;
    struct server server = {.options = *options,
                            .limit = server_share(core, options->connection_limit),
                            .freed = AIO_NOTIFY_INIT};
    if (options->ready != NULL)
        options->ready(listener, options->arg);
    while (rc == 0)
        rc = server_accept(&server, listener);
    aio_listener_close(listener);
    int cut = 0;
    AIO_SHIELD
    {
        cut = server_drain(&server);
    }
    aio_notify_destroy(&server.freed);
    return rc == -ECANCELED || rc == -ETIMEDOUT ? cut : rc;
}
