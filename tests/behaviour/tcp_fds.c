/*
 * Descriptors: all of them close-on-exec, copies that outlive their stream, and handles that are
 * left open when the runtime ends.
 */
#define SUITE "tcp_fds"
#include "tests/behaviour/tcp_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FDS_MOST = 4096 };

/* Which descriptors were open before the runtime. */
struct known {
    bool open[FDS_MOST];
};

static void known_look(struct known *known)
{
    for (int fd = 0; fd < FDS_MOST; fd++)
        known->open[fd] = fcntl(fd, F_GETFD) >= 0;
}

/* Checks each descriptor that is new. Returns how many there are. */
static int check_close_on_exec(const struct known *known)
{
    int count = 0;
    for (int fd = 0; fd < FDS_MOST; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (known->open[fd] || flags < 0)
            continue;
        count++;
        if (!AIO_CHECK((flags & FD_CLOEXEC) != 0))
            AIO_CHECK_EQ(fd, -1); /* to print it */
    }
    return count;
}

/* Streams of both kinds, a listener with a caller, a connect under way, a sleeper. */
static int busy(void *arg)
{
    struct tcp_server server;
    struct tcp_pair pairs[10];
    char bytes[10];
    struct tcp_call calls[11];
    if (!tcp_server_open(&server, NULL))
        return -1;
    for (int i = 0; i < 10; i++) {
        AIO_CHECK_OK(aio_tcp_connect(&pairs[i].near, server.text));
        AIO_CHECK_OK(aio_listener_accept(server.listener, &pairs[i].far));
        calls[i] = (struct tcp_call){
            .kind = TCP_READ, .object = pairs[i].far, .buffer = &bytes[i], .size = 1};
        tcp_call_start(&calls[i]);
    }
    calls[10] = (struct tcp_call){.kind = TCP_ACCEPT, .object = server.listener};
    tcp_call_start(&calls[10]);
    AIO_CHECK_OK(aio_time_sleep(AIO_US(100)));
    AIO_CHECK(check_close_on_exec(arg) >= 22); /* listener, streams, the backend's own */
    for (int i = 0; i < 10; i++)
        tcp_pair_close(&pairs[i]);
    aio_listener_close(server.listener);
    for (int i = 0; i < 11; i++)
        AIO_CHECK_ERROR(tcp_call_join(&calls[i]), -EBADF);
    return 0;
}

/* Every descriptor of a busy runtime is close-on-exec. */
BEHAVIOUR_OUTSIDE(close_on_exec)
{
    struct known *known = malloc(sizeof *known);
    REQUIRE(known != NULL);
    known_look(known);
    AIO_CHECK_OK(test_run(busy, known));
    free(known);
}

/* A stream whose descriptor has a copy; a reader has made the backend know it. */
static int copy_begin(struct tcp_raw *raw)
{
    char byte;
    if (!tcp_raw_open(raw, 0))
        return -1;
    struct tcp_call call = {.kind = TCP_READ, .object = raw->stream, .buffer = &byte, .size = 1};
    tcp_call_start(&call);
    tcp_settle();
    int copy = fcntl(tcp_fd_of_stream(raw->stream), F_DUPFD_CLOEXEC, 3);
    AIO_CHECK(copy >= 0);
    aio_stream_close(raw->stream);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    return copy;
}

/* A copy keeps the connection open, but the loop hears nothing of it any more. */
BEHAVIOUR(copy_of_a_stream)
{
    struct tcp_raw raw;
    char bytes[4] = "";
    int copy = copy_begin(&raw);
    REQUIRE(copy >= 0);
    tcp_check_no_spin();
    REQUIRE(tcp_plain_send(raw.fd, "abc", 3));
    tcp_check_no_spin();
    AIO_CHECK_EQ(recv(copy, bytes, 3, MSG_DONTWAIT), 3); /* and takes nothing from it */
    AIO_CHECK_STR(bytes, "abc");
    close(raw.fd);
    tcp_check_no_spin();
    close(copy);
}

/* The former number can be another stream's meanwhile, and only that one's events come. */
BEHAVIOUR(copy_and_the_number_again)
{
    struct tcp_raw old, new;
    char byte = 0;
    int copy = copy_begin(&old);
    REQUIRE(copy >= 0);
    REQUIRE(tcp_raw_open(&new, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = new.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    REQUIRE(tcp_plain_send(old.fd, "o", 1));
    tcp_check_no_spin();
    AIO_CHECK(!call.ended);
    REQUIRE(tcp_plain_send(new.fd, "n", 1));
    AIO_CHECK_EQ(tcp_call_join(&call), 1);
    AIO_CHECK_EQ(byte, 'n');
    AIO_CHECK_EQ(recv(copy, &byte, 1, MSG_DONTWAIT), 1);
    AIO_CHECK_EQ(byte, 'o');
    close(copy);
    close(old.fd);
    tcp_raw_close(&new);
}

/* A stream closed while a copy lives has sent no end: that is the copy's to send. */
BEHAVIOUR(copy_keeps_the_connection)
{
    struct tcp_raw raw;
    char byte;
    int copy = copy_begin(&raw);
    REQUIRE(copy >= 0);
    AIO_CHECK(recv(raw.fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    AIO_CHECK(tcp_plain_send(copy, "c", 1));
    AIO_CHECK(tcp_plain_receive(raw.fd, &byte, 1));
    close(copy);
    AIO_CHECK_EQ(tcp_plain_drain(raw.fd), 0);
    close(raw.fd);
}

/* A listener of which a copy lives accepts nothing after its close, and the loop is quiet. */
BEHAVIOUR(copy_of_a_listener)
{
    struct tcp_server server;
    REQUIRE(tcp_server_open(&server, NULL));
    struct tcp_call call = {.kind = TCP_ACCEPT, .object = server.listener};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    int copy = fcntl(tcp_fd_of_listener(server.listener), F_DUPFD_CLOEXEC, 3);
    REQUIRE(copy >= 0);
    aio_listener_close(server.listener);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    int fds = tcp_fd_count();
    int client = tcp_plain_connect(server.port); /* the copy still listens */
    tcp_check_no_spin();
    AIO_CHECK_EQ(tcp_fd_count(), fds + 1);
    int accepted = accept4(copy, NULL, NULL, SOCK_CLOEXEC);
    AIO_CHECK(accepted >= 0); /* it was left for the copy */
    close(accepted);
    close(client);
    close(copy);
}

/* A child process that inherited the descriptors is a copy too. */
BEHAVIOUR(inherited)
{
    struct tcp_raw raw;
    char byte;
    int ends[2], status;
    REQUIRE(tcp_raw_open(&raw, 0));
    struct tcp_call call = {.kind = TCP_READ, .object = raw.stream, .buffer = &byte, .size = 1};
    REQUIRE(tcp_call_start(&call));
    tcp_settle();
    REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1); /* until the parent lets go */
    }
    REQUIRE(child > 0);
    aio_stream_close(raw.stream);
    AIO_CHECK_ERROR(tcp_call_join(&call), -EBADF);
    AIO_CHECK(tcp_plain_send(raw.fd, "x", 1));
    tcp_check_no_spin();
    close(ends[0]);
    close(ends[1]);
    AIO_CHECK_EQ(waitpid(child, &status, 0), child);
    AIO_CHECK_EQ(status, 0);
    close(raw.fd);
    tcp_check_no_spin();
}

struct left_open {
    int fds[5];
    int accepted;
};

static int read_for_ever(void *arg)
{
    char byte;
    return (int)aio_stream_read(arg, &byte, 1);
}

/* Returns with everything open: idle streams, one with a reader, a listener with a backlog. */
static int leave_open(void *arg)
{
    struct left_open *left = arg;
    struct tcp_server server;
    struct aio_stream *stream;
    if (!tcp_server_open(&server, NULL))
        return -1;
    for (int i = 0; i < 5; i++) {
        left->fds[i] = tcp_plain_connect(server.port);
        if (i == 4)
            break; /* nobody accepts the last */
        AIO_CHECK_OK(aio_listener_accept(server.listener, &stream));
        left->accepted++;
    }
    AIO_CHECK_OK(aio_task_spawn(NULL, read_for_ever, stream, NULL));
    tcp_settle();
    struct aio_runtime_stats stats = {.size = sizeof stats};
    AIO_CHECK_OK(aio_runtime_stats(&stats));
    AIO_CHECK_EQ(stats.handles_open, 5);
    return 0;
}

struct ended {
    int fd;
    int error;
};

static bool has_ended(void *arg)
{
    struct ended *ended = arg;
    char byte;
    ssize_t rc = recv(ended->fd, &byte, 1, MSG_DONTWAIT);
    ended->error = rc < 0 ? errno : 0;
    return rc == 0 || (rc < 0 && errno != EAGAIN);
}

/* Whatever is still open when the runtime ends is closed. */
BEHAVIOUR_OUTSIDE(left_open_is_closed)
{
    struct left_open left = {.accepted = 0};
    AIO_CHECK_OK(test_run(leave_open, &left));
    AIO_CHECK_EQ(left.accepted, 4);
    for (int i = 0; i < 5; i++) {
        struct ended ended = {.fd = left.fds[i]};
        AIO_CHECK(test_wait_outside(has_ended, &ended));
        AIO_CHECK_EQ(ended.error, i == 4 ? ECONNRESET : 0);
        close(left.fds[i]);
    }
}
