/*
 * Reading addresses: every form that is one, and forms that are none.
 */
#define SUITE "address_parse"
#include "tests/harness/harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static bool is_v4(const char *text, const char *host, int port)
{
    struct aio_address address;
    struct in_addr wanted;
    return AIO_CHECK_OK(aio_address_parse(&address, text)) &&
           AIO_CHECK_EQ(inet_pton(AF_INET, host, &wanted), 1) &&
           AIO_CHECK_EQ(address.length, sizeof(struct sockaddr_in)) &&
           AIO_CHECK_EQ(address.any.sa_family, AF_INET) &&
           AIO_CHECK_EQ(address.v4.sin_addr.s_addr, wanted.s_addr) &&
           AIO_CHECK_EQ(ntohs(address.v4.sin_port), port) &&
           AIO_CHECK_EQ(aio_address_port(&address), port);
}

static bool is_v6(const char *text, const char *host, unsigned scope, int port)
{
    struct aio_address address;
    struct in6_addr wanted;
    return AIO_CHECK_OK(aio_address_parse(&address, text)) &&
           AIO_CHECK_EQ(inet_pton(AF_INET6, host, &wanted), 1) &&
           AIO_CHECK_EQ(address.length, sizeof(struct sockaddr_in6)) &&
           AIO_CHECK_EQ(address.any.sa_family, AF_INET6) &&
           AIO_CHECK(memcmp(&address.v6.sin6_addr, &wanted, sizeof wanted) == 0) &&
           AIO_CHECK_EQ(address.v6.sin6_scope_id, scope) &&
           AIO_CHECK_EQ(aio_address_port(&address), port);
}

/* Fails with this error and leaves what is there. */
static void fails(const char *text, int error)
{
    struct aio_address address, before;
    memset(&before, 0xa5, sizeof before);
    address = before;
    if (!AIO_CHECK_ERROR(aio_address_parse(&address, text), error))
        AIO_CHECK_STR(text, "");
    AIO_CHECK(memcmp(&address, &before, sizeof before) == 0);
}

/* A numeric IPv4 host and a port. */
PLAIN(v4)
{
    is_v4("127.0.0.1:80", "127.0.0.1", 80);
    is_v4("0.0.0.0:1", "0.0.0.0", 1);
    is_v4("255.255.255.255:65535", "255.255.255.255", 65535);
}

/* No host and "*" are every address of IPv4. */
PLAIN(any)
{
    is_v4(":80", "0.0.0.0", 80);
    is_v4("*:80", "0.0.0.0", 80);
    is_v4(":0", "0.0.0.0", 0);
    is_v6("[::]:80", "::", 0, 80);
}

/* An IPv6 host stands in brackets. */
PLAIN(v6)
{
    is_v6("[::1]:80", "::1", 0, 80);
    is_v6("[2001:db8::ff00:42:8329]:443", "2001:db8::ff00:42:8329", 0, 443);
    is_v6("[1:2:3:4:5:6:7:8]:9", "1:2:3:4:5:6:7:8", 0, 9);
    is_v6("[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1", 0, 80);
    is_v6("[2001:DB8::A]:80", "2001:db8::a", 0, 80);
}

/* The longest host there is fits. */
PLAIN(v6_longest)
{
    const char *host = "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255";
    char text[128];
    snprintf(text, sizeof text, "[%s]:65535", host);
    is_v6(text, host, 0, 65535);
}

/* The zone is the name of an interface or its number. */
PLAIN(zone)
{
    char text[64];
    unsigned index = if_nametoindex("lo");
    REQUIRE(index != 0);
    is_v6("[fe80::1%lo]:80", "fe80::1", index, 80);
    snprintf(text, sizeof text, "[fe80::1%%%u]:80", index);
    is_v6(text, "fe80::1", index, 80);
}

/* A zone that names no interface is -ENODEV. */
PLAIN(zone_unknown)
{
    fails("[fe80::1%nosuchthing]:80", -ENODEV);
    fails("[fe80::1%999999999]:80", -ENODEV);
    fails("[fe80::1%0]:80", -ENODEV);
    fails("[fe80::1%99999999999]:80", -ENODEV);
    fails("[fe80::1%1x]:80", -ENODEV);
}

/* A zone must be something, and belongs to IPv6 alone. */
PLAIN(zone_malformed)
{
    fails("[fe80::1%]:80", -EINVAL);
    fails("[%lo]:80", -EINVAL);
    fails("[127.0.0.1%lo]:80", -EINVAL);
    fails("127.0.0.1%lo:80", -EINVAL);
    fails("[fe80::1]%lo:80", -EINVAL);
}

/* Ports are 0 to 65535 in at most five digits. */
PLAIN(port_bounds)
{
    is_v4("1.2.3.4:0", "1.2.3.4", 0);
    is_v4("1.2.3.4:65535", "1.2.3.4", 65535);
    is_v4("1.2.3.4:00080", "1.2.3.4", 80);
    fails("1.2.3.4:65536", -EINVAL);
    fails("1.2.3.4:99999", -EINVAL);
    fails("1.2.3.4:000080", -EINVAL);
    fails("1.2.3.4:4294967376", -EINVAL); /* 2^32 + 80 */
    fails("1.2.3.4:18446744073709551696", -EINVAL);
}

/* A port is digits and nothing else. */
PLAIN(port_malformed)
{
    static const char *const ports[] = {"",    " ",    "-1",   "+80", " 80",  "80 ",  "80x",
                                        "x80", "0x50", "http", "8 0", "80:1", "80\n", "8.0"};
    char text[64];
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        snprintf(text, sizeof text, "1.2.3.4:%s", ports[i]);
        fails(text, -EINVAL);
        snprintf(text, sizeof text, "[::1]:%s", ports[i]);
        fails(text, -EINVAL);
    }
}

/* The port may not be left out. */
PLAIN(no_port)
{
    static const char *const texts[] = {"", "1.2.3.4", "[::1]", "::1", "*", "80", "localhost"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        fails(texts[i], -EINVAL);
}

/* Hosts are numeric, of four whole numbers. */
PLAIN(v4_malformed)
{
    static const char *const hosts[] = {
        "1.2.3",   "1.2.3.4.5", "256.1.1.1", "1.2.3.256", "1..2.3",   "1.2.3.",
        ".1.2.3",  "01.2.3.4",  "0x1.2.3.4", "1",         "16909060", "localhost",
        "**",      " ",         " 1.2.3.4",  "1.2.3.4 ",  "-1.2.3.4", "1.2.3.4/8",
        "1,2,3,4", "a.b.c.d",   "*.1",       "1.2.3.4\t", "1.2.3.*",  "1.2.3.1000"};
    char text[64];
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "%s:80", hosts[i]);
        fails(text, -EINVAL);
    }
}

/* What stands in brackets is an IPv6 address. */
PLAIN(v6_malformed)
{
    static const char *const hosts[] = {"",
                                        ":",
                                        ":::",
                                        "1::2::3",
                                        "12345::",
                                        "g::",
                                        "1.2.3.4",
                                        "*",
                                        "1:2:3",
                                        "::1 ",
                                        " ::1",
                                        "[::1]",
                                        "[::1",
                                        "::1.2.3",
                                        "::256.1.1.1",
                                        "::-1",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7:8::"};
    char text[64];
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        snprintf(text, sizeof text, "[%s]:80", hosts[i]);
        fails(text, -EINVAL);
    }
}

/* Brackets come in pairs, around the host and nothing else. */
PLAIN(brackets_malformed)
{
    static const char *const texts[] = {
        "[",         "]",         "[]",        "[]:",       "[:80",      "]:80",
        "::1]:80",   "[::1:80",   "[::1]80",   "[::1]",     "[::1]]:80", "[[::1]]:80",
        "x[::1]:80", "[::1]x:80", " [::1]:80", "[::1] :80", "::1:80",    "(::1):80"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        fails(texts[i], -EINVAL);
}

/* Hosts longer than any address are refused, however long. */
PLAIN(too_long)
{
    static char text[100000];
    static const char *const ends[] = {":80", "]:80", ""};
    for (size_t length = 40; length < 100; length++)
        for (size_t i = 0; i < 3; i++) {
            memset(text, i == 1 ? ':' : '1', length);
            text[0] = i == 1 ? '[' : '1';
            snprintf(text + length, 8, "%s", ends[i]);
            fails(text, -EINVAL);
        }
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fails(text, -EINVAL);
    text[0] = '[';
    fails(text, -EINVAL);
}

/* No text is no address. */
PLAIN(null)
{
    fails(NULL, -EINVAL);
}
