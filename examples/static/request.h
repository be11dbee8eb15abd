/*
 * Requests, as they come in pieces.
 */
#ifndef STATIC_REQUEST_H
#define STATIC_REQUEST_H

#include "examples/common/http_wire.h"

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>

#define HEADER_LIMIT 8192
#define TARGET_LIMIT 2048
#define FIELDS_LIMIT 4096 /* of the fields below, in all */
#define BODY_LIMIT 65536  /* of a body, which is read and dropped */

/* The fields that are looked at. */
enum field {
    FIELD_HOST,
    FIELD_RANGE,
    FIELD_EXPECT,
    FIELD_IF_RANGE,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELDS,
    FIELD_OTHER = FIELDS,
};

struct request {
    http_parser parser; /* first member */
    struct http_clock clock;
    bool complete;
    int refusal; /* 0; or the status with which it was refused, whatever may follow */
    size_t target_bytes, name_bytes, text_bytes, body_bytes;
    char first;       /* its first byte */
    enum field field; /* whose value comes; it stands at the end of the text */
    bool in_value;
    const char *fields[FIELDS]; /* the values; NULL: not there */
    char name[24];
    char target[TARGET_LIMIT + 1];
    char text[FIELDS_LIMIT];
};

/* Once for each connection. */
void request_init(struct request *request);

/* After a request that was complete: the next one may come. */
void request_next(struct request *request);

/* Takes bytes until the request is complete or refused. Returns how many. */
size_t request_feed(struct request *request, const char *bytes, size_t size);

#endif
