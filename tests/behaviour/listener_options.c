/*
 * Opening listeners: addresses, options, and what is refused with which error.
 */
#define SUITE "listener_options"
#include "tests/behaviour/tcp_support.h"

#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Listening fails with this error, leaves no descriptor and writes nothing. */
static void refused(const char *address, const struct aio_listen_options *options, int error)
{
    struct aio_listener *const untouched = (void *)&error;
    struct aio_listener *listener = untouched;
    int before = tcp_fd_count();
    AIO_CHECK_ERROR(aio_tcp_listen(&listener, address, options), error);
    AIO_CHECK(listener == untouched);
    AIO_CHECK_EQ(tcp_fd_count(), before);
}

/* Port 0 lets the kernel choose, and the listener knows what it chose. */
BEHAVIOUR(port_is_chosen)
{
    struct tcp_server server;
    struct aio_address address;
    REQUIRE(tcp_server_open(&server, NULL));
    AIO_CHECK(server.port > 0);
    REQUIRE_OK(aio_listener_address(server.listener, &address));
    AIO_CHECK_EQ(address.any.sa_family, AF_INET);
    AIO_CHECK_EQ(address.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    aio_listener_close(server.listener);
}

/* No host means every address of IPv4. */
BEHAVIOUR(any_host)
{
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_stream *stream;
    char text[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE_OK(aio_tcp_listen(&listener, "*:0", NULL));
    REQUIRE_OK(aio_listener_address(listener, &address));
    AIO_CHECK_EQ(address.v4.sin_addr.s_addr, htonl(INADDR_ANY));
    snprintf(text, sizeof text, "127.0.0.2:%d", aio_address_port(&address));
    if (AIO_CHECK_OK(aio_tcp_connect(&stream, text)))
        aio_stream_close(stream);
    aio_listener_close(listener);
}

/* What is no address is -EINVAL. */
BEHAVIOUR(bad_address)
{
    static const char *const texts[] = {"",        "127.0.0.1",   "localhost:80", "1.2.3.4:65536",
                                        "[::1:80", "300.1.1.1:80"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        refused(texts[i], NULL, -EINVAL);
    refused(NULL, NULL, -EINVAL);
}

/* An address that is not this machine's is -EADDRNOTAVAIL. */
BEHAVIOUR(foreign_address)
{
    refused("192.0.2.1:0", NULL, -EADDRNOTAVAIL);
}

/* A zone that names no interface is an error. */
BEHAVIOUR(unknown_zone)
{
    refused("[fe80::1%nosuchthing]:0", NULL, -ENODEV);
}

/* A port in use is -EADDRINUSE. */
BEHAVIOUR(port_in_use)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    refused(server.text, NULL, -EADDRINUSE);
    aio_listener_close(server.listener);
}

/* Options of another size are of another version: -EINVAL. So is a negative backlog. */
BEHAVIOUR(bad_options)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    options.size--;
    refused("127.0.0.1:0", &options, -EINVAL);
    options.size = 0;
    refused("127.0.0.1:0", &options, -EINVAL);
    options = AIO_LISTEN_OPTIONS;
    options.backlog = -1;
    refused("127.0.0.1:0", &options, -EINVAL);
}

/* A port stays usable while connections of its former listener linger (SO_REUSEADDR). */
BEHAVIOUR(port_again_at_once)
{
    struct tcp_server server;
    struct aio_stream *near, *far;
    REQUIRE(tcp_server_open(&server, NULL));
    REQUIRE_OK(aio_tcp_connect(&near, server.text));
    REQUIRE_OK(aio_listener_accept(server.listener, &far));
    aio_stream_close(far); /* the listener's side closes first: it is what lingers */
    AIO_CHECK_EQ(aio_stream_read(near, &server, 1), 0);
    aio_stream_close(near);
    aio_listener_close(server.listener);
    REQUIRE_OK(aio_tcp_listen(&server.listener, server.text, NULL));
    aio_listener_close(server.listener);
}

/* With reuseport two listeners share an address, and every connection reaches one of them. */
BEHAVIOUR(reuseport)
{
    enum { CLIENTS = 32 };
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    struct tcp_server first;
    struct aio_listener *second;
    struct aio_stream *clients[CLIENTS];
    options.reuseport = true;
    REQUIRE(tcp_server_open(&first, &options));
    REQUIRE_OK(aio_tcp_listen(&second, first.text, &options));
    struct tcp_call calls[2 * CLIENTS];
    for (int i = 0; i < 2 * CLIENTS; i++) {
        calls[i] = (struct tcp_call){.kind = TCP_ACCEPT, .object = i % 2 ? first.listener : second};
        tcp_call_start(&calls[i]);
    }
    for (int i = 0; i < CLIENTS; i++)
        AIO_CHECK_OK(aio_tcp_connect(&clients[i], first.text));
    for (int i = 0; i < CLIENTS; i++) {
        char byte = (char)i;
        AIO_CHECK_EQ(aio_stream_write(clients[i], &byte, 1), 1);
        aio_stream_close(clients[i]);
    }
    int accepted[2] = {0, 0};
    for (int round = 0; round < 5000 && accepted[0] + accepted[1] < CLIENTS; round++) {
        accepted[0] = accepted[1] = 0;
        for (int i = 0; i < 2 * CLIENTS; i++)
            accepted[i % 2] += calls[i].ended;
        AIO_CHECK_OK(aio_time_sleep(AIO_MS(1)));
    }
    AIO_CHECK_EQ(accepted[0] + accepted[1], CLIENTS);
    AIO_CHECK(accepted[0] > 0);
    AIO_CHECK(accepted[1] > 0);
    for (int i = 0; i < 2 * CLIENTS; i++)
        if (tcp_call_cancel(&calls[i]) == 0)
            aio_stream_close(calls[i].accepted);
    aio_listener_close(first.listener);
    aio_listener_close(second);
}

/* Both must ask for it: beside a listener without reuseport there is no second one. */
BEHAVIOUR(reuseport_of_one_only)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    options.reuseport = true;
    refused(server.text, &options, -EADDRINUSE);
    aio_listener_close(server.listener);
}

/* A listener on every address of IPv6, and a client of IPv4 at its port. Returns the result. */
static int connect_v4_to_v6(bool v6only)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_stream *stream;
    char text[AIO_ADDRESS_TEXT_BYTES];
    options.v6only = v6only;
    int rc = aio_tcp_listen(&listener, "[::]:0", &options);
    if (rc == -EAFNOSUPPORT) {
        aio_test_skip("no IPv6 here");
        return rc;
    }
    if (!AIO_CHECK_OK(rc) || !AIO_CHECK_OK(aio_listener_address(listener, &address)))
        return rc;
    snprintf(text, sizeof text, "127.0.0.1:%d", aio_address_port(&address));
    rc = aio_tcp_connect(&stream, text);
    if (rc == 0)
        aio_stream_close(stream);
    aio_listener_close(listener);
    return rc;
}

/* "[::]:port" takes connections of IPv4 too, */
BEHAVIOUR(v6_takes_v4)
{
    int rc = connect_v4_to_v6(false);
    if (rc != -EAFNOSUPPORT)
        AIO_CHECK_OK(rc);
}

/* unless it is v6only. */
BEHAVIOUR(v6only)
{
    int rc = connect_v4_to_v6(true);
    if (rc != -EAFNOSUPPORT)
        AIO_CHECK_ERROR(rc, -ECONNREFUSED);
}

/* Streams over IPv6 work like those over IPv4, and tell their addresses. */
BEHAVIOUR(v6_round_trip)
{
    struct aio_listener *listener;
    struct aio_address address;
    struct aio_stream *near, *far;
    char text[AIO_ADDRESS_TEXT_BYTES], buffer[8] = "";
    int rc = aio_tcp_listen(&listener, "[::1]:0", NULL);
    if (rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL) {
        aio_test_skip("no IPv6 here");
        return;
    }
    REQUIRE_OK(rc);
    REQUIRE_OK(aio_listener_address(listener, &address));
    REQUIRE_OK(aio_address_format(&address, text, sizeof text));
    REQUIRE_OK(aio_tcp_connect(&near, text));
    REQUIRE_OK(aio_listener_accept(listener, &far));
    REQUIRE_OK(aio_stream_peer(near, &address));
    char peer[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE_OK(aio_address_format(&address, peer, sizeof peer));
    AIO_CHECK_STR(peer, text);
    AIO_CHECK_EQ(aio_stream_write_all(near, "six", 3, NULL), 3);
    AIO_CHECK_EQ(aio_stream_read_exact(far, buffer, 3, NULL), 3);
    AIO_CHECK_STR(buffer, "six");
    aio_stream_close(near);
    aio_stream_close(far);
    aio_listener_close(listener);
}

/* What TCP_NODELAY is on a stream accepted from a listener with these options. */
static int accepted_nodelay(const struct aio_listen_options *options)
{
    struct tcp_server server;
    struct aio_stream *stream;
    int value = -1;
    if (!tcp_server_open(&server, options))
        return -1;
    int fd = tcp_plain_connect(server.port);
    if (AIO_CHECK_OK(aio_listener_accept(server.listener, &stream))) {
        AIO_CHECK_OK(aio_stream_option_get(stream, AIO_STREAM_NODELAY, &value));
        aio_stream_close(stream);
    }
    close(fd);
    aio_listener_close(server.listener);
    return value;
}

/* Accepted streams have the listener's nodelay; it is on by default. */
BEHAVIOUR(nodelay_is_inherited)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    AIO_CHECK_EQ(accepted_nodelay(NULL), 1);
    AIO_CHECK_EQ(accepted_nodelay(&options), 1);
    options.nodelay = false;
    AIO_CHECK_EQ(accepted_nodelay(&options), 0);
}

/* The kernel keeps as many connections for us as the backlog says, and no more. */
BEHAVIOUR(backlog)
{
    struct aio_listen_options options = AIO_LISTEN_OPTIONS;
    struct tcp_server server;
    struct aio_stream *streams[16];
    int taken = 0;
    options.backlog = 3;
    REQUIRE(tcp_server_open(&server, &options));
    for (; taken < 16; taken++) {
        int rc = -ETIMEDOUT;
        AIO_TIMEOUT(AIO_MS(30))
        {
            rc = aio_tcp_connect(&streams[taken], server.text);
        }
        if (rc < 0) {
            AIO_CHECK_ERROR(rc, -ETIMEDOUT);
            break;
        }
    }
    AIO_CHECK(taken >= 3);
    AIO_CHECK(taken <= 5); /* the kernel takes one more, and counts late */
    while (taken > 0)
        aio_stream_close(streams[--taken]);
    aio_listener_close(server.listener);
}

static int listen_on_80(void *arg)
{
    struct aio_listener *listener;
    *(int *)arg = aio_tcp_listen(&listener, "127.0.0.1:80", NULL);
    return 0;
}

/* Becomes nobody, who may lock as much memory as it takes to have a ring. */
static void become_nobody(void)
{
    const struct rlimit locked = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &locked);
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        _exit(99);
}

static int first_unprivileged_port(void)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    int port = 1024;
    if (file != NULL) {
        if (fscanf(file, "%d", &port) != 1)
            port = 1024;
        fclose(file);
    }
    return port;
}

/* A privileged port is -EACCES for who has no privilege. */
BEHAVIOUR_OUTSIDE(privileged_port)
{
    int status = 0;
    if (first_unprivileged_port() <= 80) {
        aio_test_skip("port 80 is nobody's privilege here");
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        int result = 0;
        become_nobody();
        if (test_run(listen_on_80, &result) != 0)
            _exit(98);
        _exit(-result);
    }
    REQUIRE(child > 0);
    AIO_CHECK_EQ(waitpid(child, &status, 0), child);
    AIO_CHECK(WIFEXITED(status));
    AIO_CHECK_ERROR(-WEXITSTATUS(status), -EACCES);
}
