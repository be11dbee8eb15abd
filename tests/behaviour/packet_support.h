/*
 * What the tests of packets and Unix sockets share: sockets on the loopback, calls that run in
 * tasks of their own, folders for paths.
 */
#ifndef AIO_TESTS_BEHAVIOUR_PACKET_SUPPORT_H
#define AIO_TESTS_BEHAVIOUR_PACKET_SUPPORT_H

#ifndef SUITE
#define SUITE "packet"
#endif
#include "tests/harness/harness.h"

#include <aio/udp.h>
#include <aio/unix.h>
#include <errno.h>

/* Two UDP sockets on the loopback, bound, without a peer. */
struct udp_ends {
    struct aio_socket *near;
    struct aio_socket *far;
    struct aio_address near_at;
    struct aio_address far_at;
};

bool udp_ends_open(struct udp_ends *ends);

/* The same, each the other's peer. */
bool udp_ends_connect(struct udp_ends *ends);
void udp_ends_close(struct udp_ends *ends);

/* A bound socket and where it is, as text too. */
struct aio_socket *udp_bound(const char *address, struct aio_address *at, char *text);

/*
 * A place where nobody receives: a socket with a peer that does not send, so that the kernel
 * answers others as it does where there is none. A port that was only free a moment ago may be
 * another process's by now.
 */
struct aio_socket *udp_deaf(struct aio_address *at, char *text);

/* A message over one vector; with room for control data if control is not NULL. */
struct packet_message {
    struct aio_message message;
    struct iovec vector;
    char bytes[2048];
    char control[AIO_CONTROL_BYTES];
};

void packet_message_init(struct packet_message *packet, size_t size);

/* Sends text, and receives and compares it. */
void packet_send(struct aio_socket *socket, const char *text);
void packet_expect(struct aio_socket *socket, const char *text);

/* A receive in a task of its own. */
struct packet_call {
    struct aio_socket *socket;
    int64_t timeout_ns; /* 0: none */
    char bytes[64];
    ssize_t result;
    struct aio_task *task;
    bool ended;
    int *sequence; /* counts ends of calls, if not NULL */
    int place;     /* this call's end among them, from 1 */
};

bool packet_call_start(struct packet_call *call);
ssize_t packet_call_join(struct packet_call *call);
ssize_t packet_call_cancel(struct packet_call *call);

/* Lets every task run until it waits. */
void packet_settle(void);

/* Descriptors that the process has open. */
int packet_fd_count(void);

/* A fresh folder; the path of a file in it; its removal with these files. */
struct packet_folder {
    char path[64];
    char file[96];
};

bool packet_folder_open(struct packet_folder *folder);
void packet_folder_close(struct packet_folder *folder);

/* Whether something is at that path. */
bool packet_exists(const char *path);

#endif
