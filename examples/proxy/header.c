/*
 * Reading and writing of PROXY headers, see header.h.
 */
#include "examples/proxy/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_BYTES 12
#define FIXED_BYTES 16

static const unsigned char signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";

/* The words of a line, each ended by one space or the end of the line. */
static char *next_word(char **at)
{
    char *word = *at;
    size_t length = strcspn(word, " ");
    *at = word[length] == ' ' ? word + length + 1 : word + length;
    word[length] = '\0';
    return word;
}

static int parse_port(const char *text, in_port_t *port)
{
    unsigned value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0' || (text[0] == '0' && digits > 1))
        return -EINVAL;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (unsigned)(text[i] - '0');
    *port = htons((uint16_t)value);
    return value <= 65535 ? 0 : -EINVAL;
}

static int parse_address(struct aio_address *out, int family, const char *host, const char *port)
{
    memset(out, 0, sizeof *out);
    out->any.sa_family = (sa_family_t)family;
    out->length = family == AF_INET ? sizeof out->v4 : sizeof out->v6;
    void *address = family == AF_INET ? (void *)&out->v4.sin_addr : (void *)&out->v6.sin6_addr;
    if (inet_pton(family, host, address) != 1)
        return -EINVAL;
    return parse_port(port, family == AF_INET ? &out->v4.sin_port : &out->v6.sin6_port);
}

/* "PROXY TCP4 source target port port", without its end. */
static int parse_words(struct proxy_header *out, char *line)
{
    char *at = line;
    if (strcmp(next_word(&at), "PROXY") != 0)
        return -EINVAL;
    const char *protocol = next_word(&at);
    if (strcmp(protocol, "UNKNOWN") == 0)
        return 0; /* whatever follows is to be ignored */
    int family = strcmp(protocol, "TCP4") == 0 ? AF_INET : AF_INET6;
    if (family == AF_INET6 && strcmp(protocol, "TCP6") != 0)
        return -EINVAL;
    if (at[0] == '\0' || at[strlen(at) - 1] == ' ')
        return -EINVAL;
    const char *source = next_word(&at), *target = next_word(&at);
    const char *source_port = next_word(&at), *target_port = next_word(&at);
    int rc = parse_address(&out->source, family, source, source_port);
    if (rc == 0)
        rc = parse_address(&out->target, family, target, target_port);
    return *at != '\0' ? -EINVAL : rc;
}

static int parse_line(struct proxy_header *out, const char *bytes, size_t size)
{
    char line[PROXY_LINE_MAX + 1];
    size_t known = size < 6 ? size : 6, most = size < PROXY_LINE_MAX ? size : PROXY_LINE_MAX;
    if (memcmp(bytes, "PROXY ", known) != 0)
        return -EINVAL;
    const char *end = memchr(bytes, '\n', most);
    if (end == NULL)
        return size < PROXY_LINE_MAX ? 0 : -EINVAL;
    size_t length = (size_t)(end - bytes) - 1;
    if (bytes[length] != '\r' || memchr(bytes, '\0', length) != NULL)
        return -EINVAL;
    memcpy(line, bytes, length);
    line[length] = '\0';
    int rc = parse_words(out, line);
    return rc < 0 ? rc : (int)length + 2;
}

static void read_v4(struct aio_address *out, const unsigned char *host, const unsigned char *port)
{
    *out = (struct aio_address){.length = sizeof out->v4, .v4 = {.sin_family = AF_INET}};
    memcpy(&out->v4.sin_addr, host, 4);
    memcpy(&out->v4.sin_port, port, 2);
}

static void read_v6(struct aio_address *out, const unsigned char *host, const unsigned char *port)
{
    *out = (struct aio_address){.length = sizeof out->v6, .v6 = {.sin6_family = AF_INET6}};
    memcpy(&out->v6.sin6_addr, host, 16);
    memcpy(&out->v6.sin6_port, port, 2);
}

/* Addresses of a connection made on behalf of somebody: version 2, command PROXY. */
static int parse_block(struct proxy_header *out, unsigned protocol, const unsigned char *block,
                       size_t size)
{
    switch (protocol) {
    case 0x00: /* not told */
        return 0;
    case 0x11: /* TCP over IPv4 */
        if (size < 12)
            return -EINVAL;
        read_v4(&out->source, block, block + 8);
        read_v4(&out->target, block + 4, block + 10);
        return 0;
    case 0x21: /* TCP over IPv6 */
        if (size < 36)
            return -EINVAL;
        read_v6(&out->source, block, block + 32);
        read_v6(&out->target, block + 16, block + 34);
        return 0;
    case 0x31: /* a Unix stream: names that mean nothing here */
        return size < 216 ? -EINVAL : 0;
    default:
        return -EINVAL;
    }
}

static int parse_binary(struct proxy_header *out, const unsigned char *bytes, size_t size)
{
    if (memcmp(bytes, signature, size < SIGNATURE_BYTES ? size : SIGNATURE_BYTES) != 0)
        return -EINVAL;
    if (size < FIXED_BYTES)
        return 0;
    unsigned command = bytes[12], length = (unsigned)bytes[14] << 8 | bytes[15];
    if ((command != 0x20 && command != 0x21) || FIXED_BYTES + length > PROXY_HEADER_MAX)
        return -EINVAL;
    if (size < FIXED_BYTES + length)
        return 0;
    /* LOCAL: a connection of the proxy's own, whatever addresses it tells. */
    int rc = command == 0x20 ? 0 : parse_block(out, bytes[13], bytes + FIXED_BYTES, length);
    return rc < 0 ? rc : (int)(FIXED_BYTES + length);
}

int proxy_header_parse(struct proxy_header *out, const void *bytes, size_t size)
{
    struct proxy_header found = {.source.length = 0};
    int rc = 0;
    if (size > 0)
        rc = *(const char *)bytes == 'P' ? parse_line(&found, bytes, size)
                                         : parse_binary(&found, bytes, size);
    if (rc > 0)
        *out = found;
    return rc;
}

static const char *host_text(const struct aio_address *address, char text[INET6_ADDRSTRLEN])
{
    int family = address->any.sa_family;
    const void *host = family == AF_INET ? (const void *)&address->v4.sin_addr
                                         : (const void *)&address->v6.sin6_addr;
    return inet_ntop(family, host, text, INET6_ADDRSTRLEN);
}

int proxy_header_format(char line[PROXY_LINE_MAX + 1], const struct proxy_header *header)
{
    char source[INET6_ADDRSTRLEN], target[INET6_ADDRSTRLEN];
    const struct aio_address *from = &header->source, *to = &header->target;
    if (from->length == 0 || to->length == 0 || from->any.sa_family != to->any.sa_family)
        return snprintf(line, PROXY_LINE_MAX + 1, "PROXY UNKNOWN\r\n");
    return snprintf(line, PROXY_LINE_MAX + 1, "PROXY TCP%c %s %s %d %d\r\n",
                    from->any.sa_family == AF_INET ? '4' : '6', host_text(from, source),
                    host_text(to, target), aio_address_port(from), aio_address_port(to));
}
