/*
 * DNS messages as dns_forward reads them: a query and an answer to it, each of any bytes. A query
 * that is read is sent on as one that means the same; an answer that is accepted is one still when
 * it has been made another client's. The input begins with the size of the query, a byte.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/dns_forward/wire.c"

/* example.org, A, with recursion, id 0x1234 */
static const uint8_t usual[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0\7example\3org\0\0\1\0\1";

static void check_query(const struct wire_query *query)
{
    uint8_t out[WIRE_SHORT_MAX];
    struct wire_query again;
    size_t size = wire_write_query(out, query, 77);
    FUZZ_CHECK(size >= WIRE_HEADER && size <= sizeof out);
    FUZZ_CHECK(wire_read_query(&again, out, size) == WIRE_OK);
    FUZZ_CHECK(again.id == 77);
    FUZZ_CHECK(memcmp(&again.key, &query->key, sizeof again.key) == 0);
}

/* An answer of ours is never taken for a query. */
static void check_short(const struct wire_query *query, enum wire_code code)
{
    uint8_t out[WIRE_SHORT_MAX];
    struct wire_query again;
    size_t size = wire_write_short(out, query, code);
    FUZZ_CHECK(size >= WIRE_HEADER && size <= sizeof out);
    FUZZ_CHECK(wire_read_query(&again, out, size) == -1);
}

static void check_answer(const struct wire_query *query, const uint8_t *data, size_t size)
{
    struct wire_answer answer, later;
    uint8_t *block = (uint8_t *)fuzz_block(data, size);
    uint16_t id = size >= 2 ? (uint16_t)(data[0] << 8 | data[1]) : 0;
    if (wire_read_answer(&answer, block, size, query, id)) {
        FUZZ_CHECK(answer.ttl <= WIRE_TTL_MAX);
        wire_readdress(block, size, query, 5);
        FUZZ_CHECK(wire_read_answer(&later, block, size, query, query->id));
        FUZZ_CHECK(later.truncated == answer.truncated && later.ttl <= answer.ttl);
    }
    free(block);
}

FUZZ_TARGET(dns_wire)
{
    struct wire_query query;
    size_t length = size > 0 ? data[0] : 0, skip = size > 0;
    if (length > size - skip)
        length = size - skip;
    uint8_t *block = (uint8_t *)fuzz_block(data + skip, length);
    int code = wire_read_query(&query, block, length);
    free(block);
    FUZZ_CHECK(code >= -1 && code <= WIRE_BADVERS);
    if (code == WIRE_OK)
        check_query(&query);
    if (code >= 0)
        check_short(&query, (enum wire_code)code);
    if (code != WIRE_OK)
        FUZZ_CHECK(wire_read_query(&query, usual, sizeof usual - 1) == WIRE_OK);
    check_answer(&query, data + skip + length, size - skip - length);
    return 0;
}
