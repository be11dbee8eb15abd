/*
 * Conditional requests (RFC 9110, section 13): whether the client has, or still has, what it asks
 * about.
 */
#ifndef STATIC_CONDITION_H
#define STATIC_CONDITION_H

#include "examples/static/file.h"
#include "examples/static/request.h"

/* Returns 200; 304 when the client has it already; 412 when it is not what the client wants to deal
 * with. */
int condition_check(const struct request *request, const struct file *file, int64_t now);

/* Whether the ranges asked for are those of this version of the file. */
bool condition_allows_range(const struct request *request, const struct file *file, int64_t now);

#endif
