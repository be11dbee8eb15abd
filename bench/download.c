/* Fetches a file by HTTP, over and over, on several connections: the load of a file server.
 *
 * Usage: download HOST:PORT FILE [CONNECTIONS [SECONDS]]    (defaults 16, 2)
 *
 * Asks for /NAME where NAME is FILE's last part. The first answer of each connection is compared
 * with FILE byte by byte. Of the others the head is read and checked, and the kernel throws the
 * body away without copying it (MSG_TRUNC, see tcp(7)): so the server is what is busy. The
 * connections are watched by one epoll. Prints a JSON line: bytes that came, heads among them,
 * answers that were complete, seconds. An answer that is not as it should be ends the program. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 4096, PIECE_BYTES = 1 << 20, EVENTS = 64, CONNECTIONS_MAX = 10000 };

struct connection {
    int fd;
    bool in_body;
    bool compared; /* its first answer was right */
    size_t got;    /* of the body */
};

struct download {
    struct sockaddr_in address;
    char request[512];
    const char *file;
    size_t size;
    long connections;
    double seconds;
    uint64_t bytes;
    uint64_t answers;
};

static char piece[PIECE_BYTES];

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "download: %s: %s\n", what, why);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void ask(const struct download *download, struct connection *c)
{
    size_t size = strlen(download->request);

    c->in_body = false;
    c->got = 0;
    if (send(c->fd, download->request, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("send", strerror(errno));
}

/* Looks at the head and takes it, when all of it is there. */
static void read_head(struct download *download, struct connection *c)
{
    char head[HEAD_BYTES + 1];
    ssize_t n = recv(c->fd, head, HEAD_BYTES, MSG_PEEK | MSG_DONTWAIT);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server", n < 0 ? strerror(errno) : "has closed a connection");
    head[n] = '\0';
    const char *end = strstr(head, "\r\n\r\n"), *length = strcasestr(head, "\r\nContent-Length:");
    if (end == NULL && n < HEAD_BYTES)
        return;
    if (end == NULL || strncmp(head, "HTTP/1.1 200 ", 13) != 0 || length == NULL || length > end ||
        strtoull(length + 17, NULL, 10) != download->size)
        die("the server", "this is not the file's head");
    size_t taken = (size_t)(end - head) + 4;
    if (recv(c->fd, head, taken, 0) != (ssize_t)taken)
        die("recv", "the head is gone");
    download->bytes += taken;
    c->in_body = true;
}

static void read_body(struct download *download, struct connection *c)
{
    size_t left = download->size - c->got;
    ssize_t n = recv(c->fd, piece, left < sizeof piece ? left : sizeof piece,
                     MSG_DONTWAIT | (c->compared ? MSG_TRUNC : 0));

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("the server", n < 0 ? strerror(errno) : "has closed a connection");
    if (!c->compared && memcmp(piece, download->file + c->got, (size_t)n) != 0)
        die("the server", "these are not the file's bytes");
    c->got += (size_t)n;
    download->bytes += (size_t)n;
    if (c->got < download->size)
        return;
    c->compared = true;
    download->answers++;
    ask(download, c);
}

static void serve(struct download *download, struct connection *c)
{
    if (!c->in_body)
        read_head(download, c);
    if (c->in_body)
        read_body(download, c);
}

static void connect_one(const struct download *download, struct connection *c, int epoll)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (const void *)&download->address, sizeof download->address) < 0)
        die("connect", strerror(errno));
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0)
        die("epoll_ctl", strerror(errno));
    ask(download, c);
}

/* Returns the seconds that it took. */
static double run(struct download *download)
{
    struct epoll_event events[EVENTS];
    struct connection *all = calloc((size_t)download->connections, sizeof *all);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (all == NULL || epoll < 0)
        die("start", strerror(errno));
    double begin = now(), end = begin + download->seconds;
    for (long i = 0; i < download->connections; i++)
        connect_one(download, &all[i], epoll);
    while (now() < end) {
        int count = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < count; i++)
            serve(download, events[i].data.ptr);
    }
    free(all); /* the connections end with the program */
    return now() - begin;
}

static void open_file(struct download *download, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &status) < 0 || status.st_size <= 0)
        die(path, fd < 0 ? strerror(errno) : "this is no file with something in it");
    download->size = (size_t)status.st_size;
    download->file = mmap(NULL, download->size, PROT_READ, MAP_SHARED, fd, 0);
    if (download->file == MAP_FAILED)
        die(path, strerror(errno));
    close(fd);
}

static bool parse_address(const char *text, struct sockaddr_in *out)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);

    if (length == 0 || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    *out =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(colon + 1))};
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

int main(int argc, char **argv)
{
    struct download download = {.connections = argc > 3 ? atol(argv[3]) : 16,
                                .seconds = argc > 4 ? strtod(argv[4], NULL) : 2};

    if (argc < 3 || argc > 5 || !parse_address(argv[1], &download.address) ||
        download.connections < 1 || download.connections > CONNECTIONS_MAX ||
        !(download.seconds > 0 && download.seconds <= 3600)) {
        (void)fprintf(stderr, "usage: download HOST:PORT FILE [CONNECTIONS [SECONDS]]\n");
        return 2;
    }
    open_file(&download, argv[2]);
    const char *slash = strrchr(argv[2], '/');
    (void)snprintf(download.request, sizeof download.request,
                   "GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n", slash ? slash + 1 : argv[2]);
    double seconds = run(&download);
    printf("{\"name\": \"download\", \"bytes\": %llu, \"answers\": %llu, \"seconds\": %.6f}\n",
           (unsigned long long)download.bytes, (unsigned long long)download.answers, seconds);
    return 0;
}
