/*
 * What the TCP tests share: servers and connections on the loopback, raw peers that are plain
 * sockets without AIO, calls that run in tasks of their own, and counters of what the loop does.
 *
 * Raw peers never block: what they wait for is waited for with test_wait, so that the runtime they
 * talk to runs on.
 */
#ifndef AIO_TESTS_BEHAVIOUR_TCP_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_TCP_SUPPORT_H

#ifndef SUITE
#define SUITE "tcp"
#endif
#include "tests/harness/harness.h"

#include <errno.h>
#include <sys/resource.h>

/* A listener on the loopback and where it is. */
struct tcp_server {
    struct aio_listener *listener;
    char text[AIO_ADDRESS_TEXT_BYTES];
    int port;
};

bool tcp_server_open(struct tcp_server *server, const struct aio_listen_options *options);

/* Two streams of this runtime, connected to each other. */
struct tcp_pair {
    struct aio_stream *near;
    struct aio_stream *far;
};

bool tcp_pair_open(struct tcp_pair *pair);
void tcp_pair_close(struct tcp_pair *pair);

/* A stream whose other end is a plain non-blocking socket with buffers of that many bytes, or with
 * the kernel's own for 0. */
struct tcp_raw {
    struct aio_stream *stream;
    int fd;
};

bool tcp_raw_open(struct tcp_raw *raw, int buffer_bytes);
void tcp_raw_close(struct tcp_raw *raw);

/* A plain listening socket; connections to it are tcp_raw ones. */
struct tcp_raw_server {
    int fd;
    char text[AIO_ADDRESS_TEXT_BYTES];
};

bool tcp_raw_server_open(struct tcp_raw_server *server, int buffer_bytes);
bool tcp_raw_server_connect(const struct tcp_raw_server *server, struct tcp_raw *raw);
void tcp_raw_server_close(struct tcp_raw_server *server);

/* A port whose backlog is full: the kernel answers nobody there. */
struct tcp_silence {
    int fd;
    int fillers[8];
    int count;
    char text[AIO_ADDRESS_TEXT_BYTES];
};

bool tcp_silence_open(struct tcp_silence *silence, const char *address);
void tcp_silence_close(struct tcp_silence *silence);

/* Plain sockets. tcp_plain_connect returns one that is connected to a port of the loopback. */
int tcp_plain_connect(int port);
bool tcp_plain_send(int fd, const void *bytes, size_t size);
bool tcp_plain_receive(int fd, void *bytes, size_t size);
bool tcp_plain_receive_pattern(int fd, uint64_t size, uint64_t position);

/* Reads to the end of the stream, waiting for it. Returns the bytes, or -errno of recv(2). */
int64_t tcp_plain_drain(int fd);

/* Closes with a reset instead of an end. */
void tcp_plain_reset(int fd);

/* A call on a stream, in a task of its own. */
enum tcp_call_kind {
    TCP_READ,
    TCP_READ_EXACT,
    TCP_WRITE,
    TCP_WRITE_ALL,
    TCP_SHUTDOWN_READ,
    TCP_SHUTDOWN_WRITE,
    TCP_CLOSE,
    TCP_ACCEPT, /* of object, into accepted */
};

struct tcp_call {
    enum tcp_call_kind kind;
    void *object; /* a stream or a listener */
    void *buffer;
    size_t size;
    int64_t timeout_ns; /* 0: none */
    ssize_t result;
    size_t done;
    struct aio_stream *accepted;
    struct aio_task *task;
    bool ended;
    int *sequence; /* counts ends of calls, if not NULL */
    int place;     /* this call's end among them, from 1 */
};

/* Starts the call that the first fields describe. */
bool tcp_call_start(struct tcp_call *call);

/* Waits for its end and gives its result. */
ssize_t tcp_call_join(struct tcp_call *call);

/* Cancels it, waits for its end and gives its result. */
ssize_t tcp_call_cancel(struct tcp_call *call);

bool tcp_call_ended(void *call);

/* Lets every task run until it waits. */
void tcp_settle(void);

/* Turns of the loop so far. */
uint64_t tcp_turns(void);

/* Records a failure if the loop turns more than seldom for a while in which nothing happens. */
void tcp_check_no_spin(void);

/* Descriptors that the process has open. */
int tcp_fd_count(void);

/* A process with not one descriptor to spare, until it is given up. */
struct tcp_shortage {
    struct rlimit former;
};

bool tcp_shortage_begin(struct tcp_shortage *shortage);
void tcp_shortage_end(const struct tcp_shortage *shortage);

/* The descriptor of a stream or listener, found by its addresses. */
int tcp_fd_of_stream(struct aio_stream *stream);
int tcp_fd_of_listener(struct aio_listener *listener);

/* Iterations of a storm: fewer where each costs more. */
int tcp_rounds(int count);

#endif
