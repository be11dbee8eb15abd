/*
 * <aio/base.h>: what every other header of AIO uses: export and check attributes, the version,
 * units of time.
 */
#ifndef AIO_BASE_H
#define AIO_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AIO_VERSION_MAJOR 0
#define AIO_VERSION_MINOR 1
#define AIO_VERSION_PATCH 0
#define AIO_VERSION_TEXT "0.1.0"

#ifdef __cplusplus
#define AIO_BEGIN_DECLS extern "C" {
#define AIO_END_DECLS }
#else
#define AIO_BEGIN_DECLS
#define AIO_END_DECLS
#endif

#define AIO_API __attribute__((visibility("default")))
#define AIO_NODISCARD __attribute__((warn_unused_result))

/* A name that differs on each line, so that blocks made by macros can be nested. */
#define AIO_PASTE_TOKENS(head, tail) head##tail
#define AIO_PASTE(head, tail) AIO_PASTE_TOKENS(head, tail)
#define AIO_LOCAL(name) AIO_PASTE(name, __LINE__)

/* Time is int64_t nanoseconds of CLOCK_MONOTONIC, as a point or as a length. */
#define AIO_NS(count) ((int64_t)(count))
#define AIO_US(count) ((int64_t)(count)*1000)
#define AIO_MS(count) ((int64_t)(count)*1000000)
#define AIO_SEC(count) ((int64_t)(count)*1000000000)

/* A length or a point of time that never comes. */
#define AIO_FOREVER INT64_MAX

#endif
