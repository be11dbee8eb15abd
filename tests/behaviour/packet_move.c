/*
 * Sockets that come from elsewhere, and that are given back.
 */
#define SUITE "packet_move"
#include "tests/behaviour/packet_support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool is_set_up(int fd)
{
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/* Blocking and inherited as they come, they work like others, and work on when they are given back.
 */
BEHAVIOUR(there_and_back)
{
    static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
    struct aio_socket *socket;
    char byte = 0;
    for (int i = 0; i < 2; i++) {
        int fds[2];
        REQUIRE(socketpair(AF_UNIX, types[i], 0, fds) == 0);
        REQUIRE_OK(aio_socket_adopt(&socket, fds[0]));
        AIO_CHECK(is_set_up(fds[0]));
        struct packet_call call = {.socket = socket};
        REQUIRE(packet_call_start(&call));
        packet_settle();
        AIO_CHECK_ERROR(aio_socket_release(socket), -EBUSY);
        AIO_CHECK_EQ(write(fds[1], "in", 2), 2);
        AIO_CHECK_EQ(packet_call_join(&call), 2);
        packet_send(socket, "");
        AIO_CHECK_EQ(read(fds[1], &byte, 1), 0);
        AIO_CHECK_EQ(aio_socket_release(socket), fds[0]);
        AIO_CHECK_EQ(write(fds[0], "o", 1), 1);
        AIO_CHECK_EQ(read(fds[1], &byte, 1), 1);
        AIO_CHECK_EQ(byte, 'o');
        close(fds[0]);
        close(fds[1]);
    }
}

BEHAVIOUR(not_for_packets)
{
    struct aio_socket *made;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    AIO_CHECK_ERROR(aio_socket_adopt(&made, fd), -EINVAL);
    AIO_CHECK(!is_set_up(fd));
    AIO_CHECK_ERROR(aio_socket_adopt(&made, file), -ENOTSOCK);
    close(fd);
    close(file);
    AIO_CHECK_ERROR(aio_socket_adopt(&made, fd), -EBADF);
    AIO_CHECK_ERROR(aio_socket_adopt(&made, -1), -EBADF);
}

/* A bound UDP socket is handed over in a message, and serves on with the one who received it. */
BEHAVIOUR(handed_over)
{
    struct aio_socket *ends[2], *given, *client;
    struct aio_address at;
    struct packet_message packet;
    char text[AIO_ADDRESS_TEXT_BYTES];
    int fd = -1;
    REQUIRE_OK(aio_unix_pair_sockets(ends, AIO_UNIX_DATAGRAM));
    given = udp_bound("127.0.0.1:0", &at, text);
    REQUIRE(given != NULL);
    REQUIRE_OK(aio_udp_connect(&client, text, NULL));
    packet_send(client, "before");
    int mine = aio_socket_release(given);
    packet_message_init(&packet, 1);
    AIO_CHECK_OK(aio_message_put_fds(&packet.message, &mine, 1));
    AIO_CHECK_EQ(aio_socket_sendmsg(ends[0], &packet.message), 1);
    close(mine);
    packet_message_init(&packet, 1);
    packet.message.keep_fds = true;
    REQUIRE_OK(aio_socket_recvmsg(ends[1], &packet.message));
    AIO_CHECK_EQ(aio_message_take_fds(&packet.message, &fd, 1), 1);
    REQUIRE_OK(aio_socket_adopt(&given, fd));
    packet_expect(given, "before");
    packet_send(client, "after");
    packet_expect(given, "after");
    aio_socket_close(given);
    aio_socket_close(client);
    aio_socket_close(ends[0]);
    aio_socket_close(ends[1]);
}

/* The file of a socket that was given back stays. */
BEHAVIOUR(path_stays)
{
    struct packet_folder folder;
    struct aio_socket *socket;
    REQUIRE(packet_folder_open(&folder));
    REQUIRE_OK(aio_unix_bind(&socket, folder.file, NULL));
    close(aio_socket_release(socket));
    AIO_CHECK(packet_exists(folder.file));
    packet_folder_close(&folder);
}
