/*
 * The server kit in a runtime of several cores: each has its listener, its share of the limit, and
 * its part of the end.
 */
#define SUITE "server_cores"
#include "tests/behaviour/server_tools.h"
#include "tests/behaviour/task_tools.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    _Atomic int port;
    _Atomic int listening;
    _Atomic int served; /* bytes sent back */
    _Atomic int live;   /* handlers, at this moment */
    _Atomic int most;   /* and at once */
    _Atomic int used;   /* cores that have served somebody, as bits */
    uint32_t limit;     /* of connections */
    bool activation;
    struct aio_runtime *runtime;
} cores;

static void cores_ready(struct aio_listener *listener, void *arg)
{
    struct aio_address address;
    (void)arg;
    if (AIO_CHECK_OK(aio_listener_address(listener, &address)))
        cores.port = aio_address_port(&address);
    cores.listening++;
}

static int cores_handle(struct aio_connection *connection, void *arg)
{
    char byte;
    (void)arg;
    int live = ++cores.live, most = cores.most;
    while (most < live && !atomic_compare_exchange_weak(&cores.most, &most, live))
        continue;
    cores.used |= 1 << aio_core_index();
    while (aio_connection_await(connection) > 0) {
        ssize_t n = aio_stream_read(aio_connection_stream(connection), &byte, 1);
        if (n <= 0 || aio_stream_write(aio_connection_stream(connection), &byte, 1) < 0)
            break;
        cores.served++;
    }
    cores.live--;
    return 0;
}

static int cores_entry(void *arg)
{
    struct aio_server_options options = AIO_SERVER_OPTIONS;
    (void)arg;
    options.address = "127.0.0.1:0";
    options.handler = cores_handle;
    options.ready = cores_ready;
    options.activation = cores.activation;
    if (cores.limit > 0)
        options.connection_limit = cores.limit;
    return aio_server_run(&options);
}

static bool cores_listen(void *unused)
{
    (void)unused;
    return cores.listening == 2;
}

static bool cores_served(void *wanted)
{
    return cores.served == *(int *)wanted;
}

/* The test's thread has no runtime: it may block. */
static int blocking_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AIO_CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static bool cores_start(uint32_t limit)
{
    struct aio_runtime_options options = test_options();
    cores.port = cores.listening = cores.served = cores.live = cores.most = cores.used = 0;
    cores.limit = limit;
    options.cores = 2;
    return AIO_CHECK_OK(aio_runtime_create(&cores.runtime, &options)) &&
           AIO_CHECK_OK(aio_runtime_start(cores.runtime, cores_entry, NULL)) &&
           test_wait_outside(cores_listen, NULL);
}

static void cores_stop(void)
{
    int result = -1;
    AIO_CHECK_OK(aio_runtime_stop(cores.runtime, AIO_SEC(60)));
    AIO_CHECK_OK(aio_runtime_wait(cores.runtime, &result));
    AIO_CHECK_EQ(result, 0);
    aio_runtime_destroy(cores.runtime);
}

static int client_start(void)
{
    int fd = blocking_connect(cores.port);
    AIO_CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
    return fd;
}

/* The kernel spreads the connections by a hash of their ports: of so many both cores get some. */
BEHAVIOUR_OUTSIDE(server_on_several_cores_is_stopped)
{
    int fds[30], wanted = 30;
    REQUIRE(cores_start(0));
    for (int i = 0; i < 30; i++)
        fds[i] = client_start();
    AIO_CHECK(test_wait_outside(cores_served, &wanted));
    AIO_CHECK_EQ(cores.used, 3);
    cores_stop();
    for (int i = 0; i < 30; i++)
        close(fds[i]);
}

/* The limit is that of all cores together; who is beyond it gets his turn. */
BEHAVIOUR_OUTSIDE(server_shares_its_limit_out_to_its_cores)
{
    struct pollfd fds[30];
    int full = 3, all = 30;
    char byte;
    REQUIRE(cores_start(3));
    for (int i = 0; i < 30; i++)
        fds[i] = (struct pollfd){.fd = client_start(), .events = POLLIN};
    AIO_CHECK(test_wait_outside(cores_served, &full));
    for (int left = 30; left > 0 && AIO_CHECK(poll(fds, 30, 20000) > 0);)
        for (int i = 0; i < 30; i++)
            if (fds[i].revents != 0) {
                AIO_CHECK_EQ(recv(fds[i].fd, &byte, 1, 0), 1);
                close(fds[i].fd);
                fds[i] = (struct pollfd){.fd = -1};
                left--;
            }
    AIO_CHECK(test_wait_outside(cores_served, &all));
    AIO_CHECK_EQ(cores.most, 3);
    cores_stop();
}

/* As a service manager does it: a socket that listens, at descriptor 3. Returns its port, or -1. */
static int pass_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    char pid[16];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0 ||
        dup2(fd, 3) != 3 || getsockname(3, (struct sockaddr *)&address, &length) < 0 ||
        setenv("LISTEN_PID", pid, 1) < 0 || setenv("LISTEN_FDS", "1", 1) < 0)
        return -1;
    return ntohs(address.sin_port);
}

static int serve_inherited(void *unused)
{
    int wanted = 3, port = pass_socket();
    (void)unused;
    cores.activation = true;
    if (!AIO_CHECK(port > 0) || !cores_start(3) || !AIO_CHECK_EQ(cores.port, port))
        return 1;
    for (int i = 0; i < 3; i++)
        (void)client_start();
    bool served = test_wait_outside(cores_served, &wanted);
    cores_stop();
    return served && cores.used == 3 ? 0 : 1;
}

/* An inherited socket is shared by the cores: none keeps to itself what it has no place for. */
BEHAVIOUR_OUTSIDE(cores_share_an_inherited_socket)
{
    struct child child;
    if (UNDER_TSAN) {
        aio_test_skip("ThreadSanitizer lets a forked process start no threads");
        return;
    }
    REQUIRE(child_run(&child, serve_inherited, NULL));
    if (!AIO_CHECK_EQ(child.status, 0))
        AIO_CHECK_STR(child.text, "");
}
