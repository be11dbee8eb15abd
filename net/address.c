/*
 * Numeric addresses: reading and writing "host:port".
 */
#include <aio/net.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_HOST_BYTES (INET6_ADDRSTRLEN + IF_NAMESIZE + 1)

/* The two halves of "host:port". */
struct address_text {
    char host[ADDRESS_HOST_BYTES];
    bool bracketed;
    const char *port;
};

static int address_copy_host(struct address_text *parts, const char *begin, const char *end)
{
    size_t length = (size_t)(end - begin);
    if (length >= sizeof parts->host)
        return -EINVAL;
    memcpy(parts->host, begin, length);
    parts->host[length] = '\0';
    return 0;
}

/* Splits at the colon; an IPv6 host stands in brackets. */
static int address_split(struct address_text *parts, const char *text)
{
    parts->bracketed = text[0] == '[';
    const char *begin = parts->bracketed ? text + 1 : text;
    const char *end = strchr(begin, parts->bracketed ? ']' : ':');
    if (end == NULL)
        return -EINVAL;
    const char *colon = parts->bracketed ? end + 1 : end;
    if (*colon != ':')
        return -EINVAL;
    parts->port = colon + 1;
    return address_copy_host(parts, begin, end);
}

/* One to five digits, at most 65535, nothing else. */
static int address_parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    if (value > 65535)
        return -EINVAL;
    *port = htons((uint16_t)value);
    return 0;
}

static int address_parse_v4(struct aio_address *out, const char *host, in_port_t port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port};
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    if (!any && inet_pton(AF_INET, host, &v4.sin_addr) != 1)
        return -EINVAL;
    *out = (struct aio_address){.length = sizeof v4, .v4 = v4};
    return 0;
}

/* The zone is an interface's name or index. */
static int address_parse_zone(const char *zone, uint32_t *scope)
{
    *scope = if_nametoindex(zone);
    if (*scope != 0)
        return 0;
    size_t digits = strspn(zone, "0123456789");
    if (digits == 0 || digits > 9 || zone[digits] != '\0')
        return zone[0] == '\0' ? -EINVAL : -ENODEV;
    for (const char *at = zone; *at != '\0'; at++)
        *scope = *scope * 10 + (uint32_t)(*at - '0');
    char name[IF_NAMESIZE];
    return if_indextoname(*scope, name) != NULL ? 0 : -ENODEV;
}

static int address_parse_v6(struct aio_address *out, char *host, in_port_t port)
{
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port};
    char *percent = strchr(host, '%');
    if (percent != NULL)
        *percent = '\0';
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
        return -EINVAL;
    int rc = percent != NULL ? address_parse_zone(percent + 1, &v6.sin6_scope_id) : 0;
    if (rc == 0)
        *out = (struct aio_address){.length = sizeof v6, .v6 = v6};
    return rc;
}

int aio_address_parse(struct aio_address *out, const char *text)
{
    struct address_text parts;
    in_port_t port;
    if (text == NULL || address_split(&parts, text) < 0 ||
        address_parse_port(parts.port, &port) < 0)
        return -EINVAL;
    return parts.bracketed ? address_parse_v6(out, parts.host, port)
                           : address_parse_v4(out, parts.host, port);
}

static int address_write_v6(const struct sockaddr_in6 *v6, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    char zone[1 + IF_NAMESIZE] = "";
    if (inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host) == NULL)
        return -errno;
    if (v6->sin6_scope_id != 0 && if_indextoname(v6->sin6_scope_id, zone + 1) != NULL)
        zone[0] = '%';
    else if (v6->sin6_scope_id != 0) /* the interface is gone: its number is all there is */
        snprintf(zone, sizeof zone, "%%%u", v6->sin6_scope_id);
    return snprintf(text, size, "[%s%s]:%u", host, zone, ntohs(v6->sin6_port));
}

static int address_write_v4(const struct sockaddr_in *v4, char *text, size_t size)
{
    char host[INET_ADDRSTRLEN];
    if (inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host) == NULL)
        return -errno;
    return snprintf(text, size, "%s:%u", host, ntohs(v4->sin_port));
}

int aio_address_format(const struct aio_address *address, char *buffer, size_t size)
{
    char text[AIO_ADDRESS_TEXT_BYTES];
    int length = -EAFNOSUPPORT;
    if (address->length > 0 && address->any.sa_family == AF_INET)
        length = address_write_v4(&address->v4, text, sizeof text);
    else if (address->length > 0 && address->any.sa_family == AF_INET6)
        length = address_write_v6(&address->v6, text, sizeof text);
    if (length >= 0 && (size_t)length >= size)
        length = -ENOSPC;
    if (length >= 0)
        memcpy(buffer, text, (size_t)length + 1);
    else if (size > 0)
        buffer[0] = '\0';
    return length;
}

int aio_address_port(const struct aio_address *address)
{
    if (address->length > 0 && address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port);
    if (address->length > 0 && address->any.sa_family == AF_INET6)
        return ntohs(address->v6.sin6_port);
    return -EAFNOSUPPORT;
}
