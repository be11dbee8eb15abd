/*
 * The helpers of the tests of packets and Unix sockets.
 */
#include "tests/behaviour/packet_support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct aio_socket *udp_bound(const char *address, struct aio_address *at, char *text)
{
    struct aio_socket *socket;
    if (!AIO_CHECK_OK(aio_udp_bind(&socket, address, NULL)))
        return NULL;
    AIO_CHECK_OK(aio_socket_local(socket, at));
    if (text != NULL)
        AIO_CHECK_OK(aio_address_format(at, text, AIO_ADDRESS_TEXT_BYTES));
    return socket;
}

struct aio_socket *udp_deaf(struct aio_address *at, char *text)
{
    struct aio_socket *socket = udp_bound("127.0.0.1:0", at, text);
    struct aio_address peer;
    if (socket != NULL && AIO_CHECK_OK(aio_address_parse(&peer, "127.0.0.1:1")))
        AIO_CHECK_OK(aio_socket_connect(socket, &peer));
    return socket;
}

bool udp_ends_open(struct udp_ends *ends)
{
    ends->near = udp_bound("127.0.0.1:0", &ends->near_at, NULL);
    ends->far = udp_bound("127.0.0.1:0", &ends->far_at, NULL);
    return ends->near != NULL && ends->far != NULL;
}

bool udp_ends_connect(struct udp_ends *ends)
{
    return udp_ends_open(ends) && AIO_CHECK_OK(aio_socket_connect(ends->near, &ends->far_at)) &&
           AIO_CHECK_OK(aio_socket_connect(ends->far, &ends->near_at));
}

void udp_ends_close(struct udp_ends *ends)
{
    aio_socket_close(ends->near);
    aio_socket_close(ends->far);
}

void packet_message_init(struct packet_message *packet, size_t size)
{
    packet->vector = (struct iovec){packet->bytes, size};
    packet->message = (struct aio_message){.vectors = &packet->vector,
                                           .count = 1,
                                           .control = packet->control,
                                           .control_room = sizeof packet->control};
}

void packet_send(struct aio_socket *socket, const char *text)
{
    AIO_CHECK_EQ(aio_socket_send(socket, text, strlen(text)), strlen(text));
}

void packet_expect(struct aio_socket *socket, const char *text)
{
    char bytes[64] = "";
    ssize_t n = aio_socket_recv(socket, bytes, sizeof bytes - 1, NULL);
    AIO_CHECK_EQ(n, strlen(text));
    bytes[n > 0 ? n : 0] = '\0';
    AIO_CHECK_STR(bytes, text);
}

static int call_run(void *arg)
{
    struct packet_call *call = arg;
    AIO_TIMEOUT(call->timeout_ns > 0 ? call->timeout_ns : AIO_FOREVER)
    {
        call->result = aio_socket_recv(call->socket, call->bytes, sizeof call->bytes, NULL);
    }
    call->ended = true;
    if (call->sequence != NULL)
        call->place = ++*call->sequence;
    return 0;
}

bool packet_call_start(struct packet_call *call)
{
    call->ended = false;
    call->task = NULL;
    return AIO_CHECK_OK(aio_task_spawn(&call->task, call_run, call, NULL));
}

ssize_t packet_call_join(struct packet_call *call)
{
    if (call->task == NULL)
        return -ESRCH;
    AIO_CHECK_OK(aio_task_join(call->task, NULL));
    call->task = NULL;
    return call->result;
}

ssize_t packet_call_cancel(struct packet_call *call)
{
    if (call->task != NULL)
        aio_task_cancel(call->task);
    return packet_call_join(call);
}

void packet_settle(void)
{
    for (int i = 0; i < 8; i++)
        AIO_CHECK_OK(aio_task_yield());
}

int packet_fd_count(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

bool packet_folder_open(struct packet_folder *folder)
{
    test_temporary(folder->path, sizeof folder->path, "/tmp");
    if (!AIO_CHECK(mkdtemp(folder->path) != NULL))
        return false;
    snprintf(folder->file, sizeof folder->file, "%s/socket", folder->path);
    return true;
}

void packet_folder_close(struct packet_folder *folder)
{
    DIR *stream = opendir(folder->path);
    const struct dirent *entry;
    while (stream != NULL && (entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.')
            AIO_CHECK_EQ(unlinkat(dirfd(stream), entry->d_name, 0), 0);
    closedir(stream);
    AIO_CHECK_EQ(rmdir(folder->path), 0);
}

bool packet_exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}
