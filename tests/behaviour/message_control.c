/*
 * Control data as bytes: built within its room, read within its length, whatever stands there.
 */
#define SUITE "message_control"
#include "tests/behaviour/packet_support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Every piece that fits is found again, in order; the one that does not changes nothing. */
BEHAVIOUR(built_and_read)
{
    char control[600], data[64];
    for (size_t room = 0; room < sizeof control; room += 7) {
        struct aio_message message = {.control = control + 1, .control_room = room};
        int count = 0;
        size_t before;
        memset(control, 'g', sizeof control);
        do {
            before = message.control_bytes;
            memset(data, 'a' + count, sizeof data);
        } while (aio_message_put(&message, 1, count, data, (size_t)count * 5 % 60) == 0 &&
                 ++count < 30);
        AIO_CHECK(message.control_bytes <= room && message.control_bytes == before);
        AIO_CHECK_EQ(control[0], 'g');
        AIO_CHECK_EQ(control[1 + room], 'g');
        struct aio_message_item item = {0};
        for (int i = 0; i < count; i++) {
            REQUIRE(aio_message_next(&message, &item));
            AIO_CHECK_EQ(item.level, 1);
            AIO_CHECK_EQ(item.type, i);
            AIO_CHECK_EQ(item.size, i * 5 % 60);
            for (size_t at = 0; at < item.size; at++)
                AIO_CHECK_EQ(((const char *)item.data)[at], 'a' + i);
        }
        AIO_CHECK(!aio_message_next(&message, &item));
    }
}

/* A length that is impossible. */
BEHAVIOUR(put_too_much)
{
    char control[64], byte = 0;
    struct aio_message message = {.control = control, .control_room = sizeof control};
    AIO_CHECK_ERROR(aio_message_put(&message, 1, 1, &byte, SIZE_MAX), -ENOSPC);
    AIO_CHECK_ERROR(aio_message_put(&message, 1, 1, &byte, SIZE_MAX - 20), -ENOSPC);
    message.control_bytes = SIZE_MAX - 1;
    AIO_CHECK_ERROR(aio_message_put(&message, 1, 1, &byte, 1), -ENOSPC);
    message.control_bytes = 0;
    message.control = NULL;
    AIO_CHECK_ERROR(aio_message_put(&message, 1, 1, &byte, 1), -ENOSPC);
    AIO_CHECK_ERROR(aio_message_put_hops(&message, AF_UNIX, 1), -EINVAL);
    AIO_CHECK_ERROR(aio_message_put_hops(&message, AF_INET, 256), -EINVAL);
    AIO_CHECK_ERROR(aio_message_put_class(&message, AF_INET6, -1), -EINVAL);
    struct aio_address at = {.length = 0};
    AIO_CHECK_ERROR(aio_message_put_source(&message, &at, 0), -EAFNOSUPPORT);
}

/* Reads with everything there is; returns how many pieces there were. */
static int read_all(struct aio_message *message)
{
    struct aio_message_item item = {0};
    struct aio_credentials who;
    struct aio_message_error error;
    struct aio_address at;
    int64_t when_ns;
    int count = 0;
    while (aio_message_next(message, &item)) {
        const char *begin = message->control, *data = item.data;
        AIO_CHECK(data >= begin && data + item.size <= begin + message->control_bytes);
        count++;
    }
    (void)aio_message_timestamp(message, &when_ns);
    (void)aio_message_hops(message);
    (void)aio_message_class(message);
    (void)aio_message_destination(message, &at);
    (void)aio_message_segment(message);
    (void)aio_message_drops(message);
    (void)aio_message_credentials(message, &who);
    (void)aio_message_error(message, &error);
    return count;
}

/* Bytes at random and lengths near the edge, in memory of exactly that size. */
BEHAVIOUR(hostile_bytes)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_UDP};
    for (int round = 0; round < 2000; round++) {
        size_t size = test_random() % 200;
        unsigned char *control = malloc(size + 1);
        REQUIRE(control != NULL);
        for (size_t i = 0; i < size; i++)
            control[i] = (unsigned char)test_random();
        for (size_t at = 0; at + sizeof(struct cmsghdr) <= size; at += 24) {
            struct cmsghdr header = {.cmsg_len = test_random() % (size + 40)};
            header.cmsg_level = levels[test_random() % 4];
            header.cmsg_type =
                header.cmsg_level == SOL_SOCKET ? SCM_CREDENTIALS : (int)(test_random() % 110);
            memcpy(control + at, &header, sizeof header);
        }
        struct aio_message message = {
            .control = control, .control_room = size, .control_bytes = size};
        AIO_CHECK(read_all(&message) <= (int)(size / sizeof(struct cmsghdr)));
        message.control_room = size / 2; /* says less than it has */
        AIO_CHECK(size < 2 || read_all(&message) == 0);
        free(control);
    }
}

/* A message that brought nothing. */
BEHAVIOUR(nothing_there)
{
    struct aio_message message = {.whole = 7};
    struct aio_credentials who;
    struct aio_message_error error;
    struct aio_address at;
    int64_t when_ns;
    AIO_CHECK_EQ(read_all(&message), 0);
    AIO_CHECK_ERROR(aio_message_timestamp(&message, &when_ns), -ENOENT);
    AIO_CHECK_ERROR(aio_message_hops(&message), -ENOENT);
    AIO_CHECK_ERROR(aio_message_class(&message), -ENOENT);
    AIO_CHECK_ERROR(aio_message_destination(&message, &at), -ENOENT);
    AIO_CHECK_ERROR(aio_message_credentials(&message, &who), -ENOENT);
    AIO_CHECK_ERROR(aio_message_error(&message, &error), -ENOENT);
    AIO_CHECK_EQ(aio_message_segment(&message), 7);
    AIO_CHECK_EQ(aio_message_take_fds(&message, NULL, 0), 0);
}
