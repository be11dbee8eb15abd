/*
 * Reading and writing of DNS messages, see wire.h.
 */
#include "examples/dns_forward/wire.h"

#include <string.h>

enum {
    FLAG_QR = 0x8000,
    FLAG_OPCODE = 0x7800,
    FLAG_TC = 0x0200,
    FLAG_RD = 0x0100,
    FLAG_RA = 0x0080,
    FLAG_CD = 0x0010,
    FLAG_CODE = 0x000f,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_MX = 15,
    TYPE_OPT = 41,
    TYPE_ANY = 255,
    OPT_DO = 0x8000,
};

/* Where in a message one is; reading beyond its end is a failure that stays. */
struct reader {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    bool failed;
};

static uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

/* The next count bytes; NULL when there are fewer. */
static const uint8_t *take(struct reader *reader, size_t count)
{
    if (reader->failed || reader->size - reader->at < count) {
        reader->failed = true;
        return NULL;
    }
    reader->at += count;
    return reader->bytes + reader->at - count;
}

static uint16_t take16(struct reader *reader)
{
    const uint8_t *at = take(reader, 2);
    return at == NULL ? 0 : get16(at);
}

static uint32_t take32(struct reader *reader)
{
    const uint8_t *at = take(reader, 4);
    return at == NULL ? 0 : get32(at);
}

/* Reads a name without compression, as names in questions are. Returns its bytes on the wire; 0
 * when it is none. */
static size_t take_plain_name(struct reader *reader, uint8_t name[WIRE_NAME_MAX])
{
    size_t bytes = 0;
    for (;;) {
        const uint8_t *length = take(reader, 1);
        if (length == NULL || *length > 63 || bytes + 1 + *length > WIRE_NAME_MAX)
            return 0;
        const uint8_t *label = take(reader, *length);
        if (label == NULL)
            return 0;
        name[bytes] = *length;
        memcpy(name + bytes + 1, label, *length);
        bytes += 1 + *length;
        if (*length == 0)
            return bytes;
    }
}

/*
 * Passes a name that may be compressed, and follows it to its end: each pointer must lead further
 * back than all before it, so there are no loops, and the whole may be no longer than a name. There
 * may be no more pointers than labels: a chain of them costs much to follow and is nobody's name.
 */
static void pass_name(struct reader *reader)
{
    struct reader here = *reader;
    size_t bytes = 0, before = reader->at, jumps = 0;
    for (;;) {
        const uint8_t *length = take(&here, 1);
        if (length == NULL)
            break;
        if (*length >= 0xc0) {
            const uint8_t *low = take(&here, 1);
            size_t target = low == NULL ? here.size : ((size_t)(*length & 0x3f) << 8 | *low);
            if (jumps++ == 0)
                reader->at = here.at;
            if (target >= before || target < WIRE_HEADER || jumps > WIRE_LABELS_MAX)
                break;
            here.at = before = target;
            continue;
        }
        bytes += 1 + (size_t)*length;
        if (*length > 63 || bytes > WIRE_NAME_MAX || take(&here, *length) == NULL)
            break;
        if (*length > 0)
            continue;
        if (jumps == 0)
            reader->at = here.at;
        return;
    }
    reader->failed = true;
}

struct record {
    uint16_t type;
    uint16_t class;
    uint32_t ttl;
    size_t ttl_at;    /* where it stands */
    uint32_t minimum; /* of an SOA */
    size_t rdata_bytes;
};

/* What stands in the data of those types whose names may be compressed. */
static void check_rdata(struct reader *data, struct record *record)
{
    switch (record->type) {
    case TYPE_MX:
        (void)take16(data);
        pass_name(data);
        break;
    case TYPE_NS:
    case TYPE_CNAME:
    case TYPE_PTR:
        pass_name(data);
        break;
    case TYPE_SOA:
        pass_name(data);
        pass_name(data);
        (void)take(data, 16); /* serial, refresh, retry, expire */
        record->minimum = take32(data);
        break;
    default:
        return;
    }
    data->failed = data->failed || data->at != data->size;
}

/* Reads a resource record; false at the end of what can be read. */
static bool take_record(struct reader *reader, struct record *record)
{
    pass_name(reader);
    record->type = take16(reader);
    record->class = take16(reader);
    record->ttl_at = reader->at;
    record->ttl = take32(reader);
    record->rdata_bytes = take16(reader);
    record->minimum = 0;
    struct reader data = *reader;
    if (take(reader, record->rdata_bytes) == NULL)
        return false;
    data.size = reader->at;
    check_rdata(&data, record);
    reader->failed = reader->failed || data.failed;
    if ((record->ttl & 0x80000000) != 0 && record->type != TYPE_OPT)
        record->ttl = 0; /* RFC 2181, section 8 */
    return !reader->failed;
}

/* Reads a question, of which there must be one. */
static bool take_question(struct reader *reader, struct wire_key *key, uint8_t *name)
{
    size_t bytes = take_plain_name(reader, name);
    key->bytes = (uint8_t)bytes;
    for (size_t i = 0; i < bytes; i++) /* lengths are below 'A' */
        key->name[i] = name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i];
    key->type = take16(reader);
    key->class = take16(reader);
    return bytes > 0 && !reader->failed;
}

static int read_option(struct wire_query *query, const struct record *record)
{
    if ((query->key.wants & WIRE_EDNS) != 0)
        return WIRE_FORMERR; /* a second one */
    query->key.wants |= WIRE_EDNS;
    if ((record->ttl & OPT_DO) != 0)
        query->key.wants |= WIRE_DNSSEC;
    query->udp_bytes = record->class < WIRE_UDP_PLAIN  ? WIRE_UDP_PLAIN
                       : record->class > WIRE_UDP_MOST ? WIRE_UDP_MOST
                                                       : record->class;
    return (record->ttl >> 16 & 0xff) != 0 ? WIRE_BADVERS : WIRE_OK;
}

/* Whatever follows the question of a query. */
static int read_extras(struct wire_query *query, struct reader *reader, unsigned count)
{
    int code = WIRE_OK;
    while (count-- > 0 && code == WIRE_OK) {
        struct record record;
        if (!take_record(reader, &record))
            return WIRE_FORMERR;
        if (record.type == TYPE_OPT)
            code = read_option(query, &record);
    }
    return code == WIRE_OK && reader->at != reader->size ? WIRE_FORMERR : code;
}

int wire_read_query(struct wire_query *query, const uint8_t *bytes, size_t size)
{
    struct reader reader = {bytes, size, WIRE_HEADER, false};
    memset(query, 0, sizeof *query);
    if (size < WIRE_HEADER || (get16(bytes + 2) & FLAG_QR) != 0)
        return -1;
    query->id = get16(bytes);
    query->flags = get16(bytes + 2);
    query->udp_bytes = WIRE_UDP_PLAIN;
    if ((query->flags & FLAG_OPCODE) != 0)
        return WIRE_NOTIMP;
    if (get16(bytes + 4) != 1 || get16(bytes + 6) != 0 || get16(bytes + 8) != 0)
        return WIRE_FORMERR;
    query->asks = take_question(&reader, &query->key, query->name);
    if (!query->asks)
        return WIRE_FORMERR;
    query->key.wants = (uint8_t)(((query->flags & FLAG_RD) != 0 ? WIRE_RECURSION : 0) |
                                 ((query->flags & FLAG_CD) != 0 ? WIRE_UNCHECKED : 0));
    return read_extras(query, &reader, get16(bytes + 10));
}

/* The header, with so many questions and additional records, and the question. */
static uint8_t *write_start(uint8_t *out, const struct wire_query *query, uint16_t id,
                            unsigned flags)
{
    bool edns = (query->key.wants & WIRE_EDNS) != 0;
    out = put16(put16(out, id), flags);
    out = put16(put16(put16(put16(out, query->asks), 0), 0), edns);
    if (!query->asks)
        return out;
    memcpy(out, query->name, query->key.bytes);
    return put16(put16(out + query->key.bytes, query->key.type), query->key.class);
}

/* Options are between neighbours, so there are none of the client's in what we send on. */
static uint8_t *write_option(uint8_t *out, const struct wire_query *query, unsigned code)
{
    bool dnssec = (query->key.wants & WIRE_DNSSEC) != 0;
    if ((query->key.wants & WIRE_EDNS) == 0)
        return out;
    *out++ = 0;
    out = put16(put16(out, TYPE_OPT), WIRE_UDP_OURS);
    return put16(put16(put16(out, code >> 4 << 8), dnssec ? OPT_DO : 0), 0);
}

size_t wire_write_query(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query, uint16_t id)
{
    unsigned flags = query->flags & (FLAG_RD | FLAG_CD);
    return (size_t)(write_option(write_start(out, query, id, flags), query, 0) - out);
}

size_t wire_write_short(uint8_t out[WIRE_SHORT_MAX], const struct wire_query *query,
                        enum wire_code code)
{
    unsigned flags = FLAG_QR | FLAG_RA | (query->flags & (FLAG_OPCODE | FLAG_RD | FLAG_CD)) |
                     (code == WIRE_OK ? FLAG_TC : (unsigned)code & FLAG_CODE);
    return (size_t)(write_option(write_start(out, query, query->id, flags), query, code) - out);
}

/* Looks at all records of an answer. */
struct survey {
    uint32_t ttl; /* the shortest */
    bool answers; /* there is one of the type that was asked for */
    bool authority;
};

static bool survey_section(struct reader *reader, unsigned count, const struct wire_key *key,
                           bool answers, struct survey *survey)
{
    while (count-- > 0) {
        struct record record;
        if (!take_record(reader, &record))
            return false;
        if (record.type == TYPE_OPT)
            continue;
        if (record.ttl < survey->ttl)
            survey->ttl = record.ttl;
        if (answers && (record.type == key->type || key->type == TYPE_ANY))
            survey->answers = true;
        if (!answers && record.type == TYPE_SOA) {
            survey->authority = true;
            if (record.minimum < survey->ttl)
                survey->ttl = record.minimum;
        }
    }
    return true;
}

static bool same_question(struct reader *reader, const struct wire_query *query)
{
    struct wire_key key = {.wants = query->key.wants};
    uint8_t name[WIRE_NAME_MAX];
    return take_question(reader, &key, name) && memcmp(&key, &query->key, sizeof key) == 0;
}

bool wire_read_answer(struct wire_answer *answer, const uint8_t *bytes, size_t size,
                      const struct wire_query *query, uint16_t id)
{
    struct reader reader = {bytes, size, WIRE_HEADER, false};
    struct survey survey = {.ttl = WIRE_TTL_MAX};
    if (size < WIRE_HEADER || get16(bytes) != id || get16(bytes + 4) != 1 ||
        (get16(bytes + 2) & (FLAG_QR | FLAG_OPCODE)) != FLAG_QR || !same_question(&reader, query))
        return false;
    unsigned flags = get16(bytes + 2), code = flags & FLAG_CODE;
    *answer = (struct wire_answer){.truncated = (flags & FLAG_TC) != 0};
    if (answer->truncated)
        return true; /* nobody looks at the rest */
    if (!survey_section(&reader, get16(bytes + 6), &query->key, true, &survey) ||
        !survey_section(&reader, get16(bytes + 8), &query->key, false, &survey) ||
        !survey_section(&reader, get16(bytes + 10), &query->key, false, &survey) ||
        reader.at != size)
        return false;
    bool exists = code == WIRE_OK && survey.answers;
    if (!exists && survey.ttl > WIRE_NEGATIVE_MAX)
        survey.ttl = WIRE_NEGATIVE_MAX;
    if (exists || ((code == WIRE_OK || code == WIRE_NXDOMAIN) && survey.authority))
        answer->ttl = survey.ttl;
    return true;
}

static void age_records(uint8_t *bytes, struct reader *reader, uint32_t age)
{
    unsigned count = (unsigned)get16(bytes + 6) + get16(bytes + 8) + get16(bytes + 10);
    struct record record;
    while (count-- > 0 && take_record(reader, &record)) {
        if (record.type == TYPE_OPT)
            continue;
        uint32_t ttl = record.ttl > age ? record.ttl - age : 0;
        (void)put16(put16(bytes + record.ttl_at, ttl >> 16), ttl & 0xffff);
    }
}

void wire_readdress(uint8_t *bytes, size_t size, const struct wire_query *query, uint32_t age)
{
    struct reader reader = {bytes, size, WIRE_HEADER + (size_t)query->key.bytes + 4, false};
    unsigned flags = get16(bytes + 2) & ~(unsigned)(FLAG_RD | FLAG_CD);
    flags |= query->flags & (FLAG_RD | FLAG_CD);
    (void)put16(put16(bytes, query->id), flags | FLAG_RA);
    memcpy(bytes + WIRE_HEADER, query->name, query->key.bytes);
    if (age > 0)
        age_records(bytes, &reader, age);
}
