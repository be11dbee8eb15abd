/*
 * dns_forward: a caching DNS forwarder, over UDP and TCP.
 *
 * Usage: dns_forward [HOST:PORT [UPSTREAM HOST:PORT [ENTRIES [MS]]]]
 *
 * ENTRIES bounds the cache (default 20000), MS is the time for an answer before the upstream server
 * is asked again (default 1000; three times in all).
 *
 * Keeps answers for their time to live, and for RFC 2308's the word that there is none; asks the
 * upstream server once for what many ask at the same time. Of EDNS the DO bit goes up and the
 * server's own record comes down; options, which are between neighbours, are not passed on.
 */
#include "examples/dns_forward/dns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_MAX 1000000000
#define PORTS 20 /* of the kernel's choice, to be tried for both */

static const char *address = "127.0.0.1:8053";
static const char *upstream = "127.0.0.1:53";
static char bound[AIO_ADDRESS_TEXT_BYTES]; /* the address, with its port */

static void say_ready(struct aio_listener *listener, void *unused)
{
    (void)listener, (void)unused;
    printf("dns_forward: listening on %s for %s\n", bound, upstream), fflush(stdout);
}

static int serve_udp(void *socket)
{
    return udp_serve(socket);
}

static int serve_tcp(void *unused)
{
    (void)unused;
    return tcp_serve(bound, say_ready);
}

/* Both until the task is cancelled, or one of them fails. */
static int serve(struct aio_socket *socket)
{
    struct aio_scope scope;
    int rc = aio_scope_open(&scope, NULL);
    if (rc == 0)
        rc = aio_scope_spawn(&scope, serve_udp, socket);
    if (rc == 0)
        rc = aio_scope_spawn(&scope, serve_tcp, NULL);
    if (rc < 0)
        aio_scope_cancel(&scope);
    int ended = aio_scope_join(&scope);
    return rc < 0 ? rc : ended;
}

static int serve_at(const char *where)
{
    struct aio_socket *socket;
    struct aio_address local;
    int rc = aio_udp_bind(&socket, where, NULL);
    if (rc < 0)
        return rc;
    rc = aio_socket_local(socket, &local);
    if (rc == 0)
        rc = aio_address_format(&local, bound, sizeof bound);
    if (rc >= 0)
        rc = serve(socket);
    aio_socket_close(socket);
    return rc;
}

/* With port 0 the kernel chooses one for UDP, which somebody may have for TCP. */
static int serve_somewhere(void)
{
    struct aio_address parsed;
    bool any_port = aio_address_parse(&parsed, address) == 0 && aio_address_port(&parsed) == 0;
    int rc = -EADDRINUSE;
    for (int left = any_port ? PORTS : 1; rc == -EADDRINUSE && left > 0; left--)
        rc = serve_at(address);
    return rc;
}

static int read_number(const char *text, long least, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    bool good = end != text && *end == '\0' && *number >= least && *number <= NUMBER_MAX;
    return good ? 0 : aio_error_exit(-EINVAL, text);
}

static int read_limits(int count, char **words)
{
    long entries, attempt_ms;
    if (count > 0) {
        if (read_number(words[0], 0, &entries) != 0)
            return 1;
        cache_bound((size_t)entries);
    }
    if (count > 1) {
        if (read_number(words[1], 1, &attempt_ms) != 0)
            return 1;
        upstream_patience(AIO_MS(attempt_ms));
    }
    return 0;
}

AIO_MAIN(argc, argv)
{
    if (argc > 1)
        address = argv[1];
    if (argc > 2)
        upstream = argv[2];
    if (read_limits(argc - 3, argv + 3) != 0)
        return 1;
    int rc = upstream_set(upstream);
    if (rc < 0)
        return aio_error_exit(rc, upstream);
    if ((rc = aio_signal_shutdown()) < 0) /* SIGINT and SIGTERM cancel this task */
        return aio_error_exit(rc, "signals");
    rc = serve_somewhere();
    cache_clear();
    return aio_error_exit(rc, address);
}
