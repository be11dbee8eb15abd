/*
 * kv: an in-memory store that speaks the Redis protocol, one shard of the keys on each core.
 *
 * Usage: kv [HOST:PORT [CORES]]    (CORES: a number, or "all"; default 1)
 *
 * Understands GET SET DEL EXISTS INCR DECR INCRBY PING ECHO DBSIZE FLUSHALL and what redis-cli and
 * redis-benchmark ask besides. Nothing is ever written to disk.
 */
#include "examples/kv/kv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct store stores[AIO_CORES_MAX]; /* each its core's own */
static const char *address = "127.0.0.1:8080";

struct store *kv_store(void)
{
    return &stores[aio_core_index()];
}

static int serve(struct aio_listener *listener)
{
    struct aio_stream *peer;
    int rc;
    while ((rc = aio_listener_accept(listener, &peer)) == 0)
        if (aio_task_spawn(NULL, session_run, peer, NULL) < 0)
            aio_stream_close(peer);
    return rc;
}

/* The first task of every core. */
static int core_main(void *unused)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    struct aio_listener *listener;
    (void)unused;
    options.sharded = true;
    int rc = aio_tcp_listen(&listener, address, &options);
    if (rc == 0)
        rc = aio_signal_shutdown();
    if (rc < 0) {
        (void)aio_runtime_stop(aio_runtime_current(), 0); /* the other cores as well */
        return aio_error_exit(rc, address);
    }
    if (aio_core_index() == 0)
        printf("kv: listening on %s, %u cores, %s\n", address, aio_core_count(),
               aio_runtime_backend()),
            fflush(stdout);
    rc = serve(listener);
    aio_listener_close(listener);
    return aio_error_exit(rc, "accept");
}

static int usage(const char *wrong)
{
    (void)fprintf(stderr, "kv: '%s' is no number of cores\nusage: kv [HOST:PORT [CORES|all]]\n",
                  wrong);
    return 2;
}

int main(int argc, char **argv)
{
    struct aio_runtime_options options = AIO_RUNTIME_OPTIONS;
    if (argc > 1)
        address = argv[1];
    if (argc > 2) {
        char *end;
        long cores = strtol(argv[2], &end, 10);
        if (strcmp(argv[2], "all") == 0)
            options.cores = AIO_CORES_ALL;
        else if (*end != '\0' || cores < 1 || cores > (long)AIO_CORES_MAX)
            return usage(argv[2]);
        else
            options.cores = (uint32_t)cores;
    }
    int rc = aio_runtime_run(&options, core_main, NULL);
    for (size_t i = 0; i < AIO_CORES_MAX; i++)
        store_clear(&stores[i]);
    return rc >= 0 && rc <= 255 ? rc : aio_error_exit(rc, "kv");
}
