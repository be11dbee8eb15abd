/*
 * Sharded listeners: every core accepts on one address, whose port the first of them settles.
 */
#define SUITE "listener_sharded"
#include "tests/behaviour/task_tools.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { CORES = 3, CLIENTS = 60 };

static atomic_int listening;
static atomic_int accepted[CORES];
static char addresses[CORES][AIO_ADDRESS_TEXT_BYTES];

static struct aio_listen_options sharded(void)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    options.sharded = true;
    return options;
}

static int accept_all(void *arg)
{
    struct aio_listener *listener = arg;
    struct aio_stream *peer;
    int rc;
    while ((rc = aio_listener_accept(listener, &peer)) == 0) {
        accepted[aio_core_index()]++;
        AIO_CHECK_OK(aio_stream_write_all(peer, "x", 1, NULL));
        aio_stream_close(peer);
    }
    return rc;
}

static bool all_listen(void *unused)
{
    (void)unused;
    return listening == CORES;
}

static void connect_all(void)
{
    struct aio_stream *stream;
    char byte;
    for (int i = 0; i < CLIENTS; i++) {
        if (!AIO_CHECK_OK(aio_tcp_connect(&stream, addresses[0])))
            return;
        AIO_CHECK_EQ(aio_stream_read(stream, &byte, 1), 1);
        aio_stream_close(stream);
    }
}

static int shard_entry(void *unused)
{
    struct aio_listen_options options = sharded();
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_task *acceptor;
    (void)unused;
    if (!AIO_CHECK_OK(aio_tcp_listen(&listener, "127.0.0.1:0", &options)))
        return -1;
    AIO_CHECK_OK(aio_listener_address(listener, &address));
    AIO_CHECK_OK(aio_address_format(&address, addresses[aio_core_index()], AIO_ADDRESS_TEXT_BYTES));
    listening++;
    AIO_CHECK(test_wait(all_listen, NULL));
    acceptor = task_named("acceptor", accept_all, listener);
    if (aio_core_index() == 0) {
        connect_all();
        AIO_CHECK_OK(aio_runtime_stop(aio_runtime_current(), AIO_SEC(5)));
    }
    (void)!aio_time_sleep(AIO_SEC(3600)); /* until the stop */
    AIO_SHIELD
    {
        AIO_CHECK_ERROR(task_stop(acceptor), -ECANCELED);
        aio_listener_close(listener);
    }
    return 0;
}

BEHAVIOUR_OUTSIDE(one_address_for_all_cores)
{
    struct aio_runtime_options options = test_options();
    int total = 0;
    int cores_used = 0;
    options.cores = CORES;
    listening = 0;
    memset(accepted, 0, sizeof accepted);
    AIO_CHECK_EQ(aio_runtime_run(&options, shard_entry, NULL), 0);
    for (int i = 0; i < CORES; i++) {
        AIO_CHECK_STR(addresses[i], addresses[0]);
        total += accepted[i];
        cores_used += accepted[i] > 0;
    }
    AIO_CHECK_EQ(total, CLIENTS);
    AIO_CHECK(cores_used > 1); /* the kernel spreads them by a hash of the ports */
}

BEHAVIOUR(a_second_one_on_a_core_is_another)
{
    struct aio_listen_options options = sharded();
    struct aio_listener *first, *second;
    struct aio_address one, other;
    REQUIRE_OK(aio_tcp_listen(&first, "127.0.0.1:0", &options));
    REQUIRE_OK(aio_tcp_listen(&second, "127.0.0.1:0", &options));
    AIO_CHECK_OK(aio_listener_address(first, &one));
    AIO_CHECK_OK(aio_listener_address(second, &other));
    AIO_CHECK(aio_address_port(&one) != aio_address_port(&other));
    aio_listener_close(first);
    aio_listener_close(second);
}

BEHAVIOUR(a_refused_address_leaves_nothing)
{
    struct aio_listen_options options = sharded();
    struct aio_listener *plain, *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE(wire_listen(&plain, text));
    AIO_CHECK_ERROR(aio_tcp_listen(&listener, text, &options), -EADDRINUSE);
    aio_listener_close(plain);
    AIO_CHECK_OK(aio_tcp_listen(&listener, text, &options));
    aio_listener_close(listener);
}
