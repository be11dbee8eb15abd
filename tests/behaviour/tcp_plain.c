/*
 * The raw peers of the TCP tests: plain sockets, non-blocking, of libc alone.
 */
#include "tests/behaviour/tcp_support.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 65536 };

static bool set_buffers(int fd, int bytes)
{
    return bytes == 0 ||
           (AIO_CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) == 0) &&
            AIO_CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) == 0));
}

static bool plain_listen(struct tcp_raw_server *server, int buffer_bytes)
{
    struct aio_address address;
    return AIO_CHECK_OK(aio_address_parse(&address, "127.0.0.1:0")) &&
           set_buffers(server->fd, buffer_bytes) && /* what it accepts inherits them */
           AIO_CHECK(bind(server->fd, &address.any, address.length) == 0) &&
           AIO_CHECK(listen(server->fd, 128) == 0) &&
           AIO_CHECK(getsockname(server->fd, &address.any, &address.length) == 0) &&
           AIO_CHECK_OK(aio_address_format(&address, server->text, sizeof server->text));
}

bool tcp_raw_server_open(struct tcp_raw_server *server, int buffer_bytes)
{
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!AIO_CHECK(server->fd >= 0))
        return false;
    if (plain_listen(server, buffer_bytes))
        return true;
    close(server->fd);
    return false;
}

bool tcp_raw_server_connect(const struct tcp_raw_server *server, struct tcp_raw *raw)
{
    if (!AIO_CHECK_OK(aio_tcp_connect(&raw->stream, server->text)))
        return false;
    /* The client may be connected a moment before the listener has the connection. */
    struct pollfd ready = {.fd = server->fd, .events = POLLIN};
    AIO_CHECK(poll(&ready, 1, 5000) == 1);
    raw->fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return AIO_CHECK(raw->fd >= 0);
}

void tcp_raw_server_close(struct tcp_raw_server *server)
{
    close(server->fd);
}

static bool silence_is_full(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, 20) == 0;
}

static bool silence_fill(struct tcp_silence *silence, const struct aio_address *address)
{
    while (silence->count < 8) {
        int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        silence->fillers[silence->count++] = fd;
        (void)connect(fd, &address->any, address->length);
        if (silence_is_full(fd))
            return true;
    }
    return AIO_CHECK(!"the backlog fills up");
}

bool tcp_silence_open(struct tcp_silence *silence, const char *text)
{
    struct aio_address address;
    silence->count = 0;
    if (!AIO_CHECK_OK(aio_address_parse(&address, text)))
        return false;
    silence->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good = AIO_CHECK(bind(silence->fd, &address.any, address.length) == 0) &&
                AIO_CHECK(listen(silence->fd, 0) == 0) &&
                AIO_CHECK(getsockname(silence->fd, &address.any, &address.length) == 0) &&
                AIO_CHECK_OK(aio_address_format(&address, silence->text, sizeof silence->text)) &&
                silence_fill(silence, &address);
    if (!good)
        tcp_silence_close(silence);
    return good;
}

void tcp_silence_close(struct tcp_silence *silence)
{
    while (silence->count > 0)
        close(silence->fillers[--silence->count]);
    close(silence->fd);
}

/* On the loopback connect(2) ends at once, whether or not anybody accepts. */
int tcp_plain_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!AIO_CHECK(fd >= 0))
        return -1;
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (rc == 0 || (errno == EINPROGRESS && poll(&ready, 1, 5000) == 1))
        return fd;
    AIO_CHECK(!"a plain socket connects");
    close(fd);
    return -1;
}

/* A transfer of a plain socket that goes on while its condition is asked for. */
struct transfer {
    int fd;
    unsigned char *bytes;
    size_t size;
    size_t done;
    int error;
};

static bool send_some(void *arg)
{
    struct transfer *transfer = arg;
    ssize_t rc = send(transfer->fd, transfer->bytes + transfer->done,
                      transfer->size - transfer->done, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (rc > 0)
        transfer->done += (size_t)rc;
    if (rc < 0 && errno != EAGAIN)
        transfer->error = errno;
    return transfer->done == transfer->size || transfer->error != 0;
}

bool tcp_plain_send(int fd, const void *bytes, size_t size)
{
    struct transfer transfer = {.fd = fd, .bytes = (void *)(uintptr_t)bytes, .size = size};
    return test_wait(send_some, &transfer) && AIO_CHECK_EQ(transfer.error, 0);
}

static bool receive_some(void *arg)
{
    struct transfer *transfer = arg;
    ssize_t rc = recv(transfer->fd, transfer->bytes + transfer->done,
                      transfer->size - transfer->done, MSG_DONTWAIT);
    if (rc > 0)
        transfer->done += (size_t)rc;
    else if (rc == 0)
        transfer->error = ENODATA;
    else if (errno != EAGAIN)
        transfer->error = errno;
    return transfer->done == transfer->size || transfer->error != 0;
}

bool tcp_plain_receive(int fd, void *bytes, size_t size)
{
    struct transfer transfer = {.fd = fd, .bytes = bytes, .size = size};
    return test_wait(receive_some, &transfer) && AIO_CHECK_EQ(transfer.error, 0);
}

bool tcp_plain_receive_pattern(int fd, uint64_t size, uint64_t position)
{
    unsigned char *chunk = malloc(CHUNK);
    bool good = AIO_CHECK(chunk != NULL);
    for (uint64_t at = 0; good && at < size;) {
        size_t part = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        good = tcp_plain_receive(fd, chunk, part) && test_pattern_check(chunk, part, position + at);
        at += part;
    }
    free(chunk);
    return good;
}

struct drain {
    int fd;
    int64_t bytes;
    int error;
};

static bool drain_some(void *arg)
{
    struct drain *drain = arg;
    char chunk[CHUNK / 4];
    ssize_t rc = recv(drain->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (rc > 0)
        drain->bytes += rc;
    if (rc < 0 && errno != EAGAIN)
        drain->error = errno;
    return rc == 0 || drain->error != 0;
}

int64_t tcp_plain_drain(int fd)
{
    struct drain drain = {.fd = fd};
    if (!test_wait(drain_some, &drain))
        return -ETIMEDOUT;
    return drain.error != 0 ? -drain.error : drain.bytes;
}

void tcp_plain_reset(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    AIO_CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close(fd);
}
