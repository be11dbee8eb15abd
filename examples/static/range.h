/*
 * The Range field of a request: which bytes are wanted (RFC 9110, section 14).
 */
#ifndef STATIC_RANGE_H
#define STATIC_RANGE_H

#include <stdint.h>

/* Ranges of one request; of more, the whole is sent. */
#define RANGES_MAX 16

struct range {
    uint64_t first;
    uint64_t length; /* at least 1 */
};

/*
 * Reads the field's value, for something of so many bytes. Returns how many ranges there are, in
 * the order in which they stand; 0 when the field is to be ignored: it is malformed or of another
 * unit, has too many ranges, or some overlap, so that it asks for more than there is; or nothing is
 * there at all; -1 when it asks for nothing but what there is not.
 */
int range_parse(struct range ranges[RANGES_MAX], const char *text, uint64_t size);

#endif
