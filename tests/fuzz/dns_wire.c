/*
 * DNS messages of the forwarder: what is written of a query reads back as the same, an answer that
 * was accepted stays one for every client, and only gets older.
 */
#include "tests/fuzz/fuzz.h"

#include "examples/dns_forward/wire.c"

static void check_query(const uint8_t *bytes, size_t size)
{
    struct wire_query query, again;
    uint8_t out[WIRE_SHORT_MAX];
    int code = wire_read_query(&query, bytes, size);
    FUZZ_CHECK(code >= -1 && code <= WIRE_BADVERS);
    if (code < 0)
        return;
    size_t written = wire_write_short(out, &query, (enum wire_code)code);
    FUZZ_CHECK(written <= sizeof out);
    FUZZ_CHECK(wire_read_query(&again, out, written) == -1); /* an answer is no query */
    written = wire_write_query(out, &query, 3);
    FUZZ_CHECK(written <= sizeof out);
    if (code == WIRE_OK)
        FUZZ_CHECK(wire_read_query(&again, out, written) == WIRE_OK &&
                   memcmp(&again.key, &query.key, sizeof query.key) == 0);
}

/* The message as the answer to the question that stands in it. */
static void check_answer(uint8_t *bytes, size_t size)
{
    struct wire_query query = {.id = 7};
    struct wire_answer answer, later;
    struct reader reader = {bytes, size, WIRE_HEADER, false};
    if (size < WIRE_HEADER || !take_question(&reader, &query.key, query.name))
        return;
    uint16_t id = get16(bytes);
    if (!wire_read_answer(&answer, bytes, size, &query, id))
        return;
    FUZZ_CHECK(answer.ttl <= WIRE_TTL_MAX);
    if (answer.truncated)
        return;
    wire_readdress(bytes, size, &query, 5);
    FUZZ_CHECK(wire_read_answer(&later, bytes, size, &query, 7));
    FUZZ_CHECK(later.ttl <= answer.ttl);
}

FUZZ_TARGET(dns_wire)
{
    char *block = fuzz_block(data, size);
    check_query((const uint8_t *)block, size);
    check_answer((uint8_t *)block, size);
    free(block);
    return 0;
}
