/*
 * Dates as they stand in HTTP (RFC 9110, section 5.6.7).
 */
#ifndef STATIC_HTTP_DATE_H
#define STATIC_HTTP_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* Room for "Sun, 06 Nov 1994 08:49:37 GMT", which has always this length, and more. */
#define HTTP_DATE_BYTES 40

/* Writes the time, in seconds since 1970; what has no year of four digits is written as its end. */
void http_date_format(char out[HTTP_DATE_BYTES], int64_t seconds);

/* Reads any of the three forms; `now` tells the century of the one that has two digits. Returns
 * false, with nothing changed, for what is no date. */
bool http_date_parse(int64_t *seconds, const char *text, int64_t now);

#endif
