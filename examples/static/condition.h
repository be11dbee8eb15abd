/*
 * Conditional requests (RFC 9110, section 13): whether the client has, or still has, what it asks
 * about.
 */
#ifndef STATIC_CONDITION_H
#define STATIC_CONDITION_H

#include "examples/static/file.h"
#include "examples/static/request.h"

/* By which a version of a file is known. */
struct version {
    char tag[64]; /* with its quotes */
    int64_t changed_s;
};

struct version version_of(const struct file *file);

/* Returns 200; 304 when the client has it already; 412 when it is not what the client wants to deal
 * with. */
int condition_check(const struct request *request, const struct version *version, int64_t now);

/* Whether the ranges asked for are those of this version. */
bool condition_allows_range(const struct request *request, const struct version *version,
                            int64_t now);

#endif
