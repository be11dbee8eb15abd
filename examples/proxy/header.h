/*
 * The header by which a proxy tells who it speaks for: the PROXY protocol, versions 1 (a line of
 * text) and 2 (binary), of HAProxy's proxy-protocol.txt.
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <aio/net.h>

/* What a header may have in all; of version 2 with its extensions, which are skipped. */
#define PROXY_HEADER_MAX 2048
/* The longest line of version 1, its end included. */
#define PROXY_LINE_MAX 107

struct proxy_header {
    struct aio_address source; /* length 0: not told */
    struct aio_address target;
};

/* Reads a header of either version at the start of what a client has sent. Returns its length; 0
 * when it is not complete yet; -EINVAL. */
int proxy_header_parse(struct proxy_header *out, const void *bytes, size_t size);

/* Writes a line of version 1, of PROXY_LINE_MAX bytes at most. Returns its length. */
int proxy_header_format(char line[PROXY_LINE_MAX + 1], const struct proxy_header *header);

#endif
