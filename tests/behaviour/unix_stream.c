/*
 * Unix streams: names, connecting, who is there, what waits.
 */
#define SUITE "unix_stream"
#include "tests/behaviour/packet_support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Accepts one connection, echoes a few bytes, and checks how it is named. */
static void round_trip(const char *name)
{
    struct aio_listener *listener;
    struct aio_stream *client, *server;
    struct aio_credentials who = {0};
    struct aio_address at;
    char bytes[8] = "", text[128];
    REQUIRE_OK(aio_unix_listen(&listener, name, NULL));
    REQUIRE_OK(aio_unix_connect(&client, name));
    REQUIRE_OK(aio_listener_accept(listener, &server));
    AIO_CHECK_EQ(aio_stream_write_all(client, "hello", 5, NULL), 5);
    AIO_CHECK_EQ(aio_stream_read_exact(server, bytes, 5, NULL), 5);
    AIO_CHECK_STR(bytes, "hello");
    AIO_CHECK_OK(aio_listener_address(listener, &at));
    AIO_CHECK_EQ(aio_unix_format(&at, text, sizeof text), strlen(name));
    AIO_CHECK_STR(text, name);
    AIO_CHECK_OK(aio_stream_peer(client, &at));
    AIO_CHECK_EQ(aio_unix_format(&at, text, sizeof text), strlen(name));
    AIO_CHECK_OK(aio_stream_local(client, &at));
    AIO_CHECK_EQ(aio_unix_format(&at, text, sizeof text), 0);
    AIO_CHECK_OK(aio_stream_credentials(server, &who));
    AIO_CHECK_EQ(who.pid, getpid());
    AIO_CHECK_EQ(who.uid, geteuid());
    AIO_CHECK_EQ(who.gid, getegid());
    AIO_CHECK_OK(aio_stream_shutdown(client, AIO_STREAM_WRITE));
    AIO_CHECK_EQ(aio_stream_read(server, bytes, 1), 0);
    aio_stream_close(client);
    aio_stream_close(server);
    aio_listener_close(listener);
    AIO_CHECK_ERROR(aio_unix_connect(&client, name), name[0] == '@' ? -ECONNREFUSED : -ENOENT);
}

BEHAVIOUR(by_path)
{
    struct packet_folder folder;
    REQUIRE(packet_folder_open(&folder));
    round_trip(folder.file);
    packet_folder_close(&folder);
}

BEHAVIOUR(by_abstract_name)
{
    char name[64];
    snprintf(name, sizeof name, "@aio-test-%d", (int)getpid());
    round_trip(name);
}

/* The longest name there is, of either sort; one more is an error. */
BEHAVIOUR(long_names)
{
    struct packet_folder folder;
    char name[AIO_UNIX_NAME_MAX + 2];
    struct aio_listener *listener;
    REQUIRE(packet_folder_open(&folder));
    memset(name, 'n', sizeof name);
    memcpy(name, folder.file, strlen(folder.file));
    name[AIO_UNIX_NAME_MAX + 1] = '\0';
    AIO_CHECK_ERROR(aio_unix_listen(&listener, name, NULL), -ENAMETOOLONG);
    name[AIO_UNIX_NAME_MAX] = '\0';
    round_trip(name);
    snprintf(name, sizeof name, "@%0*d", AIO_UNIX_NAME_MAX - 1, (int)getpid());
    round_trip(name);
    packet_folder_close(&folder);
}

BEHAVIOUR(bad_names)
{
    struct aio_address at;
    struct aio_stream *stream;
    char text[128] = "x";
    AIO_CHECK_ERROR(aio_unix_parse(&at, NULL), -EINVAL);
    AIO_CHECK_ERROR(aio_unix_parse(&at, ""), -EINVAL);
    AIO_CHECK_ERROR(aio_unix_parse(&at, "@"), -EINVAL);
    AIO_CHECK_OK(aio_unix_parse(&at, "./@x"));
    AIO_CHECK_EQ(aio_unix_format(&at, text, sizeof text), 4);
    AIO_CHECK_STR(text, "./@x");
    AIO_CHECK_ERROR(aio_unix_format(&at, text, 4), -ENOSPC);
    AIO_CHECK_STR(text, "");
    AIO_CHECK_OK(aio_unix_parse(&at, "@x"));
    ((char *)&at.storage)[3] = '\0'; /* a name of a NUL */
    AIO_CHECK_EQ(aio_unix_format(&at, text, 3), 2);
    AIO_CHECK_STR(text, "@@");
    AIO_CHECK_OK(aio_address_parse(&at, "127.0.0.1:1"));
    AIO_CHECK_ERROR(aio_unix_format(&at, text, sizeof text), -EAFNOSUPPORT);
    at.length = 0;
    AIO_CHECK_ERROR(aio_unix_format(&at, NULL, 0), -EAFNOSUPPORT);
    AIO_CHECK_ERROR(aio_unix_connect(&stream, "/nowhere/at/all"), -ENOENT);
    AIO_CHECK_ERROR(aio_unix_connect(&stream, "/dev/null"), -ECONNREFUSED);
    AIO_CHECK_ERROR(aio_unix_connect(&stream, "/dev/null/x"), -ENOTDIR);
}

BEHAVIOUR(pair)
{
    struct aio_stream *ends[2];
    char byte = 0;
    REQUIRE_OK(aio_unix_pair(ends));
    AIO_CHECK_EQ(aio_stream_write(ends[0], "p", 1), 1);
    AIO_CHECK_EQ(aio_stream_read(ends[1], &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'p');
    aio_stream_close(ends[0]);
    AIO_CHECK_EQ(aio_stream_read(ends[1], &byte, 1), 0);
    AIO_CHECK_ERROR(aio_stream_write(ends[1], "p", 1), -EPIPE);
    aio_stream_close(ends[1]);
}

struct connecting {
    const char *name;
    struct aio_stream *stream;
    int result;
    bool ended;
};

static int connect_one(void *arg)
{
    struct connecting *one = arg;
    one->result = aio_unix_connect(&one->stream, one->name);
    one->ended = true;
    return 0;
}

static bool has_ended(void *arg)
{
    return ((struct connecting *)arg)->ended;
}

/* With the backlog full a connection waits; it is cancelled, times out, or is made in the end. */
BEHAVIOUR(full_backlog)
{
    enum { COUNT = 80 };
    struct aio_unix_options options = AIO_UNIX_OPTIONS;
    static struct connecting all[COUNT];
    struct aio_task *tasks[COUNT];
    struct aio_listener *listener;
    struct aio_stream *stream;
    char name[64];
    int waiting = 0;
    options.backlog = 1;
    snprintf(name, sizeof name, "@aio-full-%d", (int)getpid());
    REQUIRE_OK(aio_unix_listen(&listener, name, &options));
    for (int i = 0; i < COUNT; i++) {
        all[i] = (struct connecting){.name = name};
        REQUIRE_OK(aio_task_spawn(&tasks[i], connect_one, &all[i], NULL));
    }
    AIO_CHECK(test_wait(has_ended, &all[0]));
    packet_settle();
    for (int i = 0; i < COUNT; i++)
        waiting += !all[i].ended;
    AIO_CHECK(waiting > 0);
    aio_task_cancel(tasks[COUNT - 1]);
    AIO_CHECK_OK(aio_task_join(tasks[COUNT - 1], NULL));
    int made = COUNT - 1 + (all[COUNT - 1].result == 0);
    for (int i = 0; i < made; i++) {
        REQUIRE_OK(aio_listener_accept(listener, &stream));
        aio_stream_close(stream);
    }
    for (int i = 0; i < COUNT; i++) {
        if (i < COUNT - 1) {
            AIO_CHECK_OK(aio_task_join(tasks[i], NULL));
            AIO_CHECK_OK(all[i].result);
        }
        if (all[i].result == 0)
            aio_stream_close(all[i].stream);
        else
            AIO_CHECK_ERROR(all[i].result, -ECANCELED);
    }
    aio_listener_close(listener);
}

/* A listener of one kind, a caller of another. */
BEHAVIOUR(kinds_do_not_mix)
{
    struct aio_unix_options options = AIO_UNIX_OPTIONS;
    struct aio_listener *listener;
    struct aio_socket *socket;
    struct aio_stream *stream;
    struct packet_folder folder;
    const char *name = folder.file;
    REQUIRE(packet_folder_open(&folder));
    REQUIRE_OK(aio_unix_listen(&listener, name, NULL));
    AIO_CHECK_ERROR(aio_unix_connect_sequence(&socket, name), -EPROTOTYPE);
    AIO_CHECK_ERROR(aio_unix_accept(listener, &socket), -EPROTOTYPE);
    struct aio_listener *second;
    AIO_CHECK_ERROR(aio_unix_listen(&second, name, NULL), -EADDRINUSE);
    aio_listener_close(listener);
    options.kind = AIO_UNIX_DATAGRAM;
    AIO_CHECK_ERROR(aio_unix_listen(&listener, name, &options), -EINVAL);
    options.kind = AIO_UNIX_SEQUENCE;
    REQUIRE_OK(aio_unix_listen(&listener, name, &options));
    AIO_CHECK_ERROR(aio_unix_connect(&stream, name), -EPROTOTYPE);
    AIO_CHECK_ERROR(aio_listener_accept(listener, &stream), -EPROTOTYPE);
    aio_listener_close(listener);
    options.backlog = -1;
    AIO_CHECK_ERROR(aio_unix_listen(&listener, name, &options), -EINVAL);
    packet_folder_close(&folder);
}

/* Credentials are told of Unix sockets only. */
BEHAVIOUR(credentials_of_others)
{
    struct aio_credentials who;
    struct aio_socket *socket, *pair[2];
    REQUIRE_OK(aio_udp_bind(&socket, "127.0.0.1:0", NULL));
    AIO_CHECK_ERROR(aio_socket_credentials(socket, &who), -EOPNOTSUPP);
    aio_socket_close(socket);
    REQUIRE_OK(aio_unix_bind(&socket, NULL, NULL));
    AIO_CHECK_ERROR(aio_socket_credentials(socket, &who), -ENOTCONN);
    aio_socket_close(socket);
    REQUIRE_OK(aio_unix_pair_sockets(pair, AIO_UNIX_SEQUENCE));
    AIO_CHECK_OK(aio_socket_credentials(pair[0], &who));
    AIO_CHECK_EQ(who.pid, getpid());
    aio_socket_close(pair[0]);
    aio_socket_close(pair[1]);
}
