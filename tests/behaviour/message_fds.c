/*
 * Descriptors passed in messages: few, as many as may be, more than is room for, to somebody who
 * does not expect them; none is ever left open.
 */
#define SUITE "message_fds"
#include "tests/behaviour/packet_support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST = AIO_MESSAGE_FDS_MAX };

/* A message with room for all of them, on the heap's side of a task's stack. */
static struct {
    char byte;
    struct iovec vector;
    struct aio_message message;
    char control[AIO_CONTROL_BYTES_FDS(MOST)];
} out, in;

static int taken[MOST + 10];

static void reset_messages(void)
{
    out.vector = (struct iovec){&out.byte, 1};
    in.vector = (struct iovec){&in.byte, 1};
    out.message = (struct aio_message){.vectors = &out.vector, .count = 1};
    in.message = (struct aio_message){.vectors = &in.vector, .count = 1, .keep_fds = true};
    out.message.control = out.control;
    in.message.control = in.control;
    out.message.control_room = in.message.control_room = sizeof out.control;
}

/* Ends of each sort that can pass descriptors. */
struct carrier {
    struct aio_stream *streams[2];
    struct aio_socket *sockets[2];
};

static bool carrier_open(struct carrier *carrier, int kind)
{
    *carrier = (struct carrier){.streams = {NULL, NULL}};
    reset_messages();
    if (kind == AIO_UNIX_STREAM)
        return AIO_CHECK_OK(aio_unix_pair(carrier->streams));
    return AIO_CHECK_OK(aio_unix_pair_sockets(carrier->sockets, (enum aio_unix_kind)kind));
}

static void carrier_close(struct carrier *carrier)
{
    for (int i = 0; i < 2; i++) {
        aio_stream_close(carrier->streams[i]);
        aio_socket_close(carrier->sockets[i]);
    }
}

static ssize_t carrier_send(struct carrier *carrier)
{
    return carrier->streams[0] != NULL ? aio_stream_sendmsg(carrier->streams[0], &out.message)
                                       : aio_socket_sendmsg(carrier->sockets[0], &out.message);
}

static int carrier_receive(struct carrier *carrier)
{
    return carrier->streams[1] != NULL ? aio_stream_recvmsg(carrier->streams[1], &in.message)
                                       : aio_socket_recvmsg(carrier->sockets[1], &in.message);
}

/* The reading end of a pipe once, and its writing end often. */
static int ends[2];

static void put_pipe(int count)
{
    int fds[MOST];
    AIO_CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < count; i++)
        fds[i] = ends[i > 0];
    AIO_CHECK_OK(aio_message_put_fds(&out.message, fds, count));
}

static void close_pipe(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* What is written into the passed end comes out of ours; what came is close-on-exec. */
static void pass(int kind, int count)
{
    struct carrier carrier;
    int before = packet_fd_count();
    char byte = 0;
    REQUIRE(carrier_open(&carrier, kind));
    put_pipe(count);
    AIO_CHECK_EQ(carrier_send(&carrier), 1);
    AIO_CHECK_OK(carrier_receive(&carrier));
    AIO_CHECK_EQ(in.message.flags, 0);
    AIO_CHECK_EQ(aio_message_take_fds(&in.message, taken, MOST), count);
    AIO_CHECK_EQ(write(taken[count - 1], "w", 1), 1);
    AIO_CHECK_EQ(read(ends[0], &byte, 1), 1);
    AIO_CHECK_EQ(byte, 'w');
    for (int i = 0; i < count; i++) {
        AIO_CHECK((fcntl(taken[i], F_GETFD) & FD_CLOEXEC) != 0);
        close(taken[i]);
    }
    AIO_CHECK_EQ(aio_message_take_fds(&in.message, taken, MOST), 0);
    close_pipe();
    carrier_close(&carrier);
    AIO_CHECK_EQ(packet_fd_count(), before);
}

BEHAVIOUR(a_few)
{
    for (int kind = AIO_UNIX_STREAM; kind <= AIO_UNIX_DATAGRAM; kind++)
        pass(kind, 2);
}

BEHAVIOUR(as_many_as_may_be)
{
    for (int kind = AIO_UNIX_STREAM; kind <= AIO_UNIX_DATAGRAM; kind++)
        pass(kind, MOST);
    reset_messages();
    AIO_CHECK_ERROR(aio_message_put_fds(&out.message, taken, MOST + 1), -EINVAL);
    AIO_CHECK_ERROR(aio_message_put_fds(&out.message, taken, 0), -EINVAL);
    out.message.control_room = AIO_CONTROL_SPACE(4 * sizeof(int)) - 1;
    AIO_CHECK_ERROR(aio_message_put_fds(&out.message, taken, 4), -ENOSPC);
    AIO_CHECK_EQ(out.message.control_bytes, 0);
}

/* Less room than there are: told, and what was cut off is closed; whatever the room. */
BEHAVIOUR(too_little_room)
{
    struct carrier carrier;
    int before = packet_fd_count();
    for (int kind = AIO_UNIX_STREAM; kind <= AIO_UNIX_DATAGRAM; kind++) {
        for (size_t room = 0; room <= 2 * AIO_CONTROL_SPACE(10 * sizeof(int)); room += 4) {
            REQUIRE(carrier_open(&carrier, kind));
            put_pipe(10);
            AIO_CHECK_EQ(carrier_send(&carrier), 1);
            in.message.control_room = room;
            AIO_CHECK_OK(carrier_receive(&carrier));
            int count = aio_message_take_fds(&in.message, taken, MOST);
            AIO_CHECK(count >= 0 && count <= 10);
            if (count < 10 && room > 0)
                AIO_CHECK((in.message.flags & AIO_MESSAGE_CONTROL_TRUNCATED) != 0);
            for (int i = 0; i < count; i++)
                close(taken[i]);
            close_pipe();
            carrier_close(&carrier);
        }
    }
    AIO_CHECK_EQ(packet_fd_count(), before);
}

/* The caller's own array is too small: the rest is closed. */
BEHAVIOUR(too_small_an_array)
{
    struct carrier carrier;
    int before = packet_fd_count();
    REQUIRE(carrier_open(&carrier, AIO_UNIX_STREAM));
    put_pipe(10);
    AIO_CHECK_EQ(carrier_send(&carrier), 1);
    AIO_CHECK_OK(carrier_receive(&carrier));
    AIO_CHECK_EQ(aio_message_take_fds(&in.message, taken, 3), 10);
    for (int i = 0; i < 3; i++)
        close(taken[i]);
    close_pipe();
    carrier_close(&carrier);
    AIO_CHECK_EQ(packet_fd_count(), before);
}

/* To somebody who does not keep them, asks for no control data, or reads plain bytes. */
BEHAVIOUR(unexpected)
{
    struct carrier carrier;
    int before = packet_fd_count();
    for (int kind = AIO_UNIX_STREAM; kind <= AIO_UNIX_DATAGRAM; kind++) {
        for (int how = 0; how < 4; how++) {
            REQUIRE(carrier_open(&carrier, kind));
            put_pipe(20);
            AIO_CHECK_EQ(carrier_send(&carrier), 1);
            in.message.keep_fds = how != 0;
            if (how == 1)
                in.message.control = NULL;
            if (how < 2)
                AIO_CHECK_OK(carrier_receive(&carrier));
            else if (how == 2 && kind == AIO_UNIX_STREAM)
                AIO_CHECK_EQ(aio_stream_read(carrier.streams[1], &in.byte, 1), 1);
            else if (how == 2)
                AIO_CHECK_EQ(aio_socket_recv(carrier.sockets[1], &in.byte, 1, NULL), 1);
            close_pipe(); /* how 3: nobody receives them */
            carrier_close(&carrier);
        }
    }
    AIO_CHECK_EQ(packet_fd_count(), before);
}

/* Our own table is nearly full: as many as fit come, and the rest is told of and closed. */
BEHAVIOUR(table_is_full)
{
    struct rlimit former, few;
    struct carrier carrier;
    if (test_on_valgrind()) {
        aio_test_skip("Valgrind keeps the limit to itself");
        return;
    }
    int before = packet_fd_count();
    for (int kind = AIO_UNIX_STREAM; kind <= AIO_UNIX_DATAGRAM; kind++) {
        REQUIRE(carrier_open(&carrier, kind));
        put_pipe(10);
        AIO_CHECK_EQ(carrier_send(&carrier), 1);
        close_pipe();
        int lowest = dup(0);
        close(lowest);
        AIO_CHECK_EQ(getrlimit(RLIMIT_NOFILE, &former), 0);
        few = former;
        few.rlim_cur = (rlim_t)lowest + 3;
        AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
        AIO_CHECK_OK(carrier_receive(&carrier));
        AIO_CHECK_EQ(setrlimit(RLIMIT_NOFILE, &former), 0);
        int count = aio_message_take_fds(&in.message, NULL, 0);
        AIO_CHECK(count > 0 && count <= 3);
        AIO_CHECK_EQ(in.message.flags, AIO_MESSAGE_CONTROL_TRUNCATED);
        carrier_close(&carrier);
    }
    AIO_CHECK_EQ(packet_fd_count(), before);
}

/* Dropped, and in a batch. */
BEHAVIOUR(in_a_batch)
{
    struct carrier carrier;
    int before = packet_fd_count();
    REQUIRE(carrier_open(&carrier, AIO_UNIX_SEQUENCE));
    put_pipe(3);
    AIO_CHECK_EQ(aio_socket_send_many(carrier.sockets[0], &out.message, 1), 1);
    AIO_CHECK_EQ(aio_socket_send_many(carrier.sockets[0], &out.message, 1), 1);
    AIO_CHECK_EQ(aio_socket_recv_many(carrier.sockets[1], &in.message, 1), 1);
    aio_message_drop_fds(&in.message);
    in.message.keep_fds = false;
    AIO_CHECK_EQ(aio_socket_recv_many(carrier.sockets[1], &in.message, 1), 1);
    close_pipe();
    carrier_close(&carrier);
    AIO_CHECK_EQ(packet_fd_count(), before);
}

/* A descriptor comes with its byte, which ends the message; bytes before it may be in it. */
BEHAVIOUR(with_their_byte)
{
    struct carrier carrier;
    char bytes[8];
    size_t position = 0;
    int before = packet_fd_count();
    REQUIRE(carrier_open(&carrier, AIO_UNIX_STREAM));
    AIO_CHECK_EQ(aio_stream_write_all(carrier.streams[0], "abc", 3, NULL), 3);
    put_pipe(1);
    AIO_CHECK_EQ(carrier_send(&carrier), 1);
    close_pipe();
    AIO_CHECK_EQ(aio_stream_write_all(carrier.streams[0], "def", 3, NULL), 3);
    AIO_CHECK_OK(aio_stream_shutdown(carrier.streams[0], AIO_STREAM_WRITE));
    in.vector = (struct iovec){bytes, 3};
    while (aio_stream_recvmsg(carrier.streams[1], &in.message) == 0 && in.message.bytes > 0) {
        size_t end = position + in.message.bytes;
        AIO_CHECK_EQ(aio_message_take_fds(&in.message, NULL, 0), position < 4 && end >= 4);
        AIO_CHECK(position >= 4 || end <= 4);
        position = end;
    }
    AIO_CHECK_EQ(in.message.bytes, 0);
    AIO_CHECK_EQ(position, 7);
    carrier_close(&carrier);
    AIO_CHECK_EQ(packet_fd_count(), before);
}

BEHAVIOUR(bad_stream_messages)
{
    struct carrier carrier;
    struct aio_address at = {.length = 0};
    REQUIRE(carrier_open(&carrier, AIO_UNIX_STREAM));
    put_pipe(1);
    out.vector.iov_len = in.vector.iov_len = 0;
    AIO_CHECK_ERROR(carrier_send(&carrier), -EINVAL);
    AIO_CHECK_ERROR(carrier_receive(&carrier), -EINVAL);
    reset_messages();
    out.message.address = in.message.address = &at;
    AIO_CHECK_ERROR(carrier_send(&carrier), -EINVAL);
    AIO_CHECK_ERROR(carrier_receive(&carrier), -EINVAL);
    close_pipe();
    carrier_close(&carrier);
}

/* A stream's own time limit counts for messages too. */
BEHAVIOUR(stream_time_limit)
{
    struct carrier carrier;
    REQUIRE(carrier_open(&carrier, AIO_UNIX_STREAM));
    AIO_CHECK_OK(aio_stream_timeout(carrier.streams[1], AIO_MS(3), 0));
    AIO_CHECK_ERROR(carrier_receive(&carrier), -ETIMEDOUT);
    AIO_CHECK(aio_stream_expired(carrier.streams[1]));
    carrier_close(&carrier);
}

/* Cancelled receives leave the descriptors where they are; closed ones keep none. */
static int receive_one(void *arg)
{
    return carrier_receive(arg);
}

BEHAVIOUR(cancelled_and_closed)
{
    struct carrier carrier;
    struct aio_task *task;
    int before = packet_fd_count(), result;
    for (int round = 0; round < 40; round++) {
        REQUIRE(carrier_open(&carrier, round % 3));
        put_pipe(5);
        REQUIRE_OK(aio_task_spawn(&task, receive_one, &carrier, NULL));
        for (uint64_t i = 1 + test_random() % 3; i > 0; i--)
            AIO_CHECK_OK(aio_task_yield());
        AIO_CHECK_EQ(carrier_send(&carrier), 1);
        if (round % 2 == 0) {
            aio_task_cancel(task);
        } else {
            aio_stream_close(carrier.streams[1]);
            aio_socket_close(carrier.sockets[1]);
            carrier.streams[1] = NULL;
            carrier.sockets[1] = NULL;
        }
        AIO_CHECK_OK(aio_task_join(task, &result));
        if (result == -ECANCELED)
            AIO_CHECK_OK(result = carrier_receive(&carrier));
        if (result == 0)
            AIO_CHECK_EQ(aio_message_take_fds(&in.message, taken, 0), 5);
        else
            AIO_CHECK_ERROR(result, -EBADF);
        close_pipe();
        carrier_close(&carrier);
    }
    AIO_CHECK_EQ(packet_fd_count(), before);
}

BEHAVIOUR(credentials)
{
    struct carrier carrier;
    struct aio_credentials who;
    for (int kind = AIO_UNIX_SEQUENCE; kind <= AIO_UNIX_DATAGRAM; kind++) {
        REQUIRE(carrier_open(&carrier, kind));
        AIO_CHECK_OK(aio_socket_option_set(carrier.sockets[1], AIO_SOCKET_RECEIVE_CREDENTIALS, 1));
        AIO_CHECK_EQ(carrier_send(&carrier), 1);
        AIO_CHECK_OK(carrier_receive(&carrier));
        AIO_CHECK_OK(aio_message_credentials(&in.message, &who));
        AIO_CHECK_EQ(who.pid, getpid());
        AIO_CHECK_EQ(who.uid, geteuid());
        carrier_close(&carrier);
    }
}
