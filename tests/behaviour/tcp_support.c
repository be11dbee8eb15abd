/*
 * The helpers of the TCP tests that use AIO: servers, connections, calls in tasks, counters.
 */
#include "tests/behaviour/tcp_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool tcp_server_open(struct tcp_server *server, const struct aio_listen_options *options)
{
    struct aio_address address;
    if (!AIO_CHECK_OK(aio_tcp_listen(&server->listener, "127.0.0.1:0", options)))
        return false;
    server->port = -1;
    if (AIO_CHECK_OK(aio_listener_address(server->listener, &address)))
        server->port = aio_address_port(&address);
    return AIO_CHECK_OK(aio_address_format(&address, server->text, sizeof server->text));
}

bool tcp_pair_open(struct tcp_pair *pair)
{
    struct tcp_server server;
    if (!tcp_server_open(&server, NULL))
        return false;
    bool good = AIO_CHECK_OK(aio_tcp_connect(&pair->near, server.text)) &&
                AIO_CHECK_OK(aio_listener_accept(server.listener, &pair->far));
    aio_listener_close(server.listener);
    return good;
}

void tcp_pair_close(struct tcp_pair *pair)
{
    aio_stream_close(pair->near);
    aio_stream_close(pair->far);
}

bool tcp_raw_open(struct tcp_raw *raw, int buffer_bytes)
{
    struct tcp_raw_server server;
    if (!tcp_raw_server_open(&server, buffer_bytes))
        return false;
    bool good = tcp_raw_server_connect(&server, raw);
    tcp_raw_server_close(&server);
    if (good && buffer_bytes > 0)
        good =
            AIO_CHECK_OK(aio_stream_option_set(raw->stream, AIO_STREAM_SEND_BUFFER, buffer_bytes));
    return good;
}

void tcp_raw_close(struct tcp_raw *raw)
{
    aio_stream_close(raw->stream);
    close(raw->fd);
}

static ssize_t call_make(struct tcp_call *call)
{
    switch (call->kind) {
    case TCP_READ:
        return aio_stream_read(call->object, call->buffer, call->size);
    case TCP_READ_EXACT:
        return aio_stream_read_exact(call->object, call->buffer, call->size, &call->done);
    case TCP_WRITE:
        return aio_stream_write(call->object, call->buffer, call->size);
    case TCP_WRITE_ALL:
        return aio_stream_write_all(call->object, call->buffer, call->size, &call->done);
    case TCP_SHUTDOWN_READ:
        return aio_stream_shutdown(call->object, AIO_STREAM_READ);
    case TCP_SHUTDOWN_WRITE:
        return aio_stream_shutdown(call->object, AIO_STREAM_WRITE);
    case TCP_CLOSE:
        aio_stream_close(call->object);
        return 0;
    case TCP_ACCEPT:
        return aio_listener_accept(call->object, &call->accepted);
    }
    abort();
}

static int call_run(void *arg)
{
    struct tcp_call *call = arg;
    AIO_TIMEOUT(call->timeout_ns > 0 ? call->timeout_ns : AIO_FOREVER)
    {
        call->result = call_make(call);
    }
    call->ended = true;
    if (call->sequence != NULL)
        call->place = ++*call->sequence;
    return 0;
}

bool tcp_call_start(struct tcp_call *call)
{
    call->ended = false;
    call->task = NULL;
    return AIO_CHECK_OK(aio_task_spawn(&call->task, call_run, call, NULL));
}

ssize_t tcp_call_join(struct tcp_call *call)
{
    if (call->task == NULL)
        return -ESRCH;
    AIO_CHECK_OK(aio_task_join(call->task, NULL));
    call->task = NULL;
    return call->result;
}

ssize_t tcp_call_cancel(struct tcp_call *call)
{
    if (call->task != NULL)
        aio_task_cancel(call->task);
    return tcp_call_join(call);
}

bool tcp_call_ended(void *call)
{
    return ((struct tcp_call *)call)->ended;
}

void tcp_settle(void)
{
    for (int i = 0; i < 6; i++)
        AIO_CHECK_OK(aio_task_yield());
}

uint64_t tcp_turns(void)
{
    struct aio_runtime_stats stats = {.size = sizeof stats};
    return AIO_CHECK_OK(aio_runtime_stats(&stats)) ? stats.turns : 0;
}

/* The lowest number that is not open: with the limit there nothing can be opened. */
bool tcp_shortage_begin(struct tcp_shortage *shortage)
{
    int lowest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!AIO_CHECK(lowest >= 0))
        return false;
    close(lowest);
    if (!AIO_CHECK(getrlimit(RLIMIT_NOFILE, &shortage->former) == 0))
        return false;
    struct rlimit tight = {(rlim_t)lowest, shortage->former.rlim_max};
    return AIO_CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
}

void tcp_shortage_end(const struct tcp_shortage *shortage)
{
    AIO_CHECK(setrlimit(RLIMIT_NOFILE, &shortage->former) == 0);
}

/* The time is what is measured here, not waited for. A loop that spins turns some 100,000 times. */
void tcp_check_no_spin(void)
{
    tcp_settle();
    uint64_t before = tcp_turns();
    AIO_CHECK_OK(aio_time_sleep(AIO_MS(50)));
    uint64_t turns = tcp_turns() - before;
    if (!AIO_CHECK(turns < 500))
        AIO_CHECK_EQ(turns, 0); /* to print it */
}

typedef bool fd_match(int fd, void *arg);

/* Counts the open descriptors that match; *found is the last of them. */
static int fd_search(fd_match *match, void *arg, int *found)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    int count = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (entry->d_name[0] == '.' || fd == dirfd(dir) || !match(fd, arg))
            continue;
        *found = fd;
        count++;
    }
    if (dir != NULL)
        closedir(dir);
    return count;
}

static bool match_all(int fd, void *arg)
{
    (void)fd;
    (void)arg;
    return true;
}

int tcp_fd_count(void)
{
    int ignored;
    return fd_search(match_all, NULL, &ignored);
}

struct ends {
    struct aio_address local;
    struct aio_address peer; /* length 0: none */
};

static bool same_address(const struct aio_address *left, const struct aio_address *right)
{
    return left->length == right->length && memcmp(&left->any, &right->any, left->length) == 0;
}

static bool match_ends(int fd, void *arg)
{
    const struct ends *ends = arg;
    struct aio_address local = {.length = sizeof local.storage};
    struct aio_address peer = {.length = sizeof peer.storage};
    if (getsockname(fd, &local.any, &local.length) < 0)
        return false;
    if (getpeername(fd, &peer.any, &peer.length) < 0)
        peer.length = 0;
    return same_address(&local, &ends->local) && same_address(&peer, &ends->peer);
}

int tcp_fd_of_stream(struct aio_stream *stream)
{
    struct ends ends;
    int fd = -1;
    if (AIO_CHECK_OK(aio_stream_local(stream, &ends.local)) &&
        AIO_CHECK_OK(aio_stream_peer(stream, &ends.peer)))
        AIO_CHECK_EQ(fd_search(match_ends, &ends, &fd), 1);
    return fd;
}

int tcp_fd_of_listener(struct aio_listener *listener)
{
    struct ends ends = {.peer = {.length = 0}};
    int fd = -1;
    if (AIO_CHECK_OK(aio_listener_address(listener, &ends.local)))
        AIO_CHECK_EQ(fd_search(match_ends, &ends, &fd), 1);
    return fd;
}

int tcp_rounds(int count)
{
    return count / (int)(test_slowness() * (test_row()->faults ? 4 : 1));
}
