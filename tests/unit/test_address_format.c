/*
 * Writing addresses: the same text that is read, into buffers large and small.
 */
#define SUITE "address_format"
#include "tests/harness/harness.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* The text is written in this form and read back as the same address. */
static void round_trip(const char *text, const char *wanted)
{
    struct aio_address address, again;
    char buffer[AIO_ADDRESS_TEXT_BYTES];
    REQUIRE_OK(aio_address_parse(&address, text));
    AIO_CHECK_EQ(aio_address_format(&address, buffer, sizeof buffer), strlen(wanted));
    AIO_CHECK_STR(buffer, wanted);
    REQUIRE_OK(aio_address_parse(&again, buffer));
    AIO_CHECK_EQ(again.length, address.length);
    AIO_CHECK(memcmp(&again.any, &address.any, address.length) == 0);
}

/* Addresses of IPv4 keep their form; "*" is written as the number it stands for. */
PLAIN(v4)
{
    round_trip("127.0.0.1:80", "127.0.0.1:80");
    round_trip("255.255.255.255:65535", "255.255.255.255:65535");
    round_trip("*:0", "0.0.0.0:0");
    round_trip(":00080", "0.0.0.0:80");
}

/* Addresses of IPv6 are written in brackets and in their short form. */
PLAIN(v6)
{
    round_trip("[::]:80", "[::]:80");
    round_trip("[0:0:0:0:0:0:0:1]:80", "[::1]:80");
    round_trip("[2001:DB8::A]:443", "[2001:db8::a]:443");
    round_trip("[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.1]:1");
    round_trip("[fe80::1%lo]:65535", "[fe80::1%lo]:65535");
}

/* A zone whose interface is gone is written as its number, so that nothing is made up. */
PLAIN(zone_without_interface)
{
    struct aio_address address = {.length = sizeof address.v6};
    char buffer[AIO_ADDRESS_TEXT_BYTES];
    address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_scope_id = 4294967295u};
    AIO_CHECK(aio_address_format(&address, buffer, sizeof buffer) > 0);
    AIO_CHECK_STR(buffer, "[::%4294967295]:0");
}

/* AIO_ADDRESS_TEXT_BYTES holds the longest text there is. */
PLAIN(longest)
{
    char name[IF_NAMESIZE], text[2 * AIO_ADDRESS_TEXT_BYTES];
    memset(name, 'n', sizeof name);
    int length = snprintf(text, sizeof text,
                          "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%%%.*s]"
                          ":65535",
                          IF_NAMESIZE - 1, name);
    AIO_CHECK(length < AIO_ADDRESS_TEXT_BYTES);
}

/* A buffer that the text and its NUL do not fit in gets an empty text and nothing behind it. */
PLAIN(small_buffers)
{
    static const char *const texts[] = {"127.0.0.1:80", "[2001:db8::a]:443", "[fe80::1%lo]:1"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct aio_address address;
        size_t length = strlen(texts[i]);
        REQUIRE_OK(aio_address_parse(&address, texts[i]));
        for (size_t size = 0; size <= length; size++) {
            char *buffer = malloc(size + 1); /* of its own, so that sanitizers see its end */
            REQUIRE(buffer != NULL);
            memset(buffer, 'x', size + 1);
            AIO_CHECK_ERROR(aio_address_format(&address, buffer, size), -ENOSPC);
            AIO_CHECK_EQ(buffer[0], size > 0 ? '\0' : 'x');
            AIO_CHECK_EQ(buffer[size], size > 0 ? 'x' : buffer[size]);
            free(buffer);
        }
        char exact[AIO_ADDRESS_TEXT_BYTES];
        AIO_CHECK_EQ(aio_address_format(&address, exact, length + 1), length);
        AIO_CHECK_STR(exact, texts[i]);
    }
}

/* No buffer at all is a buffer of no bytes. */
PLAIN(no_buffer)
{
    struct aio_address address;
    REQUIRE_OK(aio_address_parse(&address, "127.0.0.1:80"));
    AIO_CHECK_ERROR(aio_address_format(&address, NULL, 0), -ENOSPC);
}

/* Other families have neither a text nor a port. */
PLAIN(other_families)
{
    char buffer[AIO_ADDRESS_TEXT_BYTES] = "before";
    struct aio_address address = {.length = sizeof(struct sockaddr_un)};
    address.any.sa_family = AF_UNIX;
    AIO_CHECK_ERROR(aio_address_format(&address, buffer, sizeof buffer), -EAFNOSUPPORT);
    AIO_CHECK_STR(buffer, "");
    AIO_CHECK_ERROR(aio_address_format(&address, buffer, 0), -EAFNOSUPPORT);
    AIO_CHECK_ERROR(aio_address_port(&address), -EAFNOSUPPORT);
}

/* An address that is none has no family, whatever stands in its bytes. */
PLAIN(none)
{
    char buffer[AIO_ADDRESS_TEXT_BYTES];
    struct aio_address address = {.length = 0};
    address.any.sa_family = AF_INET;
    AIO_CHECK_ERROR(aio_address_format(&address, buffer, sizeof buffer), -EAFNOSUPPORT);
    AIO_CHECK_ERROR(aio_address_port(&address), -EAFNOSUPPORT);
}

/* The port comes in host order. */
PLAIN(port)
{
    struct aio_address address;
    REQUIRE_OK(aio_address_parse(&address, "[::1]:258"));
    AIO_CHECK_EQ(aio_address_port(&address), 258);
    REQUIRE_OK(aio_address_parse(&address, "1.2.3.4:65535"));
    AIO_CHECK_EQ(aio_address_port(&address), 65535);
}
