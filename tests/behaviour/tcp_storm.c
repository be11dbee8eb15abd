/*
 * A mixed storm: clients connect, write, read, are cancelled, run out of time, close or reset, in
 * an order that the seed decides; every byte is accounted for on both sides.
 */
#define SUITE "tcp_storm"
#include "tests/behaviour/tcp_support.h"

#include <string.h>

enum { CLIENTS = 120, CHUNK = 3000 };

/* A connection as the two sides saw it. */
struct account {
    uint64_t sent;     /* by the client, as its calls said */
    uint64_t received; /* by the server */
    uint64_t echoed;   /* by the server, as its calls said */
    uint64_t returned; /* to the client */
    bool polite;       /* the client has half-closed and read to the end */
    bool served;       /* the server has read to the end */
};

struct storm {
    struct tcp_server server;
    struct account accounts[CLIENTS];
    int live;
    int handlers; /* at work */
    int accepted;
    struct handler {
        struct storm *storm;
        struct aio_stream *stream;
    } handler[CLIENTS + 1]; /* of those accepted so far, and of the next */
};

struct client {
    struct storm *storm;
    struct account *account;
    uint32_t number;
};

/* Server: the first four bytes say whose account it is; the rest is echoed. */
static int handle(void *arg)
{
    struct handler handler = *(const struct handler *)arg;
    uint32_t number = CLIENTS;
    unsigned char bytes[CHUNK];
    size_t done = 0;
    ssize_t rc = aio_stream_read_exact(handler.stream, &number, sizeof number, &done);
    if (rc == sizeof number && AIO_CHECK(number < CLIENTS)) {
        struct account *account = &handler.storm->accounts[number];
        while ((rc = aio_stream_read(handler.stream, bytes, 1 + test_random() % CHUNK)) > 0) {
            test_pattern_check(bytes, (size_t)rc, account->received);
            account->received += (uint64_t)rc;
            rc = aio_stream_write_all(handler.stream, bytes, (size_t)rc, &done);
            account->echoed += done;
            if (rc < 0)
                break;
        }
        account->served = rc == 0;
    }
    aio_stream_close(handler.stream);
    handler.storm->handlers--;
    return 0;
}

static int serve(void *arg)
{
    struct storm *storm = arg;
    for (int rc = 0; rc == 0 || rc == -ETIMEDOUT;) {
        struct handler *handler = &storm->handler[storm->accepted];
        handler->storm = storm;
        AIO_TIMEOUT(test_random() % 4 == 0 ? AIO_US(200) : AIO_FOREVER)
        {
            rc = aio_listener_accept(storm->server.listener, &handler->stream);
        }
        if (rc < 0)
            continue;
        storm->handlers++;
        storm->accepted++;
        AIO_CHECK_OK(aio_task_spawn(NULL, handle, handler, NULL));
    }
    return 0;
}

/* Reads back what has been echoed; with `all` to the end of the stream. */
static ssize_t read_back(struct client *client, struct aio_stream *stream, bool all)
{
    unsigned char bytes[CHUNK];
    ssize_t rc;
    do {
        rc = aio_stream_read(stream, bytes, sizeof bytes);
        if (rc <= 0)
            break;
        test_pattern_check(bytes, (size_t)rc, client->account->returned);
        client->account->returned += (uint64_t)rc;
    } while (all || client->account->returned < client->account->sent);
    return rc;
}

/* Some chunks there and back, each perhaps with too little time. */
static ssize_t talk(struct client *client, struct aio_stream *stream)
{
    unsigned char bytes[CHUNK];
    struct account *account = client->account;
    ssize_t rc = 0;
    for (uint64_t chunks = test_random() % 12; chunks > 0 && rc >= 0; chunks--) {
        size_t size = 1 + test_random() % CHUNK, done = 0;
        test_pattern_fill(bytes, size, account->sent);
        AIO_TIMEOUT(test_random() % 16 == 0 ? AIO_US(50) : AIO_FOREVER)
        {
            rc = aio_stream_write_all(stream, bytes, size, &done);
            account->sent += done;
            if (rc >= 0 && test_random() % 2 == 0)
                rc = read_back(client, stream, false);
        }
        if (rc == -ETIMEDOUT) /* no byte is lost by it: on we go */
            rc = 0;
    }
    return rc;
}

/* Ends in one of the ways there are. */
static void part(struct client *client, struct aio_stream *stream, ssize_t rc)
{
    uint64_t dice = test_random() % 4;
    if (rc >= 0 && dice > 0 && aio_stream_shutdown(stream, AIO_STREAM_WRITE) == 0)
        client->account->polite = read_back(client, stream, true) == 0;
    else if (dice == 0)
        AIO_CHECK_OK(aio_stream_option_set(stream, AIO_STREAM_LINGER, 0));
    aio_stream_close(stream);
}

static int visit(void *arg)
{
    struct client *client = arg;
    struct aio_stream *stream;
    int rc = -ETIMEDOUT;
    AIO_TIMEOUT(test_random() % 10 == 0 ? AIO_US(100) : AIO_FOREVER)
    {
        rc = aio_tcp_connect(&stream, client->storm->server.text);
    }
    if (rc == 0) {
        ssize_t result = aio_stream_write_all(stream, &client->number, sizeof client->number, NULL);
        if (result >= 0)
            result = talk(client, stream);
        part(client, stream, result);
    }
    client->storm->live--;
    return rc;
}

static bool handlers_are_done(void *storm)
{
    return ((struct storm *)storm)->handlers == 0;
}

/* What holds for every connection, and what holds for those that ended politely. */
static void check_account(const struct account *account)
{
    AIO_CHECK(account->received <= account->sent);
    AIO_CHECK(account->echoed <= account->received);
    AIO_CHECK(account->returned <= account->echoed);
    if (!account->polite)
        return;
    AIO_CHECK(account->served);
    AIO_CHECK_EQ(account->received, account->sent);
    AIO_CHECK_EQ(account->echoed, account->sent);
    AIO_CHECK_EQ(account->returned, account->sent);
}

/* Cancels clients at random until the last has left. */
static void cancel_some(struct storm *storm, struct aio_task **tasks)
{
    while (storm->live > 0) {
        if (test_random() % 8 == 0)
            aio_task_cancel(tasks[test_random() % CLIENTS]);
        AIO_CHECK_OK(aio_time_sleep(AIO_US((int64_t)(test_random() % 300))));
    }
    for (int i = 0; i < CLIENTS; i++)
        AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
}

/* One storm with its own server. Returns how many clients were polite. */
static int rage(struct storm *storm)
{
    static struct client clients[CLIENTS];
    static struct aio_task *tasks[CLIENTS];
    struct aio_task *server = NULL;
    int polite = 0;
    memset(storm, 0, sizeof *storm);
    if (!tcp_server_open(&storm->server, NULL) ||
        !AIO_CHECK_OK(aio_task_spawn(&server, serve, storm, NULL)))
        return 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){storm, &storm->accounts[i], i};
        storm->live++;
        AIO_CHECK_OK(aio_task_spawn(&tasks[i], visit, &clients[i], NULL));
        if (test_random() % 4 == 0)
            AIO_CHECK_OK(aio_task_yield());
    }
    cancel_some(storm, tasks);
    AIO_CHECK(test_wait(handlers_are_done, storm));
    aio_listener_close(storm->server.listener);
    AIO_CHECK_OK(aio_task_join(server, NULL));
    for (int i = 0; i < CLIENTS; i++) {
        check_account(&storm->accounts[i]);
        polite += storm->accounts[i].polite;
    }
    return polite;
}

BEHAVIOUR(every_byte_is_accounted_for)
{
    static struct storm storm;
    int polite = 0;
    for (int i = 0; i < 10; i++)
        polite += rage(&storm);
    AIO_CHECK(polite > CLIENTS); /* else it has shown little */
}
