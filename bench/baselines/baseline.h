/* What the raw baseline servers share: the command line, the listening socket and the stop signal.
 * Nothing of the measured loops is here; those stand in epoll_echo.c and uring_echo.c, each whole.
 */
#ifndef BENCH_BASELINES_BASELINE_H
#define BENCH_BASELINES_BASELINE_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

static inline void baseline_die(const char *what, int error)
{
    fprintf(stderr, "%s: %s\n", what, strerror(error));
    exit(1);
}

static inline struct sockaddr_in baseline_parse(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : sizeof host;

    if (length >= sizeof host)
        baseline_die(text, EINVAL);
    memcpy(host, text, length);
    host[length] = '\0';
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        baseline_die(text, EINVAL);
    return address;
}

static inline void baseline_bind(int fd, struct sockaddr_in address, int backlog)
{
    socklen_t length = sizeof address;

    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        baseline_die("bind", errno);
    if (backlog > 0 && listen(fd, backlog) < 0)
        baseline_die("listen", errno);
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("listening on %s:%u\n", inet_ntoa(address.sin_addr), ntohs(address.sin_port));
    fflush(stdout);
}

static inline int baseline_udp(int argc, char **argv)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        baseline_die("socket", errno);
    baseline_bind(fd, baseline_parse(argc > 1 ? argv[1] : "127.0.0.1:8080"), 0);
    return fd;
}

/* TCP_NODELAY is set on the listener: Linux hands it on to every accepted socket, so that no server
 * here pays a system call per connection for it. */
static inline int baseline_listen(int argc, char **argv)
{
    struct sockaddr_in address = baseline_parse(argc > 1 ? argv[1] : "127.0.0.1:8080");
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        baseline_die("socket", errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    baseline_bind(fd, address, 4096);
    return fd;
}

/* SIGINT and SIGTERM as a readable descriptor: the loops need no signal mask per wait for it. */
static inline int baseline_signals(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;
    int fd;

    sigaction(SIGPIPE, &ignore, NULL);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0)
        baseline_die("signalfd", errno);
    return fd;
}

#endif
