/*
 * The fixture of the contract tests: the row's backend, bare, with an offload port of its own and
 * no scheduler above it. It does what core does (takes ops off `done`) and counts: an op that
 * comes back twice, or in the wrong state, is a failure wherever it happens.
 *
 *     CONTRACT(name) { ... }      the body is a void function on the plain thread; the backend is
 *                                 open around it, and nothing may be in flight after it
 */
#ifndef AIO_TESTS_CONTRACT_FIXTURE_H
#define AIO_TESTS_CONTRACT_FIXTURE_H

#include "core/backend.h"
#include "tests/harness/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define CONTRACT(test_name) CONTRACT_WITH(test_name, .ring_entries = 256)
#define CONTRACT_WITH(test_name, ...)                                                              \
    static const struct test_extra test_extra_##test_name = {                                      \
        TEST_FIXTURE, {.size = sizeof(struct aio_runtime_options), __VA_ARGS__}};                  \
    AIO_TEST_DEFINE(test_name, SUITE, test_run_on_row, &test_extra_##test_name)

/* The pool of RENT: small, so that it is easily exhausted. */
enum { FIXTURE_BUFFERS = 16, FIXTURE_BUFFER_BYTES = 1024 };

struct fixture {
    struct aio__backend *backend;
    struct aio__buffers buffers;
    unsigned in_flight; /* ops submitted and not taken off `done` */
    unsigned polls;     /* since the start of the test */
    unsigned offloaded; /* ops the backend gave to the port */
};

/* The one that is open. */
extern struct fixture fixture;

/* Zeroed op of an opcode. */
struct aio__op op_make(enum aio__opcode opcode, int fd);
struct aio__op op_recv(int fd, void *buffer, size_t size);
struct aio__op op_send(int fd, const void *buffer, size_t size);
struct aio__op op_read(int fd, void *buffer, size_t size, int64_t offset);
struct aio__op op_write(int fd, const void *buffer, size_t size, int64_t offset);
struct aio__op op_write_sync(int fd, const void *buffer, uint32_t size, int64_t offset);

void op_submit(struct aio__op *op);
void op_cancel(struct aio__op *op);

/* Whether the op has come back. */
bool op_done(const struct aio__op *op);

/* One poll, which waits only if nothing stands on `done`; then everything is taken off it. */
void turn(int64_t deadline_ns);

/* Turns until the op has come back (bounded), and gives its result; INT32_MIN and a failure when
 * it does not come. */
int32_t op_await(struct aio__op *op);

/* Submits and awaits. */
int32_t op_run(struct aio__op *op);

/* Cancels and awaits. */
int32_t op_stop(struct aio__op *op);

/* Turns until nothing is in flight, or records a failure. */
void await_all(void);

/* Submits, cancels nothing, and says whether the op is still waiting after a few turns. */
bool op_waits(struct aio__op *op);

/* Rounds of a storm: as many as asked for, fewer where everything is slow. */
int storm(int count);

/* FORGET, checked to be instant, then close(2). */
void fd_close(int fd);
void fd_close_pair(const int fds[2]);

/* Two ends, non-blocking: of a socketpair, of a TCP connection over loopback, of a pipe. */
bool fd_socketpair(int fds[2]);
bool fd_tcp_pair(int fds[2]);
bool fd_pipe(int fds[2]);

/* A listener on a loopback port of the kernel's choice; its address in *port. */
int fd_listen(struct sockaddr_in *address, int backlog);

/* A plain client, non-blocking, connected or about to be. */
int fd_connect(const struct sockaddr_in *address);

/* An empty regular file without a name; -1 and a failure when there is none to be had. */
int fd_file(void);

bool fd_writes(int fd, const void *data, size_t size);

#endif
