/*
 * DNS messages: reading queries and answers, and making one of the other. No I/O, no memory but the
 * caller's; nothing is believed of what came from the network. See RFC 1035, 2308 and 6891.
 */
#ifndef DNS_FORWARD_WIRE_H
#define DNS_FORWARD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_HEADER = 12,
    WIRE_NAME_MAX = 255,
    WIRE_LABELS_MAX = 127, /* of a name */
    WIRE_MESSAGE_MAX = 65535,
    WIRE_UDP_PLAIN = 512, /* bytes of a UDP answer to who does not say more */
    WIRE_UDP_OURS = 1232, /* what we say that we take: no fragments on any path */
    WIRE_UDP_MOST = 4096, /* what we send, at most */
    WIRE_SHORT_MAX = 300, /* bytes of the messages that are made here, at most */
    WIRE_TTL_MAX = 86400, /* seconds */
    WIRE_NEGATIVE_MAX = 3 * 3600,
};

enum wire_code {
    WIRE_OK = 0,
    WIRE_FORMERR = 1,
    WIRE_SERVFAIL = 2,
    WIRE_NXDOMAIN = 3,
    WIRE_NOTIMP = 4,
    WIRE_REFUSED = 5,
    WIRE_BADVERS = 16,
};

/* What tells whether two queries have the same answer; equal as bytes when they do. */
struct wire_key {
    uint16_t type;
    uint16_t class;
    uint8_t wants;                   /* of enum wire_wants */
    uint8_t bytes;                   /* of name */
    uint8_t name[WIRE_NAME_MAX + 1]; /* as on the wire, in lower case; zeroes behind it */
};

enum wire_wants {
    WIRE_RECURSION = 1, /* RD */
    WIRE_UNCHECKED = 2, /* CD */
    WIRE_EDNS = 4,
    WIRE_DNSSEC = 8, /* DO */
};

struct wire_query {
    struct wire_key key;
    uint8_t name[WIRE_NAME_MAX]; /* as the client spells it */
    uint16_t id;
    uint16_t flags;     /* of the header */
    uint16_t udp_bytes; /* of an answer by UDP, at most */
    bool asks;          /* name, type and class have been read */
};

/*
 * Reads a query. Returns WIRE_OK; the code to answer with, for which *query says enough; or -1 when
 * it is to be dropped: it is no query at all.
 */
int wire_read_query(struct wire_query *query, const uint8_t *bytes, size_t size);

/* Writes the query to be sent on, with an id of its own. Returns its bytes. */
size_t wire_write_query(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query, uint16_t id);

/* Writes an answer that is only a code, or, with WIRE_OK, one that was cut off (TC). Returns its
 * bytes. */
size_t wire_write_short(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query,
                        enum wire_code code);

/* What an answer says. */
struct wire_answer {
    bool truncated;
    uint32_t ttl; /* seconds for which it may be kept; 0: not at all */
};

/* Reads the answer to a query that was sent with this id. Returns false when it is none, or is
 * malformed anywhere. */
bool wire_read_answer(struct wire_answer *answer, const uint8_t *bytes, size_t size,
                      const struct wire_query *query, uint16_t id);

/* Makes an answer that wire_read_answer has accepted, for any query of that key, this query's, age
 * seconds later. */
void wire_readdress(uint8_t *bytes, size_t size, const struct wire_query *query, uint32_t age);

#endif
